using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.ServiceControl;

/// <summary>
/// CloudFlow's servicectl (reference 3.2 to 3.6): a CloudFlow project is an environment, a service is a project in it. Its clients take every status they do not know for success
/// and read every body as JSON, so there are no others here: 200, 201, 400, 403, 404, 405, and 500 with a body.
/// </summary>
sealed partial class ServiceControlDoor(
    Sessions sessions, ProjectStore projects, Demolition demolition, ServiceRecords records, ReleaseStore releases, Fleet fleet, Journal journal, Proxies proxies, AuditLog audit,
    RegistryServer registry, RegistryCredentials credentials, Rollouts rollouts, ILogger<ServiceControlDoor> logger)
{
    const long LargestBody = 256 * 1024;
    const int LongestFullName = 32;
    const int MostLines = 10_000;
    const string Unknown = "unknown";

    public static void Map(WebApplication app)
    {
        var door = app.Services.GetRequiredService<ServiceControlDoor>();
        foreach (var prefix in (string[])["/servicectl-1", "/servicectl-1/v0"])
        {
            app.Map(prefix + "/services/{name?}", (HttpContext context, string? name) => door.ServeAsync(context, prefix.EndsWith("/v0", StringComparison.Ordinal) ? "/v0/services" : "/services", name));
        }
    }

    async Task ServeAsync(HttpContext context, string self, string? name)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = LargestBody;
        }

        var (status, answer) = (StatusCodes.Status200OK, (JsonNode)new JsonObject());
        Session? session = null;
        try
        {
            session = Known(context.Request);
            var environment = projects.FindEnvironment(session.Environment) ?? throw new ServiceControlException(StatusCodes.Status403Forbidden, "Token validation failed");
            var links = new Links(self, $"{context.Request.Scheme}://{context.Request.Host}", environment);
            (status, answer) = (context.Request.Method, name) switch
            {
                ("GET", null or "") => (StatusCodes.Status200OK, List(environment, links)),
                ("POST", null or "") => (StatusCodes.Status201Created, await CreateAsync(context, environment, links)),
                ("GET", _) => (StatusCodes.Status200OK, Show(context.Request, Find(environment, name), links)),
                ("PUT", _) => (StatusCodes.Status200OK, await UpdateAsync(context, Find(environment, name), links, session)),
                ("DELETE", _) => (StatusCodes.Status200OK, await DeleteAsync(Find(environment, name), session)),
                _ => throw new ServiceControlException(StatusCodes.Status405MethodNotAllowed, "Method not allowed"),
            };
        }
        catch (ServiceControlException refused)
        {
            (status, answer) = (refused.Status, Error(refused.Message));
        }
        catch (Exception e) when (e is Refusal or JsonException or BadHttpRequestException)
        {
            (status, answer) = (StatusCodes.Status400BadRequest, Error(e is JsonException ? "The body is not JSON." : e.Message));
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // The one place that turns our own trouble into an answer: with a body, or the client dies of it.
            Log.Failed(logger, e, context.Request.Path);
            (status, answer) = (StatusCodes.Status500InternalServerError, Error("The receiver failed; its log says why."));
        }

        Record(context, session, status);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(answer.ToJsonString(), context.RequestAborted);
    }

    /// <summary>400 without a token, 403 with one that is not good (the vendor's rule).</summary>
    Session Known(HttpRequest request)
    {
        var token = request.Headers["X-Auth-Token"].ToString();
        return token.Length == 0 ? throw new ServiceControlException(StatusCodes.Status400BadRequest, "No token was sent: X-Auth-Token.")
            : sessions.Find(token) ?? throw new ServiceControlException(StatusCodes.Status403Forbidden, "Token validation failed");
    }

    JsonArray List(Environment environment, Links links) =>
        [.. projects.List(environment).OrderBy(project => project.Name.Value, StringComparer.Ordinal).Select(project => (JsonNode)links.Of(project))];

    async Task<JsonNode> CreateAsync(HttpContext context, Environment environment, Links links)
    {
        var body = await BodyAsync(context);
        var text = body.ValueKind == JsonValueKind.Object && body.TryGetProperty("name", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        if (!ProjectName.TryParse(text, out var name) || environment.Name.Value.Length + 1 + text.Length > LongestFullName)
        {
            throw new ServiceControlException(
                StatusCodes.Status400BadRequest, $"'{Logs.LogStream.Harmless(text.Length > 60 ? text[..60] : text)}' cannot be a service's name: {ProjectName.Rule}, and with '{environment.Name}-' before it it has at most {LongestFullName} characters.");
        }

        var (check, full) = (Definition.CheckOf(body), links.FullName(name));

        // project a-b with service c, and project a with service b-c, would be at one address.
        if (projects.List().Any(project => Links.FullName(project) == full))
        {
            throw new ServiceControlException(StatusCodes.Status405MethodNotAllowed, $"There is a service {full} already.");
        }

        var project = projects.FindOrCreate(environment.Name, name);
        records.Keep(project, check);
        return links.Of(project);
    }

    JsonObject Show(HttpRequest request, Project project, Links links)
    {
        var answer = links.Of(project);
        switch (request.Query["view"].ToString())
        {
            case "" or "status":
                answer["status"] = StatusOf(project, links);
                return answer;
            case "logs":
                answer["logs"] = LogsOf(project, Count(request, "tail", 20, MostLines), Count(request, "streams", 1, 100));
                return answer;
            case "docker":
                if (registry.WhyNot is { } why)
                {
                    throw new ServiceControlException(StatusCodes.Status404NotFound, why);
                }

                // Both name the same host and port, or docker does not find for the push what it kept at the login.
                answer["repo_uri"] = $"{request.Host}/{Links.FullName(project)}";
                answer["proxy_endpoint"] = $"{request.Scheme}://{request.Host}";
                answer["user"] = Links.FullName(project);
                answer["password"] = credentials.Issue(project, mayPush: true);
                return answer;
            default:
                throw new ServiceControlException(StatusCodes.Status400BadRequest, "view is status, logs or docker.");
        }
    }

    async Task<JsonNode> UpdateAsync(HttpContext context, Project project, Links links, Session session)
    {
        try
        {
            var definition = Definition.Of(await BodyAsync(context)) with { Check = records.CheckOf(project) };
            await rollouts.BeginAsync(project, definition, session.For, ClientOf(context), context.RequestAborted);
            return new JsonObject { ["Success"] = $"Issued the update command for {project.Name}; check its status.", ["links"] = links.Of(project)["links"]!.DeepClone() };
        }
        catch (Exception refused) when (refused is ServiceControlException or Refusal)
        {
            // The client does not look at the status of an update: whoever asks for the service's status is to see it.
            records.Note(project, $"(service {Links.FullName(project)}) was not updated: {refused.Message}");
            throw;
        }
    }

    async Task<JsonNode> DeleteAsync(Project project, Session session)
    {
        await demolition.DestroyAsync(project, session.For);
        return new JsonObject { ["Success"] = $"Service {project.Name} was deleted." };
    }

    JsonObject StatusOf(Project project, Links links)
    {
        var (check, live) = (records.CheckOf(project), releases.Current(project));
        var instances = live is null ? [] : fleet.Status(project, live.Id);
        var beside = fleet.Running(project).Where(id => id != live?.Id).Select(id => releases.Find(project, id)).OfType<Release>().ToList();
        var events = records.Events(project).Concat(Happened(project)).OrderByDescending(one => one.At).Take(20);
        var health = new JsonObject
        {
            ["health_check_path"] = links.Base + Rollouts.CheckPath(project, check),
            ["interval"] = check.Interval,
            ["status_codes"] = check.StatusCodes,
            ["targets"] = new JsonArray([.. instances.Where(instance => instance.Port is not null).Select(instance => TargetOf(instance, rollouts.LastComplaint(project)))]),
        };
        return live is null
            ? new JsonObject
            {
                ["service_status"] = Unknown,
                ["count_desired"] = Unknown,
                ["count_running"] = Unknown,
                ["count_pending"] = Unknown,
                ["tasks"] = TasksOf(project, null, [], beside, links),
                ["events"] = EventsOf(events),
                ["target_health"] = health,
            }
            : new JsonObject
            {
                ["service_status"] = "ACTIVE",
                ["count_desired"] = instances.Count,
                ["count_running"] = instances.Count(instance => instance.Healthy),
                ["count_pending"] = instances.Count(instance => !instance.Healthy),
                ["tasks"] = TasksOf(project, live, instances, beside, links),
                ["events"] = EventsOf(events),
                ["target_health"] = health,
            };
    }

    /// <summary>During an update those of both; with none at all the newest that was asked for, because its client takes the fixed port from there.</summary>
    JsonArray TasksOf(Project project, Release? live, IEnumerable<InstanceStatus> instances, IEnumerable<Release> beside, Links links)
    {
        var tasks = new JsonArray([
            .. instances.Select(instance => TaskOf(instance, live!, links)),
            .. beside.SelectMany(release => fleet.Status(project, release.Id).Select(instance => TaskOf(instance, release, links)))]);
        if (tasks.Count == 0 && records.Newest(project) is { } wanted)
        {
            tasks.Add(new JsonObject
            {
                ["task_name"] = "none",
                ["created_at"] = Definition.Stamp(DateTimeOffset.UnixEpoch),
                ["desired_status"] = "STOPPED",
                ["last_status"] = "STOPPED",
                ["task_definition"] = DefinitionOf(project, 0, wanted, links),
            });
        }

        return tasks;
    }

    static JsonObject DefinitionOf(Project project, int revision, Defined wanted, Links links) => new()
    {
        ["name"] = Links.FullName(project),
        ["revision"] = revision,
        ["status"] = "ACTIVE",
        ["container_image"] = $"{new Uri(links.Base).Authority}/{Links.FullName(project)}:{wanted.Tag}",
        ["container_memory_reservation"] = wanted.Reservation,
        ["container_memory_limit"] = wanted.MemoryLimit,
        ["container_port"] = wanted.Port,
    };

    static JsonNode TargetOf(InstanceStatus instance, string? complaint)
    {
        var target = new JsonObject { ["target"] = System.Environment.MachineName, ["port"] = instance.Port, ["health"] = instance.Healthy ? "healthy" : "unhealthy" };
        if (!instance.Healthy)
        {
            target["description"] = complaint ?? "It does not answer yet.";
        }

        return target;
    }

    JsonNode TaskOf(InstanceStatus instance, Release live, Links links) => new JsonObject
    {
        ["task_name"] = instance.Id,
        ["created_at"] = Definition.Stamp(live.MadeAt),
        ["desired_status"] = "RUNNING",
        ["last_status"] = instance.Healthy ? "RUNNING" : "PENDING",
        ["task_definition"] = records.Find(live.Project, live.Commit) is { } wanted ? DefinitionOf(live.Project, live.Number, wanted, links) : new JsonObject
        {
            ["name"] = Links.FullName(live.Project),
            ["revision"] = live.Number,
            ["status"] = "ACTIVE",
            ["container_image"] = $"services-{live.Project.Name}:paasta-{live.Commit}",
            ["container_memory_reservation"] = 0,
            ["container_memory_limit"] = 0,
            ["container_port"] = instance.Port ?? 0,
        },
    };

    /// <summary>What became of the newest deployments, in the words of the vendor.</summary>
    IEnumerable<(DateTimeOffset At, string Message)> Happened(Project project) =>
        journal.Of(project, 20).Where(entry => entry.FinishedAt is not null).Select(entry => (
            DateTimeOffset.Parse(entry.FinishedAt!, CultureInfo.InvariantCulture),
            $"(service {Links.FullName(project)}) " + (entry.Outcome is nameof(Outcome.Live) or nameof(Outcome.LiveButUntidy) ? "has reached a steady state." : $"was not updated: {entry.Failure ?? entry.Outcome}")));

    static JsonArray EventsOf(IEnumerable<(DateTimeOffset At, string Message)> events) =>
        [.. events.Select(one => (JsonNode)new JsonObject { ["created_at"] = Definition.Stamp(one.At), ["message"] = one.Message })];

    /// <summary>One stream a release, the newest first; oldest line first in each.</summary>
    JsonArray LogsOf(Project project, int tail, int streams)
    {
        var answer = new JsonArray();
        foreach (var release in releases.List(project).Where(release => !release.Pruned).OrderByDescending(release => release.Number).Take(streams))
        {
            var lines = fleet.LastLogLines(project, release.Id, null, tail).Select(line => new JsonObject { ["time"] = Definition.Stamp(line.Time), ["message"] = line.Text }).ToList();
            var full = Links.FullName(project);
            answer.Add(new JsonObject
            {
                ["stream_name"] = $"{full}/{full}/{release.Id}",
                ["log_events"] = new JsonArray([.. lines.Select(line => line.DeepClone())]),
                ["logs"] = new JsonArray([.. lines]),
            });
        }

        return answer;
    }

    /// <summary>404 also for what is another environment's: a session sees its own.</summary>
    Project Find(Environment environment, string? name) =>
        ProjectName.TryParse(name, out var parsed) && projects.Find(environment.Name, parsed) is { } project ? project : throw new ServiceControlException(StatusCodes.Status404NotFound, "There is no such service.");

    static async Task<JsonElement> BodyAsync(HttpContext context)
    {
        using var document = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        return document.RootElement.Clone();
    }

    static int Count(HttpRequest request, string key, int otherwise, int most) =>
        int.TryParse(request.Query[key], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? Math.Min(number, most) : otherwise;

    string ClientOf(HttpContext context) => proxies.ClientOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"]).ToString();

    static JsonObject Error(string text) => new() { ["Error"] = text };

    void Record(HttpContext context, Session? session, int status)
    {
        if (session is not null && !HttpMethods.IsGet(context.Request.Method))
        {
            audit.Add(new AuditEntry(
                session.For, "session", ClientOf(context), $"servicectl {context.Request.Method}",
                $"{session.Environment}{context.Request.Path.Value!["/servicectl-1".Length..]}", status.ToString(CultureInfo.InvariantCulture)));
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "A request of servicectl for {Path} failed")]
        public static partial void Failed(ILogger logger, Exception trouble, string path);
    }

    /// <summary>How services are named in answers.</summary>
    sealed record Links(string Self, string Base, Environment Environment)
    {
        public static string FullName(Project project) => $"{project.Environment.Name}-{project.Name}";

        public string FullName(ProjectName name) => $"{Environment.Name}-{name}";

        public string Deployment(Project project) => $"{Base}/{FullName(project)}";

        public JsonObject Of(Project project) => new()
        {
            ["name"] = project.Name.Value,
            ["links"] = new JsonArray(
                new JsonObject { ["rel"] = "self", ["href"] = $"{Self}/{project.Name}" },
                new JsonObject { ["rel"] = "deployment", ["href"] = Deployment(project) }),
        };
    }
}
