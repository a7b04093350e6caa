namespace Paas.Receiver.Deployments;

/// <summary>The old release answers until the new one does, then what it is still answering is finished: no request fails.</summary>
sealed class Crossover(string name = "crossover") : IBounce
{
    /// <summary>Also <c>upthendown</c>: releases are changed over as a whole, so the two differ only in how instances are counted.</summary>
    public string Name => name;

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
