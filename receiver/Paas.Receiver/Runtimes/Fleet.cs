using System.Collections.Concurrent;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>Every running release: started, kept running, stopped; found again after the receiver was away. Thread-safe.</summary>
/// <remarks>Disposing lets go of the instances and leaves them running (RT-13): only <see cref="StopAsync"/> stops any.</remarks>
sealed partial class Fleet : IAsyncDisposable
{
    /// <summary>What <c>timeout</c> answers too: the limit was reached.</summary>
    public const int TimedOut = CagedRun.TookTooLong;

    /// <summary>For instances found at start-up that no launch wants, so that none says (AMB-26).</summary>
    static readonly TimeSpan UnwantedStopTimeout = TimeSpan.FromSeconds(20);

    /// <summary>How many instances are brought up at once when the whole machine comes back.</summary>
    static readonly int AtOnce = System.Environment.ProcessorCount * 4;

    readonly ConcurrentDictionary<(string, ReleaseId), Crew> running = new();
    readonly Retired retired = new();
    readonly Lock recruiting = new();
    readonly FleetSettings settings;
    readonly Nursery nursery;
    readonly NginxDaemon nginx;
    readonly InstanceLogs logs;
    readonly TimeProvider time;
    readonly ILogger<Fleet> logger;

    public Fleet(Cage cage, FleetSettings settings, Containers.Engine engine, TimeProvider time, ILogger<Fleet> logger)
    {
        this.settings = settings;
        this.time = time;
        this.logger = logger;
        logs = new InstanceLogs(settings.Logs, time);
        nginx = new NginxDaemon(Path.Combine(settings.State, "web"), settings.DaemonUser, time, logger);
        nursery = new Nursery(
            cage, settings, logs, new PortPool(), new Docker(engine, new Containers.OwnThings(settings.Root), settings), [new OwnProcess(), new SharedNginx(nginx, settings.StaticSites, time)], time, logger);
    }

    /// <summary>The web server that many share: how many sites it should serve, and the ports of those that it does not.</summary>
    public Task<(int Sites, IReadOnlyList<int> Silent)> WebServerAsync() => nginx.ExamineAsync();

    /// <summary>The healthy instances of a release are others than before.</summary>
    public event Action<Project, ReleaseId>? Changed;

    /// <summary>An instance ended <see cref="Backoff.Loop"/> times in a row; told once, until one stays up.</summary>
    public event Action<CrashLoop>? CrashLooping;

    /// <summary>An instance ended that should have gone on; another takes its place.</summary>
    public event Action<LostInstance>? Lost;

    /// <summary>Starts all instances of all types side by side; returns when each is started or could not be. A release that runs is left as it is.</summary>
    /// <exception cref="Refusal">Something in the launch can never start; all of it is named.</exception>
    public async Task StartAsync(Launch launch, CancellationToken ct)
    {
        launch.Check();
        ct.ThrowIfCancellationRequested();
        await Task.WhenAll(Begin(launch, new Dictionary<(string, int), IInstance>()).Select(slot => slot.Spawned)).WaitAsync(ct);
    }

    /// <summary>
    /// Waits until every web instance listens on its port and every other one has stayed up; or for the first that did not, and why.
    /// After an unhealthy verdict the instances are still being tried again: <see cref="StopAsync"/> ends that.
    /// </summary>
    public async Task<Verdict> HealthyAsync(Project project, ReleaseId release, CancellationToken ct)
    {
        if (!running.TryGetValue((project.Key, release), out var crew))
        {
            return Verdict.Stopped;
        }

        return await HealthyAsync(crew.Slots, ct);
    }

    static async Task<Verdict> HealthyAsync(Slot[] slots, CancellationToken ct)
    {
        await foreach (var verdict in Task.WhenEach(slots.Select(slot => slot.FirstVerdict)).WithCancellation(ct))
        {
            if (await verdict is { IsHealthy: false } unhealthy)
            {
                return unhealthy;
            }
        }

        // The first to listen may have died while the last one was still coming up.
        var fallen = slots.FirstOrDefault(slot => !slot.Status.Healthy);
        return fallen is null ? Verdict.Healthy : await fallen.FirstEnd.WaitAsync(ct);
    }

    /// <summary>Waits until one instance of each type is healthy; or for the first of any that is not, and why.</summary>
    public async Task<Verdict> FirstsHealthyAsync(Project project, ReleaseId release, CancellationToken ct)
    {
        var slots = SlotsOf(project, release);
        var types = slots.Select(slot => slot.Type.Name).ToHashSet();
        var tries = slots.ToDictionary(slot => (Task)slot.FirstVerdict, slot => slot.Type.Name);
        await foreach (var came in Task.WhenEach(slots.Select(slot => slot.FirstVerdict)).WithCancellation(ct))
        {
            if (await came is { IsHealthy: false } unhealthy)
            {
                return unhealthy;
            }

            types.Remove(tries[came]);
            if (types.Count == 0)
            {
                return Verdict.Healthy;
            }
        }

        return slots.Length == 0 ? Verdict.Stopped : Verdict.Healthy;
    }

    /// <summary>Healthy when every instance stays up for so long; else, at once, how the first that did not ended.</summary>
    public async Task<Verdict> SettleAsync(Project project, ReleaseId release, TimeSpan window, CancellationToken ct)
    {
        if (SlotsOf(project, release) is not { Length: > 0 } slots || window <= TimeSpan.Zero)
        {
            return Verdict.Healthy;
        }

        // A slot of a release that ran before may have lost its first instance long ago: what counts there is that it is well now.
        if (slots.FirstOrDefault(slot => slot.FirstEnd.IsCompleted && !slot.Status.Healthy) is { } fallen)
        {
            return await fallen.FirstEnd;
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var settled = Task.Delay(window, time, over.Token).ContinueWith(_ => Verdict.Healthy, TaskScheduler.Default);
        var ends = slots.Select(slot => slot.FirstEnd).Where(end => !end.IsCompleted).Append(settled).ToList();
        var verdict = Verdict.Stopped;
        while (verdict.Health == Health.Stopped)
        {
            // One that somebody scales away meanwhile has not failed.
            var first = await Task.WhenAny(ends);
            ends.Remove(first);
            verdict = await first;
        }

        await over.CancelAsync();
        ct.ThrowIfCancellationRequested();
        return verdict;
    }

    /// <summary>
    /// SIGTERM to each instance's group, SIGKILL after the stop timeout, also to what forked away. Returns when nothing is left, of releases that were retired before neither.
    /// A release that does not run is no error.
    /// </summary>
    public async Task StopAsync(Project project, ReleaseId release)
    {
        var earlier = retired.GoneAsync(project);
        if (running.TryRemove((project.Key, release), out var crew))
        {
            await DismissAsync(crew.Slots);
        }

        await earlier;
    }

    /// <summary>The same for every release of a project; its images are nobody's any more.</summary>
    public async Task StopAllAsync(Project project)
    {
        await Task.WhenAll(Running(project).Select(release => StopAsync(project, release)));
        await retired.GoneAsync(project);
        await nursery.ClearedAsync();
    }

    /// <summary>
    /// The same for a release that visitors have left, but containers end behind whoever asks: their engine takes a tenth of a second for the quickest. One release of a project
    /// at a time does, so that quick pushes never pile up what is slow to end. What is not over when the receiver ends, the next start finishes.
    /// </summary>
    public async Task RetireAsync(Project project, ReleaseId release)
    {
        await retired.GoneAsync(project);
        if (running.TryRemove((project.Key, release), out var crew))
        {
            if (crew.Launch.Image is null)
            {
                await DismissAsync(crew.Slots);
            }
            else
            {
                retired.Add(project, crew.Slots, EndBehindAsync(project, crew.Slots));
            }
        }
    }

    /// <summary>
    /// So many of these types from now on, as long as the release runs. Returns when the new ones are started and those that went have ended; before they are told
    /// to end nothing is sent to them any more. A release that does not run is no error.
    /// </summary>
    /// <param name="drain">Waits until nobody is being answered by these instances of a type; null ends them at once.</param>
    public async Task ScaleAsync(
        Project project, ReleaseId release, IReadOnlyDictionary<string, int> quantities, Func<string, IReadOnlyList<Backend>, Task>? drain = null)
    {
        List<Slot> recruits = [], leavers = [];
        lock (recruiting)
        {
            if (!running.TryGetValue((project.Key, release), out var crew))
            {
                return;
            }

            var launch = crew.Launch with
            {
                Types = [.. crew.Launch.Types.Select(type => quantities.TryGetValue(type.Name, out var wanted) ? type with { Quantity = wanted } : type)],
            };
            foreach (var type in launch.Types.Where(type => quantities.ContainsKey(type.Name)))
            {
                var present = crew.Slots.Where(slot => slot.Type.Name == type.Name).ToList();
                leavers.AddRange(present.Where(slot => slot.Number > type.Quantity));
                recruits.AddRange(Enumerable.Range(1, type.Quantity).Except(present.Select(slot => slot.Number)).Select(number => NewSlot(launch, type, number)));
            }

            running[launch.Key] = new Crew(launch, [.. crew.Slots.Except(leavers), .. recruits]);
        }

        recruits.ForEach(slot => slot.Begin());
        await LeaveAsync(project, release, leavers, drain);
        await Task.WhenAll(recruits.Select(slot => slot.Spawned));
    }

    /// <summary>
    /// Gives up these places of a running release, and only for now: its quantities are as before, so <see cref="ScaleAsync"/> fills them again. Nothing is sent to their
    /// instances any more when this returns; the task it returns is complete when they have ended.
    /// </summary>
    public Task GiveUp(Project project, ReleaseId release, string type, IReadOnlyCollection<int> numbers, Func<string, IReadOnlyList<Backend>, Task> drain)
    {
        List<Slot> leavers;
        lock (recruiting)
        {
            if (!running.TryGetValue((project.Key, release), out var crew))
            {
                return Task.CompletedTask;
            }

            leavers = [.. crew.Slots.Where(slot => slot.Type.Name == type && numbers.Contains(slot.Number))];
            running[(project.Key, release)] = crew with { Slots = [.. crew.Slots.Except(leavers)] };
        }

        return LeaveAsync(project, release, leavers, drain);
    }

    /// <summary>Ends what of a running release only the live one may have.</summary>
    public Task StopExclusiveAsync(Project project, ReleaseId release) => ScaleAsync(
        project, release, running.TryGetValue((project.Key, release), out var crew) ? crew.Launch.Types.Where(type => type.Exclusive).ToDictionary(type => type.Name, _ => 0) : []);

    /// <summary>
    /// A brand-new instance in every place, beside the old ones, which go once all new ones are healthy; exclusive types' old ones go first (PM-31). After an
    /// unhealthy verdict of what may run beside, everything is as it was.
    /// </summary>
    public async Task<Verdict> RenewAsync(Launch launch, Func<string, IReadOnlyList<Backend>, Task> drain, CancellationToken ct)
    {
        launch.Check();
        var beside = launch.Types.Where(type => !type.Exclusive).SelectMany(type => SlotsFor(launch, type)).ToArray();
        Array.ForEach(beside, slot => slot.Begin());
        try
        {
            if (await HealthyAsync(beside, ct) is { IsHealthy: false } unhealthy)
            {
                await DismissAsync(beside);
                return unhealthy;
            }
        }
        catch
        {
            await DismissAsync(beside);
            throw;
        }

        Slot[] before;
        lock (recruiting)
        {
            before = running.TryGetValue(launch.Key, out var crew) ? crew.Slots : [];
            running[launch.Key] = new Crew(launch, [.. beside, .. before.Where(slot => slot.Type.Exclusive)]);
        }

        await LeaveAsync(launch.Project, launch.Release, [.. before.Where(slot => !slot.Type.Exclusive)], drain);
        var exclusive = launch.Types.Where(type => type.Exclusive).ToDictionary(type => type.Name, type => type.Quantity);
        await ScaleAsync(launch.Project, launch.Release, exclusive.ToDictionary(type => type.Key, _ => 0), drain);
        await ScaleAsync(launch.Project, launch.Release, exclusive, drain);
        return await HealthyAsync(launch.Project, launch.Release, ct);
    }

    /// <summary>How many of each type a running release has places for; empty when it does not run.</summary>
    public IReadOnlyDictionary<string, int> Quantities(Project project, ReleaseId release) =>
        running.TryGetValue((project.Key, release), out var crew) ? crew.Launch.Types.ToDictionary(type => type.Name, type => type.Quantity) : [];

    /// <summary>Where requests for a process type go right now; empty when nothing of it is healthy.</summary>
    public IReadOnlyList<Backend> Backends(Project project, ReleaseId release, string type) =>
        SlotsOf(project, release).Where(slot => slot.Type.Name == type).Select(slot => slot.Backend).OfType<Backend>().ToList();

    /// <summary>Every process of a release, running or waiting for its next try.</summary>
    public IReadOnlyList<InstanceStatus> Status(Project project, ReleaseId release) =>
        SlotsOf(project, release).Select(slot => slot.Status).ToList();

    /// <summary>The releases of a project that are started.</summary>
    public IReadOnlyList<ReleaseId> Running(Project project) =>
        running.Keys.Where(key => key.Item1 == project.Key).Select(key => key.Item2).ToList();

    /// <summary>
    /// Runs one command as an instance would be run, without a port, and hands its output to the log line by line. Returns its exit code, 128+N for a
    /// signal, <see cref="TimedOut"/> at the limit. Nothing it started is left when this returns, however it returns.
    /// </summary>
    /// <param name="words">A program and its arguments.</param>
    public async Task<int> RunOnceAsync(Launch launch, string label, IReadOnlyList<string> words, LogStream log, TimeSpan limit, CancellationToken ct)
    {
        if (launch.Image is not null)
        {
            var lines = new Docker.Lines(log.Output);
            var ended = await RunOnceAsync(launch, words, lines.Add, limit, ct);
            lines.End();
            if (ended == TimedOut)
            {
                log.Trouble($"{label} took longer than {limit.TotalSeconds:0.#} s and was ended");
            }

            return ended;
        }

        launch.Check();
        var (id, directory, command) = nursery.Once(launch, new Command(words[0], words.Skip(1).ToArray()));
        try
        {
            var begun = time.GetTimestamp();
            var code = await CagedRun.ToEndAsync(id, command, log.Output, limit, ct);
            // A program may end with that code by itself; the timer counts in coarser ticks than this clock.
            if (code == TimedOut && time.GetElapsedTime(begun) >= limit - TimeSpan.FromMilliseconds(50))
            {
                log.Trouble($"{label} took longer than {limit.TotalSeconds:0.#} s and was ended");
            }

            return code;
        }
        finally
        {
            await nursery.ClearAwayOnceAsync(id, directory);
        }
    }

    /// <summary>The same with the bytes of both outputs as they come. What is told last is slowed down by whoever is told.</summary>
    public async Task<int> RunOnceAsync(Launch launch, IReadOnlyList<string> words, Func<bool, ReadOnlyMemory<byte>, Task> tell, TimeSpan limit, CancellationToken ct, string? scratch = null)
    {
        launch.Check();
        if (launch.Image is { } image)
        {
            return await nursery.RunContainedAsync(launch, image, words, tell, limit, ct);
        }

        var (id, directory, command) = nursery.Once(launch, new Command(words[0], words.Skip(1).ToArray()), scratch);
        try
        {
            return await CagedRun.ToEndAsync(id, command, child => Task.WhenAll(TellAsync(child.Output, false), TellAsync(child.Error, true)), limit, ct);
        }
        finally
        {
            await nursery.ClearAwayOnceAsync(id, directory);
        }

        async Task TellAsync(Stream output, bool error)
        {
            var buffer = new byte[16 * 1024];
            while (await output.ReadAsync(buffer, CancellationToken.None) is > 0 and var length)
            {
                // Once nobody listens the rest is read all the same: the command must come to its end.
                if (!ct.IsCancellationRequested)
                {
                    await tell(error, buffer.AsMemory(0, length));
                }
            }
        }
    }

    /// <summary>
    /// A command in the environment and the cage of a release, for somebody else to start: a person at a terminal that is not ours. What it left
    /// running ends when this is disposed.
    /// </summary>
    /// <exception cref="Refusal">Something in the launch can never start.</exception>
    /// <param name="scratch">Where its view keeps what it writes, made and removed by the caller; null is nowhere.</param>
    public PreparedRun Prepare(Launch launch, IReadOnlyList<string> words, string? scratch = null)
    {
        launch.Check();
        var (_, directory, command) = nursery.Once(launch, new Command(words[0], words.Skip(1).ToArray()), scratch);
        return new PreparedRun(command with { OwnGroup = false }, () => Instance.ClearAwayAsync(directory, grace: TimeSpan.Zero, time));
    }

    /// <summary>The same for a line of shell, as a Procfile holds.</summary>
    public Task<int> RunOnceAsync(Launch launch, string label, string line, LogStream log, TimeSpan limit, CancellationToken ct) =>
        RunOnceAsync(launch, label, ["/bin/sh", "-c", line], log, limit, ct);

    /// <summary>
    /// At start-up, before anything else is asked of the fleet: instances of wanted releases that outlived the receiver go on as they are, wanted ones that are not
    /// there are started (in parallel, bounded), everything else that is found is stopped, and exit codes that reached nobody are taken note of (AMB-25).
    /// </summary>
    public async Task AdoptAsync(IEnumerable<Launch> wanted)
    {
        var launches = wanted.ToDictionary(launch => (launch.Project.Key, launch.Release.Value));
        var adopted = new ConcurrentDictionary<(string, string), ConcurrentDictionary<(string, int), IInstance>>();
        var found = Directory.Exists(settings.Instances) ? Directory.GetDirectories(settings.Instances) : [];

        // The newest first: of two for one place, which a crash in the middle of a replacement can leave, the newer one stays.
        foreach (var directory in found.OrderDescending())
        {
            var control = ControlFile.TryRead(directory);
            if (control?.Of is { Type: { } type } of
                && launches.TryGetValue((of.Project, of.Release), out var launch)
                && launch.Types.Any(declared => declared.Name == type && of.Number <= declared.Quantity && declared.Web == of.Port is not null)
                && adopted.GetOrAdd((of.Project, of.Release), _ => new()) is var places && !places.ContainsKey((type, of.Number))
                && control.Of.IsContainer == launch.Image is not null && await nursery.TryAdoptAsync(control, directory) is { } instance)
            {
                places[(type, of.Number)] = instance;
            }
        }

        await nursery.SettleAsync();
        var kept = adopted.Values.SelectMany(places => places.Values).Select(instance => Path.Combine(settings.Instances, instance.Id)).ToHashSet();
        await Parallel.ForEachAsync(found.Where(directory => !kept.Contains(directory)), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (directory, _) => await ClearAwayAsync(directory));
        await nursery.ForgetAbandonedAsync();
        await Parallel.ForEachAsync(launches, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (launch, _) =>
        {
            var places = adopted.GetValueOrDefault(launch.Key) ?? new();
            await Task.WhenAll(Begin(launch.Value, places).Select(slot => slot.Spawned));
        });
    }

    /// <summary>The releases that a former run left instances of, running or not. Ask before <see cref="AdoptAsync"/>.</summary>
    public IReadOnlyList<(string Project, ReleaseId Release)> Found() =>
        [.. (Directory.Exists(settings.Instances) ? Directory.GetDirectories(settings.Instances) : [])
            .Select(ControlFile.TryRead)
            .Where(control => control?.Of.Type is not null)
            .Select(control => (control!.Of.Project, ReleaseId.TryParse(control.Of.Release)!))
            .Distinct()];

    /// <summary>A supervisor's exit report (reference 2.9). False, and nothing happens, for an unknown instance or a key that is wrong or used.</summary>
    public bool ReportExit(string instance, string key, int code) => nursery.Report(instance, key, code);

    /// <summary>The newest lines that instances of a project printed, oldest first, without their times.</summary>
    /// <param name="release">Null for every release that has logs.</param>
    public IEnumerable<string> LastLines(Project project, ReleaseId? release, string? type, int count) =>
        LastLogLines(project, release, type, count).Select(line => line.Text);

    /// <summary>The same with time, release and instance.</summary>
    public IReadOnlyList<LogLine> LastLogLines(Project project, ReleaseId? release, string? type, int count) => logs.Last(project, release, type, count);

    /// <summary>The newest lines, then all further ones, across replacements and (without a release) across releases. Ends with the token.</summary>
    public IAsyncEnumerable<LogLine> FollowAsync(Project project, ReleaseId? release, string? type, int count, CancellationToken ct) =>
        logs.FollowAsync(project, release, type, count, ct);

    /// <summary>PM-69: a stopped release's logs go with its files.</summary>
    public void Forget(Project project, ReleaseId release) => logs.Forget(project, release);

    /// <summary>The logs of a project that is gone.</summary>
    public void Forget(Project project) => logs.Forget(project);

    public async ValueTask DisposeAsync()
    {
        foreach (var key in running.Keys)
        {
            if (running.TryRemove(key, out var crew))
            {
                await Task.WhenAll(crew.Slots.Select(slot => slot.AbandonAsync()));
                foreach (var slot in crew.Slots)
                {
                    slot.Dispose();
                }
            }
        }

        await retired.AbandonAsync();
        await nursery.ClearedAsync();
        await nginx.DisposeAsync();
    }

    Slot[] SlotsOf(Project project, ReleaseId release) => running.TryGetValue((project.Key, release), out var crew) ? crew.Slots : [];

    Slot[] Begin(Launch launch, IReadOnlyDictionary<(string, int), IInstance> adopted)
    {
        var slots = launch.Types.SelectMany(type => SlotsFor(launch, type)).ToArray();
        if (!running.TryAdd(launch.Key, new Crew(launch, slots)))
        {
            return SlotsOf(launch.Project, launch.Release);
        }

        foreach (var slot in slots)
        {
            slot.Begin(adopted.GetValueOrDefault((slot.Type.Name, slot.Number)));
        }

        return slots;
    }

    IEnumerable<Slot> SlotsFor(Launch launch, ProcessType type) => Enumerable.Range(1, type.Quantity).Select(number => NewSlot(launch, type, number));

    Slot NewSlot(Launch launch, ProcessType type, int number) => new(launch, type, number, nursery, time, Tell, Tell, Tell);

    /// <summary>They are not among the release's any more: nothing new comes to them, and when nobody is being answered they end.</summary>
    async Task LeaveAsync(Project project, ReleaseId release, IReadOnlyList<Slot> leavers, Func<string, IReadOnlyList<Backend>, Task>? drain)
    {
        if (leavers.Count == 0)
        {
            return;
        }

        Tell(() => Changed?.Invoke(project, release));
        await Task.WhenAll(leavers.GroupBy(slot => slot.Type.Name).Select(async type =>
        {
            if (drain is not null)
            {
                await drain(type.Key, [.. type.Select(slot => slot.Backend).OfType<Backend>()]);
            }

            await DismissAsync([.. type]);
        }));
    }

    static async Task DismissAsync(Slot[] slots)
    {
        await Task.WhenAll(slots.Select(slot => slot.StopAsync()));
        foreach (var slot in slots)
        {
            slot.Dispose();
        }
    }

    async Task EndBehindAsync(Project project, Slot[] slots)
    {
        try
        {
            await DismissAsync(slots);
        }
        catch (Exception e)
        {
            // Nobody waits for it; the next start of the receiver finds what is left.
            Log.NotRetired(logger, e, project.Key);
        }
    }

    void Tell(Slot slot) => Tell(() => Changed?.Invoke(slot.Launch.Project, slot.Launch.Release));

    void Tell(Slot slot, int? code, int times) =>
        Tell(() => CrashLooping?.Invoke(new CrashLoop(slot.Launch.Project, slot.Launch.Release, slot.Type.Name, slot.Number, code, times)));

    void Tell(Slot slot, string instance, Verdict verdict) => Tell(() => Lost?.Invoke(new LostInstance(slot.Launch.Project, slot.Launch.Release, instance, verdict)));

    void Tell(Action tell)
    {
        try
        {
            tell();
        }
        catch (Exception e)
        {
            // A listener's trouble must not stop the instance it was told of from being looked after.
            Log.ListenerFailed(logger, e);
        }
    }

    async Task ClearAwayAsync(string directory)
    {
        try
        {
            var control = ControlFile.TryRead(directory);
            if (control is not null && await nursery.CodeLeftAsync(control, directory) is { } code)
            {
                Log.EndedMeanwhile(logger, control.Of.Project, control.Of.Type ?? "once", control.Of.Number, code);
            }

            await nursery.ClearAwayAsync(control, directory, control?.Of.Type is null ? TimeSpan.Zero : UnwantedStopTimeout);
        }
        catch (Exception e)
        {
            // One that cannot be cleared away must not keep the others from starting.
            Log.CouldNotClear(logger, e, Path.GetFileName(directory));
        }
    }

    /// <summary>A running release: how it was started, and a slot for each process of it. Replaced as a whole, never changed.</summary>
    sealed record Crew(Launch Launch, Slot[] Slots);

    static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "What is left of instance {Instance} could not be cleared away")]
        public static partial void CouldNotClear(ILogger logger, Exception exception, string instance);

        [LoggerMessage(2, LogLevel.Information, "{Project} {Type}.{Number} ended with {Code} while the receiver was away")]
        public static partial void EndedMeanwhile(ILogger logger, string project, string type, int number, int code);

        [LoggerMessage(4, LogLevel.Warning, "{Project}: containers that visitors have left could not be ended")]
        public static partial void NotRetired(ILogger logger, Exception exception, string project);

        [LoggerMessage(3, LogLevel.Error, "A listener to the fleet's events failed")]
        public static partial void ListenerFailed(ILogger logger, Exception exception);
    }
}
