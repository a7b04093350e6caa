using System.Globalization;
using System.Net;
using Paas.Receiver.Containers;

namespace Paas.Receiver.Runtimes;

/// <summary>A container of a release's image: the engine is its supervisor, so it outlives the receiver, and how it ended is remembered by the engine.</summary>
sealed class Container : IInstance, IAsyncDisposable
{
    /// <summary>The engine is away, or comes back: asked again.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>How long SIGKILL may take.</summary>
    static readonly TimeSpan KillTime = TimeSpan.FromSeconds(10);

    /// <summary>How long the last lines may take after the end.</summary>
    static readonly TimeSpan LogTime = TimeSpan.FromSeconds(5);

    readonly Engine engine;
    readonly TimeProvider time;
    readonly ControlFile.Identity of;
    readonly string directory;
    readonly string stopSignal;
    readonly CancellationTokenSource leaving = new();
    readonly Task carrying;
    ContainerState? end;

    Container(Engine engine, string id, ControlFile.Identity of, string directory, ContainerDetails details, TimeProvider time)
    {
        this.engine = engine;
        this.time = time;
        this.of = of;
        this.directory = directory;
        Id = id;
        Process = details.State.Pid;
        stopSignal = details.Config?.StopSignal is { Length: > 0 } signal ? signal : "SIGTERM";
        Gone = WatchAsync();
        carrying = new ContainerLog(engine, Name, of.Log, time).CarryAsync(() => Gone.IsCompleted, leaving.Token);
    }

    public string Id { get; }

    public int? Port => of.Port;

    public string Log => of.Log;

    public int Process { get; }

    public Task Gone { get; }

    public bool RanOutOfMemory => end?.OOMKilled ?? false;

    string Name => NameOf(Id);

    public static string NameOf(string instance) => "paas-" + instance;

    /// <summary>Makes and starts a container.</summary>
    /// <exception cref="EngineException">It could not be; nothing of it is left.</exception>
    public static async Task<Container> StartAsync(Engine engine, string id, ContainerOrder order, ControlFile.Identity of, string directory, TimeProvider time)
    {
        var name = NameOf(id);
        try
        {
            await engine.CreateAsync(name, order);
            await engine.StartAsync(name);
            var details = await engine.FindContainerAsync(name) ?? throw new EngineException(null, "the container is gone again");
            return new Container(engine, id, of, directory, details, time);
        }
        catch
        {
            await engine.RemoveAsync(name);
            throw;
        }
    }

    /// <summary>A container that a former run of the receiver started and that still runs; else null.</summary>
    public static async Task<Container?> TryAdoptAsync(Engine engine, string id, ControlFile.Identity of, string directory, TimeProvider time) =>
        await engine.FindContainerAsync(NameOf(id)) is { State.Running: true } details ? new Container(engine, id, of, directory, details, time) : null;

    public bool Report(string given, int code) => false;

    /// <remarks>
    /// The engine's proxy takes connections before anything inside listens, so it is the container's own sockets that are looked at; on a machine that does not show them
    /// the published port has to do.
    /// </remarks>
    public async Task<IPEndPoint> AnsweredAtAsync(CancellationToken ct)
    {
        var begun = time.GetTimestamp();
        while (Sockets() is { } sockets && !sockets.Exists(socket => socket.Port == of.Inside && !socket.OnLoopback))
        {
            await Task.Delay(TimeSpan.FromTicks(Math.Clamp(time.GetElapsedTime(begun).Ticks / 10, 5 * TimeSpan.TicksPerMillisecond, 50 * TimeSpan.TicksPerMillisecond)), time, ct);
        }

        return await Listening.AnswersAsync(of.Port!.Value, time, ct);
    }

    public bool CouldNotListen => false; // it had a network of its own

    public bool Answers(IPEndPoint at) => true; // the engine took the port for this container alone

    public string? ListensElsewhere() => Sockets() is not { Count: > 0 } sockets ? null
        : string.Join(", ", sockets.Select(socket => socket.OnLoopback ? $"127.0.0.1:{socket.Port} inside its container, where nobody else is: it must be 0.0.0.0" : $"{socket.Port}").Distinct());

    public async Task<int?> CodeAsync()
    {
        await Gone;
        return end?.ExitCode;
    }

    public async Task<bool> EndPolitelyAsync(TimeSpan timeout)
    {
        try
        {
            await engine.SignalAsync(Name, stopSignal);
            await Gone.WaitAsync(timeout, time);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or EngineException)
        {
            return false;
        }
    }

    public async Task<bool> KillAsync()
    {
        if (Gone.IsCompleted)
        {
            return true;
        }

        try
        {
            await engine.SignalAsync(Name, "SIGKILL");
            await Gone.WaitAsync(KillTime, time);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or EngineException)
        {
            return false;
        }
    }

    public async Task ClearAwayAsync()
    {
        try
        {
            await carrying.WaitAsync(LogTime, time);
        }
        catch (TimeoutException)
        {
            // What it printed last is lost rather than its place.
        }

        await DisposeAsync();
        await engine.RemoveAsync(Name);
        Directory.Delete(directory, recursive: true);
    }

    /// <summary>Runs a command beside what runs inside, to its end; what it prints goes nowhere. Returns its exit code.</summary>
    public Task<int> RunInsideAsync(IReadOnlyList<string> words, CancellationToken ct) => engine.RunInsideAsync(Name, words, time, ct);

    /// <summary>Looks no longer after it and leaves it running.</summary>
    public async ValueTask DisposeAsync()
    {
        await leaving.CancelAsync();
        await carrying.ContinueWith(_ => { }, TaskScheduler.Default);
        leaving.Dispose();
    }

    /// <summary>Until the engine says that it has ended, or does not know it any more.</summary>
    async Task WatchAsync()
    {
        await Task.Yield();
        while (!leaving.IsCancellationRequested)
        {
            try
            {
                await engine.WaitAsync(Name, leaving.Token);
                var details = await engine.FindContainerAsync(Name, leaving.Token);
                if (details is not { State.Running: true })
                {
                    end = details?.State;
                    return;
                }
            }
            catch (EngineException e) when (e.IsMissing)
            {
                return;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The engine was restarted, with its containers or without them: asked again when it answers.
            }

            await Task.Delay(Pause, time, leaving.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    /// <summary>What listens inside; null on a machine that does not show it.</summary>
    List<(int Port, bool OnLoopback)>? Sockets()
    {
        var found = new List<(int, bool)>();
        foreach (var table in (string[])[$"/proc/{Process}/net/tcp", $"/proc/{Process}/net/tcp6"])
        {
            try
            {
                found.AddRange(
                    from line in File.ReadAllLines(table).Skip(1)
                    let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    where fields.Length > 9 && fields[3] == "0A" // LISTEN
                    let colon = fields[1].LastIndexOf(':')
                    let address = fields[1][..colon]
                    // The engine's resolver listens on 127.0.0.11 in every container.
                    where address != "0B00007F"
                    select (int.Parse(fields[1].AsSpan(colon + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture), address.EndsWith("7F", StringComparison.Ordinal) || address == "00000000000000000000000001000000"));
            }
            catch (IOException)
            {
                // No such table where there is no IPv6; none at all where its processes are not to be seen, or it has just ended.
                if (table.EndsWith('p'))
                {
                    return null;
                }
            }
        }

        return found;
    }
}
