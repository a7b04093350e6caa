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
        api.MapGet("/projects", async (int? limit, string? cursor, HttpContext context, Desk desk, Summaries summaries, Neighbours neighbours) =>
        {
            var there = await neighbours.ListAsync(context, "projects", ContractJson.Default.PageProjectSummary, neighbours.Of);
            var most = Paging.Limit(limit, int.MaxValue - 1);
            var all = desk.Visible(context).Select(project => (Key: project.Key, Summary: (Func<ProjectSummary>)(() => summaries.Of(project))))
                .Concat(there.Items.Select(one => (Key: $"{one.Environment}/{one.Name}", Summary: (Func<ProjectSummary>)(() => one))))
                .OrderBy(one => one.Key, StringComparer.Ordinal).SkipWhile(one => cursor is not null && string.CompareOrdinal(one.Key, cursor) <= 0).Take(most + 1);
            return TypedResults.Ok(Paging.Of(context, [.. all.Select(one => one.Summary())], most, one => $"{one.Environment}/{one.Name}", there.Missing));
        }).WithName("projects.list");

        api.MapGet("/projects/{environment}/{project}", async (string environment, string project, bool? verify, HttpContext context, Desk desk, Summaries summaries) =>
            TypedResults.Ok(await summaries.StatusOfAsync(desk.Project(context, environment, project, Permission.View), verify ?? false, context.RequestAborted))).ThroughLinks();

        api.MapGet("/projects/{environment}/{project}/config", ConfigAsync).ThroughLinks();
    }

    static async Task<Ok<Page<ConfigEntry>>> ConfigAsync(string environment, string project, HttpContext context, Desk desk, Launches launches, ReleaseStore releases)
    {
        var found = desk.Project(context, environment, project, Permission.Configure);
        var pillar = await launches.PillarToShowAsync(found, releases.Current(found)?.Directory, context.RequestAborted);
        return TypedResults.Ok(new Page<ConfigEntry>([.. pillar.Shown().Select(one => new ConfigEntry(one.Name, one.Value, one.Masked, one.From))]));
    }
}
