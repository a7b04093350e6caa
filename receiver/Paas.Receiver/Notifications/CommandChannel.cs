using Paas.Receiver.Processes;

namespace Paas.Receiver.Notifications;

/// <summary>A program of the operator's (<c>PAAS_NOTIFY_COMMAND</c>): the facts as JSON on its standard input. Projects have their own <c>notify</c> hook and cannot name one.</summary>
sealed class CommandChannel : INotificationChannel
{
    public const string ChannelName = "operator-command";

    public string Name => ChannelName;

    public string? WhyNot(Recipient recipient) => "is for the receiver's operator";

    public async Task SendAsync(Notice notice, Recipient recipient, CancellationToken ct)
    {
        var command = new Command(recipient.Target, notice.Event) with { OwnGroup = true };
        await using var child = command.Start();
        try
        {
            var outputs = Task.WhenAll(child.Output.CopyToAsync(Stream.Null, ct), child.Error.CopyToAsync(Stream.Null, ct));
            try
            {
                await child.Input.WriteAsync(notice.Body(), ct);
            }
            catch (IOException)
            {
                // It does not want to know more than that something happened.
            }

            child.Input.Close();
            var code = await child.WaitAsync(ct);
            await outputs.WaitAsync(ct);
            if (code != 0)
            {
                throw new IOException($"it ended with exit code {code}");
            }
        }
        finally
        {
            child.Signal(PosixSignals.Kill);
        }
    }
}
