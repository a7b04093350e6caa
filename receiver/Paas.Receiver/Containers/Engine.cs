using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Paas.Receiver.Containers;

/// <summary>The Docker engine, asked over its socket. Knows the engine's calls and nothing of projects. Thread-safe; connects when it is first asked, and again after the engine was away.</summary>
/// <remarks>Every call throws <see cref="EngineException"/> when the engine refuses or does not answer.</remarks>
sealed class Engine : IDisposable
{
    /// <summary>The newest version of the interface that this was written for; an older engine is asked in its own.</summary>
    static readonly Version Newest = new(1, 47);

    static readonly JsonSerializerOptions Json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, PropertyNameCaseInsensitive = false };

    readonly HttpClient http;
    readonly SemaphoreSlim asking = new(1, 1);
    volatile string? version;

    public Engine(EngineAddress address)
    {
        Address = address;
        http = new HttpClient(new SocketsHttpHandler { ConnectCallback = async (_, ct) => await OpenAsync(ct), UseProxy = false, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30) })
        {
            BaseAddress = new Uri("http://engine/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public EngineAddress Address { get; }

    /// <summary>Null when it answers; else what is missing, in a sentence.</summary>
    public async Task<string?> WhyNotAsync(CancellationToken ct = default)
    {
        if (!Address.Exists)
        {
            return $"there is no Docker engine at {Address}: install docker.io, or set DOCKER_HOST";
        }

        try
        {
            await VersionAsync(ct);
            return null;
        }
        catch (EngineException e)
        {
            return e.Message;
        }
    }

    /// <summary>Builds an image from a context, a tar stream that <paramref name="write"/> writes. Returns the image's id. Cancelling ends the build in the engine too.</summary>
    /// <param name="tell">What the build prints, in pieces of any size.</param>
    /// <exception cref="BuildFailedException">The Dockerfile, not the engine, is to blame.</exception>
    public async Task<string> BuildAsync(BuildOrder order, Func<Stream, CancellationToken, Task> write, Action<string> tell, CancellationToken ct)
    {
        var query = new StringBuilder($"build?rm=1&forcerm=1&t={Quoted(order.Name)}&dockerfile={Quoted(order.Dockerfile)}")
            .Append($"&buildargs={Quoted(JsonSerializer.Serialize(order.Arguments, Json))}&labels={Quoted(JsonSerializer.Serialize(order.Labels, Json))}")
            .Append(order.Network is { } network ? $"&networkmode={Quoted(network)}" : "")
            .Append(order.Anew ? "&nocache=1" : "");
        using var content = new WrittenContent(write, ct);
        using var response = await SendAsync(HttpMethod.Post, query.ToString(), content, ct);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(ct));
        string? id = null;
        while (await lines.ReadLineAsync(ct) is { } line)
        {
            using var told = JsonDocument.Parse(line);
            var root = told.RootElement;
            if (root.TryGetProperty("error", out var error))
            {
                throw new BuildFailedException(error.GetString() ?? "");
            }

            if (root.TryGetProperty("stream", out var text))
            {
                tell(text.GetString() ?? "");
            }
            else if (root.TryGetProperty("status", out var status) && !root.TryGetProperty("progress", out _))
            {
                tell($"{(root.TryGetProperty("id", out var layer) ? layer.GetString() + ": " : "")}{status.GetString()}\n");
            }
            else if (root.TryGetProperty("aux", out var aux) && aux.TryGetProperty("ID", out var made))
            {
                id = made.GetString();
            }
        }

        return id ?? (await FindImageAsync(order.Name, ct))?.Id ?? throw new EngineException(null, "the Docker engine ended the build without an image");
    }

    /// <summary>Null when there is none.</summary>
    /// <param name="name">An id, or a name with its tag.</param>
    public Task<ImageDetails?> FindImageAsync(string name, CancellationToken ct = default) => FindAsync<ImageDetails>($"images/{Quoted(name)}/json", ct);

    public Task<IReadOnlyList<ImageSummary>> ImagesAsync(IReadOnlyDictionary<string, string> labels, CancellationToken ct = default) =>
        GetAsync<IReadOnlyList<ImageSummary>>($"images/json?filters={Filter(labels)}", ct);

    /// <param name="reference">A repository, of whichever tag.</param>
    public Task<IReadOnlyList<ImageSummary>> ImagesAsync(string reference, CancellationToken ct = default) =>
        GetAsync<IReadOnlyList<ImageSummary>>($"images/json?filters={Quoted(JsonSerializer.Serialize(new { reference = (string[])[reference] }, Json))}", ct);

    /// <summary>Takes away a name, or an image that has none. False when it is in use, or has names of others.</summary>
    public async Task<bool> RemoveImageAsync(string name, CancellationToken ct = default)
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Delete, $"images/{Quoted(name)}", content: null, ct);
            return true;
        }
        catch (EngineException e) when (e.IsMissing || e.Status == HttpStatusCode.Conflict)
        {
            return e.IsMissing;
        }
    }

    /// <summary>All of an image as a tar stream that <see cref="LoadImageAsync"/> takes.</summary>
    public async Task SaveImageAsync(string name, Stream to, CancellationToken ct)
    {
        using var response = await SendAsync(HttpMethod.Get, $"images/{Quoted(name)}/get", content: null, ct);
        await response.Content.CopyToAsync(to, ct);
    }

    public async Task LoadImageAsync(Func<Stream, CancellationToken, Task> write, CancellationToken ct)
    {
        using var content = new WrittenContent(write, ct);
        using var response = await SendAsync(HttpMethod.Post, "images/load?quiet=1", content, ct);
        var said = await response.Content.ReadAsStringAsync(ct);
        foreach (var line in said.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var told = JsonDocument.Parse(line);
            if (told.RootElement.TryGetProperty("error", out var error))
            {
                throw new EngineException(null, $"the Docker engine does not take the image: {error.GetString()}");
            }
        }
    }

    /// <summary>Fetches an image from a registry. Returns its id.</summary>
    /// <param name="reference">With a tag or a digest: without either the engine would fetch all there are.</param>
    /// <param name="login">Null asks as nobody.</param>
    /// <exception cref="BuildFailedException">There is no such image, or it may not be had.</exception>
    public async Task<string> PullAsync(string reference, (string User, string Password)? login, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"v{await VersionAsync(ct)}/images/create?fromImage={Quoted(reference)}");
        if (login is var (user, password))
        {
            var credentials = JsonSerializer.SerializeToUtf8Bytes(new { username = user, password, serveraddress = reference.Split('/')[0] });
            request.Headers.Add("X-Registry-Auth", Convert.ToBase64String(credentials).Replace('+', '-').Replace('/', '_'));
        }

        using var response = await AnswerAsync(request, ct);
        if (!response.IsSuccessStatusCode)
        {
            throw new BuildFailedException(await WordsAsync(response, ct));
        }

        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(ct));
        while (await lines.ReadLineAsync(ct) is { } line)
        {
            using var told = JsonDocument.Parse(line);
            if (told.RootElement.TryGetProperty("error", out var error))
            {
                throw new BuildFailedException(error.GetString() ?? "");
            }
        }

        return (await FindImageAsync(reference, ct))?.Id ?? throw new EngineException(null, $"the Docker engine fetched {reference} and does not have it");
    }

    public Task TagImageAsync(string image, string repository, string tag, CancellationToken ct = default) =>
        PostAsync($"images/{Quoted(image)}/tag?repo={Quoted(repository)}&tag={Quoted(tag)}", content: null, ct);

    /// <summary>A file or directory of a container, running or not, as a tar stream; null when there is none.</summary>
    public async Task<Stream?> FileAsync(string container, string path, CancellationToken ct = default)
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Get, $"containers/{Quoted(container)}/archive?path={Quoted(path)}", content: null, ct);
            return new MemoryStream(await response.Content.ReadAsByteArrayAsync(ct));
        }
        catch (EngineException e) when (e.IsMissing)
        {
            return null;
        }
    }

    public Task CreateAsync(string name, ContainerOrder order, CancellationToken ct = default) => PostAsync($"containers/create?name={Quoted(name)}", order, ct);

    /// <summary>Returns when its first process runs.</summary>
    public Task StartAsync(string container, CancellationToken ct = default) => PostAsync($"containers/{Quoted(container)}/start", content: null, ct);

    public Task<ContainerDetails?> FindContainerAsync(string name, CancellationToken ct = default) => FindAsync<ContainerDetails>($"containers/{Quoted(name)}/json", ct);

    /// <summary>Running or not.</summary>
    public Task<IReadOnlyList<ContainerSummary>> ContainersAsync(IReadOnlyDictionary<string, string> labels, CancellationToken ct = default) =>
        GetAsync<IReadOnlyList<ContainerSummary>>($"containers/json?all=1&filters={Filter(labels)}", ct);

    /// <summary>Returns when it does not run, at once when it does not run now. Is cut off when the engine ends.</summary>
    public async Task WaitAsync(string container, CancellationToken ct)
    {
        using var response = await SendAsync(HttpMethod.Post, $"containers/{Quoted(container)}/wait", content: null, ct);
        try
        {
            await response.Content.ReadAsByteArrayAsync(ct);
        }
        catch (HttpRequestException e)
        {
            throw NoAnswer(e);
        }
    }

    /// <summary>Does nothing to one that does not run.</summary>
    public async Task SignalAsync(string container, string signal, CancellationToken ct = default)
    {
        try
        {
            await PostAsync($"containers/{Quoted(container)}/kill?signal={Quoted(signal)}", content: null, ct);
        }
        catch (EngineException e) when (e.IsMissing || e.Status == HttpStatusCode.Conflict)
        {
            // It has ended meanwhile.
        }
    }

    /// <summary>Ends it if it runs, and removes it with its writable layer and its nameless volumes. None is no error.</summary>
    public async Task RemoveAsync(string container, CancellationToken ct = default)
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Delete, $"containers/{Quoted(container)}?force=1&v=1", content: null, ct);
        }
        catch (EngineException e) when (e.IsMissing || e.Status == HttpStatusCode.Conflict)
        {
            // Somebody else is removing it.
        }
    }

    /// <summary>Runs a further command in a container, to its end; what it prints goes nowhere. Returns its exit code. Cancelled, it is left to end with the container.</summary>
    public async Task<int> RunInsideAsync(string container, IReadOnlyList<string> words, TimeProvider time, CancellationToken ct)
    {
        string id;
        using (var body = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(new { Cmd = words })) { Headers = { ContentType = new("application/json") } })
        using (var response = await SendAsync(HttpMethod.Post, $"containers/{Quoted(container)}/exec", body, ct))
        {
            using var made = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(ct));
            id = made.RootElement.GetProperty("Id").GetString()!;
        }

        await PostAsync($"exec/{id}/start", new { Detach = true }, ct);
        while (true)
        {
            var state = await GetAsync<JsonElement>($"exec/{id}/json", ct);
            if (!state.GetProperty("Running").GetBoolean() && state.GetProperty("ExitCode") is { ValueKind: JsonValueKind.Number } code)
            {
                return code.GetInt32();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), time, ct);
        }
    }

    /// <summary>What a container printed and prints, until it ends.</summary>
    /// <param name="since">Only what is later, in seconds with nine decimals; null for everything.</param>
    /// <param name="times">Each line begins with its time (RFC 3339, nanoseconds, UTC) and a space.</param>
    public async IAsyncEnumerable<OutputPiece> OutputAsync(string container, string? since, bool times, [EnumeratorCancellation] CancellationToken ct)
    {
        using var response = await SendAsync(
            HttpMethod.Get, $"containers/{Quoted(container)}/logs?stdout=1&stderr=1&follow=1&timestamps={(times ? 1 : 0)}{(since is null ? "" : $"&since={since}")}", content: null, ct);
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var head = new byte[8];
        var buffer = new byte[32 * 1024];
        while (await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, ct) == head.Length)
        {
            for (var left = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(4)); left > 0;)
            {
                var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), ct);
                if (read == 0)
                {
                    yield break;
                }

                left -= (uint)read;
                yield return new OutputPiece(head[0] == 2, buffer.AsMemory(0, read));
            }
        }
    }

    /// <summary>A bridge of that name; made when there is none. Containers on it do not reach each other.</summary>
    public async Task EnsureNetworkAsync(string name, IReadOnlyDictionary<string, string> labels, CancellationToken ct = default)
    {
        if (await FindAsync<JsonElement?>($"networks/{Quoted(name)}", ct) is null)
        {
            var order = new { Name = name, CheckDuplicate = true, Driver = "bridge", Labels = labels, Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" } };
            try
            {
                await PostAsync("networks/create", order, ct);
            }
            catch (EngineException e) when (e.Status == HttpStatusCode.Conflict)
            {
                // Made by another start at the same time.
            }
        }
    }

    /// <summary>Whatever the engine has at a path; null when nothing is there.</summary>
    public Task<JsonElement?> LookAsync(string path, CancellationToken ct = default) => FindAsync<JsonElement?>(path, ct);

    /// <summary>A request whose path and query were put together by whoever knows what it may do; the answer as it is, good or bad.</summary>
    /// <param name="of">The interface's version, as the asker speaks it (<c>v1.41</c>); null for none.</param>
    public async Task<HttpResponseMessage> PassAsync(HttpMethod method, string? of, string path, HttpContent? content, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, of is null ? path : $"{of}/{path}") { Content = content };
        return await AnswerAsync(request, ct);
    }

    /// <summary>A connection of its own, for what takes one over.</summary>
    public async Task<NetworkStream> ConnectAsync(CancellationToken ct)
    {
        try
        {
            return await OpenAsync(ct);
        }
        catch (SocketException e)
        {
            throw new EngineException(null, $"the Docker engine at {Address} does not answer: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        http.Dispose();
        asking.Dispose();
    }

    async Task<NetworkStream> OpenAsync(CancellationToken ct)
    {
        var socket = Address.Socket is null ? new Socket(SocketType.Stream, ProtocolType.Tcp) : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            EndPoint endpoint = Address.Socket is { } path ? new UnixDomainSocketEndPoint(path) : new IPEndPoint(IPAddress.Loopback, Address.Port);
            await socket.ConnectAsync(endpoint, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    async Task<string> VersionAsync(CancellationToken ct)
    {
        if (version is { } known)
        {
            return known;
        }

        await asking.WaitAsync(ct);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "_ping");
            using var response = await AnswerAsync(request, ct);
            var theirs = response.Headers.TryGetValues("Api-Version", out var values) && Version.TryParse(values.First(), out var told) ? told : Newest;
            return version = (theirs < Newest ? theirs : Newest).ToString();
        }
        finally
        {
            asking.Release();
        }
    }

    async Task<T> GetAsync<T>(string path, CancellationToken ct)
    {
        using var response = await SendAsync(HttpMethod.Get, path, content: null, ct);
        return JsonSerializer.Deserialize<T>(await response.Content.ReadAsByteArrayAsync(ct), Json)!;
    }

    async Task<T?> FindAsync<T>(string path, CancellationToken ct)
    {
        try
        {
            return await GetAsync<T>(path, ct);
        }
        catch (EngineException e) when (e.IsMissing)
        {
            return default;
        }
    }

    async Task PostAsync(string path, object? content, CancellationToken ct)
    {
        using var body = content is null ? null : new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(content, content.GetType(), Json)) { Headers = { ContentType = new("application/json") } };
        using var response = await SendAsync(HttpMethod.Post, path, body, ct);
    }

    async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, $"v{await VersionAsync(ct)}/{path}") { Content = content };
        var response = await AnswerAsync(request, ct);
        if (response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.NotModified)
        {
            return response;
        }

        using (response)
        {
            throw new EngineException(response.StatusCode, $"the Docker engine says: {await WordsAsync(response, ct)}");
        }
    }

    async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, CancellationToken ct)
    {
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        }
        catch (HttpRequestException e)
        {
            ct.ThrowIfCancellationRequested();
            throw NoAnswer(e);
        }
    }

    EngineException NoAnswer(HttpRequestException e)
    {
        version = null; // another one may come back in its place
        return new EngineException(null, $"the Docker engine at {Address} does not answer: {e.InnerException?.Message ?? e.Message}", e);
    }

    static async Task<string> WordsAsync(HttpResponseMessage response, CancellationToken ct)
    {
        var text = await response.Content.ReadAsStringAsync(ct);
        try
        {
            using var problem = JsonDocument.Parse(text);
            return problem.RootElement.TryGetProperty("message", out var message) ? message.GetString() ?? text : text;
        }
        catch (JsonException)
        {
            return text.Length > 0 ? text : response.ReasonPhrase ?? response.StatusCode.ToString();
        }
    }

    static string Filter(IReadOnlyDictionary<string, string> labels) =>
        Quoted(JsonSerializer.Serialize(new { label = labels.Select(label => $"{label.Key}={label.Value}") }, Json));

    static string Quoted(string text) => Uri.EscapeDataString(text);

    /// <summary>A request body that is made while it is sent.</summary>
    sealed class WrittenContent : HttpContent
    {
        readonly Func<Stream, CancellationToken, Task> write;
        readonly CancellationToken ct;

        public WrittenContent(Func<Stream, CancellationToken, Task> write, CancellationToken ct)
        {
            (this.write, this.ct) = (write, ct);
            Headers.ContentType = new("application/x-tar");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream, ct);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

/// <summary>A build came to its end without an image; the words are the build's own.</summary>
sealed class BuildFailedException(string message) : Exception(message);
