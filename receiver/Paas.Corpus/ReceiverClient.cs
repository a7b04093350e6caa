using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Paas.Receiver.Contract;

namespace Paas.Corpus;

/// <summary>A receiver's HTTP API. Whatever goes wrong is a <see cref="CorpusException"/> with its message and exit code.</summary>
sealed class ReceiverClient : IDisposable
{
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>So long, in all, somebody who asks too often is kept waiting before the request goes out again (429); who is to wait longer is told so.</summary>
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    readonly HttpClient http;
    readonly Target target;
    readonly Surroundings surroundings;

    public ReceiverClient(Target target, Surroundings surroundings)
    {
        this.target = target;
        this.surroundings = surroundings;
        // No redirects: the token must not follow one. No proxy lookup: it costs more than the request.
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) };
        http = new HttpClient(handler) { BaseAddress = target.Endpoint, Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.UserAgent.ParseAdd("corpus");
        if (target.Token is { } token)
        {
            http.DefaultRequestHeaders.Authorization = target.User is { } user ? new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{token}")))
                : IsHeaderValue(token) ? new AuthenticationHeaderValue("Bearer", token)
                : throw new CorpusException(Exit.NotAllowed, "the token has characters that no token has.");
        }
    }

    /// <summary>The answer's text, as it came.</summary>
    public async Task<string> GetTextAsync(string path, CancellationToken ct)
    {
        using var limit = TimeLimit(ct);
        return await Reached(async () =>
        {
            using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), HttpCompletionOption.ResponseContentRead, limit.Token);
            return await answer.Content.ReadAsStringAsync(limit.Token);
        }, ct);
    }

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken ct) => Read(await GetTextAsync(path, ct), type);

    public T Read<T>(string text, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw NotOurs();
        }
        catch (JsonException)
        {
            throw NotOurs();
        }
    }

    /// <summary>Asks for something; null when the answer has no content.</summary>
    public Task<TAnswer?> PostAsync<TOrder, TAnswer>(string path, TOrder order, JsonTypeInfo<TOrder> orderType, JsonTypeInfo<TAnswer> answerType, CancellationToken ct)
        where TAnswer : class => SendAsync(HttpMethod.Post, path, order, orderType, answerType, ct);

    /// <summary>Asks that something is there; what exists already stays as it is.</summary>
    public async Task<TAnswer> PutAsync<TAnswer>(string path, JsonTypeInfo<TAnswer> answerType, CancellationToken ct)
    {
        using var limit = TimeLimit(ct);
        var text = await Reached(async () =>
        {
            using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Put, path), HttpCompletionOption.ResponseContentRead, limit.Token);
            return await answer.Content.ReadAsStringAsync(limit.Token);
        }, ct);
        return Read(text, answerType);
    }

    /// <summary>Takes something away; returns when it is gone, however long that takes.</summary>
    public Task DeleteAsync(string path, CancellationToken ct) => Reached(async () =>
    {
        using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Delete, path), HttpCompletionOption.ResponseContentRead, ct);
        return 0;
    }, ct);

    public async Task<TAnswer?> SendAsync<TOrder, TAnswer>(
        HttpMethod method, string path, TOrder order, JsonTypeInfo<TOrder> orderType, JsonTypeInfo<TAnswer> answerType, CancellationToken ct)
        where TAnswer : class
    {
        using var limit = TimeLimit(ct);
        var text = await Reached(async () =>
        {
            using var answer = await SendAsync(() => Ordering(method, path, order, orderType), HttpCompletionOption.ResponseContentRead, limit.Token);
            return await answer.Content.ReadAsStringAsync(limit.Token);
        }, ct);
        return text.Length == 0 ? null : Read(text, answerType);
    }

    /// <summary>
    /// Sends a file, however long that takes. A connection that breaks is tried once more under the same key: what arrived whole is not taken twice.
    /// </summary>
    /// <param name="digest">Its SHA-256.</param>
    public async Task<AcceptedWork> SendFileAsync(string path, FileStream file, byte[] digest, CancellationToken ct)
    {
        var key = Guid.NewGuid().ToString();
        try
        {
            return await SendFileAsync(path, file, digest, key, ct);
        }
        catch (HttpRequestException)
        {
            return await Reached(() => SendFileAsync(path, file, digest, key, ct), ct);
        }
    }

    /// <summary>Sets something.</summary>
    public Task PutAsync<TOrder>(string path, TOrder order, JsonTypeInfo<TOrder> orderType, CancellationToken ct) =>
        SendAsync(HttpMethod.Put, path, order, orderType, ContractJson.Default.Problem, ct);

    /// <summary>
    /// Prints the lines of a deployment's log as they come, to its end. A connection that drops is taken up again after the last line seen; the
    /// deployment goes on meanwhile.
    /// </summary>
    /// <param name="bar">What the lines are printed above; null prints them plainly.</param>
    public async Task<OutcomeEvent> FollowAsync(string path, ProgressBar? bar, CancellationToken ct)
    {
        string? lastId = null;
        var pause = FirstPause;
        var lastSeen = surroundings.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await foreach (var (id, kind, data) in EventsAsync(path, lastId, ct))
                {
                    (lastSeen, pause) = (surroundings.Time.GetTimestamp(), FirstPause);
                    if (kind == "outcome")
                    {
                        return Read(data, ContractJson.Default.OutcomeEvent);
                    }

                    lastId = id ?? lastId;
                    if (bar is not null)
                    {
                        bar.WriteLine(data);
                        continue;
                    }

                    await surroundings.PassLineAsync(data);
                }
            }
            catch (Exception e) when (e is HttpRequestException or CorpusException { ExitCode: Exit.Unreachable })
            {
                // Taken up again below.
            }

            if (surroundings.Time.GetElapsedTime(lastSeen) > surroundings.Patience)
            {
                throw new CorpusException(Exit.Unreachable, $"the connection to {target.Endpoint.Authority} is lost; what was asked for goes on there.", "corpus status");
            }

            await Task.Delay(pause, surroundings.Time, ct);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>Prints an answer of lines as they come, to its end.</summary>
    /// <param name="areApplications">They are an application's, as <c>corpus logs</c> shows them.</param>
    /// <returns>How many there were.</returns>
    public async Task<int> PrintLinesAsync(string path, bool areApplications, CancellationToken ct) =>
        await Reached(async () =>
        {
            using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), HttpCompletionOption.ResponseHeadersRead, ct);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(ct));
            var count = 0;
            for (; await NextLineAsync(reader, ct) is { } line; count++)
            {
                await surroundings.PassLineAsync(line, areApplications);
            }

            return count;
        }, ct);

    /// <summary>The same for lines that are JSON already.</summary>
    public async Task PrintJsonLinesAsync(string path, CancellationToken ct) =>
        await Reached(async () =>
        {
            using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), HttpCompletionOption.ResponseHeadersRead, ct);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(ct));
            while (await NextLineAsync(reader, ct) is { } line)
            {
                await surroundings.Out.WriteLineAsync(line);
            }

            return 0;
        }, ct);

    /// <summary>An answer as it is, byte for byte.</summary>
    public async Task CopyAsync(string path, Stream output, CancellationToken ct) =>
        await Reached(async () =>
        {
            using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), HttpCompletionOption.ResponseHeadersRead, ct);
            await (await answer.Content.ReadAsStreamAsync(ct)).CopyToAsync(output, ct);
            await output.FlushAsync(ct);
            return 0;
        }, ct);

    /// <summary>Runs a command there and passes its output on as it comes; returns its exit code.</summary>
    public async Task<int> RunAsync<TOrder>(string path, TOrder order, JsonTypeInfo<TOrder> orderType, CancellationToken ct) =>
        await Reached(async () =>
        {
            var printed = new Printed(surroundings);
            using var answer = await SendAsync(() => Ordering(HttpMethod.Post, path, order, orderType), HttpCompletionOption.ResponseHeadersRead, ct);
            await using var frames = await answer.Content.ReadAsStreamAsync(ct);
            var head = new byte[5];
            while (await frames.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, ct) == head.Length)
            {
                var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1));
                if (length is < 0 or > 1024 * 1024)
                {
                    throw NotOurs();
                }

                var bytes = new byte[length];
                await frames.ReadExactlyAsync(bytes, ct);
                if (head[0] == 0)
                {
                    return int.TryParse(Encoding.ASCII.GetString(bytes), out var code) ? await printed.EndAsync(code) : throw NotOurs();
                }

                await printed.WriteAsync(bytes, isError: head[0] == 2, ct);
            }

            throw new CorpusException(Exit.Unreachable, $"the connection to {target.Endpoint.Authority} is lost, and the command with it.");
        }, ct);

    /// <summary>Asks for something that comes as a stream of bytes, and passes it on as it comes.</summary>
    public Task DownloadAsync(string path, ServerBackupOrder order, Stream to, CancellationToken ct) => Reached(async () =>
    {
        using var answer = await SendAsync(() => Ordering(HttpMethod.Post, path, order, ContractJson.Default.ServerBackupOrder), HttpCompletionOption.ResponseHeadersRead, ct);
        await using var bytes = await answer.Content.ReadAsStreamAsync(ct);
        await bytes.CopyToAsync(to, ct);
        await to.FlushAsync(ct);
        return 0;
    }, ct);

    public void Dispose() => http.Dispose();

    // Small and in order, as the HTML standard has it: fields to a line, a blank line ends an event.
    async IAsyncEnumerable<(string? Id, string Kind, string Data)> EventsAsync(
        string path, string? lastId, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        HttpRequestMessage Following()
        {
            var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Accept.ParseAdd("text/event-stream");
            if (lastId is not null)
            {
                request.Headers.TryAddWithoutValidation("Last-Event-ID", lastId);
            }

            return request;
        }

        using var answer = await SendAsync(Following, HttpCompletionOption.ResponseHeadersRead, ct);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(ct));
        var (id, kind, data) = ((string?)null, "", new StringBuilder());
        while (await NextLineAsync(reader, ct) is { } line)
        {
            if (line.Length == 0)
            {
                if (data.Length > 0)
                {
                    yield return (id, kind, data.ToString(0, data.Length - 1));
                }

                (id, kind) = (null, "");
                data.Clear();
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var (field, value) = colon < 0 ? (line, "") : (line[..colon], line[(colon + 1)..]);
            value = value.StartsWith(' ') ? value[1..] : value;
            switch (field)
            {
                case "id":
                    id = value;
                    break;
                case "event":
                    kind = value;
                    break;
                case "data":
                    data.Append(value).Append('\n');
                    break;
            }
        }
    }

    async Task<AcceptedWork> SendFileAsync(string path, FileStream file, byte[] digest, string key, CancellationToken ct)
    {
        using var answer = await SendAsync(Sending, HttpCompletionOption.ResponseContentRead, ct);
        return Read(await answer.Content.ReadAsStringAsync(ct), ContractJson.Default.AcceptedWork);

        HttpRequestMessage Sending()
        {
            // Of its own for each try: content that is sent closes what it was read from.
            var content = new FileStream(file.Name, FileMode.Open, FileAccess.Read);
            var request = new HttpRequestMessage(HttpMethod.Post, path)
            {
                Content = new StreamContent(content) { Headers = { ContentType = new("application/octet-stream"), ContentLength = content.Length } },
            };
            request.Headers.ExpectContinue = true; // who is not let in need not send it all
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
            request.Content.Headers.TryAddWithoutValidation("Content-Digest", $"sha-256=:{Convert.ToBase64String(digest)}:");
            return request;
        }
    }

    static HttpRequestMessage Ordering<TOrder>(HttpMethod method, string path, TOrder order, JsonTypeInfo<TOrder> type) => new(method, path)
    {
        Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(order, type)) { Headers = { ContentType = new("application/json") } },
    };

    /// <summary>An answer that grants what was asked; what came too often goes out again when the receiver said, for it has been refused unread.</summary>
    /// <param name="asking">Made anew for each try: a request can be sent once.</param>
    async Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> asking, HttpCompletionOption completion, CancellationToken ct)
    {
        for (var waited = TimeSpan.Zero; ;)
        {
            using var request = asking();
            var answer = await http.SendAsync(request, completion, ct);
            if (answer.IsSuccessStatusCode)
            {
                return answer;
            }

            using (answer)
            {
                if (answer.StatusCode is not HttpStatusCode.TooManyRequests || PauseOf(answer) is not { } pause || waited + pause > LongestWait)
                {
                    throw Refused(answer.StatusCode, await DetailAsync(answer, ct));
                }

                await surroundings.Error.WriteLineAsync($"corpus: {target.Endpoint.Authority} is asked too often; again in {pause.TotalSeconds:0} s");
                await Task.Delay(pause, surroundings.Time, ct);
                waited += pause;
            }
        }
    }

    /// <summary><c>Retry-After</c>, in whole seconds and never none; null where there is none to heed.</summary>
    TimeSpan? PauseOf(HttpResponseMessage answer)
    {
        var asked = answer.Headers.RetryAfter;
        var pause = asked?.Delta ?? asked?.Date - surroundings.Time.GetUtcNow();
        return pause is { } given ? TimeSpan.FromSeconds(Math.Max(1, Math.Ceiling(given.TotalSeconds))) : null;
    }

    // The receiver's own words where the answer has any.
    static async Task<string?> DetailAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        if (answer.Content.Headers.ContentType?.MediaType is not "application/problem+json" || answer.Content.Headers.ContentLength > 1_000_000)
        {
            return null;
        }

        try
        {
            var problem = JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(ct), ContractJson.Default.Problem);
            return problem?.Detail ?? problem?.Title;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    CorpusException Refused(HttpStatusCode status, string? detail)
    {
        var (code, message) = status switch
        {
            HttpStatusCode.Unauthorized when target.Token is null => (Exit.NotAllowed, $"{target.Endpoint.Authority} wants a token: set PAAS_TOKEN or a password in ~/{SettingsFile.Name}."),
            HttpStatusCode.Unauthorized => (Exit.NotAllowed, detail ?? $"{target.Endpoint.Authority} does not know this token."),
            HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests => (Exit.NotAllowed, detail ?? "not allowed."),
            HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => (Exit.Unreachable, detail ?? $"{target.Endpoint.Authority} answers {(int)status}."),
            _ => (Exit.Failed, detail ?? $"{target.Endpoint.Authority} answers {(int)status}."),
        };
        return new CorpusException(code, message, NextCommand.After(status, detail, target)) { Status = (int)status };
    }

    async Task<T> Reached<T>(Func<Task<T>> work, CancellationToken ct)
    {
        try
        {
            return await work();
        }
        catch (HttpRequestException e)
        {
            throw new CorpusException(Exit.Unreachable, $"{target.Endpoint.GetLeftPart(UriPartial.Authority)} cannot be reached: {e.Message}", $"curl -i {target.Endpoint}healthz");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new CorpusException(Exit.Unreachable, $"{target.Endpoint.GetLeftPart(UriPartial.Authority)} does not answer.", $"curl -i {target.Endpoint}healthz");
        }
    }

    // Trouble on the way in is the receiver's or the network's; the same kind of exception on the way out is about our own standard output.
    async Task<string?> NextLineAsync(StreamReader reader, CancellationToken ct)
    {
        try
        {
            return await reader.ReadLineAsync(ct);
        }
        catch (IOException e)
        {
            throw new CorpusException(Exit.Unreachable, $"the connection to {target.Endpoint.Authority} broke off: {e.Message}");
        }
    }

    static CancellationTokenSource TimeLimit(CancellationToken ct)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        return limit;
    }

    CorpusException NotOurs() => new(Exit.Failed, $"{target.Endpoint.GetLeftPart(UriPartial.Authority)} answers something that is no receiver's.");

    static bool IsHeaderValue(string token) => token.All(c => c is > ' ' and < '\x7F');
}
