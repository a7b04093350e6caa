using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Crons;

namespace Paas.Receiver.Api;

/// <summary>What web crons were run and how they went.</summary>
static class CronEndpoints
{
    public static void MapCrons(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/crons", (string environment, string project, HttpContext context, Desk desk, CronRuns runs) =>
            TypedResults.Ok(new Page<CronRunSummary>([.. runs.Of(desk.Project(context, environment, project, Permission.View)).Select(Of)]))).ThroughLinks();

        api.MapGet("/projects/{environment}/{project}/crons/{id}", (string environment, string project, string id, HttpContext context, Desk desk, CronRuns runs) =>
        {
            var run = runs.Of(desk.Project(context, environment, project, Permission.View)).FirstOrDefault(one => Of(one).Id == id);
            return run is not null && File.Exists(run.Log) ? Results.File(run.Log, "application/octet-stream") : throw ProblemException.Missing("such run");
        });
    }

    static CronRunSummary Of(CronRun run) => new()
    {
        Id = Path.GetFileNameWithoutExtension(run.Log),
        Type = run.Type,
        Path = run.Uri,
        StartedAt = run.StartedAt,
        Milliseconds = run.Milliseconds,
        Status = run.Status,
        Failure = run.Failure,
    };
}
