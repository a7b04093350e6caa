using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Crons;

/// <summary>
/// Asks instances for what their manifest says, when it says so (PM-70 to PM-77, AMB-30, AMB-31): at the top of each minute, in UTC unless set otherwise, of the live release only,
/// straight from an instance of the type; and runs the commands of an <c>app.json</c>, each in surroundings of its own. What is answered or printed is kept; a status of 400 or more, no
/// answer, or another exit code than 0 is a failure. A minute that was missed is not made up for, and a run that is still going does not keep the next from beginning.
/// </summary>
sealed partial class WebCrons(ProjectStore projects, ReleaseStore releases, Fleet fleet, CronRuns runs, CronSettings settings, TimeProvider time, ILogger<WebCrons> logger) : BackgroundService
{
    /// <summary>Bytes of an answer that are kept.</summary>
    const int LargestLog = 1024 * 1024;

    /// <summary>What stands for the process type where a command ran: no process type has such a name.</summary>
    const string CommandType = "(command)";

    readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    // A sealed release's declarations do not change.
    readonly ConcurrentDictionary<ReleaseId, IReadOnlyList<Entry>> declared = new();
    readonly ConcurrentDictionary<Task, bool> going = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var now = time.GetUtcNow();
            var next = new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerMinute) + TimeSpan.TicksPerMinute, TimeSpan.Zero);
            try
            {
                await Task.Delay(next - now, time, stoppingToken);
                Begin(next, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (Exception e)
            {
                // The next minute is another one.
                Log.Missed(logger, e);
            }
        }

        await Task.WhenAll(going.Keys);
        http.Dispose();
    }

    /// <summary>Begins what is due in this minute; returns before it is done.</summary>
    internal void Begin(DateTimeOffset minute, CancellationToken ct)
    {
        var clock = TimeZoneInfo.ConvertTime(minute, settings.Zone).DateTime;
        foreach (var project in projects.List())
        {
            if (releases.CurrentId(project) is not { } id)
            {
                continue;
            }

            foreach (var entry in DeclaredBy(project, id).Where(entry => entry.Schedule.IsDue(clock)))
            {
                var run = Task.Run(() => RunAsync(project, id, entry, ct), CancellationToken.None);
                going[run] = true;
                _ = run.ContinueWith(done => going.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Waits for what was begun.</summary>
    internal Task DoneAsync() => Task.WhenAll(going.Keys);

    IReadOnlyList<Entry> DeclaredBy(Project project, ReleaseId id)
    {
        if (declared.TryGetValue(id, out var known))
        {
            return known;
        }

        if (releases.Find(project, id) is not { } release)
        {
            return [];
        }

        try
        {
            var manifest = ManifestReader.Read(release.Directory);
            known = [.. from instance in manifest.Application?.Instances ?? []
                        from cron in instance.Crons
                        let schedule = CronSchedule.TryParse(cron.Runspec, out var parsed, out _) ? parsed : null
                        where schedule is not null
                        select new Entry(instance.Name, cron, null, schedule),
                     .. from cron in manifest.CronCommands
                        let schedule = CronSchedule.TryParse(cron.Schedule, out var parsed, out _) ? parsed : null
                        where schedule is not null
                        select new Entry(CommandType, null, cron.Command, schedule)];
        }
        catch (Refusal)
        {
            known = []; // a tree that cannot be read any more declares nothing
        }

        if (declared.Count > 10_000)
        {
            declared.Clear();
        }

        return declared[id] = known;
    }

    async Task RunAsync(Project project, ReleaseId id, Entry entry, CancellationToken ct)
    {
        var what = entry.Cron is { } asked ? PathOf(asked) : entry.Command!;
        var (at, began) = (time.GetUtcNow(), Stopwatch.GetTimestamp());
        int? status = null;
        string? failure = null;
        var log = "";
        try
        {
            log = runs.NewLog(project, at);
            status = entry.Cron is { } cron ? await AskAsync(project, id, entry.Type, cron, log, ct) : await CommandAsync(project, id, entry.Command!, log, ct);
            failure = entry.Cron is null ? status == 0 ? null : status == Fleet.TimedOut ? $"not done within {settings.LongestCommand.TotalSeconds:0} s" : $"ended with exit code {status}"
                : status >= 400 ? $"answered {status}" : null;
        }
        catch (Exception e)
        {
            // One entry that fails, in whatever way, concerns neither the others nor the receiver.
            failure = e is OperationCanceledException && !ct.IsCancellationRequested ? $"no answer within {settings.Longest.TotalSeconds:0} s" : e.InnerException?.Message ?? e.Message;
        }

        if (failure is not null)
        {
            Log.Failed(logger, project.Key, entry.Type, what, failure);
        }

        try
        {
            runs.Add(project, new CronRun(id.Value, entry.Type, what, at, Stopwatch.GetElapsedTime(began).TotalMilliseconds, status, failure, log));
        }
        catch (Exception e)
        {
            // A full disk: the operator has been told of the run itself.
            Log.Missed(logger, e);
        }
    }

    async Task<int> AskAsync(Project project, ReleaseId id, string type, Cron cron, string log, CancellationToken ct)
    {
        var backends = fleet.Backends(project, id, type);
        if (backends.Count == 0)
        {
            throw new IOException($"no instance of {type} runs");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(settings.Longest);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{backends[Random.Shared.Next(backends.Count)].Address}{cron.Uri}"));
        request.Headers.UserAgent.ParseAdd("paas-cron");
        if (cron.Username is not null || cron.Password is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{cron.Username}:{cron.Password}")));
        }

        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        await using var file = NewFile(log);
        await using var body = await answer.Content.ReadAsStreamAsync(limit.Token);
        var buffer = new byte[16 * 1024];
        for (var kept = 0; await body.ReadAsync(buffer, limit.Token) is > 0 and var length;)
        {
            var room = Math.Min(length, LargestLog - kept);
            await file.WriteAsync(buffer.AsMemory(0, room), limit.Token);
            kept += room;
        }

        return (int)answer.StatusCode;
    }

    async Task<int> CommandAsync(Project project, ReleaseId id, string line, string log, CancellationToken ct)
    {
        await using var file = NewFile(log);
        using var gate = new SemaphoreSlim(1);
        var kept = 0;
        return await settings.Run(project, id, line, TellAsync, settings.LongestCommand, ct);

        async Task TellAsync(bool error, ReadOnlyMemory<byte> bytes)
        {
            await gate.WaitAsync(CancellationToken.None);
            try
            {
                var room = Math.Min(bytes.Length, LargestLog - kept);
                await file.WriteAsync(bytes[..room], CancellationToken.None);
                kept += room;
            }
            finally
            {
                gate.Release();
            }
        }
    }

    static FileStream NewFile(string log) =>
        new(log, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });

    // A token may stand in the query (PM-77): it is asked for as it is, and shown to nobody.
    static string PathOf(Cron cron) => cron.Uri.IndexOf('?') is >= 0 and var query ? cron.Uri[..query] : cron.Uri;

    /// <param name="Cron">Null for a command.</param>
    sealed record Entry(string Type, Cron? Cron, string? Command, CronSchedule Schedule);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Project}: cron {Path} of {Type} failed: {Failure}")]
        public static partial void Failed(ILogger logger, string project, string type, string path, string failure);

        [LoggerMessage(Level = LogLevel.Error, Message = "Cron entries could not be looked after")]
        public static partial void Missed(ILogger logger, Exception exception);
    }
}

/// <param name="Zone">Whose clock the entries are read by.</param>
/// <param name="Longest">An answer that takes longer is given up.</param>
sealed record CronSettings(TimeZoneInfo Zone, TimeSpan Longest)
{
    public static readonly CronSettings Default = new(TimeZoneInfo.Utc, TimeSpan.FromMinutes(5));

    /// <summary>A command that takes longer is ended, with all it started.</summary>
    public TimeSpan LongestCommand { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Runs commands.</summary>
    public RunCommand Run { get; init; } = (_, _, _, _, _, _) => throw new NotSupportedException("Nothing here runs commands.");
}

/// <summary>Runs a line of shell as the release runs its own, to its end; what it prints is told as it comes. Returns its exit code.</summary>
delegate Task<int> RunCommand(Project project, ReleaseId release, string line, Func<bool, ReadOnlyMemory<byte>, Task> tell, TimeSpan limit, CancellationToken ct);
