using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>One run of the pipeline, as its workflow sees it.</summary>
sealed record Run(Deployment Deployment, Release? Old, Steps Steps, UndoLog Undo)
{
    public Project Project => Deployment.Project;

    public ReleaseId Id => Deployment.ReleaseId;

    public DeploymentRequest Request => Deployment.Request;

    public Logs.LogStream Log => Deployment.Log;
}

/// <summary>Staging (R9.*): build in a new release directory, bundle it, and run exactly what was bundled.</summary>
/// <remarks>
/// 1 checkout · 2 configure · 3 build · 4 seal · 5 bundle (alongside) · 6–16 the bounce. See docs/the-push.md; the numbers are the same.
/// </remarks>
sealed class CookingWorkflow(
    ReleaseStore releases, ProjectStore projects, GitProgram git, DraftBuilder builder, Launches launches, ProjectHooks projectHooks, Bounces bounces, Journal journal,
    Spares spares, ImageBuilder images, FixWorkflow fixes, PatchStore patches, Deliverable deliverable)
{
    /// <summary>Returns the release that serves, and what was left untidy in making it (null when nothing was).</summary>
    public async Task<(Release Release, string? Untidy)> RunAsync(Run run, string commit, CancellationToken ct)
    {
        var (project, steps, log) = (run.Project, run.Steps, run.Log);
        steps.LookAt("pillar");
        var pillarCommit = await launches.PillarCommitAsync(run.Request, ct);
        var path = (await launches.PillarAsync(project, pillarCommit, tree: null, run.Request.Wishes, ct)).Path;
        var workingCopy = new WorkingCopy(project, projects, git, MayFetch(run.Request));
        if (await IsSameAsync(run, workingCopy, commit, pillarCommit, path, ct))
        {
            log.Title($"Nothing below {path} has changed since {run.Old}");
            return (run.Old!, null);
        }

        log.Title($"Deploying {commit[..8]} to {project}");

        // 1. Both places are cheap to fill: git rewrites only what changed, and a draft is further names of the same files.
        var draft = new Draft(project, run.Id, commit);
        var files = await steps.RunAsync(
            Step.CheckOut, () => CheckOutAsync(draft, workingCopy, path, pillarCommit, run.Old?.PillarCommit, ct), new PutCheckoutBack(run.Old?.Commit, run.Old?.PillarCommit), new SetAside(run.Id.Value));

        // What this very push ships as defaults counts for this very deployment.
        steps.LookAt("configuration");
        var pillar = await launches.PillarAsync(project, pillarCommit, draft.Directory, run.Request.Wishes, ct);
        log.Mask(pillar.Secrets);

        var hooks = projectHooks.For(run, pillar);
        hooks.SayWhatIsLeftOut();
        hooks.Common.Tell("commit", commit);
        steps.LookAt("manifest");

        // What cannot run is said before anything else is done; a build may still make what declares it.
        var manifestPath = ManifestPath(run, pillar);
        var declared = builder.Declared(draft, manifestPath);
        draft.Platform = launches.WhileBuilding(draft, declared, releases.NextNumber(project));
        var contained = await images.IsWantedAsync(draft, declared, pillar, run.Old is { } live && Directory.Exists(live.Directory) ? ManifestReader.Find(live.Directory) : null, log, ct);
        var plan = contained && !ImageBuilder.BuildsTree(draft, declared) ? new BuildPlan { Wishes = draft.Wishes } : await builder.PlanAsync(draft, declared, pillar, run.Request.Rebuild, log, ct);
        if (!contained && plan.Packs.Count == 0 && !ProjectHooks.Any(draft.Directory, ProjectHooks.BeforeSeal))
        {
            declared ??= ManifestReader.Read(draft.Directory, manifestPath);
        }

        // 2.–3. The project's own hooks, else buildpacks, with the draft at `run`; what hooks make of `common` reaches those behind them.
        await steps.RunAsync(Step.Configure, () => hooks.ConfigureAsync(draft, ct));
        await steps.RunAsync(Step.Build, async () =>
        {
            await hooks.BuildAsync(draft, plan, declared, ct);
            await hooks.RunAsync(draft, "bundle", ct);
            builder.Finish(draft);
            DraftBuilder.Remember(draft, manifestPath, hooks.Common.Additions.Archives);
            ImageBuilder.RefuseForged(draft);
            if (contained)
            {
                await images.BuildAsync(draft, hooks.Common.Pillar, run.Request.Rebuild, log, ct);
            }
        });

        // 3'. What was fixed by hand in this very commit is not lost by deploying it again.
        var (fixedByHand, _) = await fixes.ReplayAsync(run, draft, ct);
        CarriedFixes.Forget(draft.Directory);
        CarriedFixes.Add(draft.Directory, fixedByHand);
        steps.LookAt("manifest");
        var manifest = Declared.In(draft.Directory, run, pillar, launches);
        var types = hooks.Common.Additions.TypesWith(manifest.ProcessTypes);
        log.Detail("runs " + string.Join(", ", types.Select(type => type.Quantity == 1 ? type.Name : $"{type.Name} ×{type.Quantity}")));

        // 4. From here on the tree does not change: instances run on their own view of it.
        var release = await steps.RunAsync(Step.Seal, () =>
        {
            var sealedRelease = releases.Seal(draft, pillarCommit, Mode.Cooking);
            journal.LeadsTo(run.Id, sealedRelease.Id, sealedRelease.Number);
            hooks.Keep(sealedRelease);
            patches.Contain(sealedRelease, fixedByHand);
            return Task.FromResult(sealedRelease);
        });

        // 5. The archive is made from the sealed tree while the release starts.
        var untidy = await deliverable.MakeBesideAsync(run, release, draft.Digests, () => bounces.Of(manifest, release).ChangeOverAsync(bounces.Prepare(run, release, hooks), ct), ct);
        if (builder.WritesElsewhere)
        {
            spares.Prepare(project, files, path);
        }

        return (release, untidy);
    }

    /// <summary>Asked for by the push, else set in the configuration (<c>manifest: PATH</c>), else as the live release was made when it is made again; null for the usual one.</summary>
    static string? ManifestPath(Run run, Pillar pillar) =>
        run.Request.Wishes.Manifest
        ?? (pillar.Document.TryGetProperty("manifest", out var path) && path.ValueKind == System.Text.Json.JsonValueKind.String ? path.GetString() : null)
        ?? (run.Request.Kind == DeploymentKind.Redeploy && run.Old is { } old ? Built.Read(old.Directory).Manifest : null);

    static Func<EnvironmentName?, ProjectName, bool> MayFetch(DeploymentRequest request) =>
        request.Kind is not (DeploymentKind.Push or DeploymentKind.Mark) ? (_, _) => true : request.MayFetch ?? ((_, _) => throw new Refusal("the receiver was restarted and cannot ask any more whose code this push may bring along: push again"));

    /// <summary>Of a repository of many projects a push concerns those below whose paths it changes something.</summary>
    static async Task<bool> IsSameAsync(Run run, WorkingCopy workingCopy, string commit, string? pillarCommit, string path, CancellationToken ct) =>
        path.Length > 0 && run is { Old: { Mode: Mode.Cooking } old, Request: { Kind: DeploymentKind.Push, Rebuild: false } }
        && old.PillarCommit == pillarCommit && await workingCopy.IsSameAsync(old.Commit, commit, path, ct);

    async Task<IReadOnlyList<TreeEntry>> CheckOutAsync(Draft draft, WorkingCopy workingCopy, string path, string? pillarCommit, string? pillarBefore, CancellationToken ct)
    {
        var files = await workingCopy.BringToAsync(
            draft.Commit, path, (written, writing) => path.Length == 0 && builder.WritesElsewhere ? draft.FollowAsync(written, writing, ct) : Task.CompletedTask,
            release => draft.Fill(release, path, builder.WritesElsewhere, ct), ct);
        Built.Forget(draft.Directory);
        CarriedFixes.Forget(draft.Directory);
        if (pillarCommit is not null && pillarCommit != pillarBefore)
        {
            await new GitRepository(draft.Project.PillarRepository, git).CheckOutAsync(pillarCommit, draft.Project.PillarCheckout, ct);
        }

        return files;
    }

    public static string Readable(long bytes) => bytes switch
    {
        < 10_000 => $"{bytes} B",
        < 10_000_000 => $"{bytes / 1000} kB",
        _ => $"{bytes / 1_000_000} MB",
    };
}
