using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>What a project takes and may take (R2.2, R15.8, R15.9).</summary>
static class SpaceEndpoints
{
    public static void MapSpace(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/space", (string environment, string project, HttpContext context, Desk desk, Space space) =>
            Shown(space, desk.Project(context, environment, project, Permission.View))).WithName("space.show").ThroughLinks();

        api.MapPut("/projects/{environment}/{project}/space", (string environment, string project, QuotaOrder order, HttpContext context, Desk desk, Space space) =>
        {
            var found = Bounded(context, desk, environment, project);
            space.SetQuota(found, order.QuotaGigabytes);
            return Shown(space, found);
        }).WithName("space.set").ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/enlarge", (string environment, string project, SizeOrder order, HttpContext context, Desk desk, Space space) =>
        {
            var found = Bounded(context, desk, environment, project);
            RefuseOtherSizes(order);
            _ = space.Enlarge(found);
            return Shown(space, found);
        }).WithName("space.enlarge").ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/trim", (string environment, string project, SizeOrder order, HttpContext context, Desk desk, Space space) =>
        {
            var found = Bounded(context, desk, environment, project);
            RefuseOtherSizes(order);
            _ = space.Trim(found);
            return Shown(space, found);
        }).WithName("space.trim").ThroughLinks();
    }

    // Whoever shares out an environment's room, not whoever fills it.
    static Project Bounded(HttpContext context, Desk desk, string environment, string project)
    {
        var found = desk.Project(context, environment, project, Permission.View);
        desk.Allowed(context, Permission.WorkspaceEdit, found.Environment.Name);
        return found;
    }

    // A19: the size is an argument, and for now only one is possible.
    static void RefuseOtherSizes(SizeOrder order)
    {
        if (order.Size is not null && order.Size.ToLowerInvariant() is not ("5gb" or "5g"))
        {
            throw new Refusal($"a project grows and shrinks by 5gb, not by {Logs.LogStream.Harmless(order.Size)}");
        }
    }

    static Ok<SpaceSummary> Shown(Space space, Project project)
    {
        var report = space.Measure(project);
        return TypedResults.Ok(new SpaceSummary
        {
            Parts = [.. report.Parts.Select(part => new SpacePartSummary(part.Name, part.Bytes, part.Files))],
            Bytes = report.Used,
            QuotaGigabytes = report.QuotaGigabytes,
        });
    }
}
