namespace Paas.Receiver.Deployments;

/// <summary>The RFC's order, for projects that keep data: nothing runs while the data is copied and changed. Visitors wait meanwhile.</summary>
/// <param name="name"><c>downthenup</c>, or <c>brutal</c>, which cuts off what the old release is still answering.</param>
sealed class DownThenUp(string name = "downthenup", bool drain = true) : IBounce
{
    public string Name => name;

    public async Task ChangeOverAsync(Changeover over, CancellationToken ct)
    {
        await over.HoldAsync();
        await over.StopOldAsync(drain, ct);
        await over.BackUpAsync(ct);
        await over.RestoreAsync(ct);
        await over.RunReleaseCommandAsync(ct);
        await over.StartAsync(ct);
        await over.AwaitHealthyAsync(ct);
        await over.UpgradeAsync(ct);
        await over.PromoteAsync();
        await over.SwitchAsync();
        await over.SettleAsync(ct);
        await over.RetireAsync();
    }
}
