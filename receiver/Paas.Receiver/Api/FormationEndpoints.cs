using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Api;

/// <summary>What runs: releases started, stopped, restarted and made current; how many of each process type.</summary>
static class FormationEndpoints
{
    public static void MapFormations(this RouteGroupBuilder api)
    {
        Map("start", DeploymentKind.Start, Permission.ApplicationDeploy);
        Map("stop", DeploymentKind.Stop, Permission.ApplicationDeploy);
        Map("restart", DeploymentKind.Restart, Permission.ApplicationDeploy);
        Map("current", DeploymentKind.Current, Permission.ApplicationRouting);

        api.MapGet("/projects/{environment}/{project}/scale", (string environment, string project, HttpContext context, Desk desk, Formations formations) =>
            TypedResults.Ok(new ScaleOrder(formations.ScaleOf(desk.Project(context, environment, project, Permission.View))))).ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/scale", async (string environment, string project, ScaleOrder order, HttpContext context, Desk desk, Operations operations, Formations formations) =>
        {
            var of = desk.Project(context, environment, project, Permission.ApplicationDeploy);
            if (order.Types is not { Count: > 0 } types)
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "Which process type, and how many of it?");
            }

            await operations.ScaleAsync(of, types);
            return TypedResults.Ok(new ScaleOrder(formations.ScaleOf(of)));
        }).ThroughLinks();

        api.MapDelete("/projects/{environment}/{project}/releases/{number:int}", (string environment, string project, int number, HttpContext context, Desk desk, ReleaseStore releases, Housekeeping housekeeping, DeploymentQueue queue) =>
        {
            var of = desk.Project(context, environment, project, Permission.ApplicationDelete);
            var release = releases.Find(of, number) ?? throw ProblemException.Missing("such release");
            if (queue.InLine(of).Count > 0)
            {
                throw new Refusal($"A deployment of {of} is at work: try again when it has ended.");
            }

            housekeeping.Deregister(release);
            return TypedResults.NoContent();
        });

        void Map(string verb, DeploymentKind kind, Permission permission) => api.MapPost(
            $"/projects/{{environment}}/{{project}}/{verb}",
            (string environment, string project, ReleaseOrder? order, HttpContext context, Desk desk, DeploymentQueue queue) =>
            {
                var of = desk.Project(context, environment, project, permission);
                var number = order?.Release;
                if (number is < 1 || (number is null && kind == DeploymentKind.Current))
                {
                    throw new ProblemException(StatusCodes.Status400BadRequest, "Which release? They count from 1.");
                }

                return Accepted(queue.Submit(new DeploymentRequest
                {
                    Project = of,
                    Kind = kind,
                    TargetRelease = number,
                    By = Desk.AskerOf(context).Caller.Name,
                    From = Desk.AskerOf(context).From.ToString(),
                }).Id);
            }).ThroughLinks();
    }

    static Accepted<AcceptedWork> Accepted(string id)
    {
        var accepted = new AcceptedWork(id, $"/api/v1/deployments/{id}", $"/api/v1/deployments/{id}/log");
        return TypedResults.Accepted(accepted.Url, accepted);
    }
}
