using System.Globalization;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// The receiver's own nginx: a file for each site, a graceful reload for each change (RT-07, RT-08). It outlives the receiver, and is started again with all its sites when it
/// ends by itself. A site's file is tried by itself before any other one can suffer from it. Where the receiver is root, nginx is a user of its own in a mount namespace of its
/// own, to which each release is shown when it is needed. Thread-safe.
/// </summary>
/// <param name="directory">Of its files; 0700.</param>
/// <param name="user">Who nginx is; null for the receiver's own user.</param>
sealed partial class NginxDaemon(string directory, Func<UnixUser?> user, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    const int Hangup = 1;
    const int Quit = 3;
    const long LargestLog = 10_000_000;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(3);
    static readonly TimeSpan BeforeNextTry = TimeSpan.FromSeconds(1);

    readonly Dictionary<string, NginxSite> sites = [];
    readonly SemaphoreSlim turn = new(1, 1);
    readonly CancellationTokenSource leaving = new();
    NginxHouse house = new(directory, null);
    int process;

    /// <summary>Where nginx is; null where it is not installed.</summary>
    public static string? Program { get; } = new[] { "/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx" }.FirstOrDefault(File.Exists);

    /// <summary>True when the daemon's own socket listens there, or nobody can tell.</summary>
    public bool Listens(int port) => Listening.Belongs(port, process);

    /// <summary>How many sites it should serve, and the ports of those it does not listen on.</summary>
    public async Task<(int Sites, IReadOnlyList<int> Silent)> ExamineAsync()
    {
        await turn.WaitAsync();
        try
        {
            return (sites.Count, [.. sites.Values.Select(site => site.Port).Where(port => !Listens(port))]);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Serves a site from here on; returns when its port is open.</summary>
    /// <param name="write">Its configuration, by where nginx sees <c>run</c>, <c>data</c> and <c>web</c>.</param>
    /// <exception cref="IOException">It cannot be served; nothing else has changed.</exception>
    public async Task AddAsync(NginxSite site, Func<string, Task<string>> write)
    {
        await turn.WaitAsync();
        try
        {
            await StartUnlessRunningAsync();
            await house.ShowAsync(site, process);
            try
            {
                NginxFiles.Write(ConfigurationOf(site.Id), await write(house.Of(site.Id)));
                await TryOutAsync(site.Id);
                NginxFiles.Write(RecordOf(site.Id), JsonSerializer.Serialize(site));
                sites[site.Id] = site;
                Reload();
                if (!await UntilAsync(() => Listens(site.Port) && Listening.Anybody(site.Port)))
                {
                    throw new IOException($"nginx does not listen on port {site.Port}: {LastWords()}");
                }
            }
            catch
            {
                await TakeAwayAsync(site.Id);
                throw;
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Serves it no longer; what was begun is answered. The last one takes the daemon with it. One that is not served is no error.</summary>
    public async Task RemoveAsync(string id)
    {
        await turn.WaitAsync();
        try
        {
            if (sites.ContainsKey(id))
            {
                await TakeAwayAsync(id);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>A site of a former run goes on; false when nothing is known of it.</summary>
    public async Task<bool> TryKeepAsync(string id)
    {
        await turn.WaitAsync();
        try
        {
            if (!File.Exists(RecordOf(id)) || !File.Exists(ConfigurationOf(id)) || JsonSerializer.Deserialize<NginxSite>(await File.ReadAllTextAsync(RecordOf(id))) is not { } site)
            {
                return false;
            }

            sites[id] = site;
            return true;
        }
        catch (JsonException)
        {
            return false; // cut off: its instance is started anew
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>After the last <see cref="TryKeepAsync"/>: sites that nobody kept go, and the daemon runs exactly when there are others.</summary>
    public async Task SettleAsync()
    {
        if (!Directory.Exists(directory))
        {
            return;
        }

        await turn.WaitAsync();
        try
        {
            house = new NginxHouse(directory, user());
            Find();
            foreach (var stale in Directory.EnumerateFiles(directory, "*.json").Select(Path.GetFileNameWithoutExtension).OfType<string>().Where(id => !sites.ContainsKey(id)).ToList())
            {
                await TakeAwayAsync(stale);
            }

            if (sites.Count > 0)
            {
                await StartUnlessRunningAsync();
            }
            else if (process != 0)
            {
                EndProcess();
            }
        }
        catch (IOException e)
        {
            // The sites that need it say so themselves when they are looked for.
            Log.CouldNotStart(logger, e);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Runs a program where nginx is, as who nginx is.</summary>
    public Task<CommandResult> RunAsync(IReadOnlyList<string> words, string at, string input) => house.RunAsync(words, at, input, process);

    /// <summary>Looks after it no longer and leaves it running.</summary>
    public async ValueTask DisposeAsync()
    {
        await leaving.CancelAsync();
        await turn.WaitAsync();
        turn.Release();
    }

    string ConfigurationOf(string id) => Path.Combine(directory, "conf", id + ".conf");

    string RecordOf(string id) => Path.Combine(directory, id + ".json");

    string PidFile => Path.Combine(directory, "daemon");

    string ErrorLog => Path.Combine(directory, "var", "error.log");

    string LastWords() => File.Exists(ErrorLog) ? string.Join("; ", File.ReadLines(ErrorLog).TakeLast(3)) : "it left no word";

    /// <summary>nginx sets its own name: its arguments are found behind it.</summary>
    void Find()
    {
        if (process == 0 && File.Exists(PidFile) && int.TryParse(File.ReadAllText(PidFile), CultureInfo.InvariantCulture, out var found) && IsOurs(found))
        {
            process = found;
            _ = WatchAsync(found);
        }
    }

    bool IsOurs(int id) => CommandLines.Names(id, directory + "/");

    async Task StartUnlessRunningAsync()
    {
        house = new NginxHouse(directory, user());
        Find();
        if (process != 0)
        {
            return;
        }

        var program = Program ?? throw new IOException("nginx is not on this machine; on Debian: apt-get install nginx-light");
        Prepare();
        EndOrphans();

        // Empty at first: the sites' folders can only be shown to one that runs.
        WriteMain([]);
        var pid = $"nginx-{Guid.NewGuid():N}.pid";
        var words = house.ToStart([program, "-e", $"{house.Seen}/var/error.log", "-p", $"{directory}/var/", "-c", $"{house.Seen}/conf/nginx.conf", "-g", $"pid {house.Seen}/var/{pid};"]);
        var started = await new Command(words[0], words[1..]) { OwnGroup = true }.RunAsync();
        var written = Path.Combine(directory, "var", pid);
        if (started.ExitCode != 0 || !await UntilAsync(() => File.Exists(written) && new FileInfo(written).Length > 0))
        {
            var log = Path.Combine(directory, "var", "start.log");
            throw new IOException($"nginx could not be started: {(File.Exists(log) ? string.Join("; ", File.ReadLines(log).TakeLast(3)) : started.Error.Trim())}; {LastWords()}");
        }

        process = int.Parse((await File.ReadAllTextAsync(written)).Trim(), CultureInfo.InvariantCulture);
        NginxFiles.Write(PidFile, process.ToString(CultureInfo.InvariantCulture));
        _ = WatchAsync(process);
        if (sites.Count > 0)
        {
            foreach (var site in sites.Values)
            {
                await house.ShowAsync(site, process);
            }

            Reload();
            await UntilAsync(() => sites.Values.All(site => Listening.Anybody(site.Port)));
        }
    }

    void Prepare()
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        const UnixFileMode Readable = Private | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(directory, Private);
        foreach (var part in (string[])["conf", "var", "house"])
        {
            Directory.CreateDirectory(Path.Combine(directory, part));
            File.SetUnixFileMode(Path.Combine(directory, part), part == "conf" ? Readable : Private);
        }

        if (house.User is { } other)
        {
            Ownership.Give(Path.Combine(directory, "var"), other.Number);
        }
    }

    /// <summary>Workers go on listening when their master was killed: nobody else could have the ports.</summary>
    void EndOrphans()
    {
        var ports = sites.Values.Select(site => site.Port).ToHashSet();
        var taken = ListeningSockets.On(0).Where(socket => ports.Contains(socket.Port)).Select(socket => socket.Number).ToHashSet();
        foreach (var orphan in taken.Count == 0 ? [] : Listening.Holders(taken, "nginx"))
        {
            PosixSignals.Send(orphan, PosixSignals.Kill);
        }
    }

    async Task WatchAsync(int watched)
    {
        await ExitWatch.Of(watched);
        while (!leaving.IsCancellationRequested)
        {
            await turn.WaitAsync();
            try
            {
                if (leaving.IsCancellationRequested || (process != watched && process != 0))
                {
                    return;
                }

                process = 0;
                if (sites.Count == 0)
                {
                    return;
                }

                Log.Ended(logger, watched, sites.Count);
                await StartUnlessRunningAsync();
                return;
            }
            catch (IOException e)
            {
                Log.CouldNotStart(logger, e);
            }
            finally
            {
                turn.Release();
            }

            await Task.Delay(BeforeNextTry, time, leaving.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    void Reload()
    {
        WriteMain(sites.Keys);
        if (File.Exists(ErrorLog) && new FileInfo(ErrorLog).Length > LargestLog)
        {
            // What appends to it goes on at its new end.
            using var log = new FileStream(ErrorLog, FileMode.Truncate, FileAccess.Write, FileShare.ReadWrite);
        }

        PosixSignals.Send(process, Hangup);
    }

    async Task TakeAwayAsync(string id)
    {
        var port = sites.Remove(id, out var site) ? site.Port : 0;
        File.Delete(RecordOf(id));
        if (process != 0 && sites.Count == 0)
        {
            EndProcess();
        }
        else if (process != 0)
        {
            Reload();
            await UntilAsync(() => port == 0 || !Listening.Anybody(port));
            await house.HideAsync(id, process);
        }

        File.Delete(ConfigurationOf(id));
    }

    void EndProcess()
    {
        PosixSignals.Send(process, Quit);
        process = 0;
        File.Delete(PidFile);
    }

    /// <exception cref="IOException">nginx would not take the file.</exception>
    async Task TryOutAsync(string id)
    {
        var trial = Path.Combine(directory, "conf", "trial.conf");
        NginxFiles.Write(trial, NginxFiles.All(house.Seen, [id]));
        string[] words = [.. house.Inside(process), .. house.Demoted(), Program!, "-t", "-q", "-e", "stderr", "-p", $"{directory}/var/", "-c", $"{house.Seen}/conf/trial.conf", "-g", $"pid {house.Seen}/var/trial.pid;"];
        var verdict = await new Command(words[0], words[1..]).RunAsync();
        if (verdict.ExitCode != 0)
        {
            throw new IOException($"nginx refuses the site's configuration: {verdict.Error.Trim()}");
        }
    }

    void WriteMain(IEnumerable<string> ids) => NginxFiles.Write(Path.Combine(directory, "conf", "nginx.conf"), NginxFiles.All(house.Seen, ids));

    async Task<bool> UntilAsync(Func<bool> happened)
    {
        var begun = time.GetTimestamp();
        while (!happened())
        {
            if (time.GetElapsedTime(begun) > Patience)
            {
                return false;
            }

            await Task.Delay(Pause, time);
        }

        return true;
    }

    static partial class Log
    {
        [LoggerMessage(30, LogLevel.Warning, "The shared nginx ({Process}) ended; it is started again with its {Count} sites")]
        public static partial void Ended(ILogger logger, int process, int count);

        [LoggerMessage(31, LogLevel.Error, "The shared nginx could not be started")]
        public static partial void CouldNotStart(ILogger logger, Exception exception);
    }
}
