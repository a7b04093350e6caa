namespace Paas.Receiver.Deployments;

/// <summary>
/// A release is made the live one because somebody says so (PM-62 to PM-66): for a moment visitors are answered by both, then by the new one alone. The old one
/// runs on without the project's names until it is stopped. Data is not touched.
/// </summary>
sealed class MakeCurrent : IBounce
{
    public string Name => "current";

    public async Task ChangeOverAsync(Changeover over, CancellationToken ct)
    {
        await over.StartAsync(ct);
        await over.AwaitHealthyAsync(ct);
        await over.ExchangeExclusiveAsync(ct);
        await over.PromoteAsync();
        await over.SwitchBesideAsync();
        await over.SettleAsync(ct);
        await over.LeaveOldAsync();
    }
}
