using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Runtimes;

/// <summary>A supervisor that knows nothing of us but reference 2.9 (RT-10 to RT-22): the stand-in is written from that text alone.</summary>
public sealed class ForeignSupervisorTests
{
    const string StandIn = """
        #!/usr/bin/python3
        import json, os, signal, subprocess, sys, time, urllib.request

        if len(sys.argv) < 2:
            sys.exit(1)
        if not os.path.exists(sys.argv[1]):
            sys.exit(2)
        try:
            control = json.load(open(sys.argv[1]))
        except ValueError:
            sys.exit(3)

        child = None
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child and child.terminate())

        print('a supervisor prints what it likes', flush=True)
        log = open(control['log_file'], 'a')
        log.write('running\n')
        log.flush()
        try:
            child = subprocess.Popen(control['command'], cwd=control['cwd'], env=control['environment'], stdin=subprocess.DEVNULL, stdout=log, stderr=log, shell=control.get('shell', False))
        except OSError as error:
            code = error.errno
        with open(control['pidfile'], 'w') as file:
            file.write(str(os.getpid()))
        with open(control['startflagfile'], 'w') as file:
            file.write('started')
        if child:
            code = max(child.wait(), 0)
        os.remove(control['pidfile'])

        for attempt in range(10):
            try:
                urllib.request.urlopen('http://localhost:%d/instance/exit/%s/%s/%d' % (control['port'], control['instance_id'], control['exit_key'], code)).read()
                break
            except OSError:
                time.sleep(5)
        else:
            with open(os.path.join(os.path.dirname(control['pidfile']), control['instance_id'] + '.exited'), 'w') as file:
                file.write(str(code))
        os.remove(sys.argv[1])
        """;

    [Fact]
    public async Task It_starts_stops_and_reports_through_the_same_door_as_our_own()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet(Supervisor(yard));
        var launch = yard.NewLaunchOf([new("web", $"{Yard.Python} app.py serve", 2, Web: true), new("worker", "echo begun; sleep 1000; echo never", 1, Web: false)]);
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var one = fleet.Status(launch.Project, launch.Release)[0];
        Assert.Equal($"{one.Id} {one.Process}", await Yard.AskAsync(fleet.Backends(launch.Project, launch.Release, "web").Single(backend => backend.Instance == one.Id)));
        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, "worker", 5).SequenceEqual(["begun"]), "the worker's log");

        // A new instance takes the place of one that dies.
        PosixSignals.Send(one.Process!.Value, PosixSignals.Kill);
        await Yard.UntilAsync(() => fleet.Status(launch.Project, launch.Release)[0] is { Healthy: true } next && next.Id != one.Id, "another web.1");

        await fleet.StopAsync(launch.Project, launch.Release);
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
        await Yard.UntilAsync(() => Directory.GetDirectories(yard.Settings.Instances).Length == 0, "nothing is left");
    }

    [Fact]
    public async Task Its_exit_code_is_taken_however_early_it_comes_and_its_key_is_good_once()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet(Supervisor(yard));
        var launch = yard.NewLaunchOf([new("worker", "echo last words; exit 7", 1, Web: false)]);
        await fleet.StartAsync(launch, default);

        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal((Health.Exited, 7), (verdict.Health, verdict.ExitCode));
        Assert.Equal(["last words"], verdict.LastLines);
        Assert.False(fleet.ReportExit(Guid.NewGuid().ToString("D"), "x", 0));
        await fleet.StopAsync(launch.Project, launch.Release);
    }

    [Fact]
    public async Task It_outlives_the_receiver_and_what_it_could_tell_nobody_is_read_at_the_next_start()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var first = yard.NewFleet(Supervisor(yard, pause: "0.02"));
        var launch = yard.NewLaunchOf([new("web", $"{Yard.Python} app.py serve", 1, Web: true), new("worker", "until [ -e \"$PAAS_DATA_DIR/end\" ]; do sleep 0.02; done; exit 5", 1, Web: false)]);
        await first.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await first.HealthyAsync(launch.Project, launch.Release, default));
        var (web, worker) = (first.Status(launch.Project, launch.Release)[0], first.Status(launch.Project, launch.Release)[1]);
        await yard.LeaveAsync(first);
        yard.CloseDoor();
        await File.WriteAllTextAsync(Path.Combine(launch.Project.Data, "end"), "");
        var left = Path.Combine(yard.Settings.Instances, worker.Id, $"{worker.Id}.exited");
        await Yard.UntilAsync(() => File.Exists(left) && File.ReadAllText(left) == "5", "ten tries are over");
        File.Delete(Path.Combine(launch.Project.Data, "end"));

        var notes = new Notes();
        var second = yard.NewFleet(Supervisor(yard, pause: "0.02"), notes);
        await second.AdoptAsync([launch]);
        Assert.Equal(Verdict.Healthy, await second.HealthyAsync(launch.Project, launch.Release, default));

        Assert.Contains(notes.Lines, line => line.Contains("worker.1 ended with 5 while the receiver was away", StringComparison.Ordinal));
        Assert.Equal((web.Id, web.Process), second.Status(launch.Project, launch.Release).Where(one => one.Type == "web").Select(one => (one.Id, one.Process)).Single());
        Assert.NotEqual(worker.Id, second.Status(launch.Project, launch.Release).Single(one => one.Type == "worker").Id);
        await second.StopAsync(launch.Project, launch.Release);
    }

    [Fact]
    public async Task One_that_starts_nothing_is_named()
    {
        await using var yard = await Yard.NewAsync();
        var broken = Path.Combine(yard.Place, "broken");
        await File.WriteAllTextAsync(broken, "#!/bin/sh\necho not today\nexit 9\n");
        File.SetUnixFileMode(broken, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var fleet = yard.NewFleet(broken);
        var launch = yard.NewLaunchOf([new("worker", "sleep 1000", 1, Web: false)]);
        await fleet.StartAsync(launch, default);

        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Health.NotStarted, verdict.Health);
        Assert.Contains($"the supervisor {broken} ended with 9 before it had started anything: not today", verdict.Reason);
        await fleet.StopAsync(launch.Project, launch.Release);
    }

    /// <param name="pause">Seconds between two reports: the protocol's, where a test does not wait for ten of them.</param>
    static string Supervisor(Yard yard, string pause = "5")
    {
        var path = Path.Combine(yard.Place, string.Create(CultureInfo.InvariantCulture, $"supervisor-{pause}"));
        File.WriteAllText(path, StandIn.Replace("time.sleep(5)", $"time.sleep({pause})", StringComparison.Ordinal));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    sealed class Notes : ILogger<Fleet>
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Enqueue(formatter(state, exception));
    }
}
