using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>Deployments: asked for, watched, cancelled. What takes long answers 202 with where to watch it.</summary>
static class DeploymentEndpoints
{
    const int MostListed = 100;

    public static void MapDeployments(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/deployments", (string environment, string project, int? limit, string? cursor, HttpContext context, Desk desk, Journal journal, Summaries summaries) =>
        {
            var (found, most) = (desk.Project(context, environment, project, Permission.View), Paging.Limit(limit, MostListed));
            var before = cursor is null ? null : ReleaseId.TryParse(cursor) is { } id && journal.Find(id) is not null ? id : throw Paging.Unknown();
            return TypedResults.Ok(Paging.Of(context, [.. journal.Of(found, most + 1, before).Select(entry => summaries.Of(entry))], most, deployment => deployment.Id));
        }).WithName("deployments.list").ThroughLinks();

        api.MapGet("/deployments/{id}", (string id, HttpContext context, Desk desk, Summaries summaries) =>
            TypedResults.Ok(summaries.Of(desk.Deployment(context, id, Permission.View).Entry, withSteps: true)));

        api.MapGet("/deployments/{id}/log", (string id, HttpContext context, Desk desk, EventStream stream) =>
        {
            var (entry, project) = desk.Deployment(context, id, Permission.View);
            return stream.SendAsync(context, entry, project);
        });

        api.MapGet("/projects/{environment}/{project}/deployments/{id}", (string environment, string project, string id, HttpContext context, Desk desk, Summaries summaries) =>
            TypedResults.Ok(summaries.Of(desk.Deployment(context, id, Permission.View, desk.Project(context, environment, project, Permission.View)).Entry, withSteps: true)))
            .WithName("deployments.show").ThroughLinks();

        api.MapGet("/projects/{environment}/{project}/deployments/{id}/log", (string environment, string project, string id, HttpContext context, Desk desk, EventStream stream) =>
        {
            var (entry, found) = desk.Deployment(context, id, Permission.View, desk.Project(context, environment, project, Permission.View));
            return stream.SendAsync(context, entry, found);
        }).WithName("deployments.log").ThroughLinks(isStream: true);

        api.MapPost("/projects/{environment}/{project}/rollback", (string environment, string project, RollbackOrder? order, HttpContext context, Desk desk, DeploymentQueue queue) =>
            Submit(context, queue, new DeploymentRequest
            {
                Project = desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting),
                Kind = DeploymentKind.Rollback,
                TargetRelease = order?.Release is < 1 ? throw new ProblemException(StatusCodes.Status400BadRequest, "Releases count from 1.") : order?.Release,
                CodeOnly = order?.CodeOnly ?? false,
                Wishes = new Wishes { WithData = order is { WithData: true, CodeOnly: true } ? throw new ProblemException(StatusCodes.Status400BadRequest, "With its data and without it exclude each other.") : order?.WithData ?? false },
                By = Desk.AskerOf(context).Caller.Name,
                From = Desk.AskerOf(context).From.ToString(),
            })).ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/redeploy", (string environment, string project, RedeployOrder? order, HttpContext context, Desk desk, DeploymentQueue queue) =>
            Submit(context, queue, new DeploymentRequest
            {
                Project = desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting),
                Kind = DeploymentKind.Redeploy,
                Rebuild = order?.Rebuild ?? false,
                Wishes = new Wishes { Set = SetIn(order?.Set), DiscardFixes = order?.DiscardFixes ?? false },
                By = Desk.AskerOf(context).Caller.Name,
                From = Desk.AskerOf(context).From.ToString(),
            })).ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/deployments/{id}/cancel", (string environment, string project, string id, HttpContext context, Desk desk, DeploymentQueue queue) =>
        {
            var of = desk.Project(context, environment, project, Permission.JobAbort);
            var (entry, _) = desk.Deployment(context, id, Permission.JobAbort, of);
            return queue.Cancel(entry.Id, Desk.AskerOf(context).Caller.Name)
                ? Watch(entry.Id)
                : throw new Refusal($"{entry.Id} has ended already.");
        }).ThroughLinks();
    }

    static IReadOnlyDictionary<string, string>? SetIn(IReadOnlyDictionary<string, string>? set) =>
        set?.Keys.FirstOrDefault(name => !PushOptions.IsPath(name)) is { } wrong
            ? throw new ProblemException(StatusCodes.Status400BadRequest, $"{Logs.LogStream.Harmless(wrong)} is neither a variable's name nor a path of the configuration.")
            : set is { Count: > 0 } ? set : null;

    public static Accepted<AcceptedWork> Submit(HttpContext context, DeploymentQueue queue, DeploymentRequest request)
    {
        // Nothing may be asked for by somebody who is gone before the answer is on its way.
        context.RequestAborted.ThrowIfCancellationRequested();
        return Watch(queue.Submit(request).Id);
    }

    public static Accepted<AcceptedWork> Watch(string id)
    {
        var accepted = new AcceptedWork(id, $"/api/v1/deployments/{id}", $"/api/v1/deployments/{id}/log");
        return TypedResults.Accepted(accepted.Url, accepted);
    }
}
