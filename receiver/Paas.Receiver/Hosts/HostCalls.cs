using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Hosts;

/// <summary>A linked host did not do as it should: gone, silent, or no receiver. The message is for whoever asked for something there.</summary>
sealed class HostTroubleException(string message) : Exception(message);

/// <summary>What a host answered: a status, and JSON of at most a megabyte.</summary>
sealed record HostAnswer(HttpStatusCode Status, byte[] Body)
{
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

    /// <summary>Nothing is null that a receiver always says.</summary>
    static readonly JsonSerializerOptions Strict = new(ContractJson.Default.Options) { RespectNullableAnnotations = true };

    readonly HttpClient http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // the token must not follow one
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
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
            using var request = new HttpRequestMessage(method, new Uri(host.Url, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", host.Token);
            request.Headers.UserAgent.ParseAdd("paas-receiver");
            request.Headers.Add(AskingHeader, asking.ToString());
            if (body is { Length: > 0 })
            {
                request.Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            }

            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token);
            return Checked(host, answer.StatusCode, answer.Content.Headers.ContentType?.MediaType, await answer.Content.ReadAsByteArrayAsync(limit.Token));
        }
        catch (HttpRequestException e)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) cannot be reached: {e.Message}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new HostTroubleException($"{host.Name} ({host.Url.Authority}) does not answer within {patience.TotalSeconds:0} seconds.");
        }
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
