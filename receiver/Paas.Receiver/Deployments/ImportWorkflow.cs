using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// An archive that was made elsewhere becomes one of ours: unpacked as if an enemy had sent it, packed again so that its digests are ours, and signed. As a release it is there to be promoted,
/// or pushed to by its commit; deployed at once, final mode takes it from here.
/// </summary>
sealed class ImportWorkflow(ReleaseStore releases, Bundler bundler, Signatures signatures, GitProgram git, FinalWorkflow final, Deliverable deliverable)
{
    /// <summary>Files below <c>build/</c> that somebody sent and nobody has looked at yet.</summary>
    const string Sent = ".sent";

    /// <summary>Directories below <c>build/</c> that an import works in.</summary>
    const string Bench = ".imported";

    // For what is of no commit: the first moment that every archive format can say.
    static readonly DateTimeOffset NoCommitsTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static bool Is(Run run) => run.Request.Kind == DeploymentKind.Import;

    /// <summary>A name for a file that is about to be sent (0600 is its writer's business).</summary>
    public static string NewFile(Project project)
    {
        Directory.CreateDirectory(project.Build);
        return Path.Combine(project.Build, Guid.NewGuid().ToString("N") + Sent);
    }

    /// <summary>Start-up: what was sent for imports that nobody waits for any more, and what one left that was interrupted.</summary>
    /// <param name="wanted">Names of files that waiting imports still want.</param>
    public static void Sweep(Project project, IReadOnlySet<string> wanted)
    {
        if (!Directory.Exists(project.Build))
        {
            return;
        }

        foreach (var file in Directory.EnumerateFiles(project.Build, "*" + Sent).Where(file => !wanted.Contains(Path.GetFileName(file))))
        {
            File.Delete(file);
        }

        foreach (var bench in Directory.EnumerateDirectories(project.Build, "*" + Bench))
        {
            Storage.DirectoryHandle.Delete(bench);
        }
    }

    /// <summary>Takes an archive over as a release that nobody has deployed yet. Returns what was done, in words.</summary>
    /// <exception cref="Refusal">It is no archive, damaged, or holds what no release may; nothing is left of it.</exception>
    public async Task<string> RunAsync(Run run, CancellationToken ct)
    {
        var done = await WithArchiveAsync(run, (made, file) => TakeOverAsync(run, made, file), ct);
        run.Undo.Keep();
        deliverable.LookLater();
        return done;
    }

    /// <summary>Takes it over and makes it live in final mode.</summary>
    public Task<(Release Release, string? Untidy)> DeployAsync(Run run, CancellationToken ct) => WithArchiveAsync(run, (made, file) =>
    {
        var provenance = new Provenance(run.Project.Name.Value, made.Commit, made.Bundle.ArchiveDigest, made.Bundle.ContentDigest);
        var offer = new Offer(provenance, made.Signature, made.Bundle.Bytes, "an imported archive", file);
        return final.RunAsync(run, new GivenSource(), offer, ct);
    }, ct);

    async Task<string> TakeOverAsync(Run run, Made made, string file)
    {
        var release = await run.Steps.RunAsync(Step.Seal, () =>
        {
            var taken = releases.TakeOver(run.Project, run.Id, made.Commit, Mode.Final);
            MakeDirectory(taken.Deliverables);
            File.Move(file, taken.ArchiveFile);
            Keep(taken, made);
            return Task.FromResult(taken);
        }, new SetAside(run.Id.Value), new DropArchive(run.Id.Value));
        return $"{release} is taken over, {CookingWorkflow.Readable(made.Bundle.Bytes)}, sha256 {made.Bundle.ArchiveDigest[..12]}…; "
            + $"to make it live: corpus promote -e {run.Project.Environment.Name} {run.Project.Name} {release} --to ENV";
    }

    async Task<T> WithArchiveAsync<T>(Run run, Func<Made, string, Task<T>> use, CancellationToken ct)
    {
        var sent = Path.Combine(run.Project.Build, run.Request.Wishes.Import!);
        var bench = Path.Combine(run.Project.Build, run.Id.Value + Bench);
        try
        {
            run.Log.Title($"Importing an archive into {run.Project}");
            MakeDirectory(bench);
            var file = Path.Combine(bench, "release.tar.zst");
            var made = await run.Steps.RunAsync(Step.Import, () => MakeAsync(run, sent, Path.Combine(bench, "tree"), file, ct));
            run.Log.Detail($"packed again, {CookingWorkflow.Readable(made.Bundle.Bytes)}, {made.Bundle.Entries} entries, signed by {made.Signature.Key}");
            return await use(made, file);
        }
        finally
        {
            File.Delete(sent);
            Storage.DirectoryHandle.Delete(bench);
        }
    }

    async Task<Made> MakeAsync(Run run, string sent, string tree, string file, CancellationToken ct)
    {
        if (!File.Exists(sent))
        {
            throw new Refusal("what was sent is gone: import it again");
        }

        await bundler.UnpackAsync(sent, tree, null, null, UnpackLimits.Foreign, ct);

        // An image is only ever one that was built here; all else that a build found out may have come along.
        if (Built.Read(tree) is { Image: not null } built)
        {
            (built with { Image = null }).Write(tree);
        }

        var repository = new GitRepository(run.Project.ProjectRepository, git);
        var stamp = run.Request.NewCommit is { } known && Directory.Exists(repository.Path) && await repository.HasAsync(known) ? await repository.CommitTimeAsync(known, ct) : NoCommitsTime;
        var bundle = await bundler.PackAsync(tree, file, stamp, ct);
        var commit = run.Request.NewCommit ?? bundle.ContentDigest[..40];
        return new Made(bundle, commit, signatures.Sign(new Provenance(run.Project.Name.Value, commit, bundle.ArchiveDigest, bundle.ContentDigest)));
    }

    void Keep(Release release, Made made) =>
        releases.RecordArchive(release, made.Bundle.ContentDigest, made.Bundle.ArchiveDigest, made.Bundle.Bytes, made.Signature.Value, made.Signature.Key);

    static void MakeDirectory(string path) => Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    /// <param name="Commit">The one that was named; of what is of none, the first 40 digits of its content digest.</param>
    sealed record Made(Bundle Bundle, string Commit, Signature Signature);

    /// <summary>The archive that was just packed here.</summary>
    sealed class GivenSource : IReleaseSource
    {
        public string Name => "an import";

        public Task<Offer?> FindAsync(ProjectName project, WantedRelease wanted, CancellationToken ct) => Task.FromResult<Offer?>(null);

        public Task<bool> FetchAsync(Offer offer, string file, CancellationToken ct)
        {
            File.Move(offer.Location, file);
            return Task.FromResult(false);
        }
    }
}
