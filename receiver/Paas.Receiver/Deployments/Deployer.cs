using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Runs one deployment by its mode's workflow; on failure walks the ways back; records, tells. The one place that catches everything.
/// </summary>
sealed partial class Deployer(
    Journal journal, ReleaseStore releases, GitProgram git, CookingWorkflow cooking, FinalWorkflow final, EditableWorkflow editable, RollbackWorkflow rollback, ImportWorkflow import, FixWorkflow fix, HandMade handMade, Upkeep upkeep, Operations operations, Housekeeping housekeeping,
    Launches launches, Fleet fleet, Visitors visitors, Archivist archivist, WayForward forward, Spares spares, WorkingCopies copies, Announcing announcing, Space space, ILogger<Deployer> logger)
{
    /// <summary>Runs it to its end. Never throws: one deployment must never be able to stop another.</summary>
    public async Task<Outcome> RunAsync(Deployment deployment)
    {
        if (Operations.Does(deployment.Request.Kind))
        {
            return await OperateAsync(deployment);
        }

        var (project, id, log, ct) = (deployment.Project, deployment.ReleaseId, deployment.Log, deployment.Cancellation);
        var old = releases.Current(project);
        var undo = new UndoLog(journal, id);
        var steps = new Steps(journal, id, log, ct);
        string? failure = null;
        Outcome outcome;
        try
        {
            await spares.StopAsync(project);
            await copies.StopAsync(project);
            await RefuseIfStaleAsync(deployment);
            housekeeping.RefuseIfDiskIsFull(project);
            Housekeeping.RefuseIfDataIsReadOnly(project);
            await MendAsync(project, log);
            if (deployment.Request.Kind is DeploymentKind.Push or DeploymentKind.Mark or DeploymentKind.Redeploy or DeploymentKind.Reconfigure or DeploymentKind.Import)
            {
                space.MakeRoom(project, log);
            }

            journal.Start(id, old?.Id);
            var run = new Run(deployment, old, steps, undo);
            var onlyImports = ImportWorkflow.Is(run) && !run.Request.Wishes.Deploy;
            if (onlyImports || Upkeep.Is(deployment.Request.Kind))
            {
                var done = onlyImports ? await import.RunAsync(run, ct) : await upkeep.RunAsync(run, ct);
                steps.Report();
                log.Result(done);
                outcome = Outcome.Done;
            }
            else
            {
                var (release, untidy) = await WorkAsync(run, ct);
                untidy = Join(untidy, await TidyUpAsync(deployment, release, steps));
                outcome = untidy is null ? Outcome.Live : Outcome.LiveButUntidy;
                Celebrate(release, untidy, steps, log);
                failure = untidy;
                if (release.Mode == Mode.Final || deployment.Request.Kind is DeploymentKind.Rollback or DeploymentKind.Current)
                {
                    copies.Show(release, old?.PillarCommit);
                }
            }
        }
        catch (Exception e)
        {
            // Everything that can go wrong in a deployment ends here, as words for the pusher and a stack for the operator.
            failure = Explain(e, deployment, steps);
            if (undo.Kept)
            {
                var release = releases.Current(project)!;
                failure = Join(failure, await FinishAsync(deployment, release, old?.Id));
                outcome = Outcome.LiveButUntidy;
                Celebrate(release, untidy: null, steps, log);
            }
            else
            {
                outcome = steps.HaveBegun ? await TakeBackAsync(deployment, e) : await RefuseAsync(deployment);
                await TryNotifyAsync(deployment, old, outcome, failure);
                SayWhatServes(deployment, old, outcome);
            }
        }

        Record(deployment, outcome, failure, steps);
        return outcome;
    }

    async Task<Outcome> OperateAsync(Deployment deployment)
    {
        var steps = new Steps(journal, deployment.ReleaseId, deployment.Log, deployment.Cancellation);
        string? failure = null;
        var outcome = Outcome.Live;
        try
        {
            journal.Start(deployment.ReleaseId, releases.CurrentId(deployment.Project));
            await operations.RunAsync(deployment, deployment.Cancellation);
        }
        catch (Exception e)
        {
            // As for a deployment: words for whoever asked, a stack for the operator.
            failure = Explain(e, deployment, steps);
            outcome = e is Refusal ? Outcome.Refused : e is OperationCanceledException && deployment.CancelledBy is not null ? Outcome.Cancelled : Outcome.RolledBack;
        }

        Record(deployment, outcome, failure, steps);
        return outcome;
    }

    /// <summary>Walks the ways back of a deployment, in the process after a failure or at start-up after a crash.</summary>
    public async Task<bool> UnwindAsync(Project project, ReleaseId deployment, Logs.LogStream log)
    {
        var blocked = new List<Exception>();
        var way = new WayBack(project, deployment, log, releases, fleet, visitors, archivist, git, launches);
        var whole = await new UndoLog(journal, deployment).UnwindAsync(way, blocked);
        foreach (var trouble in blocked)
        {
            Log.WayBackBlocked(logger, trouble, project.Key, deployment.Value);
        }

        return whole;
    }

    /// <summary>A release serves, and its deployment broke off behind that: the rest is done. Returns what could not be; never throws.</summary>
    public async Task<string?> FinishAsync(Deployment deployment, Release release, ReleaseId? previous)
    {
        string? untidy = null;
        try
        {
            await forward.WalkAsync(deployment, release, previous);
        }
        catch (Exception e)
        {
            // It is live whatever else goes wrong; that is for the operator to see.
            Log.Unfinished(logger, e, deployment.Project.Key, deployment.Id);
            untidy = e.Message;
        }

        if (release.Mode != Mode.Editable)
        {
            // Whether they were to follow or not: where they did already that is found out at once.
            copies.Show(release, pillarBefore: null);
        }

        var steps = new Steps(journal, deployment.ReleaseId, deployment.Log, CancellationToken.None, journal.Steps(deployment.ReleaseId).Count);
        return Join(untidy, await TidyUpAsync(deployment, release, steps));
    }

    /// <summary>What follows once a release serves: old ones go, people are told. A failure here makes it untidy, not undone.</summary>
    public async Task<string?> TidyUpAsync(Deployment deployment, Release release, Steps steps)
    {
        string? untidy = null;
        try
        {
            await steps.RunAsync(Step.Prune, () => housekeeping.PruneAsync(release, deployment.ReleaseId));
        }
        catch (Exception e)
        {
            // Housekeeping is tried again with the next deployment.
            Log.Untidy(logger, e, deployment.Project.Key, deployment.Id);
            untidy = $"old releases could not be pruned: {e.Message}";
        }

        try
        {
            await steps.RunAsync(Step.Notify, async () => await NotifyAsync(deployment, release, untidy is null ? Outcome.Live : Outcome.LiveButUntidy, untidy));
        }
        catch (Exception e)
        {
            // A29: telling people never changes the result.
            deployment.Log.Trouble($"notify: {e.Message}");
        }

        return untidy;
    }

    /// <summary>The project's own hook, of the release that serves now, hears how it ended; after a failure that is the old one's.</summary>
    async Task NotifyAsync(Deployment deployment, Release release, Outcome outcome, string? failure)
    {
        if (Upkeep.Is(deployment.Request.Kind) || !ProjectHooks.Any(release.Directory, "notify")
            || !StepChoice.Of(deployment.Request.Wishes, await launches.PillarAsync(release)).Runs("notify"))
        {
            return;
        }

        await launches.RunHooksAsync(release, "notify", deployment.ReleaseId, deployment.Log, CancellationToken.None,
            [("PAAS_OUTCOME", System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(outcome.ToString())), ("PAAS_FAILURE", failure ?? ""), ("PAAS_DEPLOYMENT", deployment.Id)]);
    }

    async Task TryNotifyAsync(Deployment deployment, Release? old, Outcome outcome, string failure)
    {
        try
        {
            await (old is null || outcome == Outcome.Refused ? Task.CompletedTask : NotifyAsync(deployment, old, outcome, failure));
        }
        catch (Exception e)
        {
            // A29: telling people never changes the result.
            deployment.Log.Trouble($"notify: {e.Message}");
        }
    }

    /// <summary>The end of a deployment in the journal and beside its archive.</summary>
    public void Record(Deployment deployment, Outcome outcome, string? failure, Steps? steps)
    {
        try
        {
            journal.Finish(deployment.ReleaseId, outcome, failure, steps?.Unfinished);
            housekeeping.WriteReleaseFile(deployment, outcome);
            Common.Clear(deployment.Project, deployment.ReleaseId);
        }
        catch (Exception e)
        {
            // The disk may be full: what serves, serves; the next start finds the open entry and closes it.
            Log.Untidy(logger, e, deployment.Project.Key, deployment.Id);
        }

        announcing.Tell(deployment, outcome, failure);
    }

    async Task<(Release Release, string? Untidy)> WorkAsync(Run run, CancellationToken ct)
    {
        var request = run.Request;
        var isEdited = run.Old is { Mode: Mode.Editable };
        await handMade.LookAsync(run, unpacks: ModeOf(run) == Mode.Final, ct);
        if (request.Kind is DeploymentKind.Rollback or DeploymentKind.Current)
        {
            if (isEdited)
            {
                throw new Refusal($"{run.Old} is edited in place: editable mode keeps nothing to go back to. Push the commit that you want, or leave the mode with -o mode=cooking");
            }

            return (request.Kind == DeploymentKind.Rollback ? await rollback.RunAsync(run, ct) : await rollback.MakeCurrentAsync(run, ct), null);
        }

        if (request.Kind == DeploymentKind.Fix)
        {
            return await fix.RunAsync(run, ct);
        }

        var mode = ModeOf(run);
        if (mode == Mode.Editable)
        {
            return (await editable.RunAsync(run, request.Kind is DeploymentKind.Push or DeploymentKind.Mark ? request.NewCommit : null, ct), null);
        }

        if (isEdited)
        {
            await editable.LeaveAsync(run, ct);
        }

        if (ImportWorkflow.Is(run))
        {
            return await import.DeployAsync(run, ct);
        }

        if (request.Kind == DeploymentKind.Promote)
        {
            return await final.RunAsync(run, new WantedRelease(request.NewCommit, request.TargetRelease), ct);
        }

        var commit = request.Kind is DeploymentKind.Push or DeploymentKind.Mark ? request.NewCommit! : run.Old?.Commit ?? throw new Refusal("nothing is deployed yet: push first");
        return mode == Mode.Final ? await final.RunAsync(run, new WantedRelease(commit), ct) : await cooking.RunAsync(run, commit, ct);
    }

    /// <summary>What came as an archive comes again as one; everything else as it was asked for, or as its environment has it.</summary>
    static Mode ModeOf(Run run) =>
        run.Request.Kind is DeploymentKind.Promote or DeploymentKind.Import || (run.Request.Kind is not (DeploymentKind.Push or DeploymentKind.Mark) && run.Old is { Mode: Mode.Final }) ? Mode.Final : run.Request.Mode ?? run.Project.Environment.Mode;

    /// <summary>What an earlier deployment could not take back is taken back now: nothing is deployed onto a state that is neither old nor new.</summary>
    async Task MendAsync(Project project, Logs.LogStream log)
    {
        foreach (var entry in journal.NotTakenBack(project))
        {
            log.Title($"Taking back what deployment {entry.Id} left");
            if (!await UnwindAsync(project, entry.ReleaseId, log))
            {
                throw new Refusal($"deployment {entry.Id} could not be taken back: until that is mended nothing can be deployed");
            }

            journal.Finish(entry.ReleaseId, Outcome.RolledBack, entry.Failure, step: null);
        }
    }

    /// <summary>When its turn comes the ref must still be where the pusher saw it, else git would refuse after we deployed.</summary>
    async Task RefuseIfStaleAsync(Deployment deployment)
    {
        var request = deployment.Request;
        if (request.MovesRef)
        {
            var expected = request.Async ? request.NewCommit : request.OldCommit;
            var now = await new GitRepository(request.Repository, git).ReadRefAsync(request.Ref!);
            if (now != expected)
            {
                throw new Refusal($"{request.Ref} has moved to {now?[..8] ?? "nothing"} meanwhile: fetch, and push again");
            }
        }
    }

    async Task<Outcome> RefuseAsync(Deployment deployment)
    {
        await GiveRefBackAsync(deployment);
        return Outcome.Refused;
    }

    async Task<Outcome> TakeBackAsync(Deployment deployment, Exception why)
    {
        var whole = await UnwindAsync(deployment.Project, deployment.ReleaseId, deployment.Log);
        visitors.LetIn(deployment.Project);
        await GiveRefBackAsync(deployment);
        return !whole ? Outcome.NeedsAttention : why is OperationCanceledException && deployment.CancelledBy is not null ? Outcome.Cancelled : Outcome.RolledBack;
    }

    /// <summary>A push that did not wait has moved its ref already: it goes back, so that the same commit can be pushed again.</summary>
    public async Task GiveRefBackAsync(Deployment deployment)
    {
        var request = deployment.Request;
        if (request is { Kind: DeploymentKind.Push, Async: true, Ref: not null, NewCommit: not null })
        {
            await new GitRepository(deployment.Project.ProjectRepository, git).MoveRefAsync(request.Ref, LastDeployed(request), request.NewCommit);
        }
    }

    /// <summary>Where the ref was before this push and before those that overtook each other on the way to it and came to nothing.</summary>
    string? LastDeployed(DeploymentRequest request)
    {
        var pushes = journal.Of(request.Project)
            .Where(entry => entry is { Kind: nameof(DeploymentKind.Push), NewCommit: not null } && entry.Ref == request.Ref)
            .DistinctBy(entry => entry.NewCommit)
            .Where(entry => entry is { Async: true, Outcome: not (null or nameof(Outcome.Live) or nameof(Outcome.LiveButUntidy)) })
            .ToDictionary(entry => entry.NewCommit!, entry => entry.OldCommit);
        var commit = request.OldCommit;
        while (commit is not null && pushes.Remove(commit, out var before))
        {
            commit = before;
        }

        return commit;
    }

    void Celebrate(Release release, string? untidy, Steps steps, Logs.LogStream log)
    {
        steps.Report();
        if (untidy is not null)
        {
            log.Trouble(untidy);
        }

        log.Result($"{release} is live at {visitors.Url(release.Project)}");
    }

    string Explain(Exception e, Deployment deployment, Steps steps)
    {
        var log = deployment.Log;
        var words = e switch
        {
            Refusal refusal => refusal.Message,
            UnhealthyException unhealthy => unhealthy.Message,
            OperationCanceledException when deployment.CancelledBy is { } by => $"cancelled by {by}",
            IOException io when io.HResult == 28 || io.Message.Contains("No space left", StringComparison.Ordinal) => $"the disk is full ({io.Message})",
            IOException io => io.Message,
            _ => "this one is on us, not on your push; the operator has the details",
        };
        if (e is not (Refusal or UnhealthyException or OperationCanceledException))
        {
            Log.Broke(logger, e, deployment.Project.Key, deployment.Id, steps.Current);
        }

        log.Trouble(steps.Current == Steps.Nothing ? words : $"{steps.Current} failed: {words}");
        if (e is UnhealthyException { LastLines.Count: > 0 } silent)
        {
            log.Trouble($"the application's last {silent.LastLines.Count} lines:");
            foreach (var line in silent.LastLines)
            {
                log.Detail("  " + line);
            }
        }

        return steps.Current == Steps.Nothing ? words : $"{steps.Current}: {words}";
    }

    void SayWhatServes(Deployment deployment, Release? old, Outcome outcome)
    {
        var log = deployment.Log;
        log.Trouble(visitors.Serving(deployment.Project) is { } serving
            ? $"{serving} still serves {visitors.Url(deployment.Project)}"
            : old is null ? "nothing was live before, nothing is live now" : $"{old} is the live release, but it does not run: corpus status {deployment.Project.Name}");
        log.Detail($"full log: {log.Path}");
        log.Detail(deployment.Request.Kind == DeploymentKind.Push
            ? $"next: mend it and push again (the same commit may be pushed again); corpus logs {deployment.Project.Name} shows more"
            : (outcome, deployment.Request.Kind) switch
            {
                // Nothing of the application's ran: its log says nothing of this.
                (Outcome.Refused, DeploymentKind.Rollback or DeploymentKind.Current or DeploymentKind.Promote) => $"next: corpus releases {deployment.Project.Name}",
                (Outcome.Refused, DeploymentKind.Restore) => $"next: corpus backup --list {deployment.Project.Name}",
                (Outcome.Refused, _) => $"next: corpus status {deployment.Project.Name}",
                _ => $"next: corpus logs {deployment.Project.Name}",
            });
    }

    static string? Join(string? one, string? other) => one is null ? other : other is null ? one : $"{one}; {other}";

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: deployment {id} broke in {step}")]
        public static partial void Broke(ILogger logger, Exception exception, string project, string id, string step);

        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: deployment {id}: a way back is blocked; somebody has to look")]
        public static partial void WayBackBlocked(ILogger logger, Exception exception, string project, string id);

        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: deployment {id} is live, but it could not be finished")]
        public static partial void Unfinished(ILogger logger, Exception exception, string project, string id);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: deployment {id} is live but untidy")]
        public static partial void Untidy(ILogger logger, Exception exception, string project, string id);
    }
}
