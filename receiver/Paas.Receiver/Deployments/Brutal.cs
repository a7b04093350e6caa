namespace Paas.Receiver.Deployments;

/// <summary>
/// The new release starts and the old one is killed at once, whatever it is answering and however the new one is. Visitors wait until it answers; when it does not, the old
/// one runs again. Not for projects that keep data: two releases would have it at the same time.
/// </summary>
sealed class Brutal : IBounce
{
    public string Name => "brutal";

    public async Task ChangeOverAsync(Changeover over, CancellationToken ct)
    {
        await over.BackUpAsync(ct);
        await over.RestoreAsync(ct);
        await over.RunReleaseCommandAsync(ct);
        await over.StartAsync(ct);
        await over.HoldAsync();
        await over.StopOldAsync(drain: false, ct);
        await over.AwaitHealthyAsync(ct);
        await over.UpgradeAsync(ct);
        await over.ExchangeExclusiveAsync(ct);
        await over.PromoteAsync();
        await over.SwitchAsync();
        await over.SettleAsync(ct);
        await over.RetireAsync();
    }
}
