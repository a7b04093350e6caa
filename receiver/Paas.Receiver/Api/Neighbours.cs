using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Metadata;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Hosts;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>A route whose environment may be on a linked host: the request is made there then.</summary>
/// <param name="IsStream">The answer is lines of text, as they come.</param>
sealed record ThroughLinks(bool IsStream);

/// <summary>
/// What this receiver's API says and does on linked hosts. An environment there is called <c>ENV@HOST</c> here, or by its uuid. The link's token is an administrator's, so
/// only administrators get through; to everybody else what is there looks missing. Nothing that a host says is taken for more than text: its names are parsed, its lists and
/// answers bounded, and one that is dead or lies is told of beside what the others say.
/// </summary>
sealed class Neighbours(HostLinks links, HostCalls calls, ProjectStore projects, Gatekeeper gatekeeper, ThisHost here)
{
    const int MostListed = 10_000;
    const int MostTags = 50;
    const int MostAddresses = 10;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Destroying waits for what is running to stop.</summary>
    static readonly TimeSpan LongPatience = TimeSpan.FromMinutes(5);

    Guid Own => projects.Default.Uuid;

    /// <summary>Every linked host that the caller may know of, asked at once and for a moment only.</summary>
    public Task<HostSummary[]> HostsAsync(HttpContext context) =>
        Asks(context) is not null || !gatekeeper.May(Desk.AskerOf(context).Caller, Permission.NodeList) ? Task.FromResult(Array.Empty<HostSummary>())
        : Task.WhenAll(links.List().Select(async host =>
        {
            try
            {
                return await LookAsync(host, context.RequestAborted);
            }
            catch (HostTroubleException e)
            {
                return new HostSummary { Name = host.Name, State = "unreachable", Trouble = LogStream.Harmless(e.Message), Url = host.Url.ToString(), Addresses = [host.Url.Host] };
            }
        }));

    /// <summary>What a host says of itself, when its receiver is another one than this and lets the token do what a link is for.</summary>
    /// <exception cref="Refusal">It is not like that.</exception>
    public async Task<HostSummary> MeetAsync(LinkedHost host, CancellationToken ct)
    {
        try
        {
            var environments = await calls.ReadAsync(host, "api/v1/environments", ContractJson.Default.PageEnvironmentSummary, Own, ct);
            if (environments.Items.Any(environment => environment.Uuid == Own))
            {
                throw new Refusal($"{host.Url} is this receiver.");
            }

            var me = await calls.ReadAsync(host, "api/v1/whoami", ContractJson.Default.WhoAmI, Own, ct);
            return me.Admin
                ? await LookAsync(host, ct)
                : throw new Refusal($"The token is good at {host.Url.Authority}, but not an administrator's: make one there with: corpus tokens add {here.Name}");
        }
        catch (HostTroubleException e)
        {
            throw new Refusal($"{LogStream.Harmless(e.Message)} Nothing is linked.");
        }
    }

    /// <summary>What all linked hosts list at a path.</summary>
    /// <param name="ours">One of their items as it is called here; null leaves it out.</param>
    public async Task<Page<T>> ListAsync<T>(HttpContext context, string path, JsonTypeInfo<Page<T>> type, Func<LinkedHost, T, T?> ours)
        where T : class
    {
        if (Asks(context) is not null || !IsAdministrator(context))
        {
            return new Page<T>([]);
        }

        var parts = await Task.WhenAll(links.List().Select<LinkedHost, Task<(List<T> Items, string? Trouble)>>(async host =>
        {
            try
            {
                var page = await calls.ReadAsync(host, $"api/v1/{path}", type, Own, context.RequestAborted);
                var items = page.Items.OfType<T>().Take(MostListed).Select(item => ours(host, item)).OfType<T>().ToList();
                links.Saw(host, items.OfType<EnvironmentSummary>().Select(one => (one.Uuid, one.Name[..one.Name.IndexOf('@', StringComparison.Ordinal)])));
                return (items, null);
            }
            catch (HostTroubleException e)
            {
                return ([], LogStream.Harmless(e.Message));
            }
        }));
        var missing = parts.Select(part => part.Trouble).OfType<string>().ToList();
        return new Page<T>([.. parts.SelectMany(part => part.Items)], Missing: missing.Count == 0 ? null : missing);
    }

    public EnvironmentSummary? Of(LinkedHost host, EnvironmentSummary there) => !EnvironmentName.TryParse(there.Name, out var name) ? null : there with
    {
        Name = host.NameOf(name.Value),
        Type = LogStream.Harmless(there.Type),
        Mode = LogStream.Harmless(there.Mode),
        Host = host.Name,
        IsDefault = false,
        Tags = there.Tags.Take(MostTags).GroupBy(tag => Harmless(tag.Key)!).ToDictionary(same => same.Key, same => Harmless(same.First().Value) ?? ""),
        ReleaseSource = Harmless(there.ReleaseSource),
        Domain = Harmless(there.Domain),
        Ssh = Harmless(there.Ssh),
        Git = Harmless(there.Git),
    };

    public ProjectSummary? Of(LinkedHost host, ProjectSummary there) => !EnvironmentName.TryParse(there.Environment, out var environment) || !ProjectName.TryParse(there.Name, out var name)
        ? null : there with { Environment = host.NameOf(environment.Value), Name = name.Value, Url = LogStream.Harmless(there.Url) };

    /// <summary>An environment on the host that the order names.</summary>
    public async Task<EnvironmentSummary> MakeAsync(HttpContext context, EnvironmentOrder order)
    {
        var host = (Asks(context) is null && IsAdministrator(context) ? links.Find(order.Host!) : null)
            ?? throw new Refusal($"There is no host '{LogStream.Harmless(order.Host!)}': there {(links.List() is { Count: > 0 } list && IsAdministrator(context) ? $"are {here.Name}, {string.Join(", ", list.Select(one => one.Name))}" : $"is {here.Name}")}.");
        var body = JsonSerializer.SerializeToUtf8Bytes(order with { Host = null }, ContractJson.Default.EnvironmentOrder);
        var answer = await calls.AskAsync(host, HttpMethod.Post, "api/v1/environments", body, Own, Patience, context.RequestAborted);
        if (!answer.Succeeded)
        {
            throw new Refusal($"{host.Name}: {DetailOf(host, answer)}");
        }

        var made = Of(host, HostCalls.Read(host, answer.Body, ContractJson.Default.EnvironmentSummary)) ?? throw HostCalls.NoReceiver(host);
        links.Saw(host, [(made.Uuid, made.Name.Split('@')[0])]);
        Desk.Note(context, $"on {host.Name}");
        return made;
    }

    /// <summary>Makes the request at the host that its environment is on; what is here goes on to <paramref name="next"/>.</summary>
    public async Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint() is not { } endpoint || context.Request.RouteValues["environment"] is not string text || Asks(context) is not null
            || (!text.Contains('@', StringComparison.Ordinal) && !Guid.TryParseExact(text, "D", out _)) || !IsAdministrator(context) || PlaceOf(text) is not var (host, environment))
        {
            await next(context);
            return;
        }

        if (endpoint.Metadata.GetMetadata<ThroughLinks>() is not { } through)
        {
            throw new Refusal($"This is asked of {host.Name} itself: corpus --endpoint {host.Url} …");
        }

        if (through.IsStream)
        {
            await calls.PassLinesAsync(host, PathOf(context.Request, environment), context.Request.Headers["Last-Event-ID"], Own, context.Response, context.RequestAborted);
            return;
        }

        var isLong = endpoint.Metadata.GetOrderedMetadata<IProducesResponseTypeMetadata>().Any(answer => answer.StatusCode == StatusCodes.Status202Accepted);
        await RelayAsync(context, host, environment, endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName, isLong);
    }

    async Task RelayAsync(HttpContext context, LinkedHost host, string environment, string? route, bool isLong)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted); // the door bounds it
        var order = route == "releases.promote" ? FromThere(host, body.ToArray()) : body.ToArray();
        var answer = await calls.AskAsync(
            host, new HttpMethod(context.Request.Method), PathOf(context.Request, environment), order, Own,
            HttpMethods.IsDelete(context.Request.Method) ? LongPatience : HttpMethods.IsGet(context.Request.Method) ? HostCalls.Glance : Patience, context.RequestAborted);
        Desk.Note(context, $"on {host.Name}");
        if (route == "environments.destroy" && answer.Succeeded)
        {
            links.Forget(host, environment);
        }

        context.Response.StatusCode = (int)answer.Status;
        if (answer.Body.Length > 0 || (isLong && answer.Succeeded))
        {
            context.Response.ContentType = answer.Succeeded ? "application/json" : "application/problem+json";
            await context.Response.Body.WriteAsync(
                isLong && answer.Succeeded ? WatchedHere(context.Request, host, answer) : Ours(host, answer, route), context.RequestAborted);
        }
    }

    /// <summary>A release is promoted between environments of one host; from elsewhere the host takes it by its own settings.</summary>
    static byte[] FromThere(LinkedHost host, byte[] body)
    {
        var order = body.Length == 0 ? null : JsonSerializer.Deserialize(body, ContractJson.Default.PromoteOrder);
        if (order?.From is not { } from)
        {
            return body;
        }

        return from.Split('@') is [var environment, var name] && name == host.Name
            ? JsonSerializer.SerializeToUtf8Bytes(order with { From = environment }, ContractJson.Default.PromoteOrder)
            : throw new Refusal($"'{LogStream.Harmless(from)}' is not on {host.Name}. There an environment takes releases from elsewhere by: corpus change_env ENDPOINT ENV@{host.Name} --releases-from URL/ENV");
    }

    /// <summary>Long work there is watched through us: whoever asked has no token of the host's.</summary>
    static byte[] WatchedHere(HttpRequest request, LinkedHost host, HostAnswer answer)
    {
        if (HostCalls.Read(host, answer.Body, ContractJson.Default.AcceptedWork) is not { Id: { } text } || ReleaseId.TryParse(text) is not { } id)
        {
            throw HostCalls.NoReceiver(host);
        }

        var segments = request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var url = $"/api/v1/projects/{Uri.EscapeDataString(segments[3])}/{Uri.EscapeDataString(segments[4])}/deployments/{id}";
        return JsonSerializer.SerializeToUtf8Bytes(new AcceptedWork(id.Value, url, url + "/log"), ContractJson.Default.AcceptedWork);
    }

    byte[] Ours(LinkedHost host, HostAnswer answer, string? route)
    {
        if (answer.Succeeded && route is "environments.show" or "environments.change")
        {
            var summary = Of(host, HostCalls.Read(host, answer.Body, ContractJson.Default.EnvironmentSummary)) ?? throw HostCalls.NoReceiver(host);
            return JsonSerializer.SerializeToUtf8Bytes(summary, ContractJson.Default.EnvironmentSummary);
        }

        try
        {
            var said = Cleaned(JsonNode.Parse(answer.Body)) ?? throw HostCalls.NoReceiver(host);
            if (answer.Succeeded && route == "projects.make")
            {
                var made = said.Deserialize(ContractJson.Default.ProjectMade)!;
                said = JsonSerializer.SerializeToNode(
                    made with { Repository = new Uri(host.Url, made.Repository.TrimStart('/')).ToString(), PillarRepository = new Uri(host.Url, made.PillarRepository.TrimStart('/')).ToString() },
                    ContractJson.Default.ProjectMade)!;
            }

            return System.Text.Encoding.UTF8.GetBytes(said.ToJsonString());
        }
        catch (Exception e) when (e is JsonException or UriFormatException or ArgumentException)
        {
            throw HostCalls.NoReceiver(host);
        }
    }

    async Task<HostSummary> LookAsync(LinkedHost host, CancellationToken ct)
    {
        var page = await calls.ReadAsync(host, "api/v1/hosts", ContractJson.Default.PageHostSummary, Own, ct);
        var itself = page.Items is [{ } first, ..] ? first : throw HostCalls.NoReceiver(host);
        return itself with
        {
            Name = host.Name,
            State = "reachable",
            Trouble = null,
            Url = host.Url.ToString(),
            Version = Harmless(itself.Version),
            Addresses = [.. itself.Addresses.OfType<string>().Take(MostAddresses).Select(LogStream.Harmless)],
            Domain = Harmless(itself.Domain),
            GuestType = Harmless(itself.GuestType),
            Types = [.. (itself.Types ?? []).OfType<string>().Take(MostAddresses).Select(LogStream.Harmless)],
        };
    }

    (LinkedHost Host, string Environment)? PlaceOf(string text) =>
        projects.FindEnvironment(text) is not null ? null
        : Guid.TryParseExact(text, "D", out var uuid) ? links.Find(uuid)
        : text.Split('@') is [var environment, var name] && EnvironmentName.TryParse(environment, out _) && links.Find(name) is { } host ? (host, environment)
        : null;

    bool IsAdministrator(HttpContext context) => gatekeeper.May(Desk.AskerOf(context).Caller, Permission.Administer);

    static string? Asks(HttpContext context) => context.Request.Headers[HostCalls.AskingHeader] is [{ Length: > 0 } asking, ..] ? asking : null;

    // /api/v1/KIND/{environment}/…: the same with the name that the environment has there.
    static string PathOf(HttpRequest request, string environment)
    {
        var segments = request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        segments[3] = environment;
        return string.Join('/', segments.Select(Uri.EscapeDataString)) + request.QueryString.Value;
    }

    static string DetailOf(LinkedHost host, HostAnswer answer) =>
        LogStream.Harmless(HostCalls.Read(host, answer.Body, ContractJson.Default.Problem).Detail ?? $"it answers {(int)answer.Status}");

    static string? Harmless(string? text) => text is null ? null : LogStream.Harmless(text);

    static JsonNode? Cleaned(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject fields:
                foreach (var name in fields.Select(field => field.Key).ToList())
                {
                    fields[name] = Cleaned(fields[name]?.DeepClone());
                }

                return fields;
            case JsonArray items:
                for (var i = 0; i < items.Count; i++)
                {
                    items[i] = Cleaned(items[i]?.DeepClone());
                }

                return items;
            case JsonValue value when value.TryGetValue<string>(out var text):
                return JsonValue.Create(LogStream.Harmless(text));
            default:
                return node;
        }
    }
}

static class ThroughLinksConvention
{
    public static RouteHandlerBuilder ThroughLinks(this RouteHandlerBuilder route, bool isStream = false) => route.WithMetadata(new ThroughLinks(isStream));
}
