using System.Globalization;
using System.IO.Compression;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Git;

namespace Paas.Receiver.GitHttp;

/// <summary>Serves clone, fetch and push over HTTP: who asks, for which repository, may they; then git speaks for itself.</summary>
/// <remarks>401 without credentials, 404 for what is not there and for what the caller may not see, 403 for what it may see but not do.</remarks>
sealed partial class GitDoor(
    Gatekeeper gatekeeper, RepositoryGate gate, Reception reception, LargeFilesDoor largeFiles, PackExchange exchange, Proxies proxies, AuditLog audit, ILogger<GitDoor> logger)
{
    const string Prefix = "/git/";
    const string InfoRefs = "/info/refs";

    // Slower than this for ten minutes is nobody: a client that packs a large repository is silent, but not that long.
    static readonly MinDataRate SlowestClient = new(bytesPerSecond: 1, gracePeriod: TimeSpan.FromMinutes(10));

    public async Task ServeAsync(HttpContext context)
    {
        if (PathOf(context.Request) is { } path && LargeFilesDoor.Read(context.Request.Method, path) is { } large)
        {
            if (await IdentifyAsync(context) is { } known)
            {
                await largeFiles.ServeAsync(context, large, known);
            }
        }
        else if (Read(context.Request) is not { } wish)
        {
            context.Response.StatusCode = AsksUnknownService(context.Request) ? StatusCodes.Status403Forbidden : StatusCodes.Status404NotFound;
        }
        else if (!IsWellShaped(context.Request, wish))
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
        }
        else if (await IdentifyAsync(context) is { } caller)
        {
            await ServeAsync(context, wish, caller);
        }
    }

    Task ServeAsync(HttpContext context, Wish wish, Caller caller)
    {
        if (Refused(caller, wish) is { } status)
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }

        context.Response.Headers.CacheControl = "no-cache, max-age=0, must-revalidate";
        context.Response.Headers.Pragma = "no-cache";
        context.Response.Headers.Expires = "Fri, 01 Jan 1980 00:00:00 GMT";
        return wish.IsAdvertisement ? AdvertiseAsync(context, wish)
            : wish.Service == GitService.UploadPack ? SendAsync(context, wish)
            : ReceiveAsync(context, wish, caller);
    }

    /// <summary>A request of the smart protocol for a repository that could be ours; null is everybody's 404.</summary>
    static Wish? Read(HttpRequest request)
    {
        if (PathOf(request) is not { } path)
        {
            return null;
        }

        if (HttpMethods.IsGet(request.Method) && path.EndsWith(InfoRefs, StringComparison.Ordinal))
        {
            return Wish.Of(path[..^InfoRefs.Length], request.Query["service"], isAdvertisement: true);
        }

        var slash = path.LastIndexOf('/');
        return HttpMethods.IsPost(request.Method) && slash > 0 ? Wish.Of(path[..slash], path[(slash + 1)..], isAdvertisement: false) : null;
    }

    /// <summary>What is behind <c>/git/</c>; null when it is spelt in a way that no path of ours needs (an escape or a dot segment can only be meant to read in two ways).</summary>
    static string? PathOf(HttpRequest request)
    {
        var path = request.Path.Value!;
        return request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0] == path && path.StartsWith(Prefix, StringComparison.Ordinal)
            ? path[Prefix.Length..] : null;
    }

    static bool AsksUnknownService(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Path.Value!.EndsWith(InfoRefs, StringComparison.Ordinal)
        && request.Query["service"] is { Count: > 0 } service && Wish.ServiceOf(service) is null;

    static bool IsWellShaped(HttpRequest request, Wish wish) =>
        wish.IsAdvertisement
        || (request.ContentType == $"application/x-{PackExchange.NameOf(wish.Service)}-request"
            && request.Headers.ContentEncoding.ToString() is "" or "identity" or "gzip" or "x-gzip");

    /// <summary>Null when the answer has been given: 401, or 429 after too many wrong tries.</summary>
    async Task<Caller?> IdentifyAsync(HttpContext context)
    {
        try
        {
            var caller = BasicCredentials.Parse(context.Request.Headers.Authorization) is var (user, password)
                ? await gatekeeper.IdentifyAsync(user, password, AddressOf(context), context.RequestAborted) : null;
            if (caller is null)
            {
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                context.Response.Headers.WWWAuthenticate = "Basic realm=\"Paas.Receiver: a token as password\", charset=\"UTF-8\"";
            }

            return caller;
        }
        catch (ThrottledException throttled)
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            context.Response.Headers.RetryAfter = throttled.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
            return null;
        }
    }

    /// <summary>404 for what is not there or must not be seen, 403 for what may be seen and not done, null when it may be done.</summary>
    int? Refused(Caller caller, Wish wish) =>
        gate.Ask(caller, wish.Address.Environment, wish.Address.Project, wish.Address.Kind == RepositoryKind.Pillar, wish.Service == GitService.ReceivePack) switch
        {
            RepositoryAnswer.Missing => StatusCodes.Status404NotFound,
            RepositoryAnswer.Forbidden => StatusCodes.Status403Forbidden,
            _ => null,
        };

    async Task AdvertiseAsync(HttpContext context, Wish wish)
    {
        var repository = await reception.FindAsync(wish.Address, context.RequestAborted);
        var name = PackExchange.NameOf(wish.Service);
        var protocol = ProtocolOf(context);
        context.Response.ContentType = $"application/x-{name}-advertisement";
        if (protocol is null || !protocol.Split(':').Contains("version=2"))
        {
            var line = $"# service={name}\n";
            await context.Response.WriteAsync($"{line.Length + 4:x4}{line}0000", context.RequestAborted);
        }

        Conclude(context, wish, await exchange.AdvertiseAsync(repository, wish.Service, protocol, context.Response.Body, context.RequestAborted));
    }

    async Task SendAsync(HttpContext context, Wish wish)
    {
        var repository = await reception.FindAsync(wish.Address, context.RequestAborted);
        context.Response.ContentType = "application/x-git-upload-pack-result";
        await using var body = BodyOf(context);
        Conclude(context, wish, await exchange.UploadPackAsync(repository, stateless: true, ProtocolOf(context), body, context.Response.Body, context.RequestAborted));
    }

    async Task ReceiveAsync(HttpContext context, Wish wish, Caller caller)
    {
        context.Response.ContentType = "application/x-git-receive-pack-result";
        await using var body = BodyOf(context);
        var from = AddressOf(context).ToString();
        var result = await reception.ReceiveAsync(
            wish.Address, caller.Name, from, gate.FetchesOf(caller), stateless: true, ProtocolOf(context), body, context.Response.Body, context.RequestAborted, gate.DeploysOf(caller), context.Request.Headers.TraceParent);
        audit.Add(new AuditEntry(caller.Name, caller.Credential, from, "push", wish.Address.ToString(), result.ExitCode == 0 ? "received" : "failed", "over HTTP"));
        Conclude(context, wish, result);
    }

    /// <summary>The request's bytes, unpacked, without a limit of size.</summary>
    internal static Stream BodyOf(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = SlowestClient;
        }

        return context.Request.Headers.ContentEncoding.ToString().EndsWith("gzip", StringComparison.Ordinal)
            ? new GZipStream(context.Request.Body, CompressionMode.Decompress) : context.Request.Body;
    }

    /// <summary>Where git ended without a word the client learns it from the status; the operator learns why.</summary>
    void Conclude(HttpContext context, Wish wish, ExchangeResult result)
    {
        if (result.ExitCode == 0)
        {
            return;
        }

        Log.Ended(logger, PackExchange.NameOf(wish.Service), wish.Address.Project.Value, result.ExitCode, result.Complaint);
        if (!context.Response.HasStarted)
        {
            context.Response.ContentType = null;
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
        }
    }

    static string? ProtocolOf(HttpContext context) => PackExchange.ProtocolOf(context.Request.Headers["Git-Protocol"]);

    IPAddress AddressOf(HttpContext context) => proxies.ClientOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"]);

    /// <summary>What a request wants of which repository.</summary>
    sealed record Wish(RepositoryAddress Address, GitService Service, bool IsAdvertisement)
    {
        public static Wish? Of(string address, string? service, bool isAdvertisement) =>
            ServiceOf(service) is { } known && RepositoryAddress.TryParse(address) is { } repository ? new Wish(repository, known, isAdvertisement) : null;

        public static GitService? ServiceOf(string? name) => name switch
        {
            "git-upload-pack" => GitService.UploadPack,
            "git-receive-pack" => GitService.ReceivePack,
            _ => null,
        };
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Service} of {Project} ended with {Code}: {Complaint}")]
        public static partial void Ended(ILogger logger, string service, string project, int code, string complaint);
    }
}
