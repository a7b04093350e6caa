using System.Net;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// One process of a release that is wanted to run, such as <c>web.2</c>: keeps one instance in it, and a brand-new one after each that ends
/// (PM-26, AMB-23), until it is told to stop.
/// </summary>
sealed class Slot(Launch launch, ProcessType type, int number, Nursery nursery, TimeProvider time, Action<Slot> changed, Action<Slot, int?, int> crashing, Action<Slot, string, Verdict> lost) : IDisposable
{
    /// <summary>An instance whose port somebody else took is no failure of its own, so often.</summary>
    const int PortTries = 10;

    static readonly TimeSpan EndingTime = TimeSpan.FromMilliseconds(50);

    readonly CancellationTokenSource leaving = new();
    readonly TaskCompletionSource<Verdict> first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource<Verdict> firstEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource spawned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource letGo = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Backoff backoff = new();
    readonly Lock gate = new();
    Task keeping = Task.CompletedTask;
    IInstance? current;
    IPEndPoint? healthyAt;
    bool healthy;
    bool abandoned;
    int? lastCode;

    public Launch Launch => launch;

    public ProcessType Type => type;

    public int Number => number;

    /// <summary>How the first instance came out.</summary>
    public Task<Verdict> FirstVerdict => first.Task;

    /// <summary>How the first instance ended, be it long after it was healthy.</summary>
    public Task<Verdict> FirstEnd => firstEnd.Task;

    /// <summary>Completes when the first instance is started, or could not be.</summary>
    public Task Spawned => spawned.Task;

    public Backend? Backend
    {
        get
        {
            lock (gate)
            {
                return current is not null && healthyAt is not null ? new Backend(current.Id, healthyAt) : null;
            }
        }
    }

    public InstanceStatus Status
    {
        get
        {
            lock (gate)
            {
                return new InstanceStatus(current?.Id ?? "", type.Name, number, current?.Port, current?.Process, healthy, backoff.Crashes, lastCode);
            }
        }
    }

    /// <summary>Begins, with a new instance or with one that is already there.</summary>
    public void Begin(IInstance? adopted = null) => keeping = KeepAsync(adopted);

    /// <summary>SIGTERM to the group, after the launch's stop timeout SIGKILL to all there is. Returns when nothing is left.</summary>
    public async Task StopAsync()
    {
        await leaving.CancelAsync();
        await keeping;
    }

    /// <summary>Lets go of the instance without touching it: the receiver ends, the application goes on (RT-13). One that is being stopped has been told to end; the next start sees to it.</summary>
    public async Task AbandonAsync()
    {
        abandoned = true;
        letGo.TrySetResult();
        if (!leaving.IsCancellationRequested)
        {
            await leaving.CancelAsync();
        }

        await keeping;
    }

    public void Dispose() => leaving.Dispose();

    async Task KeepAsync(IInstance? adopted)
    {
        await Task.Yield();
        var portTries = 0;
        while (!leaving.IsCancellationRequested)
        {
            var end = await LiveAsync(adopted);
            adopted = null;
            spawned.TrySetResult();
            if (leaving.IsCancellationRequested)
            {
                break;
            }

            if (end.PortTaken && ++portTries < PortTries)
            {
                continue;
            }

            first.TrySetResult(end.Verdict);
            firstEnd.TrySetResult(end.Verdict);
            lastCode = end.Verdict.ExitCode;
            var pause = backoff.After(end.HealthyFor);
            if (backoff.Crashes == Backoff.Loop)
            {
                crashing(this, lastCode, backoff.Crashes);
            }

            try
            {
                await Task.Delay(pause, time, leaving.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }

        first.TrySetResult(Verdict.Stopped);
        firstEnd.TrySetResult(Verdict.Stopped);
        spawned.TrySetResult();
    }

    /// <summary>One instance from its start to its end, and everything of it cleared away.</summary>
    async Task<End> LiveAsync(IInstance? adopted)
    {
        IInstance instance;
        try
        {
            instance = adopted ?? await nursery.StartAsync(launch, type, number);
        }
        catch (Exception e)
        {
            // A full disk, no more processes: whatever it is, this slot tries again and the others go on.
            return new End(new Verdict(Health.NotStarted, $"{type.Name}.{number} could not be started: {e.Message}")) { PortTaken = e is Containers.EngineException { IsPortTaken: true } };
        }

        Show(instance, healthy: false, null);
        spawned.TrySetResult();
        var end = await WatchAsync(instance);
        if (abandoned)
        {
            await Nursery.LetGoAsync(instance);
            return end;
        }

        if (leaving.IsCancellationRequested || end.Verdict.Health == Health.Unwell)
        {
            Show(instance, healthy: false, null);
            var ending = await Task.WhenAny(instance.EndPolitelyAsync(launch.StopTimeout), letGo.Task);
            if (abandoned)
            {
                await Nursery.LetGoAsync(instance);
                return end;
            }

            await ending;
        }

        if (!await instance.KillAsync())
        {
            nursery.CouldNotEnd(instance);
        }

        Show(null, healthy: false, null);
        nursery.ClearAway(instance);
        if (!leaving.IsCancellationRequested)
        {
            lost(this, instance.Id, end.Verdict);
        }

        return end;
    }

    /// <summary>Until it ends, turns out not to be healthy, or is not wanted any more.</summary>
    async Task<End> WatchAsync(IInstance instance)
    {
        try
        {
            if (await UnhealthyAsync(instance) is { } unhealthy)
            {
                return unhealthy;
            }

            first.TrySetResult(Verdict.Healthy);
            var since = time.GetTimestamp();
            if (await UnwellAsync(instance) is { } complaint)
            {
                Show(instance, healthy: false, null);
                nursery.Unwell(launch, type, number, complaint);
                return new End(new Verdict(Health.Unwell, $"{type.Name}.{number}: {complaint}, {launch.Health.Failures} times in a row") { LastLines = await nursery.LastLinesAsync(instance, launch, ended: false) })
                {
                    HealthyFor = time.GetElapsedTime(since),
                };
            }

            Show(instance, healthy: false, null);
            return new End(await ExitedAsync(instance)) { HealthyFor = time.GetElapsedTime(since) };
        }
        catch (OperationCanceledException)
        {
            return new End(Verdict.Stopped);
        }
        catch (IOException e)
        {
            // The machine refuses what watching needs (no more descriptors): an instance that cannot be watched is replaced.
            return new End(new Verdict(Health.NotStarted, $"{type.Name}.{number} could not be watched: {e.Message}"));
        }
    }

    /// <summary>Asks again and again; the complaint once there were too many in a row, null when the instance ended by itself.</summary>
    async Task<string?> UnwellAsync(IInstance instance)
    {
        if (!Checkup.Concerns(launch.Health, type))
        {
            await instance.Gone.WaitAsync(leaving.Token);
            return null;
        }

        var at = Backend?.Address;
        for (var failures = 0; ;)
        {
            if (await Task.WhenAny(instance.Gone, Task.Delay(launch.Health.Interval, time, leaving.Token)) == instance.Gone)
            {
                return null;
            }

            leaving.Token.ThrowIfCancellationRequested();
            var complaint = await Checkup.ComplaintAsync(launch, instance, at, nursery, leaving.Token);
            failures = complaint is null ? 0 : failures + 1;
            if (failures >= launch.Health.Failures && !instance.Gone.IsCompleted)
            {
                return complaint;
            }
        }
    }

    /// <summary>Null once it is healthy.</summary>
    async Task<End?> UnhealthyAsync(IInstance instance)
    {
        var begun = time.GetTimestamp();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(leaving.Token);
        var answers = instance.Port is null ? null : instance.AnsweredAtAsync(limit.Token);
        var settled = Task.Delay(answers is null ? launch.Settle : launch.StartTimeout, time, limit.Token);
        var happened = await Task.WhenAny(answers ?? settled, settled, instance.Gone);
        await limit.CancelAsync();
        leaving.Token.ThrowIfCancellationRequested();

        if (happened == instance.Gone)
        {
            var exited = await ExitedAsync(instance);
            return new End(exited) { PortTaken = instance.CouldNotListen };
        }

        if (happened != answers)
        {
            if (answers is not null)
            {
                return new End(await SilentAsync(instance));
            }

            return await WellAsync(instance, null, begun);
        }

        var at = await answers;
        if (instance.Answers(at))
        {
            return await WellAsync(instance, at, begun);
        }

        // A process that is just ending lets go of its descriptors before its socket is gone.
        return await Task.WhenAny(instance.Gone, Task.Delay(EndingTime, time)) == instance.Gone
            ? new End(await ExitedAsync(instance)) { PortTaken = Listening.Anybody(at.Port) }
            : new End(new Verdict(Health.NeverListened, $"port {at.Port} belongs to another program")) { PortTaken = true };
    }

    /// <summary>Null, and shown, once its health check says so; without one it is well as it is.</summary>
    async Task<End?> WellAsync(IInstance instance, IPEndPoint? at, long begun)
    {
        if (Checkup.Concerns(launch.Health, type)
            && await Checkup.UntilWellAsync(launch, instance, at, nursery, launch.StartTimeout - time.GetElapsedTime(begun), time, leaving.Token) is { } complaint)
        {
            return instance.Gone.IsCompleted
                ? new End(await ExitedAsync(instance))
                : new End(new Verdict(Health.Unwell, $"{type.Name}.{number} was not well within {launch.StartTimeout.TotalSeconds:0.#} s: {complaint}") { LastLines = await nursery.LastLinesAsync(instance, launch, ended: false) });
        }

        Show(instance, healthy: true, at);
        return null;
    }

    async Task<Verdict> ExitedAsync(IInstance instance)
    {
        // What forked away holds the log open: it goes first, then the log is complete.
        await instance.KillAsync();
        var code = await instance.CodeAsync();
        var how = code is > 128 and < 128 + 65 and { } signalled ? $"was ended by signal {signalled - 128}" : code is null ? "ended, nobody knows how" : $"exited with code {code}";
        how += instance.RanOutOfMemory ? ": its memory limit was reached" : "";
        return new Verdict(Health.Exited, $"{type.Name}.{number} {how}", code) { LastLines = await nursery.LastLinesAsync(instance, launch, ended: true) };
    }

    async Task<Verdict> SilentAsync(IInstance instance)
    {
        var lines = await nursery.LastLinesAsync(instance, launch, ended: false);
        var port = Nursery.PortSeenBy(instance, launch);
        return instance.ListensElsewhere() is { } elsewhere
            ? new Verdict(Health.ListensElsewhere, $"{type.Name}.{number} listens on {elsewhere}, not on PORT={port}") { LastLines = lines }
            : new Verdict(Health.NeverListened, $"{type.Name}.{number} did not listen on PORT={port} within {launch.StartTimeout.TotalSeconds:0.#} s") { LastLines = lines };
    }

    void Show(IInstance? instance, bool healthy, IPEndPoint? at)
    {
        bool differs;
        lock (gate)
        {
            differs = this.healthy != healthy || !Equals(healthyAt, at);
            current = instance;
            this.healthy = healthy;
            healthyAt = at;
        }

        if (differs)
        {
            changed(this);
        }
    }

    /// <param name="Verdict">What to tell of it.</param>
    sealed record End(Verdict Verdict)
    {
        public TimeSpan HealthyFor { get; init; }

        /// <summary>It could not have its port; it is not to blame.</summary>
        public bool PortTaken { get; init; }
    }
}
