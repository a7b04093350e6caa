using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Paas.Receiver.Containers;

/// <summary>One request of a build to the engine and its answer. Each path to the engine is put together here from ids that were looked up, never passed on as it came.</summary>
/// <param name="named">Tells of a name that an image got (true) or lost.</param>
sealed class RelayVisit(Engine engine, RelayTerms terms, RelayRequest request, Stream client, Action<string, bool> named, CancellationToken ct)
{
    static readonly string[] Reading = ["json", "logs", "top", "stats", "archive", "changes"];
    static readonly string[] Doing = ["start", "stop", "kill", "wait", "restart", "pause", "unpause", "resize"];

    /// <summary>What may be said beside to the engine about a container of one's own.</summary>
    static readonly string[] Words =
    [
        "stdin", "stdout", "stderr", "stream", "logs", "follow", "since", "until", "timestamps", "tail", "details", "h", "w", "t", "signal", "condition", "path", "noOverwriteDirNonDir",
        "copyUIDGID", "v", "force", "ps_args", "one-shot", "size",
    ];

    static readonly string[] ToldHeaders = ["Api-Version", "Ostype", "Docker-Experimental", "X-Docker-Container-Path-Stat"];

    /// <summary>The client has got the beginning of an answer: from then on it can be told no reason any more.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>The table of all that a build may ask.</summary>
    /// <exception cref="RelayRefusedException">It may not.</exception>
    public Task AnswerAsync() => (request.Method, request.Segments) switch
    {
        ("GET" or "HEAD", ["_ping"]) => PassAsync("_ping"),
        ("GET", ["version"]) => PassAsync("version"),
        ("POST", ["build"]) => BuildAsync(),
        ("GET", ["images", "json"]) => PassAsync("images/json" + Text(Filtered(terms.ImageLabels))),
        ("GET", ["images", .. { Length: > 0 } name, "json" or "history"]) => PassImageAsync(Joined(name), request.Segments[^1]),
        ("POST", ["images", "create"]) => throw new RelayRefusedException($"a build here runs images that it made itself, and fetches others by FROM in its Dockerfile alone: not {request["fromImage"]}"),
        ("POST", ["images", .., "push"]) => throw new RelayRefusedException("a build here pushes nothing: its image is taken as it is"),
        ("POST", ["images", .. { Length: > 0 } name, "tag"]) => TagAsync(Joined(name)),
        ("DELETE", ["images", .. { Length: > 0 } name]) => UntagAsync(Joined(name)),
        ("POST", ["containers", "create"]) => CreateAsync(),
        ("GET", ["containers", "json"]) => PassAsync("containers/json" + Text([.. Said("all", "limit", "size"), .. Filtered(Mark)])),
        ("GET" or "HEAD", ["containers", var name, var what]) when Reading.Contains(what) => PassContainerAsync(name, what),
        ("PUT", ["containers", var name, "archive"]) => PassContainerAsync(name, "archive", new StreamContent(request.Body)),
        ("POST", ["containers", var name, "attach"]) => AttachAsync(name),
        ("POST", ["containers", var name, "exec"]) => ExecAsync(name),
        ("POST", ["containers", var name, var what]) when Doing.Contains(what) => PassContainerAsync(name, what),
        ("DELETE", ["containers", var name]) => PassContainerAsync(name, null),
        ("POST", ["exec", var id, "start"]) => StartExecAsync(id),
        ("GET", ["exec", var id, "json"]) => PassExecAsync(id, "json"),
        ("POST", ["exec", var id, "resize"]) => PassExecAsync(id, "resize"),
        _ => throw new RelayRefusedException(
            $"{request.Method} /{Joined(request.Segments)} is not among what a build here may ask the Docker engine: build, run, exec, cp, logs, ps, stop, rm, images, inspect, tag and rmi of what it made"),
    };

    Dictionary<string, string> Mark => new() { [RelayTerms.BuildLabel] = terms.Build };

    async Task BuildAsync()
    {
        var (query, names) = terms.BuildOf(request);
        using var context = new StreamContent(request.Body) { Headers = { ContentType = new("application/x-tar") } };
        using var response = await engine.PassAsync(HttpMethod.Post, request.Version, "build" + Text(query), context, ct);
        var last = await TellAsync(response);
        if (response.IsSuccessStatusCode && !last.Contains("\"errorDetail\"", StringComparison.Ordinal))
        {
            foreach (var name in names)
            {
                named(name, true);
            }
        }
    }

    async Task PassImageAsync(string name, string what) => await PassAsync($"images/{await ImageAsync(name)}/{what}");

    async Task TagAsync(string name)
    {
        var to = terms.Named($"{request["repo"]}:{(request["tag"] is { Length: > 0 } tag ? tag : "latest")}");
        var colon = to.LastIndexOf(':');
        var id = await ImageAsync(name);
        await PassAsync($"images/{id}/tag{Text([("repo", to[..colon]), ("tag", to[(colon + 1)..])])}", HttpMethod.Post);
        named(to, true);
    }

    /// <summary>A name that the build may give it may take away; an image without any by its id.</summary>
    async Task UntagAsync(string name)
    {
        var id = await ImageAsync(name);
        var isId = id == name || id["sha256:".Length..].StartsWith(name, StringComparison.Ordinal);
        var names = await engine.LookAsync($"images/{id}/json", ct) is { } found && found.TryGetProperty("RepoTags", out var tags) && tags.ValueKind == JsonValueKind.Array ? tags.EnumerateArray().Select(tag => tag.GetString()!).ToList() : [];
        var what = !isId ? terms.Named(name)
            : names.TrueForAll(terms.MayName) ? id : throw new RelayRefusedException($"the image {name} has names that are not this build's: {string.Join(", ", names)}", HttpStatusCode.Conflict);
        await PassAsync($"images/{Uri.EscapeDataString(what)}", HttpMethod.Delete);
        if (!isId)
        {
            named(what, false);
        }
    }

    async Task CreateAsync()
    {
        var wanted = RelayTerms.Parse(await request.DocumentAsync(ct));
        var image = wanted["Image"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
        var order = terms.ContainerOf(wanted, await ImageAsync(image));
        var name = request["name"] is { Length: > 0 } given ? NameOf(given) : null;
        if (name?.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') == false)
        {
            throw new RelayRefusedException("a container's name is letters, digits, '.', '_' and '-'", HttpStatusCode.BadRequest);
        }

        await PassAsync("containers/create" + (name is null ? "" : Text([("name", name)])), HttpMethod.Post, Document(order));
    }

    async Task PassContainerAsync(string name, string? what, HttpContent? content = null)
    {
        var id = await ContainerAsync(name);
        await PassAsync($"containers/{id}{(what is null ? "" : "/" + what)}{Text(Said(Words))}", content: content);
    }

    async Task AttachAsync(string name)
    {
        var id = await ContainerAsync(name);
        await HandOverAsync($"containers/{id}/attach{Text(Said(Words))}", []);
    }

    async Task ExecAsync(string name)
    {
        var wanted = RelayTerms.Parse(await request.DocumentAsync(ct));
        var order = new JsonObject();
        foreach (var key in (string[])["Cmd", "Env", "User", "WorkingDir", "Tty", "AttachStdin", "AttachStdout", "AttachStderr", "DetachKeys"])
        {
            order[key] = wanted[key]?.DeepClone();
        }

        var id = await ContainerAsync(name);
        await PassAsync($"containers/{id}/exec", HttpMethod.Post, Document(order));
    }

    async Task StartExecAsync(string id)
    {
        var wanted = RelayTerms.Parse(await request.DocumentAsync(ct));
        var order = new JsonObject { ["Detach"] = wanted["Detach"]?.DeepClone(), ["Tty"] = wanted["Tty"]?.DeepClone() };
        await CheckExecAsync(id);
        if (request.Upgrades)
        {
            await HandOverAsync($"exec/{id}/start", JsonSerializer.SerializeToUtf8Bytes(order));
        }
        else
        {
            await PassAsync($"exec/{id}/start", HttpMethod.Post, Document(order));
        }
    }

    async Task PassExecAsync(string id, string what)
    {
        await CheckExecAsync(id);
        await PassAsync($"exec/{id}/{what}{Text(Said(Words))}");
    }

    /// <summary>The id of an image of this project's; whatever else there is looks as if it were not there.</summary>
    async Task<string> ImageAsync(string name)
    {
        if (name.Length is 0 or > 400 || await engine.LookAsync($"images/{Uri.EscapeDataString(name)}/json", ct) is not { } found
            || !Bears(found.GetProperty("Config"), terms.ImageLabels) || found.GetProperty("Id").GetString() is not { } id)
        {
            throw new RelayRefusedException($"No such image: {name}", HttpStatusCode.NotFound);
        }

        return id;
    }

    /// <summary>The id of a container of this build's.</summary>
    async Task<string> ContainerAsync(string name)
    {
        foreach (var called in (string[])[NameOf(name), name])
        {
            if (called.Length < 300 && await engine.LookAsync($"containers/{Uri.EscapeDataString(called)}/json", ct) is { } found && Bears(found.GetProperty("Config"), Mark))
            {
                return found.GetProperty("Id").GetString()!;
            }
        }

        throw new RelayRefusedException($"No such container: {name}", HttpStatusCode.NotFound);
    }

    async Task CheckExecAsync(string id)
    {
        if (id.Length != 64 || !id.All(char.IsAsciiHexDigitLower) || await engine.LookAsync($"exec/{id}/json", ct) is not { } exec)
        {
            throw new RelayRefusedException($"No such exec instance: {id}", HttpStatusCode.NotFound);
        }

        await ContainerAsync(exec.GetProperty("ContainerID").GetString()!);
    }

    /// <summary>Names are the whole engine's: each build has a room of its own among them.</summary>
    string NameOf(string name) => $"paas-{terms.Build}-{name.TrimStart('/')}";

    static bool Bears(JsonElement config, IReadOnlyDictionary<string, string> labels) =>
        config.TryGetProperty("Labels", out var there) && there.ValueKind == JsonValueKind.Object
        && labels.All(label => there.TryGetProperty(label.Key, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() == label.Value);

    async Task PassAsync(string path, HttpMethod? method = null, HttpContent? content = null)
    {
        using (content)
        using (var response = await engine.PassAsync(method ?? HttpMethod.Parse(request.Method), request.Version, path, content, ct))
        {
            await TellAsync(response);
        }
    }

    /// <summary>Returns the last of what was said.</summary>
    async Task<string> TellAsync(HttpResponseMessage response)
    {
        var head = new StringBuilder($"HTTP/1.1 {(int)response.StatusCode} {response.StatusCode}\r\nConnection: close\r\nBuilder-Version: 1\r\n");
        if (response.Content.Headers.ContentType is { } type)
        {
            head.Append($"Content-Type: {type}\r\n");
        }

        if (response.Content.Headers.ContentLength is { } length && response.StatusCode != HttpStatusCode.NoContent)
        {
            head.Append($"Content-Length: {length}\r\n");
        }

        foreach (var name in ToldHeaders)
        {
            if (response.Headers.TryGetValues(name, out var values))
            {
                head.Append($"{name}: {values.First()}\r\n");
            }
        }

        HasBegun = true;
        await client.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), ct);
        var last = "";
        if (request.Method != "HEAD")
        {
            await using var body = await response.Content.ReadAsStreamAsync(ct);
            var buffer = new byte[16 * 1024];
            while (await body.ReadAsync(buffer, ct) is > 0 and var read)
            {
                await client.WriteAsync(buffer.AsMemory(0, read), ct);
                last = (last + Encoding.Latin1.GetString(buffer, 0, read))[^Math.Min(last.Length + read, 8192)..];
            }
        }

        return last.TrimEnd()[(last.TrimEnd().LastIndexOf('\n') + 1)..];
    }

    /// <summary>The connection itself is the container's from here on, both ways and each way to its own end. Only when the engine agreed is anything more of the client's passed on.</summary>
    async Task HandOverAsync(string path, byte[] document)
    {
        await using var there = await engine.ConnectAsync(ct);
        var head = $"POST {(request.Version is null ? "" : "/" + request.Version)}/{path} HTTP/1.1\r\nHost: engine\r\nConnection: close, Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {document.Length}\r\n\r\n";
        await there.WriteAsync(Encoding.ASCII.GetBytes(head), ct);
        await there.WriteAsync(document, ct);
        var buffer = new byte[16 * 1024];
        var read = await there.ReadAtLeastAsync(buffer, "HTTP/1.1 101".Length, throwOnEndOfStream: false, ct);
        HasBegun = true;
        await client.WriteAsync(buffer.AsMemory(0, read), ct);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var giving = buffer.AsSpan(0, read).StartsWith("HTTP/1.1 101"u8) ? GiveAsync(there, done.Token) : Task.CompletedTask;
        await there.CopyToAsync(client, ct);
        await done.CancelAsync();
        await giving;
    }

    async Task GiveAsync(System.Net.Sockets.NetworkStream there, CancellationToken until)
    {
        try
        {
            await client.CopyToAsync(there, until);
            there.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or System.Net.Sockets.SocketException)
        {
            // The container has ended, or the client went away.
        }
    }

    IReadOnlyList<(string Name, string Value)> Said(params string[] names) => [.. request.Query.Where(one => names.Contains(one.Name))];

    /// <summary>The client's own filters, and ours.</summary>
    List<(string Name, string Value)> Filtered(IReadOnlyDictionary<string, string> labels)
    {
        var filters = request["filters"] is { Length: > 0 } theirs ? RelayTerms.Parse(Encoding.UTF8.GetBytes(theirs)) : [];
        var wanted = new JsonObject();
        foreach (var (name, value) in filters)
        {
            // Each a list of texts, or in the older form a map of them to true.
            wanted[name] = value is JsonObject map ? new JsonArray([.. map.Select(one => (JsonNode)one.Key)]) : value?.DeepClone();
        }

        var all = wanted["label"] as JsonArray ?? [];
        wanted.Remove("label");
        foreach (var (name, value) in labels)
        {
            all.Add($"{name}={value}");
        }

        wanted["label"] = all;
        return [("filters", wanted.ToJsonString())];
    }

    static string Joined(IEnumerable<string> segments) => string.Join('/', segments);

    static ByteArrayContent Document(JsonObject document) => new(JsonSerializer.SerializeToUtf8Bytes(document)) { Headers = { ContentType = new("application/json") } };

    static string Text(IEnumerable<(string Name, string Value)> query) =>
        query.Select(one => $"{Uri.EscapeDataString(one.Name)}={Uri.EscapeDataString(one.Value)}").ToList() is { Count: > 0 } pairs ? "?" + string.Join('&', pairs) : "";
}
