using System.Globalization;
using System.Net;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>One running copy: a supervisor, the process it started and their directory. Never restarted; its successor is a new one (PM-26).</summary>
sealed class Instance : IInstance
{
    /// <summary>How long a supervisor may take to hand over an exit code before it is read from its file.</summary>
    static readonly TimeSpan ReportTime = TimeSpan.FromMilliseconds(50);

    /// <summary>How long it may take to write that file; on a machine that is very busy.</summary>
    static readonly TimeSpan FileTime = TimeSpan.FromSeconds(2);

    readonly ExitReport report;
    readonly ControlFile control;
    readonly Func<string, bool> ranOutOfMemory;
    readonly TimeProvider time;
    bool nothingLeft;

    Instance(ControlFile control, ExitReport report, string directory, int supervisor, int process, Func<string, bool> ranOutOfMemory, TimeProvider time)
    {
        this.report = report;
        this.ranOutOfMemory = ranOutOfMemory;
        this.control = control;
        this.time = time;
        Directory = directory;
        Supervisor = supervisor;
        Process = process;
        Gone = ExitWatch.Of(process);
    }

    public string Id => control.Instance;

    public int? Port => control.Of.Port;

    public string Log => control.Of.Log;

    public string Directory { get; }

    public int Supervisor { get; }

    /// <summary>Leads the session and the group of everything the command started that did not leave them.</summary>
    public int Process { get; }

    /// <summary>Completes when <see cref="Process"/> has ended.</summary>
    public Task Gone { get; }

    public bool RanOutOfMemory => ranOutOfMemory(Id);

    /// <summary>Starts the supervisor of what a control file describes.</summary>
    /// <exception cref="IOException">It did not come to start the command.</exception>
    public static async Task<Instance> StartAsync(ControlFile control, ExitReport report, string directory, string hooks, Func<string, bool> ranOutOfMemory, TimeProvider time)
    {
        control.Write(directory);
        if (control.Of.Supervisor is { } foreign)
        {
            var (watcher, child) = await ForeignSupervisor.StartAsync(control, directory, foreign, hooks, time);
            return new Instance(control, report, directory, watcher, child, ranOutOfMemory, time);
        }

        var supervise = Path.Combine(hooks, "supervise");
        await using var supervisor = new Command("/bin/sh", supervise, directory) { OwnGroup = true }.Start();
        supervisor.Input.Close();
        using var answer = new StreamReader(supervisor.Output);
        if (int.TryParse(await answer.ReadLineAsync(), CultureInfo.InvariantCulture, out var process))
        {
            return new Instance(control, report, directory, supervisor.Id, process, ranOutOfMemory, time);
        }

        var code = await supervisor.WaitAsync();
        var log = Path.Combine(directory, "supervisor.log");
        var words = File.Exists(log) ? await File.ReadAllTextAsync(log) : await supervisor.ReadAllAsync(supervisor.Error);
        throw new IOException($"the supervisor ended with {code}: {words.Trim()}");
    }

    /// <summary>An instance that a former run of the receiver started and that still runs under its supervisor; else null.</summary>
    public static Instance? TryAdopt(ControlFile control, ExitReport report, string directory, int reportPort, Func<string, bool> ranOutOfMemory, TimeProvider time)
    {
        // Process ids are used again: the supervisor must be the one of this directory, and the process its child.
        if (SupervisorOf(directory, control.Instance) is not { } supervisor || !IsSupervisor(supervisor, directory)
            || NumberIn(Path.Combine(directory, $"{control.Instance}.child")) is not { } process || ParentOf(process) != supervisor)
        {
            return null;
        }

        if (control.ReportPort != reportPort)
        {
            control = control with { ReportPort = reportPort };
            control.Write(directory);
        }

        return new Instance(control, report, directory, supervisor, process, ranOutOfMemory, time);
    }

    /// <summary>RT-17: true once, for the right key, whoever asks how often.</summary>
    public bool Report(string given, int code) => report.Take(given, code);

    public Task<IPEndPoint> AnsweredAtAsync(CancellationToken ct) => Listening.AnswersAsync(control.Of.Port!.Value, time, ct);

    public bool Answers(IPEndPoint at) => Listening.Belongs(at.Port, this);

    public bool CouldNotListen => Port is { } wanted && Listening.Anybody(wanted);

    public string? ListensElsewhere() => Listening.PortsOf(Id) is { Count: > 0 } ports ? string.Join(", ", ports) : null;

    /// <summary>The exit code, 128+N for a signal (AMB-24): as reported, else as left in a file; null when there is neither.</summary>
    public async Task<int?> CodeAsync()
    {
        await Gone;
        var supervisorGone = ExitWatch.Of(Supervisor);
        foreach (var patience in new[] { ReportTime, FileTime })
        {
            await Task.WhenAny(report.Code, supervisorGone, Task.Delay(patience, time));
            if ((report.Code.IsCompletedSuccessfully ? await report.Code : CodeLeftIn(Directory, Id)) is { } code)
            {
                return code;
            }
        }

        return null;
    }

    /// <summary>AMB-25: what a supervisor wrote that reached nobody.</summary>
    public static int? CodeLeftIn(string directory, string instance) => NumberIn(Path.Combine(directory, $"{instance}.exited"));

    /// <summary>SIGTERM to the whole group, and the time it asked for. True when nothing of it is left.</summary>
    public async Task<bool> EndPolitelyAsync(TimeSpan timeout)
    {
        var begun = time.GetTimestamp();
        if (!PosixSignals.Send(Supervisor, PosixSignals.Terminate))
        {
            PosixSignals.Send(-Process, PosixSignals.Terminate);
        }

        try
        {
            await Gone.WaitAsync(timeout, time);
        }
        catch (TimeoutException)
        {
            return false;
        }

        if (control.Of.Supervisor is not null)
        {
            PosixSignals.Send(-Process, PosixSignals.Terminate); // its supervisor has told its child alone
        }

        // A shell between us and the application dies of the signal at once; the application itself may still be finishing.
        var remaining = timeout - time.GetElapsedTime(begun);
        return nothingLeft = await Stragglers.WaitAsync(Id, remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero, time);
    }

    /// <summary>Ends everything of this instance for certain, wherever it forked to. False when the kernel keeps one.</summary>
    public async Task<bool> KillAsync()
    {
        if (!Gone.IsCompleted)
        {
            // Both: the group exists from setsid on, the process before.
            PosixSignals.Send(-Process, PosixSignals.Kill);
            PosixSignals.Send(Process, PosixSignals.Kill);
        }

        return nothingLeft || (nothingLeft = await Stragglers.KillAsync(Id));
    }

    /// <summary>After the end: waits for the supervisor's last words, ends it if it has nobody to say them to, and removes the directory.</summary>
    public async Task ClearAwayAsync()
    {
        await CodeAsync();
        await EndSupervisorAsync(Supervisor, Directory, time);
        await Cage.RemoveAsync(Directory);
    }

    /// <summary>What is left of an instance that is not wanted or cannot be adopted: its processes, its supervisor, its directory.</summary>
    /// <param name="grace">Between SIGTERM and SIGKILL.</param>
    public static async Task ClearAwayAsync(string directory, TimeSpan grace, TimeProvider time)
    {
        var id = Path.GetFileName(directory);
        var left = grace > TimeSpan.Zero ? Stragglers.Find(id) : [];
        foreach (var process in left)
        {
            PosixSignals.Send(process, PosixSignals.Terminate);
        }

        if (left.Count > 0)
        {
            await Stragglers.WaitAsync(id, grace, time);
        }

        // The supervisor and its group first: what it is just starting is in that group until it can be told by its environment.
        if (SupervisorOf(directory, id) is { } supervisor && IsSupervisor(supervisor, directory))
        {
            PosixSignals.Send(-supervisor, PosixSignals.Kill);
            await ExitWatch.Of(supervisor);
        }

        await Stragglers.KillAsync(id);
        await Cage.RemoveAsync(directory);
    }

    static async Task EndSupervisorAsync(int supervisor, string directory, TimeProvider time)
    {
        try
        {
            await ExitWatch.Of(supervisor).WaitAsync(TimeSpan.FromMilliseconds(100), time);
        }
        catch (TimeoutException)
        {
            if (IsSupervisor(supervisor, directory))
            {
                PosixSignals.Send(-supervisor, PosixSignals.Kill);
                await ExitWatch.Of(supervisor);
            }
        }
    }

    static int? SupervisorOf(string directory, string instance) => NumberIn(Path.Combine(directory, $"{instance}.pid"));

    static bool IsSupervisor(int process, string directory) =>
        CommandLines.Of(process).Any(word => word == directory || word == ForeignSupervisor.FileIn(directory));

    static int? ParentOf(int process)
    {
        try
        {
            // The second field is the program's name in brackets and may hold anything.
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    static int? NumberIn(string path)
    {
        try
        {
            return int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var number) ? number : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
