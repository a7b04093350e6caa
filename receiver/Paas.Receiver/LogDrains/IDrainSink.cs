namespace Paas.Receiver.LogDrains;

/// <summary>The other end of a drain. Whatever goes wrong is an exception; the same frames are then brought again, perhaps to a new sink.</summary>
interface IDrainSink : IAsyncDisposable
{
    /// <summary>Returns when the frames are out of our hands.</summary>
    Task SendAsync(IReadOnlyList<byte[]> frames, CancellationToken ct);
}
