namespace Paas.Receiver.Deployments;

/// <summary>
/// The old release answers until the new one does, instance by instance, and what an instance is still answering is finished: no request fails. The upgrade is over
/// before the first visitor meets the new release.
/// </summary>
/// <param name="margin"><c>bounce_margin_factor</c>: the part of a type's instances that is there for visitors all the time.</param>
sealed class Crossover(decimal margin) : IBounce
{
    public string Name => "crossover";

    public async Task ChangeOverAsync(Changeover over, CancellationToken ct)
    {
        await over.BackUpAsync(ct);
        await over.RestoreAsync(ct);
        await over.RunReleaseCommandAsync(ct);
        await over.StartAsync(ct);
        await over.AwaitFirstsAsync(ct);
        await over.UpgradeAsync(ct);
        await over.CrossOverAsync(margin, ct);
        await over.ExchangeExclusiveAsync(ct);
        await over.PromoteAsync();
        await over.SwitchAsync();
        await over.SettleAsync(ct);
        await over.RetireAsync();
    }
}
