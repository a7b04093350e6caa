using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ImageStore;

/// <summary>
/// Images that were pushed here, kept by Debian's docker-registry, which is started when the first one is asked for and listens on a unix socket in a directory of the
/// receiver's own: whoever wants something of it comes through the receiver. Or by one that is configured.
/// </summary>
sealed partial class RegistryServer : IAsyncDisposable
{
    const string Program = "docker-registry";
    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Bytes of a socket's path that every kernel takes.</summary>
    const int LongestSocket = 100;

    static readonly TimeSpan StartTime = TimeSpan.FromSeconds(20);
    static readonly TimeSpan StopTime = TimeSpan.FromSeconds(10);

    /// <summary>Nobody asks for anything so long before it is cleaned up, so that many deletions cost one cleaning.</summary>
    static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    /// <summary>Who began to push and has not been heard of for so long has given up.</summary>
    static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(10);

    /// <summary>Who has asked what a tag leads to may fetch it by its digest for so long, whatever is pushed meanwhile.</summary>
    static readonly TimeSpan FormerStays = TimeSpan.FromHours(1);

    readonly ConcurrentDictionary<string, long> pushing = new();
    readonly string directory;
    readonly Uri? upstream;
    readonly TimeProvider time;
    readonly ILogger logger;
    readonly HttpClient http;
    readonly RegistryFiles files;
    readonly Func<string, IReadOnlySet<string>?> needed;
    readonly ITimer quiet;
    readonly SemaphoreSlim turn = new(1, 1);
    ChildProcess? child;
    Task reading = Task.CompletedTask;
    int inside;
    volatile bool isCleaningDue;
    volatile bool isFormerKept;
    volatile bool isClosed;

    /// <param name="state">The receiver's own directory; ours is <c>registry</c> in it.</param>
    /// <param name="upstream">A registry that only the receiver reaches; null starts one.</param>
    /// <param name="needed">Digests (hexadecimal) that kept releases of a repository's project name, whether a tag leads to them or not; null when that cannot be said.</param>
    public RegistryServer(string state, Uri? upstream, TimeProvider time, ILogger<RegistryServer> logger, Func<string, IReadOnlySet<string>?>? needed = null)
    {
        directory = Path.Combine(state, "registry");
        this.upstream = upstream;
        this.time = time;
        this.logger = logger;
        this.needed = needed ?? (_ => new HashSet<string>());
        files = new RegistryFiles(Data);
        isCleaningDue = File.Exists(DueFile);
        quiet = time.CreateTimer(_ => _ = CleanAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        http = new HttpClient(new SocketsHttpHandler { ConnectCallback = upstream is null ? ConnectAsync : null, UseProxy = false, UseCookies = false, AllowAutoRedirect = false, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5) })
        {
            BaseAddress = upstream ?? new Uri("http://registry/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Null when images can be kept here; else what is missing, in a sentence.</summary>
    public string? WhyNot =>
        upstream is not null || Found() is not null && Socket.Length <= LongestSocket ? null
        : Socket.Length > LongestSocket ? $"This receiver keeps no images: {Socket} is longer than {LongestSocket} characters."
        : "This receiver keeps no images: docker-registry is not installed.";

    /// <summary>False where what is pushed takes no room of this machine's.</summary>
    public bool KeepsHere => upstream is null;

    /// <summary>Something is kept here, or elsewhere for us.</summary>
    public bool IsUsed => upstream is not null || Directory.Exists(Data);

    string Configuration => Path.Combine(directory, "config.yml");

    string Socket => Path.Combine(directory, "socket");

    string PidFile => Path.Combine(directory, "pid");

    string Data => Path.Combine(directory, "data");

    /// <summary>Something may be there that no image needs; a receiver that was killed before it saw to it finds this.</summary>
    string DueFile => Path.Combine(directory, "cleaning-is-due");

    public static string RepositoryOf(Project project) => project.Key;

    /// <summary>One request, while nothing is cleaned up.</summary>
    /// <exception cref="IOException">The registry cannot be started.</exception>
    public async Task<T> AskAsync<T>(Func<HttpClient, Task<T>> ask, CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            await StartAsync(ct);
            Interlocked.Increment(ref inside);
        }
        finally
        {
            turn.Release();
        }

        try
        {
            return await ask(http);
        }
        finally
        {
            if (Interlocked.Decrement(ref inside) == 0 && isCleaningDue)
            {
                Wake(Quiet);
            }
        }
    }

    /// <summary>Digest of the manifest that a tag leads to now; null when there is none.</summary>
    public Task<string?> DigestAsync(Project project, string tag, CancellationToken ct) => AskAsync(
        async client =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Head, $"v2/{RepositoryOf(project)}/manifests/{Uri.EscapeDataString(tag)}");
            foreach (var type in (string[])["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"])
            {
                request.Headers.Accept.ParseAdd(type);
            }

            using var answer = await client.SendAsync(request, ct);
            return answer.IsSuccessStatusCode && answer.Headers.TryGetValues("Docker-Content-Digest", out var digests) ? digests.First() : null;
        },
        ct);

    /// <summary>Bytes on this machine's disk that a project's images take; what several projects share counts for each. Nothing where the registry is not ours.</summary>
    public (long Bytes, long Files) TakenBy(Project project) => upstream is null ? files.TakenBy(RepositoryOf(project)) : (0, 0);

    /// <summary>Somebody brings parts of an image: until all of it is there, or nothing is heard for minutes, nothing is cleaned up.</summary>
    public void Begun(Project project) => pushing[RepositoryOf(project)] = time.GetTimestamp();

    /// <summary>An image has arrived. What its tag led to until now is needed no longer.</summary>
    public void Arrived(Project project, string tag)
    {
        pushing.TryRemove(RepositoryOf(project), out _);
        if (upstream is null && files.HasFormer(RepositoryOf(project), tag))
        {
            CleanLater();
        }
    }

    /// <summary>What was begun will not be finished.</summary>
    public void Abandoned(Project project)
    {
        pushing.TryRemove(RepositoryOf(project), out _);
        CleanLater();
    }

    /// <summary>What no image needs any more goes when nobody is pushing; the next start of the receiver remembers.</summary>
    public void CleanLater()
    {
        if (upstream is null && Directory.Exists(Data))
        {
            AtomicFile.Write(DueFile, "");
            isCleaningDue = true;
            Wake(Quiet);
        }
    }

    /// <summary>All images of a project go; their bytes follow when nobody is pushing.</summary>
    public void Forget(Project project) => _ = ForgottenAsync(project);

    /// <summary>The same, to wait for: a registry that is not ours has to be asked.</summary>
    public Task ForgottenAsync(Project project)
    {
        pushing.TryRemove(RepositoryOf(project), out _);
        if (upstream is not null)
        {
            return DeleteManifestsAsync(project);
        }

        if (files.Remove(RepositoryOf(project)))
        {
            CleanLater();
        }

        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        isClosed = true;
        await quiet.DisposeAsync();
        await turn.WaitAsync();
        try
        {
            await StopAsync();
        }
        finally
        {
            turn.Release();
        }

        http.Dispose();
    }

    /// <summary>Of a registry that is not ours; its own rules say when the bytes go.</summary>
    async Task DeleteManifestsAsync(Project project)
    {
        try
        {
            using var list = await http.GetAsync($"v2/{RepositoryOf(project)}/tags/list");
            if (!list.IsSuccessStatusCode)
            {
                return;
            }

            using var document = JsonDocument.Parse(await list.Content.ReadAsByteArrayAsync());
            var tags = document.RootElement.TryGetProperty("tags", out var found) && found.ValueKind == JsonValueKind.Array ? found.EnumerateArray().Select(tag => tag.GetString()!).ToList() : [];
            foreach (var tag in tags)
            {
                if (await DigestAsync(project, tag, CancellationToken.None) is { } digest)
                {
                    using var gone = await http.DeleteAsync($"v2/{RepositoryOf(project)}/manifests/{digest}");
                }
            }
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            Log.NotCleaned(logger, e.Message);
        }
    }

    void Wake(TimeSpan after)
    {
        if (!isClosed)
        {
            quiet.Change(after, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Takes what no image needs any more off the disk; the registry must not run meanwhile, and is started again by who asks next.</summary>
    async Task CleanAsync()
    {
        await turn.WaitAsync();
        try
        {
            isCleaningDue |= isFormerKept;
            if (!isCleaningDue || Volatile.Read(ref inside) > 0 || isClosed)
            {
                return; // whoever leaves last wakes it again
            }

            if (StillPushing() is { } left)
            {
                Wake(left);
                return;
            }

            isCleaningDue = false;
            await StopAsync();
            Prepare();
            await EndLeftoverAsync();
            isFormerKept = files.Prune(needed, (time.GetUtcNow() - FormerStays).UtcDateTime);
            var (code, said) = await CollectAsync();
            if (code != 0)
            {
                Log.NotCleaned(logger, said);
            }
            else if (isFormerKept)
            {
                Wake(FormerStays);
            }
            else
            {
                File.Delete(DueFile);
            }
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception or UnauthorizedAccessException)
        {
            // Tried again with the next deletion.
            Log.NotCleaned(logger, e.Message);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>How long somebody may still be in the middle of a push; null when nobody is.</summary>
    TimeSpan? StillPushing()
    {
        TimeSpan? longest = null;
        foreach (var (repository, last) in pushing)
        {
            var left = LongestSilence - time.GetElapsedTime(last);
            if (left <= TimeSpan.Zero)
            {
                pushing.TryRemove(KeyValuePair.Create(repository, last));
            }
            else if (longest is null || left > longest)
            {
                longest = left;
            }
        }

        return longest;
    }

    async Task StartAsync(CancellationToken ct)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        if (upstream is not null || child is not null && !child.WaitAsync(CancellationToken.None).IsCompleted)
        {
            return;
        }

        if (WhyNot is { } why)
        {
            throw new IOException(why);
        }

        await StopAsync();
        Prepare();
        await EndLeftoverAsync();
        File.Delete(Socket);
        child = new Command(Found()!, "serve", Configuration) { OwnGroup = true }.Start();
        child.Input.Close();
        AtomicFile.Write(PidFile, $"{child.Id}\n");
        reading = Task.WhenAll(child.ReadAllAsync(child.Output), SayAsync(child));
        var begun = time.GetTimestamp();
        while (!await AnswersAsync(ct))
        {
            if (child.WaitAsync(CancellationToken.None).IsCompleted || time.GetElapsedTime(begun) > StartTime)
            {
                throw new IOException("docker-registry does not come up; the receiver's log says why.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10), time, ct);
        }
    }

    async Task StopAsync()
    {
        if (child is { } running)
        {
            child = null;
            await running.StopAsync(StopTime);
            await reading;
            await running.DisposeAsync();
        }
    }

    async Task<bool> AnswersAsync(CancellationToken ct)
    {
        try
        {
            using var answer = await http.GetAsync("v2/", ct);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    void Prepare()
    {
        Directory.CreateDirectory(directory, Private);
        File.SetUnixFileMode(directory, Private);
        Directory.CreateDirectory(Data, Private);

        // JSON is YAML, and needs nothing to be escaped by hand.
        AtomicFile.Write(Configuration, JsonSerializer.Serialize(new
        {
            version = "0.1",
            log = new { level = "warn" },
            storage = new { filesystem = new { rootdirectory = Data }, delete = new { enabled = true } },
            http = new { net = "unix", addr = Socket, secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)), relativeurls = true },
        }));
        File.SetUnixFileMode(Configuration, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>One that outlived a receiver which was killed would go on writing below the same directory.</summary>
    async Task EndLeftoverAsync()
    {
        if (!File.Exists(PidFile) || !int.TryParse((await File.ReadAllTextAsync(PidFile)).Trim(), out var process) || !IsOurs(process))
        {
            return;
        }

        PosixSignals.Send(process, PosixSignals.Kill);
        for (var tries = 0; tries < 250 && IsOurs(process); tries++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time);
        }
    }

    bool IsOurs(int process) => CommandLines.Names(process, Configuration);

    async Task<(int Code, string Said)> CollectAsync()
    {
        await using var collecting = new Command("nice", "-n", "10", Found()!, "garbage-collect", Configuration).Start();
        collecting.Input.Close();

        // Should the receiver be killed meanwhile, the next one must not serve beside it.
        AtomicFile.Write(PidFile, $"{collecting.Id}\n");
        var (output, error) = (collecting.ReadAllAsync(collecting.Output), collecting.ReadAllAsync(collecting.Error));
        var code = await collecting.WaitAsync(CancellationToken.None);
        await output;
        return (code, (await error).Trim());
    }

    async Task SayAsync(ChildProcess of)
    {
        using var reader = new StreamReader(of.Error);
        while (await reader.ReadLineAsync() is { } line)
        {
            Log.Says(logger, line);
        }
    }

    async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    static string? Found() => Command.CleanEnvironment["PATH"].Split(':').Select(place => Path.Combine(place, Program)).FirstOrDefault(File.Exists);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Debug, Message = "docker-registry: {Line}")]
        public static partial void Says(ILogger logger, string line);

        [LoggerMessage(Level = LogLevel.Warning, Message = "What no image needs any more could not be removed: {Why}")]
        public static partial void NotCleaned(ILogger logger, string why);
    }
}
