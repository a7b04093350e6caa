using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Manifests;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>A release's tree as it was sealed, made again of its archive: unpacked and, where its own configure step made production's tree another one than the archive holds, configured.</summary>
sealed class TreeAgain(Bundler bundler, DraftBuilder builder, Launches launches, ProjectHooks projectHooks)
{
    public static bool CanBeMade(Release release) => release.ArchiveDigest is not null && File.Exists(release.ArchiveFile);

    /// <param name="directory">Does not exist yet; appears whole or not at all where something has to be configured.</param>
    /// <exception cref="Projects.Refusal">The archive is damaged, or the step failed.</exception>
    public async Task MakeAsync(Run run, Release release, string directory, CancellationToken ct)
    {
        if (release.TreeDigest is null)
        {
            await bundler.UnpackAsync(release.ArchiveFile, directory, release.ArchiveDigest!, ct);
            return;
        }

        var draft = new Draft(release.Project, run.Id, release.Commit);
        try
        {
            await bundler.UnpackAsync(release.ArchiveFile, draft.Directory, release.ArchiveDigest!, ct);
            var pillar = await launches.PillarAsync(release, draft.Directory, ct);
            run.Log.Mask(pillar.Secrets);
            draft.Platform = launches.WhileBuilding(draft, ManifestReader.Find(draft.Directory), release.Number);
            await projectHooks.For(run, pillar).ConfigureAsync(draft, ct);
            AtomicFile.Rename(draft.Directory, directory);
        }
        finally
        {
            builder.Finish(draft);
            Common.Clear(release.Project, run.Id); // the deployment's own steps begin with theirs
            DirectoryHandle.Delete(draft.Directory);
        }
    }
}
