namespace Paas.Receiver.Deployments;

/// <summary>The paragraph for changing over from one release to the next: PaaSTA's bounces (3.9). Returns when the new release serves.</summary>
interface IBounce
{
    /// <summary>What a manifest's <c>strategy</c> says.</summary>
    string Name { get; }

    Task ChangeOverAsync(Changeover over, CancellationToken ct);
}
