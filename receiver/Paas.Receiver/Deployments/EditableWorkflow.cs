using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Development (R7.2, R8.*): <c>run</c> is the working copy, edited and built in place. There is no archive, no copy and no way back to an earlier commit; what people edited there and
/// did not commit is never lost without their saying so.
/// </summary>
/// <remarks>
/// 6 hold · 7 stop · 1 checkout · 2 configure · 3 build · 4 seal · 9 release · 10–16. Stopped first (R8.1): nothing runs in a tree that git is writing to. A release of another mode has a tree of its own
/// and answers until this one is built: 1–4, and then the bounce of any other deployment.
/// </remarks>
sealed class EditableWorkflow(
    ReleaseStore releases, GitProgram git, DraftBuilder builder, Launches launches, ProjectHooks projectHooks, Bounces bounces, Fleet fleet, Visitors visitors, Limits limits, Journal journal)
{
    const int MostNamed = 20;

    /// <param name="commit">Null leaves the files as they are, whatever commit they came from.</param>
    public async Task<Release> RunAsync(Run run, string? commit, CancellationToken ct)
    {
        var (project, steps, log) = (run.Project, run.Steps, run.Log);
        var tree = TreeOf(project);
        var inPlace = run.Old is { Mode: Mode.Editable };
        var bringTo = commit ?? (inPlace ? null : run.Old?.Commit ?? throw new Refusal("nothing is deployed yet: push first"));
        steps.LookAt("pillar");
        var pillarCommit = await launches.PillarCommitAsync(run.Request, ct);
        if ((await launches.PillarAsync(project, pillarCommit, tree: null, run.Request.Wishes, ct)).Path is { Length: > 0 } path)
        {
            throw new Refusal($"editable mode runs a whole repository, not {path} of one: deploy it with -o mode=cooking");
        }

        steps.LookAt("edits");
        await RefuseIfLostAsync(run, inPlace ? bringTo : null, merging: true, ct);
        var draft = new Draft(project, run.Id, bringTo ?? tree.Commit ?? run.Old!.Commit) { InPlace = true };
        log.Title($"Deploying {draft.Commit[..8]} in place to {project}");

        // 6.–7.
        var stopsFirst = inPlace || run.Old is null;
        if (stopsFirst)
        {
            await steps.RunAsync(Step.Hold, () => Done(() => visitors.Hold(project)), new LetVisitorsIn());
            await steps.RunAsync(Step.Stop, () => StopAsync(run, ct));
        }

        // 1. Nothing but people and git has touched the files since the first look.
        await steps.RunAsync(
            Step.CheckOut, () => CheckOutAsync(run, tree, bringTo, inPlace, pillarCommit, ct),
            inPlace ? [new ForgetInPlace(run.Id.Value)] : [new PutCheckoutBack(run.Old?.Commit, run.Old?.PillarCommit), new ForgetInPlace(run.Id.Value)]);

        steps.LookAt("configuration");
        var pillar = await launches.PillarAsync(project, pillarCommit, draft.Directory, run.Request.Wishes, ct);
        log.Mask(pillar.Secrets);

        var hooks = projectHooks.For(run, pillar);
        hooks.SayWhatIsLeftOut();
        hooks.Common.Tell("commit", draft.Commit);
        steps.LookAt("manifest");
        var declared = builder.Declared(draft);
        draft.Platform = launches.WhileBuilding(draft, declared, releases.NextNumber(project));
        var plan = await builder.PlanAsync(draft, declared, pillar, run.Request.Rebuild, log, ct);

        // 2.–3. In place: what a build writes lies beside what people write.
        await steps.RunAsync(Step.Configure, () => hooks.ConfigureAsync(draft, ct));
        await steps.RunAsync(Step.Build, async () =>
        {
            await hooks.BuildAsync(draft, plan, declared, ct);
            builder.Finish(draft);
        });
        steps.LookAt("manifest");
        var manifest = Declared.In(draft.Directory, run, pillar, launches);

        // 4. A number for this run of the files; they go on changing.
        var release = await steps.RunAsync(Step.Seal, () =>
        {
            var numbered = releases.Seal(draft, pillarCommit, Mode.Editable);
            journal.LeadsTo(run.Id, numbered.Id, numbered.Number);
            hooks.Keep(numbered);
            return Task.FromResult(numbered);
        });
        log.Detail("runs " + string.Join(", ", hooks.Common.Additions.TypesWith(manifest.ProcessTypes).Select(type => type.Name)));
        var over = bounces.Prepare(run, release, hooks);
        await (stopsFirst ? StartAsync(run, release, over, hooks, ct) : bounces.Of(manifest, release).ChangeOverAsync(over, ct));
        log.Detail(RunView.Describe(project));
        return release;
    }

    /// <summary>9.–16. Nothing else runs, and no data is put back: what does not start is mended in place.</summary>
    async Task StartAsync(Run run, Release release, Changeover over, StepHooks hooks, CancellationToken ct)
    {
        await run.Steps.RunAsync(Step.Release, async () =>
        {
            if (hooks.Choice.Runs("release"))
            {
                await launches.RunReleaseCommandAsync(release, run.Log, ct);
            }

            await hooks.RunAsync(release, "deploy", run.Id, ct);
        });
        await over.StartAsync(ct);
        await over.AwaitHealthyAsync(ct);
        await over.UpgradeAsync(ct);
        await over.PromoteAsync();
        await over.SwitchAsync();
        await over.SettleAsync(ct);
        if (run.Old is { } old)
        {
            visitors.Forget(run.Project, old.Id);
        }
    }

    /// <summary>
    /// Before another mode deploys: the edited files go to <c>archives/&lt;its release&gt;/project.edited</c> as a whole, by a rename, and the other mode gets a working copy of its own. Files are
    /// not shared between the two: a person writes into them in place, and a sealed release must not change.
    /// </summary>
    public async Task LeaveAsync(Run run, CancellationToken ct)
    {
        run.Steps.LookAt("edits");
        await RefuseIfLostAsync(run, TreeOf(run.Project).Commit, merging: false, ct);
        await run.Steps.RunAsync(
            Step.Leave,
            () => Done(() =>
            {
                var aside = PutEditsBack.PlaceOf(run.Project, run.Old!.Id);
                Directory.CreateDirectory(Path.GetDirectoryName(aside)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                AtomicFile.Rename(run.Project.Checkout, aside);
                Directory.CreateDirectory(run.Project.Checkout, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                run.Log.Detail($"editable mode is left; its files are kept in {aside}");
            }),
            new PutEditsBack(run.Old!.Id.Value));
        await new GitRepository(run.Project.ProjectRepository, git).EmptyCheckoutAsync(run.Project.Checkout);
    }

    async Task RefuseIfLostAsync(Run run, string? commit, bool merging, CancellationToken ct)
    {
        if (commit is null || run.Request.Wishes.DiscardEdits)
        {
            return;
        }

        var lost = await TreeOf(run.Project).LostAsync(commit, merging, ct);
        if (lost.Count > 0)
        {
            var named = string.Join('\n', lost.Take(MostNamed).Select(path => $"  {path}"));
            var more = lost.Count > MostNamed ? $"\n  … and {lost.Count - MostNamed} more" : "";
            throw new Refusal($"{lost.Count} {(lost.Count == 1 ? "file was" : "files were")} edited in {run.Project.Run} and not committed:\n{named}{more}\nbring them into a commit, or give them up with -o discard-edits");
        }
    }

    async Task StopAsync(Run run, CancellationToken ct)
    {
        if (run.Old is { } old)
        {
            await launches.TryHooksAsync(old, "pre_stop", run.Id, run.Log);
            await visitors.DrainAsync(old, limits.Stop);
            await fleet.StopAsync(old.Project, old.Id);
            await launches.TryHooksAsync(old, "post_stop", run.Id, run.Log);
            ct.ThrowIfCancellationRequested();
        }
    }

    async Task CheckOutAsync(Run run, EditedTree tree, string? commit, bool inPlace, string? pillarCommit, CancellationToken ct)
    {
        var project = run.Project;
        if (commit is not null)
        {
            await RefuseIfLostAsync(run, inPlace ? commit : null, merging: true, ct);
            if (!inPlace)
            {
                // Its files may be further names of a sealed release's: an editor would write into both.
                await new GitRepository(project.ProjectRepository, git).EmptyCheckoutAsync(project.Checkout);
                tree.Forget();
            }

            await tree.BringToAsync(commit, run.Request.Wishes.DiscardEdits, ct);
            if (File.Exists(Path.Combine(project.Checkout, ".gitmodules")))
            {
                run.Log.Detail("note: submodules are not brought along in editable mode");
            }
        }

        if (pillarCommit is not null && pillarCommit != run.Old?.PillarCommit)
        {
            await new GitRepository(project.PillarRepository, git).CheckOutAsync(pillarCommit, project.PillarCheckout, ct);
        }
    }

    EditedTree TreeOf(Project project) => new(project.ProjectRepository, project.Checkout, git);

    static Task Done(Action act)
    {
        act();
        return Task.CompletedTask;
    }
}
