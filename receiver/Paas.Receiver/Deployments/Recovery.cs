using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Start-up after any end: every unfinished deployment is driven to exactly the old or exactly the new release, data included, ref matching.
/// One question decides: does <c>deploy/current</c> already point to this deployment's release? Then forward, else back.
/// </summary>
sealed partial class Recovery(
    Journal journal, ProjectStore projects, ReleaseStore releases, DeploymentQueue queue, Deployer deployer, DeploymentLogs logs, GitProgram git,
    Archivist archivist, Launches launches, Formations formations, Fleet fleet, Visitors visitors, ManualFixes fixes, ILogger<Recovery> logger)
{
    /// <summary>How many applications are brought up at once after a reboot.</summary>
    const int AtOnce = 4;

    /// <summary>
    /// Puts every unfinished deployment first in its project's line and returns; from then on pushes may come in. Whatever else should run is
    /// brought up behind it, bounded.
    /// </summary>
    public async Task RunAsync(CancellationToken ct)
    {
        await fleet.AdoptAsync(await SurvivorsAsync(ct));
        await fixes.RecoverAsync(ct);
        var open = journal.Open();

        // Before the first of them goes on: what it makes is not what the last run left. An import that had begun does not go on.
        var wanted = open.Where(entry => entry.State == "waiting").Select(entry => Wishes.FromJson(entry.Wishes).Import).OfType<string>().ToHashSet();
        foreach (var project in projects.List())
        {
            Housekeeping.SweepDiscarded(project);
            ImportWorkflow.Sweep(project, wanted);
        }

        foreach (var entry in open)
        {
            if (projects.Find($"{entry.Environment}/{entry.Project}") is { } project)
            {
                await TakeUpAsync(project, entry);
            }
        }

        var live = new List<Release>();
        foreach (var project in projects.List())
        {
            releases.ShowRun(project);
            if (queue.InLine(project).Count == 0 && releases.Current(project) is { } release)
            {
                visitors.Expect(project);
                live.Add(release);
            }

            live.AddRange(formations.Started(project).Where(id => id != releases.CurrentId(project)).Select(id => releases.Find(project, id)).OfType<Release>().Where(beside => !beside.Pruned));
        }

        _ = Task.Run(() => Parallel.ForEachAsync(live, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct }, BringUpAsync), ct);
    }

    /// <summary>
    /// Of what still runs, the live releases and those started beside them: `current` names the old one until the new one is promoted, so whatever else is found must go,
    /// before any data is put back under it.
    /// </summary>
    async Task<List<Launch>> SurvivorsAsync(CancellationToken ct)
    {
        var survivors = new List<Launch>();
        foreach (var (key, id) in fleet.Found())
        {
            if (projects.Find(key) is { } project && releases.Find(project, id) is { Pruned: false } release)
            {
                var isLive = releases.CurrentId(project) == id;
                if (formations.Runs(id) ?? isLive)
                {
                    try
                    {
                        survivors.Add(isLive ? await launches.OfAsync(release, ct) : await launches.BesideAsync(release, ct));
                    }
                    catch (Exception e) when (e is Refusal or IOException)
                    {
                        // In editable mode somebody may be in the middle of an edit: one project's files must not keep the receiver from starting.
                        Log.NotUp(logger, e, project.Key, release.Number);
                    }
                }
            }
        }

        return survivors;
    }

    async Task TakeUpAsync(Project project, JournalEntry entry)
    {
        var request = RequestOf(project, entry);
        if (entry is { State: "finished", Outcome: nameof(Outcome.Live) or nameof(Outcome.LiveButUntidy) })
        {
            await MoveRefAsync(project, entry);
            return;
        }

        var deployment = new Deployment(entry.ReleaseId, request, logs.Open(project, entry.ReleaseId));
        visitors.Expect(project);
        if (entry.State == "finished")
        {
            deployment.Log.Title("Taking back what could not be taken back before");
            queue.Resume(deployment, found => BackAsync(found, entry));
        }
        else if (entry.State == "running")
        {
            deployment.Log.Title("The receiver was interrupted here and goes on");
            queue.Resume(deployment, ReachedNewRelease(project, entry) ? found => FinishAsync(found, entry) : found => BackAsync(found, entry));
        }
        else if (request.Async || !request.MovesRef)
        {
            queue.Resume(deployment, deployer.RunAsync);
        }
        else
        {
            // Its pusher was told that it failed when the receiver went away, so it must not happen now.
            journal.Finish(entry.ReleaseId, Outcome.Interrupted, "the receiver stopped while it waited", step: null);
            deployment.Log.Close();
            deployment.Dispose();
        }
    }

    bool ReachedNewRelease(Project project, JournalEntry entry) =>
        entry.Next is not null && entry.Next != entry.Previous && releases.CurrentId(project)?.Value == entry.Next;

    /// <summary>Forward: the new release is the live one; what was left to do after that is done now.</summary>
    async Task<Outcome> FinishAsync(Deployment deployment, JournalEntry entry)
    {
        var project = deployment.Project;
        var release = releases.Current(project)!;
        string? untidy = null;
        try
        {
            await MoveRefAsync(project, entry);
        }
        catch (Exception e)
        {
            // Tried again at the next start; what serves must be brought up in any case.
            Log.RefLagsBehind(logger, e, project.Key, deployment.Id);
            untidy = e.Message;
        }

        untidy = await deployer.FinishAsync(deployment, release, ReleaseId.TryParse(entry.Previous)) ?? untidy;
        var outcome = untidy is null ? Outcome.Live : Outcome.LiveButUntidy;
        deployment.Log.Result($"{release} is live at {visitors.Url(project)}");
        deployer.Record(deployment, outcome, untidy, steps: null);
        deployment.MarkRefMoved();
        return outcome;
    }

    /// <summary>Back: code, configuration and data as they were.</summary>
    async Task<Outcome> BackAsync(Deployment deployment, JournalEntry entry)
    {
        var project = deployment.Project;
        SweepUnpacked(project);
        var whole = await deployer.UnwindAsync(project, deployment.ReleaseId, deployment.Log);
        archivist.SweepUnfinished(project, deployment.ReleaseId);
        await deployer.GiveRefBackAsync(deployment);
        if (releases.Current(project) is { } release)
        {
            await BringUpAsync(release, CancellationToken.None);
        }

        visitors.LetIn(project);
        var outcome = !whole ? Outcome.NeedsAttention : entry.State == "finished" ? Outcome.RolledBack : Outcome.Interrupted;
        deployer.Record(deployment, outcome, entry.Failure ?? "the receiver was interrupted", steps: null);
        return outcome;
    }

    /// <summary>What a rollback was unpacking when it was interrupted.</summary>
    static void SweepUnpacked(Project project)
    {
        foreach (var begun in Directory.EnumerateDirectories(project.Deploy, "*.tmp"))
        {
            Directory.Delete(begun, recursive: true);
        }
    }

    /// <summary>Between "live" and "the ref has moved" the receiver died: the ref follows what serves.</summary>
    async Task MoveRefAsync(Project project, JournalEntry entry)
    {
        if (RequestOf(project, entry) is { MovesRef: true, Ref: { } name, NewCommit: { } commit } request)
        {
            await new GitRepository(request.Repository, git).MoveRefAsync(name, commit, entry.OldCommit);
            journal.RefMoved(entry.ReleaseId);
        }
    }

    async ValueTask BringUpAsync(Release release, CancellationToken ct)
    {
        try
        {
            if (launches.IsStopped(release))
            {
                await launches.IntroduceAsync(release, ct);
            }
            else
            {
                await launches.BringUpAsync(release, ct);
            }
        }
        catch (Exception e)
        {
            // One application that does not come up must not keep the others from it.
            Log.NotUp(logger, e, release.Project.Key, release.Number);
            visitors.LetIn(release.Project);
        }
    }

    static DeploymentRequest RequestOf(Project project, JournalEntry entry) => new()
    {
        Project = project,
        Kind = Enum.Parse<DeploymentKind>(entry.Kind),
        Ref = entry.Ref,
        OldCommit = entry.OldCommit,
        NewCommit = entry.NewCommit,
        TargetRelease = entry.TargetRelease,
        Mode = Enum.Parse<Mode>(entry.Mode),
        Rebuild = entry.Rebuild,
        Async = entry.Async,
        CodeOnly = entry.CodeOnly,
        Wishes = Wishes.FromJson(entry.Wishes),
        By = entry.By,
        From = entry.From,
    };

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: deployment {id} is live, but its ref could not be moved")]
        public static partial void RefLagsBehind(ILogger logger, Exception exception, string project, string id);

        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: v{number} does not come up after a restart")]
        public static partial void NotUp(ILogger logger, Exception exception, string project, int number);
    }
}
