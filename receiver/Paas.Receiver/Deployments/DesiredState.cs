using Paas.Receiver.Git;
using Paas.Receiver.Manifests;

namespace Paas.Receiver.Deployments;

/// <summary>A ref of PaaSTA's and the commit it leads to.</summary>
/// <param name="Stamp">Its own, or for a branch when it was moved there.</param>
sealed record Marked(string Ref, MarkRef Mark, string Commit, string Stamp);

/// <summary>What the refs of a service ask for (reference 3.4). A calculation: it knows nothing of what runs.</summary>
sealed class DesiredState(IReadOnlyList<Marked> marks, ServiceConfig config)
{
    /// <summary>By cluster. Where no instance is configured at all a group <c>environment.type</c> speaks for itself.</summary>
    public IReadOnlyList<ServiceInstance> Instances { get; } = config.Instances.Count > 0 ? config.Instances : [.. Implied(marks)];

    public bool IsConfigured => config.Instances.Count > 0;

    public ServiceConfig Config => config;

    public IReadOnlyList<string> Groups => [.. Instances.Select(instance => instance.DeployGroup).Distinct(StringComparer.Ordinal)];

    /// <summary>The newest mark of a group: the stamp decides, not when it came. Null while there is none.</summary>
    public Marked? MarkOf(string group) => Last(History(group));

    /// <summary>The marks of a group, newest first.</summary>
    public IReadOnlyList<Marked> History(string group) =>
    [
        .. marks.Where(one => one.Mark.Kind is MarkKind.Deploy or MarkKind.Branch && one.Mark.IsFor(group))
            .OrderByDescending(one => one.Stamp, StringComparer.Ordinal).ThenByDescending(one => one.Ref, StringComparer.Ordinal),
    ];

    /// <summary>Somebody rolled back from this commit once (R5).</summary>
    public bool WasRolledBack(string group, string commit) => marks.Any(one => one.Mark.Kind == MarkKind.Rollback && one.Commit == commit && one.Mark.IsFor(group));

    /// <summary>Of the control tags on the commit that is marked, the one with the greatest token; without any it runs.</summary>
    public Control ControlOf(ServiceInstance instance, string commit) =>
        marks.Where(one => one.Mark.Kind is MarkKind.Start or MarkKind.Stop && one.Commit == commit && one.Mark.IsFor(instance.FullName))
            .OrderByDescending(one => one.Stamp, StringComparer.Ordinal).ThenByDescending(one => one.Ref, StringComparer.Ordinal)
            .Select(one => new Control(commit, one.Mark.Kind == MarkKind.Start, one.Stamp)).FirstOrDefault() ?? new Control(commit, Runs: true, null);

    static Marked? Last(IReadOnlyList<Marked> history) => history is [var newest, ..] ? newest : null;

    static IEnumerable<ServiceInstance> Implied(IReadOnlyList<Marked> marks)
    {
        var marked = Named(marks.Where(one => one.Mark.Kind is MarkKind.Deploy or MarkKind.Branch).OrderByDescending(one => one.Stamp, StringComparer.Ordinal)).ToList();

        // A control tag names an instance that no mark has to name: it follows the newest mark of its cluster.
        var controlled = Named(marks.Where(one => one.Mark.Kind is MarkKind.Start or MarkKind.Stop))
            .Select(instance => marked.Find(one => one.Cluster == instance.Cluster) is { } of ? instance with { DeployGroup = of.DeployGroup } : null).OfType<ServiceInstance>();
        return marked.Concat(controlled).DistinctBy(instance => instance.FullName);
    }

    static IEnumerable<ServiceInstance> Named(IEnumerable<Marked> marks) =>
        marks.Select(one => one.Mark.Target).Distinct(StringComparer.Ordinal)
            .Select(target => target.Split('.') is [{ Length: > 0 } cluster, { Length: > 0 } name] ? new ServiceInstance(cluster, name, target) : null).OfType<ServiceInstance>();
}
