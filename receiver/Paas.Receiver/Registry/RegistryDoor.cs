using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Registry;

/// <summary>Trouble in the registry protocol's own form.</summary>
sealed class RegistryException(int status, string code, string message) : Exception(message)
{
    public int Status => status;

    public string Code => code;
}

/// <summary>
/// <c>docker login</c>, <c>push</c> and <c>pull</c> (reference 3.7): says who may, and hands everything else to the registry behind it. A repository is a project, called
/// <c>&lt;env&gt;-&lt;project&gt;</c> or <c>&lt;env&gt;/&lt;project&gt;</c>; who may fetch its code may pull its images, who may deploy it may push them.
/// </summary>
sealed partial class RegistryDoor(
    RegistryServer server, RegistryCredentials credentials, Gatekeeper gatekeeper, RepositoryGate gate, ProjectStore projects, Space space, Proxies proxies, AuditLog audit, ILogger<RegistryDoor> logger)
{
    static readonly string[] Asked = ["Accept", "Range", "If-None-Match", "If-Match"];
    static readonly string[] AskedOfBody = ["Content-Type", "Content-Length", "Content-Range"];
    static readonly string[] Answered = ["Docker-Content-Digest", "Docker-Upload-UUID", "Docker-Distribution-Api-Version", "Range", "ETag", "Accept-Ranges", "X-Content-Type-Options"];
    static readonly string[] AnsweredOfBody = ["Content-Type", "Content-Length", "Content-Range"];

    public static void Map(WebApplication app)
    {
        var door = app.Services.GetRequiredService<RegistryDoor>();
        app.Map("/v2/{**path}", door.ServeAsync);
    }

    async Task ServeAsync(HttpContext context)
    {
        try
        {
            context.Response.Headers["Docker-Distribution-Api-Version"] = "registry/2.0";
            var visitor = await VisitorAsync(context);
            if (context.Request.Path.Value is "/v2" or "/v2/")
            {
                context.Response.ContentType = "application/json";
                await context.Response.WriteAsync("{}");
                return;
            }

            await ForwardAsync(context, visitor);
        }
        catch (RegistryException refused)
        {
            await RefuseAsync(context, refused.Status, refused.Code, refused.Message);
        }
        catch (ThrottledException throttled)
        {
            context.Response.Headers.RetryAfter = throttled.RetryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
            await RefuseAsync(context, StatusCodes.Status429TooManyRequests, "TOOMANYREQUESTS", throttled.Message);
        }
        catch (Exception e) when (e is IOException or HttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            Log.Failed(logger, e, context.Request.Path);
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", server.WhyNot ?? "The registry does not answer; the receiver's log says why.");
        }
    }

    /// <summary>Whoever comes with a good password; docker's first question has none.</summary>
    async Task<Visitor> VisitorAsync(HttpContext context)
    {
        if (Basic(context.Request) is not var (user, password))
        {
            throw Unknown(context);
        }

        // A password for one project's images is no try at anybody's password.
        return RegistryCredentials.LooksLikeOne(password)
            ? new Visitor(null, credentials.Find(password) ?? throw Unknown(context))
            : new Visitor(await gatekeeper.IdentifyAsync(user, password, ClientOf(context), context.RequestAborted) ?? throw Unknown(context), null);
    }

    static RegistryException Unknown(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"paas\"";
        return new RegistryException(StatusCodes.Status401Unauthorized, "UNAUTHORIZED", "Log in with a token, or with the credentials of a service.");
    }

    async Task ForwardAsync(HttpContext context, Visitor visitor)
    {
        var request = context.Request;
        if (Place().Match(request.Path.Value!) is not { Success: true } place)
        {
            throw new RegistryException(StatusCodes.Status404NotFound, "UNSUPPORTED", "There is nothing of the kind here.");
        }

        var (asked, rest) = (place.Groups["name"].Value, place.Groups["rest"].Value);
        var isPull = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        var project = Allowed(visitor, asked, isPull);
        if (server.WhyNot is { } why)
        {
            throw new RegistryException(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", why);
        }

        // A mount from another repository is answered like a plain upload: what is in that one is not this visitor's to name.
        var query = HttpMethods.IsPost(request.Method) ? "" : request.QueryString.Value;
        var repository = RegistryServer.RepositoryOf(project);
        var isBlob = rest.StartsWith("blobs/", StringComparison.Ordinal);
        var brings = isBlob && !isPull && !HttpMethods.IsDelete(request.Method);
        if (brings || isBlob && HttpMethods.IsHead(request.Method))
        {
            // Who pushes asks first what is there already, and relies on it.
            server.Begun(project);
        }

        using var asking = new HttpRequestMessage(new HttpMethod(request.Method), $"v2/{repository}/{rest}{query}");
        Fill(asking, request, brings && server.KeepsHere ? RoomFor(project, request.ContentLength ?? 1) : null);
        var status = await server.AskAsync(
            async http =>
            {
                using var answer = await http.SendAsync(asking, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
                await AnswerAsync(context, answer, $"/v2/{repository}/", $"/v2/{asked}/");
                return (int)answer.StatusCode;
            },
            context.RequestAborted);
        Note(project, request.Method, rest, status);
        if (HttpMethods.IsPut(request.Method) && rest.StartsWith("manifests/", StringComparison.Ordinal) || HttpMethods.IsDelete(request.Method))
        {
            audit.Add(new AuditEntry(
                visitor.Name, visitor.Credential, ClientOf(context).ToString(), $"registry {request.Method}", $"{project.Key} {rest}", context.Response.StatusCode.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        }
    }

    /// <summary>Bytes that may still come for a project; null is no limit.</summary>
    /// <exception cref="RegistryException">These do not fit.</exception>
    long? RoomFor(Project project, long bytes)
    {
        try
        {
            return space.RoomFor(project, bytes);
        }
        catch (Refusal refusal)
        {
            server.Abandoned(project);
            throw new RegistryException(StatusCodes.Status403Forbidden, "DENIED", refusal.Message);
        }
    }

    /// <summary>A part of an image that has come is followed by others, up to the tag; what was replaced or deleted need not be kept.</summary>
    void Note(Project project, string method, string rest, int status)
    {
        if (status is >= 300)
        {
            return;
        }

        if (HttpMethods.IsDelete(method))
        {
            server.CleanLater();
        }
        else if (HttpMethods.IsPut(method) && rest.StartsWith("manifests/", StringComparison.Ordinal) && rest["manifests/".Length..] is var tag && !tag.Contains(':', StringComparison.Ordinal))
        {
            server.Arrived(project, tag);
        }
    }

    /// <summary>The project that a name means, where the visitor may do this with it. One that may not even be seen looks as if there were none.</summary>
    Project Allowed(Visitor visitor, string name, bool isPull)
    {
        var found = projects.List().Where(project => project.Key == name || $"{project.Environment.Name}-{project.Name}" == name).ToList();
        if (found is not [var project])
        {
            throw Missing();
        }

        var answer = visitor.Access is { } access
            ? access.Environment != project.Environment.Name || access.Project != project.Name ? RepositoryAnswer.Missing
                : isPull || access.MayPush ? RepositoryAnswer.Granted : RepositoryAnswer.Forbidden
            : gate.Ask(visitor.Caller!, project.Environment.Name, project.Name, pillar: false, push: !isPull);
        return answer switch
        {
            RepositoryAnswer.Granted => project,
            RepositoryAnswer.Forbidden => throw new RegistryException(StatusCodes.Status403Forbidden, "DENIED", $"You may not push images of {name}."),
            _ => throw Missing(),
        };

        RegistryException Missing() => new(StatusCodes.Status404NotFound, "NAME_UNKNOWN", $"There is no project {name}, or it is not yours to see.");
    }

    static void Fill(HttpRequestMessage asking, HttpRequest request, long? room)
    {
        foreach (var name in Asked)
        {
            if (request.Headers.TryGetValue(name, out var values))
            {
                asking.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        if (request.ContentLength is > 0 || request.Headers.TransferEncoding.Count > 0)
        {
            asking.Content = new StreamContent(room is { } bytes ? new UpToStream(request.Body, bytes) : request.Body);
            foreach (var name in AskedOfBody)
            {
                if (request.Headers.TryGetValue(name, out var values))
                {
                    asking.Content.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
                }
            }
        }
    }

    static async Task AnswerAsync(HttpContext context, HttpResponseMessage answer, string theirs, string ours)
    {
        var response = context.Response;
        response.StatusCode = (int)answer.StatusCode;
        foreach (var name in Answered)
        {
            if (answer.Headers.TryGetValues(name, out var values))
            {
                response.Headers[name] = values.ToArray();
            }
        }

        foreach (var name in AnsweredOfBody)
        {
            if (answer.Content.Headers.TryGetValues(name, out var values))
            {
                response.Headers[name] = values.ToArray();
            }
        }

        foreach (var name in (string[])["Location", "Link"])
        {
            if (answer.Headers.TryGetValues(name, out var values))
            {
                response.Headers[name] = values.First().Replace(theirs, ours, StringComparison.Ordinal);
            }
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await answer.Content.CopyToAsync(response.Body, context.RequestAborted);
        }
    }

    static async Task RefuseAsync(HttpContext context, int status, string code, string message)
    {
        if (context.Response.HasStarted)
        {
            context.Abort(); // half an image must not look like a whole one
            return;
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = null;
        await context.Response.WriteAsync(new JsonObject { ["errors"] = new JsonArray(new JsonObject { ["code"] = code, ["message"] = message }) }.ToJsonString(), context.RequestAborted);
    }

    static (string User, string Password)? Basic(HttpRequest request)
    {
        if (!AuthenticationHeaderValue.TryParse(request.Headers.Authorization, out var header) || !string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase) || header.Parameter is null)
        {
            return null;
        }

        var bytes = new byte[header.Parameter.Length];
        return Convert.TryFromBase64String(header.Parameter, bytes, out var count) && System.Text.Encoding.UTF8.GetString(bytes, 0, count).Split(':', 2) is [var user, var password] ? (user, password) : null;
    }

    System.Net.IPAddress ClientOf(HttpContext context) => proxies.ClientOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"]);

    [GeneratedRegex(@"\A/v2/(?<name>[a-z0-9][a-z0-9/-]{0,199})/(?<rest>blobs/uploads/?|blobs/uploads/[A-Za-z0-9-]{1,100}|blobs/[a-z0-9]{1,20}:[a-f0-9]{1,200}|manifests/[A-Za-z0-9_][A-Za-z0-9_.:-]{0,200}|tags/list)\z", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "A request to the registry for {Path} failed")]
        public static partial void Failed(ILogger logger, Exception trouble, string path);
    }

    /// <summary>One of the receiver's own callers, or somebody with a password for one project's images.</summary>
    sealed record Visitor(Caller? Caller, ImageAccess? Access)
    {
        public string Name => Caller?.Name ?? $"{Access!.Environment}/{Access.Project}";

        public string Credential => Caller?.Credential ?? "image credentials";
    }
}
