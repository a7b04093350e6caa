using System.Text.Json.Nodes;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>A project as a PaaSTA service: its deploy groups, marks, controls and what its configuration lacks (reference 3.4, 3.5, 3.10).</summary>
static class MarkEndpoints
{
    public static void MapMarks(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/groups", async (string environment, string project, HttpContext context, Desk desk, Marks marks) =>
        {
            var home = desk.Project(context, environment, project, Permission.View);
            var state = await marks.OfAsync(home, context.RequestAborted);
            return TypedResults.Ok(new Page<DeployGroupSummary>([.. state.Groups.Select(group => Of(home, group, state, marks))]));
        }).WithName("groups.list");

        api.MapPost("/projects/{environment}/{project}/marks", async (string environment, string project, MarkOrder order, HttpContext context, Desk desk, RepositoryGate gate, Marks marks) =>
        {
            var (home, marker) = (desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting), MarkerOf(context, gate));
            if (order is not { Group: { } group, Commit: { } commit })
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "Which deploy group, and which commit?");
            }

            var (made, said) = await marks.MarkAsync(home, group, commit, order.ImageVersion, order.RolledBackFrom, marker, context.RequestAborted);
            Desk.Note(context, $"{group} {made.Commit}");
            return TypedResults.Ok(new MarkMade(made.Ref, group, made.Commit, said));
        }).WithName("marks.make");

        api.MapPost("/projects/{environment}/{project}/controls", async (string environment, string project, ControlOrder order, HttpContext context, Desk desk, RepositoryGate gate, Marks marks) =>
        {
            var (home, marker) = (desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting), MarkerOf(context, gate));
            if (order.Instance is not { } instance)
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "Which instance? It is CLUSTER.INSTANCE.");
            }

            var (made, said) = await marks.ControlAsync(home, instance, order.Runs, marker, context.RequestAborted);
            Desk.Note(context, $"{instance} {(order.Runs ? "start" : "stop")}");
            return TypedResults.Ok(new MarkMade(made.Ref, made.Mark.Target, made.Commit, said));
        }).WithName("controls.make");

        api.MapGet("/projects/{environment}/{project}/deployments.json", async (string environment, string project, HttpContext context, Desk desk, Marks marks) =>
        {
            var home = desk.Project(context, environment, project, Permission.View);
            return Results.Text(Deployments(home, await marks.OfAsync(home, context.RequestAborted)).ToJsonString(), "application/json");
        }).WithName("deployments.view");

        api.MapGet("/projects/{environment}/{project}/check", async (string environment, string project, HttpContext context, Desk desk, Marks marks, ServicePorts ports, ProjectStore projects) =>
        {
            var home = desk.Project(context, environment, project, Permission.View, Permission.Configure);
            return TypedResults.Ok(new Page<CheckFinding>([.. (await marks.FilesAsync(home, context.RequestAborted) is var files ? ServiceCheck.Of(files, home.Name) : [])
                .Select(finding => new CheckFinding(finding.Good, finding.Text))
                .Concat(await ClustersAsync(home, marks, projects, context.RequestAborted))
                .Concat(ports.TroubleOf(home) is { } trouble ? [new CheckFinding(false, trouble)] : [])]));
        }).WithName("services.check");
    }

    public static Marker MarkerOf(HttpContext context, RepositoryGate gate)
    {
        var asker = Desk.AskerOf(context);
        return new Marker(asker.Caller.Name, asker.From.ToString(), gate.FetchesOf(asker.Caller), gate.DeploysOf(asker.Caller));
    }

    static DeployGroupSummary Of(Project home, string group, DesiredState state, Marks marks) => new()
    {
        Name = group,
        Commit = state.MarkOf(group)?.Commit,
        ImageVersion = state.MarkOf(group)?.Mark.ImageVersion,
        Places = [.. marks.PlacesOf(home, group, state).Select(place => new GroupPlace(place.Cluster, place.Instances, place.State.ToString().ToLowerInvariant(), place.Live, place.Deployment, place.Why))],
        Marks = [.. state.History(group).Take(10).Select(one => new MarkSummary(one.Stamp, one.Commit, one.Mark.ImageVersion, state.WasRolledBack(group, one.Commit)))],
    };

    /// <summary>Every cluster that is configured should be an environment here.</summary>
    static async Task<IReadOnlyList<CheckFinding>> ClustersAsync(Project home, Marks marks, ProjectStore projects, CancellationToken ct)
    {
        try
        {
            return
            [
                .. (await marks.ConfigOfAsync(home, ct)).Instances.Select(instance => instance.Cluster).Distinct(StringComparer.Ordinal)
                    .Select(cluster => EnvironmentName.TryParse(cluster, out var name) && projects.FindEnvironment(name) is not null
                        ? new CheckFinding(true, $"the cluster {cluster} is an environment here") : new CheckFinding(false, $"there is no environment {cluster} here: corpus init_env")),
            ];
        }
        catch (Refusal)
        {
            // The files' mistakes have been said.
            return [];
        }
    }

    /// <summary>The file that PaaSTA's agents read, of this one service.</summary>
    static JsonObject Deployments(Project home, DesiredState state)
    {
        var (first, groups, controls) = (new JsonObject(), new JsonObject(), new JsonObject());
        foreach (var instance in state.Instances)
        {
            if (state.MarkOf(instance.DeployGroup) is not { } mark)
            {
                continue;
            }

            var control = state.ControlOf(instance, mark.Commit);
            var image = $"services-{home.Name}:paasta-{mark.Commit}{(mark.Mark.ImageVersion is { } version ? $"-{version}" : "")}";
            first[$"{home.Name}:paasta-{instance.FullName}"] = new JsonObject { ["docker_image"] = image, ["desired_state"] = Word(control), ["force_bounce"] = control.ForceBounce };
            groups[instance.DeployGroup] = new JsonObject { ["docker_image"] = image, ["git_sha"] = mark.Commit, ["image_version"] = mark.Mark.ImageVersion };
            controls[$"{home.Name}:{instance.FullName}"] = new JsonObject { ["desired_state"] = Word(control), ["force_bounce"] = control.ForceBounce };
        }

        return new JsonObject { ["v1"] = first, ["v2"] = new JsonObject { ["deployments"] = groups, ["controls"] = controls } };
    }

    static string Word(Control control) => control.Runs ? "start" : "stop";
}
