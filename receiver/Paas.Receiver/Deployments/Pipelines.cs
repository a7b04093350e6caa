using Dapper;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>One run of a pipeline.</summary>
sealed record PipelineRun
{
    public long Id { get; init; }

    public string Commit { get; init; } = "";

    public string PillarCommit { get; init; } = "";

    public string By { get; init; } = "";

    /// <summary><c>running</c>, <c>waiting</c> for an approval, <c>done</c>, <c>failed</c> or <c>aborted</c>.</summary>
    public string State { get; init; } = "";

    /// <summary>How many stages are over.</summary>
    public long Stage { get; init; }

    public string? Detail { get; init; }
}

/// <summary>
/// Runs a service's <c>deploy.yaml</c> (reference 3.8): stage by stage, the steps of one side by side; each marks the commit for its group, as a bot would. Steps that are tools' (itest, security-check …) are
/// done where the code is built, by whoever starts the run. A receiver that is killed leaves the run waiting for an approval: nobody goes on in somebody's name.
/// </summary>
sealed partial class Pipelines(Database database, Marks marks, Launches launches, GitProgram git, ILogger<Pipelines> logger)
{
    const string Columns = "id AS Id, commit_id AS [Commit], pillar_commit AS PillarCommit, asked_by AS [By], state AS State, stage AS Stage, detail AS Detail";

    /// <summary>Newest first.</summary>
    public IReadOnlyList<PipelineRun> Of(Project home, int most = 10) =>
        database.Read<PipelineRun>(
            $"SELECT {Columns} FROM pipeline_runs WHERE environment = @Environment AND project = @Name ORDER BY id DESC LIMIT {most}",
            new { Environment = home.Environment.Name.Value, Name = home.Name.Value });

    /// <param name="commit">Null is what the deploy branch is at.</param>
    /// <exception cref="Refusal">There is no pipeline, no such commit, or one runs.</exception>
    public async Task<PipelineRun> StartAsync(Project home, string? commit, Marker marker, CancellationToken ct)
    {
        var pillar = await launches.PillarCommitAsync(home, ct);
        var pipeline = pillar is null ? null : (await marks.ConfigAtAsync(home, pillar, ct)).Pipeline;
        if (pipeline is null)
        {
            throw new Refusal($"{home} has no deploy.yaml in its pillar.");
        }

        var full = commit is not null ? await marks.CommitAsync(home, commit, ct) : await NewestAsync(home, ct) ?? throw new Refusal($"nothing was pushed to {home} yet.");
        var run = database.Write(connection =>
        {
            var of = new { Environment = home.Environment.Name.Value, Name = home.Name.Value, full, pillar, marker.By };
            var running = connection.ExecuteScalar<long>("SELECT count(*) FROM pipeline_runs WHERE environment = @Environment AND project = @Name AND state = 'running'", of);
            if (running > 0)
            {
                return null;
            }

            connection.Execute("UPDATE pipeline_runs SET state = 'aborted', detail = 'a newer one was started' WHERE environment = @Environment AND project = @Name AND state = 'waiting'", of);
            return connection.QueryFirst<PipelineRun>(
                $"INSERT INTO pipeline_runs (environment, project, commit_id, pillar_commit, asked_by, state, stage) VALUES (@Environment, @Name, @full, @pillar, @By, 'running', 0) RETURNING {Columns}",
                of);
        }) ?? throw new Refusal($"The pipeline of {home} is running: wait for it, or abort it.");
        _ = WorkAsync(home, run, pipeline, marker);
        return run;
    }

    /// <summary>Goes on with the run that waits, in the name of who approves.</summary>
    /// <exception cref="Refusal">None waits.</exception>
    public async Task<PipelineRun> ApproveAsync(Project home, Marker marker, CancellationToken ct)
    {
        var waiting = Of(home, 1) is [{ State: "waiting" } run] ? run : throw new Refusal($"No run of the pipeline of {home} waits for an approval.");
        var pipeline = (await marks.ConfigAtAsync(home, waiting.PillarCommit, ct)).Pipeline ?? throw new Refusal($"{home} has no deploy.yaml in its pillar.");
        if (!Turn(waiting.Id, "waiting", "running", waiting.Stage, $"approved by {marker.By}"))
        {
            throw new Refusal("Somebody else was quicker.");
        }

        var approved = waiting with { State = "running", Detail = $"approved by {marker.By}" };
        _ = WorkAsync(home, approved, pipeline, marker);
        return approved;
    }

    /// <summary>No further step begins; what was marked stays marked.</summary>
    /// <exception cref="Refusal">There is nothing to abort.</exception>
    public PipelineRun Abort(Project home, string by) =>
        Of(home, 1) is [{ State: "waiting" or "running" } run] && Turn(run.Id, run.State, "aborted", run.Stage, $"aborted by {by}")
            ? run with { State = "aborted", Detail = $"aborted by {by}" } : throw new Refusal($"No run of the pipeline of {home} is going on.");

    /// <summary>At start-up: what a former receiver was in the middle of.</summary>
    public void Interrupt() =>
        database.Write("UPDATE pipeline_runs SET state = 'waiting', detail = 'the receiver was stopped: approve to go on' WHERE state = 'running'");

    /// <summary>The steps of each stage of what is configured for a run, as people read them.</summary>
    public async Task<IReadOnlyList<string>> StagesAsync(Project home, PipelineRun run, CancellationToken ct) =>
        [.. ((await marks.ConfigAtAsync(home, run.PillarCommit, ct)).Pipeline?.Stages ?? []).Select(stage => string.Join(',', stage.Select(step => step.Name)))];

    async Task WorkAsync(Project home, PipelineRun run, DeployPipeline pipeline, Marker marker)
    {
        var stage = (int)run.Stage;
        try
        {
            while (stage < pipeline.Stages.Count)
            {
                var steps = pipeline.Stages[stage];
                var failures = (await Task.WhenAll(steps.Select(step => StepAsync(home, step, run.Commit, marker)))).OfType<string>().ToList();
                if (failures.Count > 0)
                {
                    Turn(run.Id, "running", "failed", stage, string.Join("; ", failures));
                    return;
                }

                stage++;
                var waits = stage < pipeline.Stages.Count && steps.Any(step => step is { Manual: true, Disabled: false });
                if (!Turn(run.Id, "running", waits ? "waiting" : "running", stage, waits ? "for an approval" : null) || waits)
                {
                    return;
                }
            }

            Turn(run.Id, "running", "done", stage, null);
        }
        catch (Exception e)
        {
            // Nobody awaits this: whoever looks at the run must see that it is over.
            Log.Broke(logger, e, home.Key, run.Id);
            Turn(run.Id, "running", "failed", stage, "this one is on us; the operator has the details");
        }
    }

    /// <summary>Null when the next stage may begin, else why not.</summary>
    async Task<string?> StepAsync(Project home, PipelineStep step, string commit, Marker marker)
    {
        if (step.Disabled || !step.Marks)
        {
            return null;
        }

        string? why;
        try
        {
            var before = (await marks.OfAsync(home)).MarkOf(step.Name)?.Commit;
            await marks.MarkAsync(home, step.Name, commit, null, null, marker, CancellationToken.None);
            why = step.Waits ? await marks.SettledAsync(home, step.Name, commit) : null;
            if (why is not null && step.RollsBack && before is not null && before != commit)
            {
                await marks.MarkAsync(home, step.Name, before, null, commit, marker, CancellationToken.None);
                why += $"; rolled back to {before[..8]}";
            }
        }
        catch (Refusal refusal)
        {
            why = refusal.Message;
        }

        return why is null || step.IgnoresFailure ? null : $"{step.Name}: {why}";
    }

    async Task<string?> NewestAsync(Project home, CancellationToken ct)
    {
        var repository = new GitRepository(home.ProjectRepository, git);
        return repository is { Exists: true, HeadBranch: { } branch } ? await repository.ReadRefAsync(branch, ct) : null;
    }

    /// <summary>False when the run is not in that state any more: somebody aborted it.</summary>
    bool Turn(long id, string from, string to, long stage, string? detail) =>
        database.Write("UPDATE pipeline_runs SET state = @to, stage = @stage, detail = @detail WHERE id = @id AND state = @from", new { id, from, to, stage, detail }) > 0;

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Run {run} of the pipeline of {project} broke")]
        public static partial void Broke(ILogger logger, Exception e, string project, long run);
    }
}
