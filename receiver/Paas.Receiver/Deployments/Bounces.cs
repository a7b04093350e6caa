using Paas.Receiver.Archives;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Which strategy changes a project over: what its manifest says, else <c>downthenup</c> when it keeps data or has an upgrade or backup hook,
/// else <c>crossover</c>.
/// </summary>
sealed class Bounces(ReleaseStore releases, Launches launches, Fleet fleet, Visitors visitors, Archivist archivist, Limits limits)
{
    static readonly Dictionary<string, IBounce> ByName = new IBounce[]
    {
        new DownThenUp(), new DownThenUp("brutal", drain: false), new Crossover(), new Crossover("upthendown"),
    }.ToDictionary(bounce => bounce.Name);

    public IBounce Of(Manifest manifest, Release release) =>
        ByName[manifest.Strategy is { } wanted ? wanted.ToString().ToLowerInvariant() : KeepsData(release) ? "downthenup" : "crossover"];

    /// <summary>The way to <c>corpus current</c>.</summary>
    public static IBounce ByHand { get; } = new MakeCurrent();

    /// <summary>Data that is brought back must not be in use meanwhile.</summary>
    public IBounce OfRollback(Release target, ReleaseId? dataFrom) =>
        dataFrom is not null && (KeepsData(target) || HoldsData(target.Project, dataFrom))
            ? ByName["downthenup"]
            : Of(ManifestReader.Read(target.Directory), target);

    public Changeover Prepare(Run run, Release next, StepHooks hooks, ReleaseId? dataFrom = null) =>
        new(run.Old, next, run.Id, dataFrom, hooks, run.Steps, run.Undo, run.Log, releases, launches, fleet, visitors, archivist, limits);

    static bool HoldsData(Project project, ReleaseId backup) =>
        Path.Combine(project.Archives, backup.Value, "data") is var data && Directory.Exists(data) && Directory.EnumerateFileSystemEntries(data).Any();

    static bool KeepsData(Release release) =>
        Directory.EnumerateFileSystemEntries(release.Project.Data).Any()
        || ProjectHooks.Any(release.Directory, "upgrade", "backup", "restore");
}
