using System.Security.Cryptography;
using System.Text;
using Dapper;
using Microsoft.AspNetCore.Http.Metadata;
using Paas.Receiver.Access;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Api;

/// <summary>
/// <c>Idempotency-Key</c>: long work that a caller asks for again with the same key, because the first answer was lost, is not done again; the first
/// answer is given once more. Kept for a day. Only for routes that answer 202: an answer that holds a secret is never written down.
/// </summary>
sealed class RepeatedOrders(Database database, TimeProvider time)
{
    public const string Header = "Idempotency-Key";

    const int LongestKey = 200;

    static readonly TimeSpan Kept = TimeSpan.FromDays(1);

    public static bool Concerns(HttpContext context) =>
        HttpMethods.IsPost(context.Request.Method) && context.Request.Headers.ContainsKey(Header)
        && context.GetEndpoint()?.Metadata.GetOrderedMetadata<IProducesResponseTypeMetadata>().Any(answer => answer.StatusCode == StatusCodes.Status202Accepted) == true;

    public async Task ServeAsync(HttpContext context, Caller caller, RequestDelegate next)
    {
        var key = context.Request.Headers[Header].ToString();
        if (key.Length is 0 or > LongestKey || key.Any(c => c is < '!' or > '~'))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, $"{Header} is 1 to {LongestKey} printable characters.");
        }

        var request = await DigestAsync(context);
        var who = $"{caller.Name} {caller.Credential}";
        if (Begin(who, key, request) is { } before)
        {
            await RepeatAsync(context, before, request);
            return;
        }

        var body = context.Response.Body;
        using var written = new MemoryStream();
        context.Response.Body = written;
        try
        {
            await next(context);
        }
        catch
        {
            // Nothing was asked for: with the same key it may be tried again.
            context.Response.Body = body;
            database.Write("DELETE FROM idempotency WHERE caller = @who AND key = @key", new { who, key });
            throw;
        }

        context.Response.Body = body;
        var answer = Encoding.UTF8.GetString(written.GetBuffer(), 0, (int)written.Length);
        database.Write("UPDATE idempotency SET status = @Status, body = @answer WHERE caller = @who AND key = @key", new { Status = context.Response.StatusCode, answer, who, key });
        await context.Response.WriteAsync(answer, context.RequestAborted);
    }

    /// <summary>What is known of the key; null when this call is the first with it.</summary>
    Entry? Begin(string who, string key, string request) => database.Write(connection =>
    {
        var now = time.GetUtcNow();
        connection.Execute("DELETE FROM idempotency WHERE at < @Old", new { Old = (now - Kept).ToString("O") });
        return connection.Execute("INSERT OR IGNORE INTO idempotency (caller, key, request, at) VALUES (@who, @key, @request, @At)", new { who, key, request, At = now.ToString("O") }) > 0
            ? null : connection.QueryFirst<Entry>("SELECT request AS Request, status AS Status, body AS Body FROM idempotency WHERE caller = @who AND key = @key", new { who, key });
    });

    static async Task RepeatAsync(HttpContext context, Entry before, string request)
    {
        if (before.Request != request)
        {
            throw new ProblemException(StatusCodes.Status422UnprocessableEntity, $"This {Header} was given to another order.");
        }

        if (before.Status is not { } status)
        {
            throw new ProblemException(StatusCodes.Status409Conflict, "This order is being taken just now, or the receiver was stopped while it was. See the project's deployments.");
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers["Idempotent-Replayed"] = "true";
        await context.Response.WriteAsync(before.Body ?? "", context.RequestAborted);
    }

    static async Task<string> DigestAsync(HttpContext context)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}\n"));
        if (context.GetEndpoint()?.Metadata.GetMetadata<StreamedBody>() is not null)
        {
            // A file is not read twice: what it is its sender must say, and the route holds it against that.
            hash.AppendData(context.Request.Headers["Content-Digest"] is { Count: > 0 } named ? Encoding.UTF8.GetBytes(named.ToString())
                : throw new ProblemException(StatusCodes.Status400BadRequest, $"{Header} with a file takes its Content-Digest."));
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }

        context.Request.EnableBuffering();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            hash.AppendData(buffer, 0, read);
        }

        context.Request.Body.Position = 0;
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    sealed class Entry
    {
        public string Request { get; set; } = "";

        public int? Status { get; set; }

        public string? Body { get; set; }
    }
}
