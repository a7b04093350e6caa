using Xunit;

namespace Paas.Receiver.Stage;

/// <summary>One receiver for all stories of a class; each story takes a project of its own.</summary>
public class SharedReceiver : IAsyncLifetime
{
    ReceiverProcess? receiver;

    internal ReceiverProcess Receiver => receiver ?? throw new InvalidOperationException("The receiver was not started.");

    /// <summary>Further <c>PAAS_…</c> variables.</summary>
    protected virtual IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>();

    public async Task InitializeAsync() => receiver = await ReceiverProcess.StartAsync(Settings);

    public async Task DisposeAsync()
    {
        if (receiver is not null)
        {
            await receiver.DisposeAsync();
        }
    }
}

/// <summary>A receiver that loses its patience soon.</summary>
public sealed class HastyReceiver : SharedReceiver
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["PAAS_START_TIMEOUT"] = "6",
        ["PAAS_STOP_TIMEOUT"] = "1",
        ["PAAS_BUILD_TIMEOUT"] = "5",
    };
}
