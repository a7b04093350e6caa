using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>Production (R7.3, R10.*): the archive that somebody else cooked, verified and unpacked. Nothing is ever built: the builder only runs the configure step.</summary>
/// <remarks>
/// 1 fetch · 2 checkout (unpack) · 3 configure · 3' patch · 4 seal · 6–17 the bounce. See docs/the-push.md; the numbers are the same.
/// </remarks>
sealed class FinalWorkflow(
    ReleaseStore releases, ReleaseSources sources, Signatures signatures, Bundler bundler, GitProgram git, DraftBuilder builder, Launches launches, ProjectHooks projectHooks,
    Bounces bounces, Journal journal, ReleaseImages images, PatchStore patches, FixWorkflow fixes, HandMade handMade, Deliverable deliverable)
{
    /// <summary>Returns the release that serves, and what was left untidy in making it (null when nothing was).</summary>
    /// <param name="wanted">Of which release the archive is asked for.</param>
    public async Task<(Release Release, string? Untidy)> RunAsync(Run run, WantedRelease wanted, CancellationToken ct)
    {
        var pillarCommit = await ConfigurationAsync(run, ct);

        // What cannot be had, and what nobody vouches for, is refused before anything is touched.
        run.Steps.LookAt("archive");
        var (source, offer) = await sources.FindAsync(run.Project, wanted, run.Request.Wishes.Source, ownFirst: run.Request.Kind == DeploymentKind.Redeploy, release => HoldsOnlyWhatIsWanted(run, release), ct);
        using var open = source as IDisposable;
        return await RunAsync(run, source, offer, pillarCommit, ct);
    }

    /// <summary>The same with an archive that is at hand.</summary>
    public async Task<(Release Release, string? Untidy)> RunAsync(Run run, IReleaseSource source, Offer offer, CancellationToken ct) =>
        await RunAsync(run, source, offer, await ConfigurationAsync(run, ct), ct);

    async Task<string?> ConfigurationAsync(Run run, CancellationToken ct)
    {
        run.Steps.LookAt("pillar");
        var pillarCommit = await launches.PillarCommitAsync(run.Request, ct);
        _ = await launches.PillarAsync(run.Project, pillarCommit, tree: null, run.Request.Wishes, ct);
        return pillarCommit;
    }

    async Task<(Release Release, string? Untidy)> RunAsync(Run run, IReleaseSource source, Offer offer, string? pillarCommit, CancellationToken ct)
    {
        var (project, steps, log) = (run.Project, run.Steps, run.Log);
        var origin = offer.Provenance;
        signatures.Verify(origin, offer.Signature, source.Name);
        log.Title($"Deploying {origin.Commit[..8]} to {project} from {offer.Title}");

        // 1. The bytes, held against their digest here or when they are unpacked.
        var fetched = Path.Combine(project.Releases, run.Id.Value, "archive.fetched");
        var isVerified = await steps.RunAsync(Step.Fetch, () => FetchAsync(source, offer, fetched, ct), new DropArchive(run.Id.Value));
        log.Detail($"fetched {offer.Title}, {CookingWorkflow.Readable(offer.Bytes)}, sha256 {origin.ArchiveDigest[..12]}…, signed by {offer.Signature!.Key}");

        // 2. A tree of its own, at first in `build`: nothing of it is made from the working copy.
        var draft = new Draft(project, run.Id, origin.Commit);
        await steps.RunAsync(
            Step.CheckOut,
            () => bundler.UnpackAsync(fetched, draft.Directory, isVerified ? null : origin.ArchiveDigest, origin.ContentDigest, UnpackLimits.Own, ct),
            new SetAside(run.Id.Value));

        // Of the tree as it was verified, before anything is configured in it.
        await deliverable.MakePartsAsync(project, run.Id, draft.Directory, stamp: null, ct);
        var image = Built.Read(draft.Directory).Image;
        var savedImage = Path.Combine(project.Releases, run.Id.Value, "image.fetched");
        if (image is not null)
        {
            // Which image it has to be, the signed tree says: its id is the digest of all that is in it.
            if (offer.OfImage() is { } saved)
            {
                await source.FetchAsync(saved, savedImage, ct);
            }

            await images.EnsureAsync(project, image, savedImage, offer.Image?.Digest, log, ct);
        }

        steps.LookAt("configuration");
        var pillar = await launches.PillarAsync(project, pillarCommit, draft.Directory, run.Request.Wishes, ct);
        log.Mask(pillar.Secrets);

        // 3. What differs from one environment to another comes from the pillar and the environment's tags, before the seal; a build step is not even looked for.
        var hooks = projectHooks.For(run, pillar);
        hooks.SayWhatIsLeftOut();
        hooks.Common.Tell("commit", origin.Commit);
        draft.Platform = launches.WhileBuilding(draft, ManifestReader.Find(draft.Directory), releases.NextNumber(project));
        await steps.RunAsync(Step.Configure, async () =>
        {
            await hooks.ConfigureAsync(draft, ct);
            builder.Finish(draft);
        });

        // 3'. What was fixed by hand here in this very commit is not lost by deploying it again: then it is an archive of its own.
        var (fixedByHand, patched) = await fixes.ReplayAsync(run, draft, ct);
        if (patched)
        {
            CarriedFixes.Add(draft.Directory, fixedByHand);
            File.Delete(fetched);
        }

        await handMade.LookInAsync(run, draft, fixedByHand, ct);
        var treeDigest = patched || !ProjectHooks.Any(draft.Directory, ProjectHooks.BeforeBuild) ? null : await Task.Run(() => Drift.DigestOf(draft.Directory, ct), ct);
        steps.LookAt("manifest");
        var manifest = Declared.In(draft.Directory, run, pillar, launches);

        // 4. The archive stays beside the release: a rollback needs nobody else.
        var release = await steps.RunAsync(Step.Seal, () =>
        {
            var sealedRelease = releases.Seal(draft, pillarCommit, Mode.Final);
            journal.LeadsTo(run.Id, sealedRelease.Id, sealedRelease.Number);
            hooks.Keep(sealedRelease);
            patches.TakeIn(sealedRelease);
            patches.Contain(sealedRelease, fixedByHand.Concat(releases.List(project).Where(other => other.ContentDigest == origin.ContentDigest && other.Id != sealedRelease.Id).SelectMany(patches.In)).DistinctBy(patch => patch.Id));
            if (offer.Image is { } saved && image is not null)
            {
                File.Move(savedImage, sealedRelease.ImageFile);
                releases.RecordImage(sealedRelease, saved.Digest, saved.Bytes, content: null);
            }

            if (!patched)
            {
                File.Move(fetched, sealedRelease.ArchiveFile);
                releases.RecordArchive(sealedRelease, origin.ContentDigest, origin.ArchiveDigest, offer.Bytes, offer.Signature.Value, offer.Signature.Key);
                releases.RecordCheck(sealedRelease.Id, trouble: null); // the tree is what was unpacked from it
                if (treeDigest is not null && treeDigest != origin.ContentDigest)
                {
                    releases.RecordTree(sealedRelease, treeDigest);
                }
            }

            return Task.FromResult(sealedRelease);
        });

        deliverable.LookLater();
        Task ChangeOverAsync() => bounces.Of(manifest, release).ChangeOverAsync(bounces.Prepare(run, release, hooks), ct);
        string? untidy = null;
        if (patched)
        {
            untidy = await deliverable.MakeBesideAsync(run, release, draft.Digests, ChangeOverAsync, ct);
        }
        else
        {
            await ChangeOverAsync();
        }

        return (release, untidy ?? (run.Request.Kind is DeploymentKind.Promote or DeploymentKind.Import ? await FollowAsync(release, offer) : null));
    }

    /// <summary>Of the project's own archives, those without a fix that was given up, or that this deployment is to go without.</summary>
    bool HoldsOnlyWhatIsWanted(Run run, Release release) =>
        run.Request.Wishes.DiscardFixes ? patches.In(release).Count == 0 : patches.In(release).All(patch => patch.State != PatchState.Dropped);

    static Task<bool> FetchAsync(IReleaseSource source, Offer offer, string file, CancellationToken ct)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return source.FetchAsync(offer, file, ct);
    }

    /// <summary>Behind a promotion the branch says what a push of the same commit would have made it say, where the commit can be had.</summary>
    async Task<string?> FollowAsync(Release release, Offer offer)
    {
        try
        {
            var repository = new GitRepository(release.Project.ProjectRepository, git);
            await repository.CreateAsync();
            if (offer.Repository is { } other && other != repository.Path && !await repository.HasAsync(release.Commit))
            {
                await repository.FetchAsync(other, release.Commit);
            }

            return repository.HeadBranch is not { } branch || !await repository.HasAsync(release.Commit)
                || await repository.MoveRefAsync(branch, release.Commit, await repository.ReadRefAsync(branch))
                ? null : $"{branch} could not be moved to {release.Commit[..8]}";
        }
        catch (IOException e)
        {
            // It is live: that a clone does not show it yet must be said and must not undo it.
            return $"the commit could not be brought here: {e.Message}";
        }
    }
}
