using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>Makes a sealed release's archive (R9.12): packed, digested, signed, recorded.</summary>
sealed class Deliverable(Bundler bundler, Signatures signatures, ReleaseStore releases, GitProgram git, ReleaseImages saved)
{
    public async Task<Bundle> MakeAsync(Release release, FileDigests digests, CancellationToken ct)
    {
        Directory.CreateDirectory(release.Deliverables, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var stamp = await new GitRepository(release.Project.ProjectRepository, git).CommitTimeAsync(release.Commit, ct);
        var bundle = await bundler.PackAsync(release.Directory, release.ArchiveFile, stamp, digests, ct);
        var signature = signatures.Sign(new Provenance(release.Project.Name.Value, release.Commit, bundle.ArchiveDigest, bundle.ContentDigest));
        await saved.KeepAsync(release, ct);
        releases.RecordArchive(release, bundle.ContentDigest, bundle.ArchiveDigest, bundle.Bytes, signature.Value, signature.Key);
        return bundle;
    }

    /// <summary>Null, and a line in the log, when it was made; else what went wrong: the release serves, and that its archive could not be made must not undo it.</summary>
    public static async Task<string?> UntidyAsync(Task<Bundle> bundle, Logs.LogStream log)
    {
        try
        {
            var made = await bundle;
            log.Detail($"archived {Path.GetFileName(made.File)}, {CookingWorkflow.Readable(made.Bytes)}, sha256 {made.ArchiveDigest[..12]}…");
            return null;
        }
        catch (Exception e)
        {
            // Said where the deployment's end is told; the next walk forward makes it.
            return $"the archive could not be made: {e.Message}";
        }
    }
}
