using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>Brings instances into being, knows all that live and clears away what is left of those that ended.</summary>
sealed partial class Nursery(Cage cage, FleetSettings settings, InstanceLogs logs, PortPool ports, Docker docker, IReadOnlyList<IRuntime> runtimes, TimeProvider time, ILogger logger)
{
    /// <summary>Lines of an instance's log that go with a verdict.</summary>
    const int LinesTold = 20;

    readonly ConcurrentDictionary<string, IInstance> living = new();
    readonly ConcurrentDictionary<string, ExitReport> reports = new();
    readonly ConcurrentDictionary<Task, bool> clearing = new();

    /// <summary>A new instance with a new id, a new view and a new port.</summary>
    public async Task<IInstance> StartAsync(Launch launch, ProcessType type, int number)
    {
        var (id, directory) = NewDirectory();
        int? port = type.Web ? ports.Take() : null;
        try
        {
            var instance = launch.Image is { } image ? await ContainAsync(launch, image, type, number, id, directory, port) : await SuperviseAsync(launch, type, number, id, directory, port);
            living[id] = instance;
            return instance;
        }
        catch
        {
            if (port is { } unused)
            {
                ports.Return(unused);
            }

            reports.TryRemove(id, out _);
            await Instance.ClearAwayAsync(directory, grace: TimeSpan.Zero, time);
            throw;
        }
    }

    async Task<IInstance> SuperviseAsync(Launch launch, ProcessType type, int number, string id, string directory, int? port)
    {
        var runtime = RuntimeOf(type);
        var command = Caged(launch, id, directory, new Command("/bin/sh", "-c", AsWritten(runtime.CommandOf(type))), port, type.Name);
        var log = logs.Open(launch, type, number, id);
        var of = new ControlFile.Identity(launch.Project.Key, launch.Release.Value, type.Name, number, port, log, Runtime: runtime.Name, Supervisor: settings.Supervisor);
        var control = ControlOf(launch, id, directory, command, of);
        var instance = await Instance.StartAsync(control, reports[id] = new ExitReport(control.Key), directory, settings.Hooks, cage.RanOutOfMemory, time);
        var view = ViewOf(launch, id, directory);
        return await runtime.ServeAsync(instance, new IRuntime.Place(launch, type, cage.RunSeenAt(view), Cage.TemporaryOf(view)));
    }

    /// <summary>Its own process where there is nothing to share: without views of their own releases cannot be shown to a daemon.</summary>
    IRuntime RuntimeOf(ProcessType type) => runtimes.First(runtime => runtime.Name == (type.Served is { } served && cage.Kind != CageKind.Plain && NginxDaemon.Program is not null ? served.By : OwnProcess.Usual));

    async Task<IInstance> ContainAsync(Launch launch, LaunchImage image, ProcessType type, int number, string id, string directory, int? port)
    {
        // In its directory before there is a container: whatever interrupts this, what is there is found again.
        var of = new ControlFile.Identity(launch.Project.Key, launch.Release.Value, type.Name, number, port, logs.Open(launch, type, number, id), image.Port);
        ControlOf(launch, id, directory, new Command("/bin/true"), of).Write(directory);
        string[]? command = type.Command.Length == 0 ? null : ["/bin/sh", "-c", AsWritten(type.Command)];
        var order = await docker.OrderAsync(launch, image, id, command, port, (type.Name, number), cage.LimitsFor(new CageLimits(image.Memory)), [.. living.Keys]);
        return await Container.StartAsync(docker.Engine, id, order, of, directory, time);
    }

    /// <summary>A command in the environment and the cage of a release, as a child of the receiver; its marker, its directory.</summary>
    /// <param name="scratch">Where its view keeps what it writes, made and removed by the caller; null is in its directory, gone with it.</param>
    public (string Id, string Directory, Command Command) Once(Launch launch, Command command, string? scratch = null)
    {
        var (id, directory) = NewDirectory();
        var caged = Caged(launch, id, directory, command, port: null, type: null, scratch) with { OwnGroup = true };

        // Found again by Adopt when the receiver ends before the command does.
        ControlOf(launch, id, directory, new Command("/bin/true"), new ControlFile.Identity(launch.Project.Key, launch.Release.Value, null, 0, null, "")).Write(directory);
        return (id, directory, caged);
    }

    /// <summary>A line of shell with an instance's port, in a view of its own beside it. Returns its exit code; what it prints goes nowhere.</summary>
    public async Task<int> CheckAsync(Launch launch, IInstance instance, string line, CancellationToken ct)
    {
        if (instance is Container container)
        {
            return await container.RunInsideAsync(["/bin/sh", "-c", line], ct);
        }

        var (id, directory) = NewDirectory();
        try
        {
            var command = Caged(launch, id, directory, new Command("/bin/sh", "-c", line), instance.Port, type: null) with { OwnGroup = true };
            ControlOf(launch, id, directory, new Command("/bin/true"), new ControlFile.Identity(launch.Project.Key, launch.Release.Value, null, 0, null, "")).Write(directory);
            return await CagedRun.ToEndAsync(id, command, _ => { }, Timeout.InfiniteTimeSpan, ct);
        }
        finally
        {
            await ClearAwayOnceAsync(id, directory);
        }
    }

    /// <summary>An instance did not answer its health check often enough to be replaced; the operator is told.</summary>
    public void Unwell(Launch launch, ProcessType type, int number, string complaint) => Log.Unwell(logger, launch.Project.Key, launch.Number, type.Name, number, complaint);

    /// <summary>One command in a container of the release's image, to its end; see <see cref="Docker.RunOnceAsync"/>.</summary>
    public async Task<int> RunContainedAsync(Launch launch, LaunchImage image, IReadOnlyList<string> words, Func<bool, ReadOnlyMemory<byte>, Task> tell, TimeSpan limit, CancellationToken ct)
    {
        var id = Guid.CreateVersion7(time.GetUtcNow()).ToString("D");
        var order = await docker.OrderAsync(launch, image, id, words, port: null, place: null, cage.LimitsFor(new CageLimits(image.Memory)), []);
        return await docker.RunOnceAsync(Container.NameOf(id), order, tell, limit, ct);
    }

    /// <summary>Takes over an instance of a former run, or null when it is not alive under its supervisor.</summary>
    public async Task<IInstance?> TryAdoptAsync(ControlFile control, string directory)
    {
        IInstance? instance = control.Of.IsContainer
            ? await docker.TryAsync(engine => Container.TryAdoptAsync(engine, control.Instance, control.Of, directory, time))
            : Instance.TryAdopt(control, new ExitReport(control.Key), directory, settings.ReportPort(), cage.RanOutOfMemory, time) is { } process
                && runtimes.FirstOrDefault(runtime => runtime.Name == (control.Of.Runtime ?? OwnProcess.Usual)) is { } runtime ? await runtime.TryAdoptAsync(process) : null;
        if (instance is not null)
        {
            living[instance.Id] = instance;
            if (instance.Port is { } port)
            {
                ports.Keep(port);
            }
        }

        return instance;
    }

    /// <summary>The exit code that an instance of a former run left, told to nobody yet; null when there is none.</summary>
    public async Task<int?> CodeLeftAsync(ControlFile control, string directory) => !control.Of.IsContainer ? Instance.CodeLeftIn(directory, control.Instance)
        : (await docker.TryAsync(engine => engine.FindContainerAsync(Container.NameOf(control.Instance))))?.State is { Running: false } state ? state.ExitCode : null;

    /// <summary>What is left of an instance of a former run that is not wanted, or that could not be taken over.</summary>
    public async Task ClearAwayAsync(ControlFile? control, string directory, TimeSpan grace)
    {
        if (control?.Of.IsContainer == true)
        {
            await docker.TryAsync(engine => docker.EndAsync(Container.NameOf(control.Instance), grace, time));
        }

        await Instance.ClearAwayAsync(directory, grace, time);
    }

    /// <summary>Leaves it running and looks after it no longer.</summary>
    public static ValueTask LetGoAsync(IInstance instance) => instance is IAsyncDisposable watched ? watched.DisposeAsync() : ValueTask.CompletedTask;

    /// <summary>What the instance itself was told as its port.</summary>
    public static int? PortSeenBy(IInstance instance, Launch launch) => launch.Image?.Port ?? instance.Port;

    /// <summary>A supervisor's report. One that is quicker than who started it is taken too.</summary>
    public bool Report(string id, string key, int code) => living.TryGetValue(id, out var instance) ? instance.Report(key, code) : reports.TryGetValue(id, out var report) && report.Take(key, code);

    /// <summary>In the background: a supervisor that still reports keeps nobody waiting.</summary>
    public void ClearAway(IInstance instance)
    {
        if (instance.Port is { } port)
        {
            ports.Return(port);
        }

        var clear = ClearAwayAsync(instance);
        clearing[clear] = true;
        _ = clear.ContinueWith(done => clearing.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Waits for what <see cref="ClearAway"/> began.</summary>
    public Task ClearedAsync() => Task.WhenAll(clearing.Keys);

    public async Task<IReadOnlyList<string>> LastLinesAsync(IInstance instance, Launch launch, bool ended)
    {
        if (ended)
        {
            await logs.FlushedAsync(instance.Log);
        }

        return InstanceLogs.Last(instance.Log, launch.Release, LinesTold);
    }

    /// <summary>After the end of what <see cref="Once"/> made.</summary>
    public async Task ClearAwayOnceAsync(string id, string directory)
    {
        await Instance.ClearAwayAsync(directory, grace: TimeSpan.Zero, time);
        cage.Forget(id);
    }

    /// <summary>Start-up, after the last adoption.</summary>
    public Task SettleAsync() => Task.WhenAll(runtimes.Select(runtime => runtime.SettleAsync()));

    /// <summary>Start-up: what cages of a former run left outside their directories, and containers of ours that nobody knows any more.</summary>
    public async Task ForgetAbandonedAsync()
    {
        cage.ForgetAbandoned();
        await docker.TryAsync(engine => docker.RemoveOthersAsync([.. living.Keys]));
    }

    /// <summary>The kernel kept a process in spite of SIGKILL; the operator is told, for nobody can do more.</summary>
    public void CouldNotEnd(IInstance instance) => Log.CouldNotEnd(logger, instance.Id);

    async Task ClearAwayAsync(IInstance instance)
    {
        try
        {
            await instance.ClearAwayAsync();
            cage.Forget(instance.Id);
        }
        catch (Exception e)
        {
            // Nobody waits for this; the next start of the receiver tries again.
            Log.CouldNotClear(logger, e, instance.Id);
        }

        living.TryRemove(instance.Id, out _);
        reports.TryRemove(instance.Id, out _);
    }

    Command Caged(Launch launch, string id, string directory, Command command, int? port, string? type, string? scratch = null)
    {
        Directory.CreateDirectory(launch.Project.Data);
        var view = ViewOf(launch, id, directory);
        view = scratch is null ? view : view with { Scratch = scratch };
        return cage.Enter(view, command with { Environment = Variables.Of(launch, id, cage.RunSeenAt(view), port, type, cage.LimitsFor(view.Limits)) });
    }

    CageView ViewOf(Launch launch, string id, string directory) => new()
    {
        Root = settings.Root,
        ProjectDirectory = launch.Project.Directory,
        RunSource = launch.Directory,
        CopyOnWrite = launch.CopyOnWrite,
        Scratch = Path.Combine(directory, "view"),
        Writable = [launch.Project.Data, .. launch.Writable],
        Group = id,
    };

    (string Id, string Directory) NewDirectory()
    {
        var id = Guid.CreateVersion7(time.GetUtcNow()).ToString("D"); // sorts by time
        var directory = Path.Combine(settings.Instances, id);
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(settings.Instances, Private);
        Directory.CreateDirectory(directory, Private);
        return (id, directory);
    }

    ControlFile ControlOf(Launch launch, string id, string directory, Command command, ControlFile.Identity identity) => new()
    {
        Instance = id,
        Command = [command.Program, .. command.Arguments],
        Directory = command.Directory ?? "/",
        Environment = command.Environment,
        Key = Guid.NewGuid().ToString("D"),
        ReportPort = settings.ReportPort(),
        LogFile = Path.Combine(directory, "output.log"),
        PidFile = Path.Combine(directory, $"{id}.pid"),
        StartFlag = Path.Combine(directory, $"{id}.startflag"),
        Of = identity,
    };

    /// <summary>
    /// A line for <c>sh -c</c>. A line that is one program with its arguments replaces the shell: one process less, and signals sent to the
    /// instance's first process arrive at the application. Everything else is left to the shell as it was written.
    /// </summary>
    public static string AsWritten(string line) => OneProgram.IsMatch(line) ? "exec " + line.TrimStart() : line;

    // No operator, no grouping, no substitution, no assignment and no word that the shell itself means by something.
    [GeneratedRegex("""^[ \t]*(?!(?:alias|bg|break|case|cd|command|continue|do|done|elif|else|esac|eval|exec|exit|export|fg|fi|for|getopts|hash|if|jobs|local|read|readonly|return|set|shift|then|times|trap|type|ulimit|umask|unalias|unset|until|wait|while)(?:[ \t]|\z))[A-Za-z0-9_./+-]*[A-Za-z0-9_+-](?:[ \t]+[^;&|<>()`{}!#\n]*)?\z""", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    static partial Regex OneProgram { get; }

    static partial class Log
    {
        [LoggerMessage(10, LogLevel.Error, "A process of instance {Instance} is still there after SIGKILL")]
        public static partial void CouldNotEnd(ILogger logger, string instance);

        [LoggerMessage(12, LogLevel.Warning, "{Project} v{Release}: {Type}.{Number} is replaced: {Complaint}")]
        public static partial void Unwell(ILogger logger, string project, int release, string type, int number, string complaint);

        [LoggerMessage(11, LogLevel.Warning, "The directory of instance {Instance} could not be cleared away")]
        public static partial void CouldNotClear(ILogger logger, Exception exception, string instance);
    }
}
