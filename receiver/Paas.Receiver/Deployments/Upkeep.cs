using Paas.Receiver.Archives;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What is done with a live release and its data without another release taking its place: a backup, a restore, one of the project's own tasks. In the project's line
/// like a deployment, with the same journal and the same ways back.
/// </summary>
sealed class Upkeep(ReleaseStore releases, Archivist archivist, Launches launches, ProjectHooks projectHooks, Bounces bounces, Housekeeping housekeeping)
{
    public static bool Is(DeploymentKind kind) => kind is DeploymentKind.Backup or DeploymentKind.Restore or DeploymentKind.Task;

    /// <summary>Returns what was done, in words.</summary>
    public async Task<string> RunAsync(Run run, CancellationToken ct)
    {
        var live = run.Old ?? throw new Refusal("nothing is deployed yet: push first");
        var pillar = await launches.PillarAsync(live, ct);
        run.Log.Mask(pillar.Secrets);

        var hooks = projectHooks.For(run, pillar);
        return run.Request.Kind switch
        {
            DeploymentKind.Backup => await BackUpAsync(run, live, hooks, ct),
            DeploymentKind.Restore => await RestoreAsync(run, live, hooks, ct),
            _ => await RunTaskAsync(run, live, hooks, ct),
        };
    }

    /// <summary>The data and the project's own dumps. Nothing writes meanwhile, and visitors wait, unless it was asked for live.</summary>
    async Task<string> BackUpAsync(Run run, Release live, StepHooks hooks, CancellationToken ct)
    {
        run.Log.Title($"Backing up the data of {run.Project} ({live})");
        var over = bounces.Prepare(run, live, hooks);
        if (run.Request.Wishes.Live)
        {
            await over.BackUpAsync(ct);
        }
        else
        {
            await over.HoldAsync();
            await over.StopOldAsync(drain: true, ct);
            await over.BackUpAsync(ct);
            await StartAgainAsync(over, ct);
        }

        await housekeeping.PruneAsync(live, run.Id, madeLive: false);
        return $"backup {run.Id} is taken; to bring it back: corpus restore {run.Project.Name} {run.Id}";
    }

    /// <summary>R11.4, R11.5 by hand. What the data was until now is backed up first, and brought back should anything fail.</summary>
    async Task<string> RestoreAsync(Run run, Release live, StepHooks hooks, CancellationToken ct)
    {
        var backup = BackupOf(run);
        run.Log.Title($"Bringing back the data of {run.Project} as backup {backup} has it ({live})");
        var over = bounces.Prepare(run, live, hooks, backup);
        await over.HoldAsync();
        await over.StopOldAsync(drain: true, ct);
        await over.BackUpAsync(ct);
        await over.RestoreAsync(ct);
        await StartAgainAsync(over, ct);
        return $"the data is as backup {backup} has it; as it was before it is in backup {run.Id}";
    }

    static async Task StartAgainAsync(Changeover over, CancellationToken ct)
    {
        await over.StartAsync(ct);
        await over.AwaitHealthyAsync(ct);
        await over.SwitchAsync();
        await over.SettleAsync(ct);
    }

    /// <summary><c>task_*</c> (reference 2.5): the same context as a step's, no backup and no way back.</summary>
    static async Task<string> RunTaskAsync(Run run, Release live, StepHooks hooks, CancellationToken ct)
    {
        var task = "task_" + run.Request.Wishes.Task;
        if (!ProjectHooks.Any(live.Directory, task))
        {
            var known = ProjectHooks.TasksIn(live.Directory);
            throw new Refusal($"{live} has no task '{run.Request.Wishes.Task}'; {(known.Count > 0 ? $"there are: {string.Join(", ", known)}" : "tasks are executables .paas/hooks/task_NAME")}");
        }

        run.Log.Title($"Running {task} of {live}");
        await run.Steps.RunAsync(Step.Task, () => hooks.RunAsync(live, task, run.Id, ct));
        return $"{task} is done";
    }

    /// <summary>An id, <c>vN</c> for the data as that release left it, or the newest.</summary>
    ReleaseId BackupOf(Run run)
    {
        var (project, wanted) = (run.Project, run.Request.Wishes.Backup);
        var found = wanted is null ? (archivist.List(project) is [var newest, ..] ? newest.Id : null)
            : wanted is ['v', .. var digits] && int.TryParse(digits, out var number) ? releases.Find(project, number)?.ReplacedBy
            : ReleaseId.TryParse(wanted);
        return found is not null && archivist.Has(project, found) ? found
            : throw new Refusal(wanted is null ? $"{project} has no backup yet" : $"{project} has no backup {wanted}; corpus backup --list {project.Name} shows what there is");
    }
}
