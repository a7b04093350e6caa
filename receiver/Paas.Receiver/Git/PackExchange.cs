using System.Buffers;
using System.Text;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Git;

/// <summary>The two programs of git's protocol.</summary>
enum GitService
{
    /// <summary>Clone and fetch.</summary>
    UploadPack,

    /// <summary>Push.</summary>
    ReceivePack,
}

/// <summary>How one of git's programs ended. <paramref name="Complaint"/> is the end of what it wrote to its error output, for the operator.</summary>
sealed record ExchangeResult(int ExitCode, string Complaint);

/// <summary>
/// Lets a pusher or cloner talk to <c>git receive-pack</c> or <c>git upload-pack</c> over two streams. Constant memory, however large the pack.
/// </summary>
sealed class PackExchange(GitProgram git)
{
    const int BufferSize = 64 * 1024;
    const int LongestComplaint = 4096;

    // Once git has answered, how long what the client still sends is read and thrown away: else it sees a broken line instead of the answer.
    static readonly TimeSpan Politeness = TimeSpan.FromSeconds(20);

    /// <summary>The name git gives a service: <c>git-upload-pack</c>.</summary>
    public static string NameOf(GitService service) => service == GitService.UploadPack ? "git-upload-pack" : "git-receive-pack";

    /// <summary>What a client may say about its protocol: <c>version=2</c>, or several such, with colons between. Null for anything else.</summary>
    public static string? ProtocolOf(string? text) =>
        text is { Length: > 0 and <= 256 } && text.Split(':').All(part => part.Length > 0 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '=' or '.' or '-' or '_'))
            ? text : null;

    /// <summary>The refs of a repository, as the first half of the smart HTTP protocol wants them.</summary>
    public Task<ExchangeResult> AdvertiseAsync(GitRepository repository, GitService service, string? protocol, Stream output, CancellationToken ct)
    {
        var command = service == GitService.UploadPack
            ? git.Command("upload-pack", "--strict", "--stateless-rpc", "--http-backend-info-refs", "--", repository.Path)
            : git.ReceivingCommand("receive-pack", "--stateless-rpc", "--http-backend-info-refs", "--", repository.Path);
        return SendAsync(Speaking(command, protocol), Stream.Null, output, ct);
    }

    /// <summary>Sends a clone or a fetch. When the client goes away git is stopped.</summary>
    /// <param name="stateless">True over HTTP, where each request stands alone; false over SSH.</param>
    public Task<ExchangeResult> UploadPackAsync(GitRepository repository, bool stateless, string? protocol, Stream input, Stream output, CancellationToken ct)
    {
        var command = stateless
            ? git.Command("upload-pack", "--strict", "--stateless-rpc", "--", repository.Path)
            : git.Command("upload-pack", "--strict", "--", repository.Path);
        return SendAsync(Speaking(command, protocol), input, output, ct);
    }

    /// <summary>
    /// Receives a push, to git's own end: a client that goes away before its pack is whole makes git refuse it, and one that goes away
    /// later stops nothing. The hooks know the push by the environment of <paramref name="push"/>.
    /// </summary>
    /// <param name="listening">Cancelled when the client is gone; from then on git's words go nowhere.</param>
    public async Task<ExchangeResult> ReceivePackAsync(OpenPush push, bool stateless, string? protocol, Stream input, Stream output, CancellationToken listening)
    {
        var command = stateless
            ? git.ReceivingCommand("receive-pack", "--stateless-rpc", "--", push.Push.RepositoryPath)
            : git.ReceivingCommand("receive-pack", "--", push.Push.RepositoryPath);
        await using var child = Speaking(command, protocol).With(push.HookEnvironment).Start();
        using var answered = new CancellationTokenSource();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(listening, answered.Token);

        // Both directions at once: a full pipe on one side must never stop the other.
        var complaint = LastWordsAsync(child.Error);
        var incoming = FeedAsync(input, child.Input, reading.Token);
        await RelayAsync(child.Output, output, listening);
        var code = await child.WaitAsync(CancellationToken.None);
        if (stateless)
        {
            answered.CancelAfter(Politeness);
        }
        else
        {
            await answered.CancelAsync();
        }

        await incoming;
        return new ExchangeResult(code, await complaint);
    }

    static Command Speaking(Command command, string? protocol) =>
        protocol is null ? command : command.With([new("GIT_PROTOCOL", protocol)]);

    static async Task<ExchangeResult> SendAsync(Command command, Stream input, Stream output, CancellationToken ct)
    {
        await using var child = command.Start();
        await using var stop = ct.Register(() => child.Signal(PosixSignals.Kill));
        using var answered = new CancellationTokenSource();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(ct, answered.Token);
        var complaint = LastWordsAsync(child.Error);
        var incoming = FeedAsync(input, child.Input, reading.Token);
        if (!await RelayAsync(child.Output, output, ct))
        {
            child.Signal(PosixSignals.Kill);
        }

        var code = await child.WaitAsync(CancellationToken.None);
        await answered.CancelAsync();
        await incoming;
        return new ExchangeResult(code, await complaint);
    }

    // Client → git. Ends with git's input closed, whatever happens: that is how git learns that the client is gone.
    static async Task FeedAsync(Stream input, Stream program, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var listens = true;
            int read;
            while ((read = await input.ReadAsync(buffer, ct)) > 0)
            {
                listens = listens && await TryWriteAsync(program, buffer.AsMemory(0, read), flush: false, ct);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidDataException or BadHttpRequestException)
        {
            // The client is gone or does not keep to the protocol; git sees an early end and refuses what is not whole.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            Close(program);
        }
    }

    // Git → client, each piece as it comes. When the client is gone git is still read to its end, into nothing: it would stop on a
    // full pipe otherwise, with its hooks, and a release would be live whose ref never moves. False when the client went away.
    static async Task<bool> RelayAsync(Stream program, Stream output, CancellationToken listening)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var listens = true;
            int read;
            while ((read = await program.ReadAsync(buffer, CancellationToken.None)) > 0)
            {
                listens = listens && !listening.IsCancellationRequested && await TryWriteAsync(output, buffer.AsMemory(0, read), flush: true, listening);
            }

            return listens;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static async Task<bool> TryWriteAsync(Stream to, ReadOnlyMemory<byte> bytes, bool flush, CancellationToken ct)
    {
        try
        {
            await to.WriteAsync(bytes, ct);
            if (flush)
            {
                await to.FlushAsync(ct);
            }

            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            return false; // the other side has closed; both callers know what that means
        }
    }

    static async Task<string> LastWordsAsync(Stream error)
    {
        var kept = new byte[LongestComplaint];
        var length = 0;
        var buffer = ArrayPool<byte>.Shared.Rent(LongestComplaint);
        try
        {
            int read;
            while ((read = await error.ReadAsync(buffer.AsMemory(0, LongestComplaint), CancellationToken.None)) > 0)
            {
                var surplus = Math.Max(0, length + read - LongestComplaint);
                kept.AsSpan(surplus, length - Math.Min(surplus, length)).CopyTo(kept);
                length = Math.Max(0, length - surplus);
                buffer.AsSpan(0, read).CopyTo(kept.AsSpan(length));
                length += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return Encoding.UTF8.GetString(kept, 0, length).Trim();
    }

    static void Close(Stream program)
    {
        try
        {
            program.Close();
        }
        catch (IOException)
        {
            // Git has ended before it read everything.
        }
    }
}
