using Paas.Receiver.Archives;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Which strategy changes a project over: what its soa-config says when it was marked, what its manifest says, else <c>downthenup</c> when it keeps data or has an upgrade or backup hook,
/// else <c>crossover</c>.
/// </summary>
sealed class Bounces(ReleaseStore releases, Launches launches, Fleet fleet, Visitors visitors, Archivist archivist, Limits limits)
{
    public IBounce Of(Manifest manifest, Release release)
    {
        // PaaSTA says it of each instance; a release changes over as one, as the instance that answers visitors is to.
        var configured = launches.MarkedWith(release).Instances?.OrderByDescending(one => one.Key is "main" or "web").Select(one => one.Value).ToList() ?? [];
        var strategy = configured.Select(one => one.Bounce).FirstOrDefault(bounce => bounce is not null) ?? manifest.Strategy;
        return (strategy ?? (KeepsData(release) ? Strategy.DownThenUp : Strategy.Crossover)) switch
        {
            Strategy.DownThenUp => new DownThenUp(),
            Strategy.UpThenDown => new UpThenDown(),
            Strategy.Brutal when KeepsData(release) => new DownThenUp("brutal", drain: false),
            Strategy.Brutal => new Brutal(),
            _ => new Crossover(configured.Select(one => one.BounceMargin).FirstOrDefault(margin => margin is not null) ?? manifest.BounceMargin),
        };
    }

    /// <summary>The way to <c>corpus current</c>.</summary>
    public static IBounce ByHand { get; } = new MakeCurrent();

    /// <summary>Data that is brought back must not be in use meanwhile.</summary>
    public IBounce OfRollback(Release target, ReleaseId? dataFrom) =>
        dataFrom is not null && (KeepsData(target) || HoldsData(target.Project, dataFrom))
            ? new DownThenUp()
            : Of(ManifestReader.Read(target.Directory), target);

    public Changeover Prepare(Run run, Release next, StepHooks hooks, ReleaseId? dataFrom = null) =>
        new(run.Old, next, run.Id, dataFrom, hooks, run.Steps, run.Undo, run.Log, releases, launches, fleet, visitors, archivist, limits);

    static bool HoldsData(Project project, ReleaseId backup) =>
        Path.Combine(project.Archives, backup.Value, "data") is var data && Directory.Exists(data) && Directory.EnumerateFileSystemEntries(data).Any();

    static bool KeepsData(Release release) =>
        Directory.EnumerateFileSystemEntries(release.Project.Data).Any()
        || ProjectHooks.Any(release.Directory, "upgrade", "backup", "restore");
}
