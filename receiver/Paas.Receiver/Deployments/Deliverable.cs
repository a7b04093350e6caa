using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>What a sealed release is for others (R5.15, R9.12): the archive of its tree, signed; its image; and the archives of parts of it that its steps have named.</summary>
sealed class Deliverable(Bundler bundler, Signatures signatures, ReleaseStore releases, GitProgram git, ReleaseImages saved, ArchiveChecks checks)
{
    /// <summary>Makes and records all of it, and looks at it again.</summary>
    /// <param name="digests">Of files of its tree that were read before.</param>
    /// <exception cref="IOException">Something could not be written, or is not what was sealed.</exception>
    public async Task<Bundle> MakeAsync(Release release, FileDigests? digests, CancellationToken ct)
    {
        Directory.CreateDirectory(release.Deliverables, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var stamp = await new GitRepository(release.Project.ProjectRepository, git).CommitTimeAsync(release.Commit, ct);
        var bundle = await bundler.PackAsync(release.Directory, release.ArchiveFile, stamp, digests, ct);
        var signature = signatures.Sign(new Provenance(release.Project.Name.Value, release.Commit, bundle.ArchiveDigest, bundle.ContentDigest));
        await saved.KeepAsync(release, ct);
        await MakePartsAsync(release.Project, release.Id, release.Directory, stamp, ct);
        releases.RecordArchive(release, bundle.ContentDigest, bundle.ArchiveDigest, bundle.Bytes, signature.Value, signature.Key);
        await checks.LookAsync(release.Project, release.Id, ct);
        return bundle;
    }

    /// <summary>
    /// Makes it while the release starts. A deployment is complete only when its archive is durable; the release serves meanwhile. Returns what was left untidy, null when nothing was.
    /// </summary>
    public async Task<string?> MakeBesideAsync(Run run, Release release, FileDigests digests, Func<Task> changeOver, CancellationToken ct)
    {
        using var bundling = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var bundle = run.Steps.Alongside(Step.Bundle, () => MakeAsync(release, digests, bundling.Token), new DropArchive(release.Id.Value));
        try
        {
            await changeOver();
        }
        catch
        {
            // The way back removes the archive: nobody may still be writing it then.
            await bundling.CancelAsync();
            await bundle.ContinueWith(_ => { }, TaskScheduler.Default);
            throw;
        }

        return await UntidyAsync(bundle, run.Log);
    }

    /// <summary>
    /// The archives that the tree itself says it has (<see cref="Built.Archives"/>). The same tree gives the same bytes, so a promotion need not bring them along: they are made again of what was verified.
    /// </summary>
    /// <exception cref="Refusal">One would be empty.</exception>
    public async Task MakePartsAsync(Project project, ReleaseId id, string tree, DateTimeOffset? stamp, CancellationToken ct)
    {
        foreach (var (name, patterns) in Built.Read(tree).Archives)
        {
            var file = PartFile(project, id, name);
            var bundle = await bundler.PackAsync(tree, file, stamp ?? new DateTimeOffset(File.GetLastWriteTimeUtc(Path.Combine(tree, Built.Name)), TimeSpan.Zero), DataPatterns.Naming(patterns), ct);
            if (bundle.Entries == 0)
            {
                File.Delete(file);
                throw new Refusal($"the archive {name} would be empty: nothing of the release is named by {string.Join(", ", patterns)}");
            }

            releases.RecordPart(id, new ReleasePart(name, bundle.ArchiveDigest, bundle.Bytes, bundle.ContentDigest));
        }
    }

    /// <summary>What was made of a tree that came from elsewhere, or came along with it, is read again behind the deployment.</summary>
    public void LookLater() => checks.Ring();

    public static string PartFile(Project project, ReleaseId id, string name) => Path.Combine(project.Releases, id.Value, $"{project.Name}.{name}.tar.zst");

    /// <summary>Null, and a line in the log, when it was made; else what went wrong: the release serves, and that its archive could not be made must not undo it.</summary>
    static async Task<string?> UntidyAsync(Task<Bundle> bundle, Logs.LogStream log)
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
