using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;

namespace Paas.Receiver.Api;

/// <summary>
/// ETags: what a GET answers as JSON has one, made of its bytes, and <c>If-None-Match</c> saves sending it again. A PUT, PATCH or DELETE with
/// <c>If-Match</c> is done only while a GET of the same path would still answer those bytes; such writes to one path take turns.
/// </summary>
sealed class Versions(EndpointDataSource endpoints)
{
    readonly ConcurrentDictionary<string, SemaphoreSlim> turns = new(StringComparer.Ordinal);

    public async Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        if (HttpMethods.IsGet(request.Method) && AnswersJson(context.GetEndpoint()))
        {
            await ReadAsync(context, next);
        }
        else if (request.Headers.IfMatch.Count > 0 && (HttpMethods.IsPut(request.Method) || HttpMethods.IsPatch(request.Method) || HttpMethods.IsDelete(request.Method)))
        {
            await WriteAsync(context, next);
        }
        else
        {
            await next(context);
        }
    }

    static async Task ReadAsync(HttpContext context, RequestDelegate next)
    {
        var body = context.Response.Body;
        using var written = new MemoryStream();
        context.Response.Body = written;
        try
        {
            await next(context);
        }
        finally
        {
            context.Response.Body = body;
        }

        var bytes = written.GetBuffer().AsMemory(0, (int)written.Length);
        if (context.Response.StatusCode == StatusCodes.Status200OK)
        {
            var tag = TagOf(bytes.Span);
            context.Response.Headers.ETag = tag;
            if (Names(context.Request.Headers.IfNoneMatch, tag))
            {
                context.Response.StatusCode = StatusCodes.Status304NotModified;
                context.Response.ContentLength = null;
                context.Response.ContentType = null;
                return;
            }
        }

        // Not even nothing is written where nothing was said: that would send the head, and the door could say no more.
        if (bytes.Length > 0)
        {
            await body.WriteAsync(bytes, context.RequestAborted);
        }
    }

    async Task WriteAsync(HttpContext context, RequestDelegate next)
    {
        var turn = turns.GetOrAdd(context.Request.Path.Value!, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(context.RequestAborted);
        try
        {
            if (!Names(context.Request.Headers.IfMatch, await CurrentAsync(context, next)))
            {
                throw new ProblemException(StatusCodes.Status412PreconditionFailed, "It is not as it was when you read it. Read it again.");
            }

            await next(context);
        }
        finally
        {
            turn.Release();
            if (turn.CurrentCount == 1 && turns.Count > 1000)
            {
                turns.Clear();
            }
        }
    }

    /// <summary>The tag that a GET of the same path has now; null when there is nothing to get.</summary>
    async Task<string?> CurrentAsync(HttpContext context, RequestDelegate next)
    {
        var pattern = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
        var twin = endpoints.Endpoints.OfType<RouteEndpoint>().FirstOrDefault(endpoint =>
            endpoint.RoutePattern.RawText == pattern && endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods.Contains(HttpMethods.Get) == true);
        if (twin?.RequestDelegate is null)
        {
            return null;
        }

        // The same caller, the same path, another method; its answer goes nowhere.
        using var written = new MemoryStream();
        var reading = new DefaultHttpContext { RequestServices = context.RequestServices, RequestAborted = context.RequestAborted };
        reading.Request.Method = HttpMethods.Get;
        reading.Request.Path = context.Request.Path;
        reading.Request.RouteValues = new RouteValueDictionary(context.Request.RouteValues);
        reading.Features.Set(context.Features.GetRequiredFeature<Asker>());
        reading.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(written));
        reading.SetEndpoint(twin);
        try
        {
            await next(reading); // the way of every request, for what is asked may be on a linked host
        }
        catch (ProblemException)
        {
            return null;
        }

        return reading.Response.StatusCode == StatusCodes.Status200OK ? TagOf(written.GetBuffer().AsSpan(0, (int)written.Length)) : null;
    }

    static bool AnswersJson(Endpoint? endpoint) =>
        endpoint?.Metadata.GetOrderedMetadata<IProducesResponseTypeMetadata>().Any(answer => answer.StatusCode == StatusCodes.Status200OK && answer.ContentTypes.Contains("application/json")) == true;

    static bool Names(Microsoft.Extensions.Primitives.StringValues header, string? tag) =>
        tag is not null && header.ToString().Split(',', StringSplitOptions.TrimEntries).Any(one => one == "*" || one == tag || one == $"W/{tag}");

    static string TagOf(ReadOnlySpan<byte> bytes) => $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..32]}\"";
}
