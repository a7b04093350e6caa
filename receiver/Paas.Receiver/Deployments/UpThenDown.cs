namespace Paas.Receiver.Deployments;

/// <summary>The whole old release answers until the whole new one does, then what it is still answering is finished: no request fails, for twice the memory.</summary>
sealed class UpThenDown : IBounce
{
    public string Name => "upthendown";

    public async Task ChangeOverAsync(Changeover over, CancellationToken ct)
    {
        await over.BackUpAsync(ct);
        await over.RestoreAsync(ct);
        await over.RunReleaseCommandAsync(ct);
        await over.StartAsync(ct);
        await over.AwaitHealthyAsync(ct);
        await over.UpgradeAsync(ct);
        await over.ExchangeExclusiveAsync(ct);
        await over.PromoteAsync();
        await over.SwitchAsync();
        await over.SettleAsync(ct);
        await over.RetireAsync();
    }
}
