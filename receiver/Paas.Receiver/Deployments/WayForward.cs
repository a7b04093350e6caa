using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// From "the new release is the live one" to the end of its deployment, after a failure or a crash on that stretch: nothing is taken back any more,
/// so what is left is done. Harmless to walk twice or in vain.
/// </summary>
sealed class WayForward(Journal journal, ReleaseStore releases, Launches launches, Fleet fleet, Visitors visitors, Formations formations, Deliverable deliverable)
{
    /// <param name="previous">What was live before; unless it was to run on, nothing of it runs when this returns.</param>
    public async Task WalkAsync(Deployment deployment, Release release, ReleaseId? previous)
    {
        releases.RecordPromotion(release, previous, deployment.ReleaseId);
        journal.Keep(deployment.ReleaseId);
        await launches.BringUpAsync(release);
        if (previous is not null && formations.Runs(previous) != true)
        {
            await fleet.StopAsync(release.Project, previous);
            visitors.Forget(release.Project, previous);
        }

        await BundleIfMissingAsync(release);
    }

    async Task BundleIfMissingAsync(Release release)
    {
        if (release.Mode == Mode.Editable || release.ArchiveDigest is not null && File.Exists(release.ArchiveFile))
        {
            return;
        }

        Directory.CreateDirectory(release.Deliverables, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var begun in Directory.EnumerateFiles(release.Deliverables, "*.tmp"))
        {
            File.Delete(begun);
        }

        await deliverable.MakeAsync(release, digests: null, CancellationToken.None);
    }
}
