using System.Net;
using System.Text.Json;
using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>The one machine this receiver is on, and what may be made there.</summary>
sealed record ThisHost(IPAddress Address, string Domain, string Root, IReadOnlyList<EnvironmentType> Types)
{
    public string Name => Dns.GetHostName();

    /// <summary>Null where there is no ssh.</summary>
    public int? SshPort { get; init; }

    /// <summary>What stands before the <c>@</c> for everybody: who they are is said by their key.</summary>
    public string SshAccount { get; init; } = System.Environment.UserName;
}

/// <summary>Environments and the making and destroying of projects (R2.2, R13.5, R15.3 to R15.7).</summary>
static class EnvironmentEndpoints
{
    public static void MapEnvironments(this RouteGroupBuilder api)
    {
        api.MapGet("/environments", async (HttpContext context, Desk desk, ThisHost host, Neighbours neighbours) =>
        {
            var there = await neighbours.ListAsync(context, "environments", ContractJson.Default.PageEnvironmentSummary, neighbours.Of);
            return TypedResults.Ok(new Page<EnvironmentSummary>(
                [.. desk.VisibleEnvironments(context).Select(environment => Of(environment, context, desk, host)), .. there.Items], Missing: there.Missing));
        }).WithName("environments.list");

        api.MapPost("/environments", CreateAsync).WithName("environments.make");

        api.MapGet("/environments/{environment}", (string environment, HttpContext context, Desk desk, ThisHost host) =>
            TypedResults.Ok(Of(desk.Environment(context, environment), context, desk, host))).WithName("environments.show").ThroughLinks();

        api.MapPatch("/environments/{environment}", Change).WithName("environments.change").ThroughLinks();

        api.MapDelete("/environments/{environment}", async (string environment, HttpContext context, Desk desk, Demolition demolition) =>
        {
            var found = desk.Environment(context, environment);
            await demolition.DestroyAsync(found, desk.Allowed(context, Permission.WorkspaceDelete, found.Name).Caller.Name);
            return TypedResults.NoContent();
        }).WithName("environments.destroy").ThroughLinks();

        api.MapPut("/projects/{environment}/{project}", MakeAsync).WithName("projects.make").ThroughLinks();

        api.MapDelete("/projects/{environment}/{project}", async (string environment, string project, HttpContext context, Desk desk, Demolition demolition) =>
        {
            var found = desk.Project(context, environment, project, Permission.ApplicationDelete);
            await demolition.DestroyAsync(found, Desk.AskerOf(context).Caller.Name);
            return TypedResults.NoContent();
        }).WithName("projects.destroy").ThroughLinks();
    }

    static async Task<IResult> CreateAsync(EnvironmentOrder order, HttpContext context, Desk desk, ThisHost host, ProjectStore projects, Neighbours neighbours, AccessNotices notices)
    {
        desk.Allowed(context, Permission.WorkspaceEdit);
        if (order.Host is { Length: > 0 } wanted && wanted != host.Name && wanted != "localhost")
        {
            var there = await neighbours.MakeAsync(context, order);
            notices.Tell(context, there);
            return Results.Json(there, ContractJson.Default.EnvironmentSummary, statusCode: StatusCodes.Status201Created);
        }

        var typeName = order.Type ?? "";
        if (Environment.TypeOf(typeName) is { } type && !host.Types.Contains(type))
        {
            throw new Refusal($"Environments of type {Word(type)} are not made on this receiver: PAAS_ENVIRONMENT_TYPES allows {string.Join(", ", host.Types.Select(Word))}.");
        }

        var made = projects.Create(order.Name is null ? null : EnvironmentName.Parse(order.Name), typeName, fresh => fresh with
        {
            Mode = order.Mode is null ? fresh.Mode : ModeOf(order.Mode),
            Tags = order.Tags is null ? fresh.Tags : Sorted(order.Tags),
            QuotaGigabytes = order.QuotaGigabytes,
            ReleaseSource = order.ReleaseSource is { Length: > 0 } source ? Checked(source) : null,
            ReleaseToken = order.ReleaseToken is { Length: > 0 } token ? token : null,
        });
        notices.Tell(context, made);
        return Results.Json(Of(made, context, desk, host), ContractJson.Default.EnvironmentSummary, statusCode: StatusCodes.Status201Created);
    }

    static IResult Change(string environment, EnvironmentChange change, HttpContext context, Desk desk, ThisHost host, ProjectStore projects)
    {
        var name = desk.Environment(context, environment).Name;
        desk.Allowed(context, Permission.WorkspaceEdit, name);
        var changed = projects.Change(name, before => before with
        {
            Mode = change.Mode is null ? before.Mode : ModeOf(change.Mode),
            Tags = change.Tags is null ? before.Tags : Sorted(change.Tags),
            QuotaGigabytes = change.QuotaGigabytes switch { null => before.QuotaGigabytes, 0 => null, var quota => quota },
            ReleaseSource = change.ReleaseSource switch { null => before.ReleaseSource, "" => null, var source => Checked(source) },
            ReleaseToken = change.ReleaseToken switch { null => before.ReleaseToken, "" => null, var token => token },
        });
        return Results.Json(Of(changed, context, desk, host), ContractJson.Default.EnvironmentSummary);
    }

    /// <summary>A project with its two empty repositories, ready to be pushed to (R13.5, R15.4). Harmless where it exists.</summary>
    static async Task<IResult> MakeAsync(
        string environment, string project, HttpContext context, Desk desk, ProjectStore projects, GitProgram git, Visitors visitors, AccessNotices notices)
    {
        var (place, name) = desk.Placed(context, environment, project);
        var isNew = projects.Find(place.Name, name) is null;
        var made = projects.FindOrCreate(place.Name, name);
        await new GitRepository(made.ProjectRepository, git).CreateAsync();
        await new GitRepository(made.PillarRepository, git).CreateAsync();
        if (isNew)
        {
            notices.Tell(context, made);
        }

        var path = $"/git/{PathOf(place)}{name}";
        var answer = new ProjectMade(place.Name.Value, name.Value, visitors.Url(made), $"{path}.git", $"{path}/pillar.git", isNew);
        return Results.Json(answer, ContractJson.Default.ProjectMade, statusCode: isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    static EnvironmentSummary Of(Environment environment, HttpContext context, Desk desk, ThisHost host) => new()
    {
        Name = environment.Name.Value,
        Uuid = environment.Uuid,
        Type = Word(environment.Type),
        Mode = Word(environment.Mode),
        IsDefault = environment.IsDefault,
        Host = host.Name,
        Domain = environment.IsDefault ? host.Domain : $"{environment.Name}.{host.Domain}",
        Ssh = host.SshPort is { } port ? $"ssh://{host.SshAccount}@{context.Request.Host.Host}:{port}/{PathOf(environment)}" : null,
        Git = $"{context.Request.Scheme}://{context.Request.Host}/git/{PathOf(environment)}",
        Tags = environment.Tags,
        QuotaGigabytes = environment.QuotaGigabytes,
        ReleaseSource = environment.ReleaseSource,
        Projects = desk.Visible(context).Count(project => project.Environment.Name == environment.Name),
    };

    static string PathOf(Environment environment) => environment.IsDefault ? "" : $"{environment.Name}/";

    static SortedDictionary<string, string> Sorted(IReadOnlyDictionary<string, string> tags) =>
        new(tags.ToDictionary(tag => tag.Key, tag => tag.Value ?? ""), StringComparer.Ordinal);

    static string Checked(string source) => ReleaseSources.WhyNot(source) is { } why ? throw new Refusal(why) : source;

    static Mode ModeOf(string text) => Environment.ModeOf(text) ?? throw new Refusal($"'{text}' is no mode: there are editable, cooking and final.");

    public static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
