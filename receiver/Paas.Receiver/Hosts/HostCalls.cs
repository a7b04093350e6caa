using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Security.Authentication;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Paas.Receiver.Contract;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Hosts;

/// <summary>A linked host did not do as it should: gone, silent, or no receiver. The message is for whoever asked for something there.</summary>
sealed class HostTroubleException(string message) : Exception(message);

/// <summary>What a host answered: a status, and JSON of at most a megabyte.</summary>
sealed record HostAnswer(HttpStatusCode Status, byte[] Body)
{
    /// <summary>The time it is there, to the second; null when it does not say.</summary>
    public DateTimeOffset? Date { get; init; }

    public bool Succeeded => (int)Status is >= 200 and < 300;
}

/// <summary>Calls of linked hosts' APIs. A host that is dead, slow, endless or lying costs its patience and ends as <see cref="HostTroubleException"/>.</summary>
sealed class HostCalls : IDisposable
{
    /// <summary>The header that says which receiver asks: whoever reads it answers for itself alone, so that two that are linked to each other do not ask in circles.</summary>
    public const string AskingHeader = "Paas-Asking-Receiver";

    /// <summary>For what lists have to wait for.</summary>
    public static readonly TimeSpan Glance = TimeSpan.FromSeconds(3);

    const int LargestAnswer = 1 << 20;

    /// <summary>Characters of one line that are looked at.</summary>
    const int LongestLine = 64 * 1024;

    /// <summary>Nothing is null that a receiver always says.</summary>
    static readonly JsonSerializerOptions Strict = new(ContractJson.Default.Options) { RespectNullableAnnotations = true };

    readonly HttpClient http;

    public HostCalls(HostTrust trust) => http = new HttpClient(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // the token must not follow one
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        SslOptions = trust.Tls(),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        MaxResponseContentBufferSize = LargestAnswer,
    };

    /// <param name="path">Below its URL, escaped.</param>
    /// <param name="body">JSON, or null.</param>
    /// <param name="patience">For the whole answer, however slowly it drips.</param>
    /// <exception cref="HostTroubleException">There is no answer, or none that the caller could be given.</exception>
    public async Task<HostAnswer> AskAsync(LinkedHost host, HttpMethod method, string path, byte[]? body, Guid asking, TimeSpan patience, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(patience);
        try
        {
            using var request = RequestOf(host, method, path, asking);
            if (body is { Length: > 0 })
            {
                request.Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            }

            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token);
            return Checked(host, answer.StatusCode, answer.Content.Headers.ContentType?.MediaType, await answer.Content.ReadAsByteArrayAsync(limit.Token)) with { Date = answer.Headers.Date };
        }
        catch (HttpRequestException e)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) cannot be reached: {(e.InnerException as AuthenticationException ?? (Exception)e).Message}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) does not answer within {patience.TotalSeconds:0} seconds.");
        }
    }

    /// <summary>Passes lines of text on as they come, each made harmless, for as long as both sides like.</summary>
    /// <param name="lastEvent">Where an event stream is taken up again; null or empty from its beginning.</param>
    /// <exception cref="HostTroubleException">There is no answer, or none that the caller could be given.</exception>
    public async Task PassLinesAsync(LinkedHost host, string path, string? lastEvent, Guid asking, HttpResponse to, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Glance);
        try
        {
            using var request = RequestOf(host, HttpMethod.Get, path, asking);
            if (!string.IsNullOrEmpty(lastEvent))
            {
                request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEvent);
            }

            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            var type = answer.Content.Headers.ContentType?.MediaType;
            if (!answer.IsSuccessStatusCode || type is not ("text/plain" or "text/event-stream"))
            {
                await answer.Content.LoadIntoBufferAsync(LargestAnswer, limit.Token); // the client's own bound is not for what is read bit by bit
                var refused = Checked(host, answer.StatusCode, type, await answer.Content.ReadAsByteArrayAsync(limit.Token));
                throw refused.Succeeded ? NoReceiver(host) : new Refusal($"{host.Name}: {LogStream.Harmless(Read(host, refused.Body, ContractJson.Default.Problem).Detail ?? $"it answers {(int)refused.Status}")}");
            }

            limit.CancelAfter(Timeout.InfiniteTimeSpan); // lines come when they come
            to.ContentType = $"{type}; charset=utf-8";
            to.Headers["X-Accel-Buffering"] = "no";
            await to.Body.FlushAsync(ct);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(ct));
            await CopyLinesAsync(reader, to, ct);
        }
        catch (HttpRequestException e)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) cannot be reached: {e.Message}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) does not answer within {Glance.TotalSeconds:0} seconds.");
        }
    }

    // A line without an end is cut, not collected.
    static async Task CopyLinesAsync(StreamReader from, HttpResponse to, CancellationToken ct)
    {
        var (read, line) = (new char[4096], new StringBuilder());
        while (await from.ReadAsync(read, ct) is > 0 and var count)
        {
            for (var i = 0; i < count; i++)
            {
                if (read[i] == '\n')
                {
                    await to.WriteAsync(LogStream.Harmless(line.ToString()) + "\n", ct);
                    line.Clear();
                }
                else if (line.Length < LongestLine)
                {
                    line.Append(read[i]);
                }
            }

            await to.Body.FlushAsync(ct);
        }

        if (line.Length > 0)
        {
            await to.WriteAsync(LogStream.Harmless(line.ToString()), ct);
        }
    }

    static HttpRequestMessage RequestOf(LinkedHost host, HttpMethod method, string path, Guid asking)
    {
        var request = new HttpRequestMessage(method, new Uri(host.Url, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", host.Token);
        request.Headers.UserAgent.ParseAdd("paas-receiver");
        request.Headers.Add(AskingHeader, asking.ToString());
        return request;
    }

    /// <summary>The same for what is only read, as one of our own records.</summary>
    public async Task<T> ReadAsync<T>(LinkedHost host, string path, JsonTypeInfo<T> type, Guid asking, CancellationToken ct)
    {
        var answer = await AskAsync(host, HttpMethod.Get, path, null, asking, Glance, ct);
        return answer.Succeeded ? Read(host, answer.Body, type) : throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) answers {(int)answer.Status}.");
    }

    /// <exception cref="HostTroubleException">It is not what a receiver says there.</exception>
    public static T Read<T>(LinkedHost host, byte[] body, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(body, (JsonTypeInfo<T>)Strict.GetTypeInfo(type.Type)) ?? throw NoReceiver(host);
        }
        catch (JsonException)
        {
            throw NoReceiver(host);
        }
    }

    public static HostTroubleException NoReceiver(LinkedHost host) => new($"{host.Name} ({host.Url.Authority}) answers something that is no receiver's.");

    public void Dispose() => http.Dispose();

    static HostAnswer Checked(LinkedHost host, HttpStatusCode status, string? type, byte[] body)
    {
        var isOurs = body.Length == 0 || type is "application/json" or "application/problem+json";
        return status switch
        {
            HttpStatusCode.Unauthorized => throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) does not know the token of its link (any more). Link it again: corpus link_host {host.Name} {host.Url}"),
            HttpStatusCode.Forbidden => throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) does not allow this to the token of its link. Link it with one that may: corpus link_host {host.Name} {host.Url}"),
            HttpStatusCode.TooManyRequests => throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) is asked too often. Try again in a moment."),
            _ when (int)status is >= 500 or (>= 300 and < 400) or < 200 => throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) answers {(int)status}."),
            _ when !isOurs => throw NoReceiver(host),
            _ => new HostAnswer(status, body),
        };
    }
}
