using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Api;

/// <summary>Projects: what they are doing, what they released, what they are configured with.</summary>
static class ProjectEndpoints
{
    public static void MapProjects(this RouteGroupBuilder api)
    {
        api.MapGet("/projects", async (HttpContext context, Desk desk, Summaries summaries, Neighbours neighbours) =>
        {
            var there = await neighbours.ListAsync(context, "projects", ContractJson.Default.PageProjectSummary, neighbours.Of);
            return TypedResults.Ok(new Page<ProjectSummary>([.. desk.Visible(context).Select(summaries.Of), .. there.Items], Missing: there.Missing));
        });

        api.MapGet("/projects/{environment}/{project}", async (string environment, string project, bool? verify, HttpContext context, Desk desk, Summaries summaries) =>
            TypedResults.Ok(await summaries.StatusOfAsync(desk.Project(context, environment, project, Permission.View), verify ?? false, context.RequestAborted))).ThroughLinks();

        api.MapGet("/projects/{environment}/{project}/config", ConfigAsync);
    }

    static async Task<Ok<Page<ConfigEntry>>> ConfigAsync(string environment, string project, HttpContext context, Desk desk, Launches launches, ReleaseStore releases)
    {
        var found = desk.Project(context, environment, project, Permission.Configure);
        var pillar = await launches.PillarToShowAsync(found, releases.Current(found)?.Directory, context.RequestAborted);
        return TypedResults.Ok(new Page<ConfigEntry>([.. pillar.Shown().Select(one => new ConfigEntry(one.Name, one.Value, one.Masked, one.From))]));
    }
}
