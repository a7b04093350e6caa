using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>"No, because …" with a status: what a route cannot do becomes a problem document (RFC 9457).</summary>
sealed class ProblemException(int status, string detail) : Exception(detail)
{
    public int Status => status;

    /// <summary>The one answer for what is not there and what the caller may not see.</summary>
    public static ProblemException Missing(string what) => new(StatusCodes.Status404NotFound, $"There is no {what}.");
}

/// <summary>
/// Everything below <c>/api/</c> passes here first: nobody unknown gets further, bodies are small, and whatever goes wrong ends as one kind of
/// document.
/// </summary>
sealed partial class ApiDoor(Gatekeeper gatekeeper, Proxies proxies, AuditLog audit, Pace pace, Versions versions, RepeatedOrders repeated, Neighbours neighbours, ILogger<ApiDoor> logger)
{
    /// <summary>Bytes. Orders are a line or two.</summary>
    const long LargestBody = 64 * 1024;

    const string Scheme = "Bearer ";
    const string ApiPrefix = "/api/";

    public async Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        if (!context.Request.Path.StartsWithSegments("/api") && context.Request.Path != HealthEndpoints.Metrics)
        {
            await next(context);
            return;
        }

        context.Response.Headers.CacheControl = "no-store";
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = LargestBody;
        }

        Task ServeAsync(HttpContext request) => neighbours.ServeAsync(request, next);
        try
        {
            var caller = await IdentifyAsync(context);
            pace.Take(caller);
            context.Features.Set(new Asker(caller, caller.CameFrom ?? AddressOf(context)));
            if (RepeatedOrders.Concerns(context))
            {
                await repeated.ServeAsync(context, caller, ServeAsync);
            }
            else
            {
                await versions.ServeAsync(context, ServeAsync);
            }

            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
            {
                await AnswerAsync(context, context.Response.StatusCode, null);
            }
        }
        catch (Exception e) when (context.Response.HasStarted || context.RequestAborted.IsCancellationRequested)
        {
            // Whoever asked is gone or has half an answer; only the connection can say so now.
            if (e is not (OperationCanceledException or IOException))
            {
                Log.Broken(logger, e, context.Request.Path);
            }

            context.Abort();
        }
        catch (Exception e)
        {
            // The one place that turns trouble into an answer: theirs with its words, ours with none.
            await AnswerAsync(context, e);
        }

        Record(context);
    }

    IPAddress AddressOf(HttpContext context) => proxies.ClientOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"]);

    /// <summary>Whatever was asked for that is no mere reading, done or refused.</summary>
    void Record(HttpContext context)
    {
        if (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)
            || context.GetEndpoint() is not RouteEndpoint endpoint || context.Features.Get<Asker>() is not { } asker)
        {
            return;
        }

        audit.Add(new AuditEntry(
            asker.Caller.Name, asker.Caller.Credential, asker.From.ToString(),
            endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? $"{context.Request.Method} {endpoint.RoutePattern.RawText}",
            context.Request.Path.Value![ApiPrefix.Length..], context.Response.StatusCode.ToString(), context.Features.Get<AuditNote>()?.Text));
    }

    async Task<Caller> IdentifyAsync(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        if (BasicCredentials.Parse(header) is var (user, password))
        {
            // A browser sends these along by itself once it knows them, also where another site, or an application of ours, made it ask.
            return context.Request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "none" or "same-origin")
                ? throw new ProblemException(StatusCodes.Status401Unauthorized, "From another site a token is wanted: Authorization: Bearer TOKEN.")
                : await gatekeeper.IdentifyAsync(user, password, AddressOf(context), context.RequestAborted)
                    ?? throw new ProblemException(StatusCodes.Status401Unauthorized, "This user with this password is not known, nor is it a token.");
        }

        var token = header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : "";
        if (token.Length == 0)
        {
            throw new ProblemException(StatusCodes.Status401Unauthorized, "A token is wanted: Authorization: Bearer TOKEN.");
        }

        return await gatekeeper.IdentifyAsync(null, token, AddressOf(context), context.RequestAborted)
            ?? throw new ProblemException(StatusCodes.Status401Unauthorized, "This token is not known, or has expired.");
    }

    Task AnswerAsync(HttpContext context, Exception trouble)
    {
        switch (trouble)
        {
            case ProblemException problem:
                return AnswerAsync(context, problem.Status, problem.Message);
            case Refusal refusal:
                return AnswerAsync(context, StatusCodes.Status409Conflict, refusal.Message);
            case Hosts.HostTroubleException host:
                return AnswerAsync(context, StatusCodes.Status502BadGateway, host.Message);
            case ThrottledException throttled:
                context.Response.Headers.RetryAfter = throttled.RetryAfterSeconds.ToString();
                return AnswerAsync(context, StatusCodes.Status429TooManyRequests, throttled.Message);
            case BadHttpRequestException bad:
                return AnswerAsync(context, bad.StatusCode, bad.Message);
            case JsonException json:
                return AnswerAsync(context, StatusCodes.Status400BadRequest, $"The body is not what is expected here: {json.Message}");
            default:
                Log.Failed(logger, trouble, context.Request.Path);
                return AnswerAsync(context, StatusCodes.Status500InternalServerError, "The receiver failed; its log says why.");
        }
    }

    static Task AnswerAsync(HttpContext context, int status, string? detail)
    {
        var response = context.Response;
        response.StatusCode = status;
        if (status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        var problem = new Problem { Title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status), Status = status, Detail = detail };
        return response.WriteAsJsonAsync(problem, ContractJson.Default.Problem, "application/problem+json", context.RequestAborted);
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "A request for {Path} failed")]
        public static partial void Failed(ILogger logger, Exception trouble, string path);

        [LoggerMessage(Level = LogLevel.Error, Message = "The answer to a request for {Path} broke off")]
        public static partial void Broken(ILogger logger, Exception trouble, string path);
    }
}

/// <summary>Who asks in this request, and from where.</summary>
sealed record Asker(Caller Caller, IPAddress From);

/// <summary>What the audit log says beside the path; nothing secret.</summary>
sealed record AuditNote(string Text);
