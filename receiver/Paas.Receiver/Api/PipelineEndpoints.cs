using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>A service's pipeline: its runs, starting one, approving and aborting it.</summary>
static class PipelineEndpoints
{
    public static void MapPipelines(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/pipeline", async (string environment, string project, HttpContext context, Desk desk, Pipelines pipelines) =>
        {
            var home = desk.Project(context, environment, project, Permission.View);
            return TypedResults.Ok(new Page<PipelineSummary>([.. await Task.WhenAll(pipelines.Of(home).Select(run => OfAsync(home, run, pipelines, context)))]));
        }).WithName("pipeline.list");

        Map("", "start", (home, order, marker, pipelines, ct) => pipelines.StartAsync(home, order?.Commit, marker, ct));
        Map("/approve", "approve", (home, _, marker, pipelines, ct) => pipelines.ApproveAsync(home, marker, ct));
        Map("/abort", "abort", (home, _, marker, pipelines, _) => Task.FromResult(pipelines.Abort(home, marker.By)));

        void Map(string path, string name, Func<Project, PipelineOrder?, Marker, Pipelines, CancellationToken, Task<PipelineRun>> act) =>
            api.MapPost($"/projects/{{environment}}/{{project}}/pipeline{path}", async (string environment, string project, PipelineOrder? order, HttpContext context, Desk desk, RepositoryGate gate, Pipelines pipelines) =>
            {
                var home = desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting);
                var run = await act(home, order, MarkEndpoints.MarkerOf(context, gate), pipelines, context.RequestAborted);
                Desk.Note(context, $"run {run.Id} of {run.Commit}");
                return TypedResults.Ok(await OfAsync(home, run, pipelines, context));
            }).WithName($"pipeline.{name}");
    }

    static async Task<PipelineSummary> OfAsync(Project home, PipelineRun run, Pipelines pipelines, HttpContext context) =>
        new(run.Id, run.Commit, run.By, run.State, (int)run.Stage, await pipelines.StagesAsync(home, run, context.RequestAborted), run.Detail);
}
