using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Runtimes;

public class FleetTests
{
    [Fact]
    public async Task A_web_process_is_healthy_once_it_listens_and_nothing_is_left_once_it_is_stopped()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("serve");

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Verdict.Healthy, verdict);
        var backend = Assert.Single(fleet.Backends(launch.Project, launch.Release, "web"));
        Assert.StartsWith(backend.Instance, await Yard.AskAsync(backend));

        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.Empty(fleet.Backends(launch.Project, launch.Release, "web"));
        Assert.Empty(Stragglers.Find(backend.Instance));
        await fleet.DisposeAsync();
        Assert.Empty(Directory.GetDirectories(yard.Settings.Instances));
    }

    [Theory]
    [InlineData(nameof(CageKind.Bind))]
    [InlineData(nameof(CageKind.Plain))]
    public async Task A_machine_that_allows_less_still_runs_it_and_takes_every_last_process_with_it(string name)
    {
        var kind = Enum.Parse<CageKind>(name);
        if (!Yard.CanRun() || !CageTests.MayEnter(kind))
        {
            return;
        }

        await using var yard = await Yard.NewAsync(kind);
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("fork-away") with { StopTimeout = TimeSpan.FromMilliseconds(300) };
        launch = kind == CageKind.Plain ? launch with { Types = [new("web", $"/usr/bin/setsid -f /bin/sleep 1000; {Yard.Python} app.py serve", 1, true)] } : launch;

        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var instance = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;
        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.Empty(Stragglers.Find(instance));
    }

    [Fact]
    public async Task One_that_listens_on_the_other_loopback_address_is_found_there()
    {
        if (!Yard.CanRun() || !Socket.OSSupportsIPv6)
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("serve6");

        await fleet.StartAsync(launch, default);

        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        Assert.Equal(IPAddress.IPv6Loopback, fleet.Backends(launch.Project, launch.Release, "web")[0].Address.Address);
    }

    [Fact]
    public async Task One_that_never_listens_is_told_of_with_its_last_lines()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("sleep") with { StartTimeout = TimeSpan.FromSeconds(1) };

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Health.NeverListened, verdict.Health);
        Assert.Contains("within 1 s", verdict.Reason);
        Assert.Equal(["only sleeping"], verdict.LastLines);
    }

    [Fact]
    public async Task One_that_listens_on_the_wrong_port_is_told_which()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var wrong = new PortPool().Take();
        var launch = yard.NewLaunch($"elsewhere {wrong}") with { StartTimeout = TimeSpan.FromSeconds(1) };

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Health.ListensElsewhere, verdict.Health);
        Assert.Contains($"listens on {wrong}, not on PORT=", verdict.Reason);
    }

    [Theory]
    [InlineData("echo one; echo two >&2; exit 3", 3)]
    [InlineData("echo one; echo two >&2; exit 0", 0)]
    [InlineData("echo one; echo two >&2; kill -SEGV $$", 128 + 11)] // AMB-24
    [InlineData("echo one; echo two >&2; kill -KILL $$", 128 + 9)]
    [InlineData("echo one; echo two >&2; kill -TERM $$", 128 + 15)]
    public async Task One_that_ends_at_once_is_told_of_with_its_real_code_and_its_last_lines(string command, int code)
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", command, 1, Web: true)]);

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Health.Exited, verdict.Health);
        Assert.Equal(code, verdict.ExitCode);
        Assert.Equal(["one", "two"], verdict.LastLines);
    }

    [Fact]
    public async Task A_program_that_does_not_exist_is_told_of()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", "no-such-program --port 80", 1, Web: true)]);

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(127, verdict.ExitCode);
        Assert.Contains("not found", Assert.Single(verdict.LastLines));
    }

    [Fact]
    public async Task One_that_dies_is_replaced_by_a_brand_new_one()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var changes = 0;
        fleet.Changed += (_, _) => Interlocked.Increment(ref changes);
        var launch = yard.NewLaunchOf([new("web", $"[ ! -e mine ] && : >mine && {Yard.Python} app.py serve-then-die 2", 1, Web: true)]);

        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var before = fleet.Backends(launch.Project, launch.Release, "web")[0];
        await Yard.AskAsync(before);
        await Yard.UntilAsync(() => fleet.Backends(launch.Project, launch.Release, "web") is [var next] && next.Instance != before.Instance, "a replacement");

        // It could only start because the file its predecessor left is not in its copy (PM-26).
        var after = fleet.Backends(launch.Project, launch.Release, "web")[0];
        Assert.NotEqual(before.Address.Port, after.Address.Port);
        Assert.Equal(7, fleet.Status(launch.Project, launch.Release)[0].LastExitCode);
        Assert.False(File.Exists(Path.Combine(launch.Directory, "mine")));
        Assert.True(changes >= 3, $"{changes} changes told"); // there, gone, there
    }

    [Fact]
    public async Task One_that_listens_and_dies_before_the_others_are_up_is_not_healthy()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", $"{Yard.Python} app.py serve-then-die 1", 1, Web: true), new("worker", "exec sleep 1000", 1, Web: false)]) with { Settle = TimeSpan.FromSeconds(1) };

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(7, verdict.ExitCode);
        Assert.Contains("dying now", verdict.LastLines);
    }

    [Fact]
    public async Task One_that_is_deaf_to_SIGTERM_is_killed_when_its_time_is_over()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("deaf") with { StopTimeout = TimeSpan.FromMilliseconds(300) };
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var instance = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;

        var watch = Stopwatch.StartNew();
        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.True(watch.ElapsedMilliseconds >= 290, $"{watch.ElapsedMilliseconds} ms");
        Assert.Empty(Stragglers.Find(instance));
    }

    [Fact]
    public async Task One_that_needs_time_to_stop_gets_it_even_behind_a_shell()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", $"true && {Yard.Python} app.py slow-to-stop; true", 1, Web: true)]);
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));

        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.True(File.Exists(Path.Combine(launch.Project.Data, "finished")));
    }

    [Fact]
    public async Task What_forked_away_from_group_session_and_environment_is_ended_too()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        if (yard.Cage.Kind == CageKind.Plain)
        {
            Console.WriteLine($"not run: this kernel gives no mount namespace ({yard.Cage.WhyNotBetter})");
            return;
        }

        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("fork-away") with { StopTimeout = TimeSpan.FromMilliseconds(300) };
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var instance = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;
        await Yard.UntilAsync(() => Stragglers.Find(instance).Count >= 3, "the daemons");

        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.Empty(Stragglers.Find(instance));
    }

    [Fact]
    public async Task A_daemon_whose_first_process_ends_has_ended_and_nothing_of_it_stays()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", "setsid -f sleep 1000; echo daemonised; exit 0", 1, Web: true)]);

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);
        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.Equal(0, verdict.ExitCode);
        Assert.Equal(["daemonised"], verdict.LastLines);
    }

    [Fact]
    public async Task Binary_output_is_kept_and_read_as_text()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("binary");

        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));

        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, null, 1).SingleOrDefault()?.StartsWith("listening") == true, "the last line");
        Assert.Equal("\e[31mred\e[0m \ufffd\ufffd end", fleet.LastLines(launch.Project, launch.Release, null, 2).First());
    }

    [Fact]
    public async Task An_instance_whose_port_somebody_took_gets_another_one()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("wait-for-port");
        await fleet.StartAsync(launch, default);
        var port = fleet.Status(launch.Project, launch.Release)[0].Port!.Value;

        using var thief = new TcpListener(IPAddress.Loopback, port);
        thief.Start();
        await File.WriteAllTextAsync(Path.Combine(launch.Project.Data, "go"), "");
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(Verdict.Healthy, verdict);
        Assert.NotEqual(port, fleet.Backends(launch.Project, launch.Release, "web")[0].Address.Port);
        Assert.Equal(0, fleet.Status(launch.Project, launch.Release)[0].Crashes);
    }

    [Fact]
    public async Task A_crash_loop_is_told_once_and_slows_down()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var told = new List<CrashLoop>();
        var loop = new TaskCompletionSource();
        fleet.CrashLooping += crash =>
        {
            told.Add(crash);
            loop.TrySetResult();
        };
        var launch = yard.NewLaunchOf([new("worker", "exit 9", 1, Web: false)]);

        var watch = Stopwatch.StartNew();
        await fleet.StartAsync(launch, default);
        await loop.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(watch.ElapsedMilliseconds > 1400, $"{watch.ElapsedMilliseconds} ms"); // 0.1 + 0.2 + 0.4 + 0.8
        await Yard.UntilAsync(() => fleet.Status(launch.Project, launch.Release)[0].Crashes > Backoff.Loop, "one more crash");
        await fleet.StopAsync(launch.Project, launch.Release);

        var crash = Assert.Single(told);
        Assert.Equal(("worker", 1, 9, Backoff.Loop), (crash.Type, crash.Number, crash.ExitCode, crash.Times));
        var kept = Directory.GetDirectories(Path.Combine(yard.Settings.Logs, "local", "shop", launch.Release.Value)).Length;
        Assert.InRange(kept, 1, 5);
    }

    [Fact]
    public void The_pause_doubles_up_to_a_minute_and_begins_anew_after_a_good_minute()
    {
        var backoff = new Backoff();

        var pauses = Enumerable.Range(0, 12).Select(_ => backoff.After(TimeSpan.FromSeconds(1)).TotalSeconds).ToList();

        Assert.Equal([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60], pauses);
        Assert.Equal(0.1, backoff.After(TimeSpan.FromSeconds(60)).TotalSeconds);
    }

    [Fact]
    public async Task A_receiver_that_was_away_finds_its_instances_as_they_were()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var before = yard.NewFleet();
        var wanted = yard.NewLaunchOf([new("web", $"{Yard.Python} app.py serve", 2, Web: true), new("worker", "exec sleep 1000", 1, Web: false)]);
        var unwanted = yard.NewLaunch("serve", yard.NewProject("other"));
        await before.StartAsync(wanted, default);
        await before.StartAsync(unwanted, default);
        Assert.Equal(Verdict.Healthy, await before.HealthyAsync(wanted.Project, wanted.Release, default));
        Assert.Equal(Verdict.Healthy, await before.HealthyAsync(unwanted.Project, unwanted.Release, default));
        var status = before.Status(wanted.Project, wanted.Release).Select(instance => (instance.Id, instance.Process, instance.Port)).ToList();
        var gone = before.Backends(unwanted.Project, unwanted.Release, "web")[0];
        await yard.LeaveAsync(before);
        await Yard.AskAsync(gone); // all of it goes on without a receiver

        var after = yard.NewFleet();
        var missing = yard.NewLaunch("serve", yard.NewProject("third"));
        await after.AdoptAsync([wanted, missing]);

        Assert.Equal(Verdict.Healthy, await after.HealthyAsync(wanted.Project, wanted.Release, default));
        Assert.Equal(status, after.Status(wanted.Project, wanted.Release).Select(instance => (instance.Id, instance.Process, instance.Port)));
        Assert.Equal(Verdict.Healthy, await after.HealthyAsync(missing.Project, missing.Release, default));
        Assert.Empty(Stragglers.Find(gone.Instance));

        // What was adopted is looked after like any other.
        var victim = after.Status(wanted.Project, wanted.Release)[0];
        PosixSignals.Send(victim.Process!.Value, PosixSignals.Kill);
        await Yard.UntilAsync(() => after.Status(wanted.Project, wanted.Release)[0] is { Healthy: true } now && now.Id != victim.Id, "a replacement");
        Assert.Equal(128 + 9, after.Status(wanted.Project, wanted.Release)[0].LastExitCode);
        await after.StopAsync(wanted.Project, wanted.Release);
        Assert.All(status, instance => Assert.Empty(Stragglers.Find(instance.Id)));
    }

    [Fact]
    public async Task An_instance_that_ended_while_nobody_listened_left_its_code_in_a_file_and_is_started_again()
    {
        await using var yard = await Yard.NewAsync();
        var before = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "while [ ! -e $PAAS_DATA_DIR/end ]; do sleep 0.01; done; [ -e $PAAS_DATA_DIR/seen ] && exec sleep 1000; : >$PAAS_DATA_DIR/seen; exit 42", 1, Web: false)]);
        await before.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await before.HealthyAsync(launch.Project, launch.Release, default));
        var id = before.Status(launch.Project, launch.Release)[0].Id;
        await yard.LeaveAsync(before);

        await File.WriteAllTextAsync(Path.Combine(launch.Project.Data, "end"), "");
        var directory = Path.Combine(yard.Settings.Instances, id);
        await Yard.UntilAsync(() => Instance.CodeLeftIn(directory, id) is not null, "the file");
        Assert.Equal(42, Instance.CodeLeftIn(directory, id)); // AMB-25

        var after = yard.NewFleet();
        await after.AdoptAsync([launch]);

        Assert.Equal(Verdict.Healthy, await after.HealthyAsync(launch.Project, launch.Release, default));
        Assert.NotEqual(id, after.Status(launch.Project, launch.Release)[0].Id);
        Assert.False(Directory.Exists(directory));
    }

    [Fact]
    public async Task After_a_reboot_the_old_process_ids_mean_nothing()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]);
        var before = yard.NewFleet();
        await before.StartAsync(launch, default);
        var id = before.Status(launch.Project, launch.Release)[0].Id;
        await yard.LeaveAsync(before);
        var directory = Path.Combine(yard.Settings.Instances, id);
        var supervisor = int.Parse(await File.ReadAllTextAsync(Path.Combine(directory, $"{id}.pid")));
        PosixSignals.Send(-supervisor, PosixSignals.Kill);
        await Stragglers.KillAsync(id);

        // The numbers belong to somebody else now: to us.
        await File.WriteAllTextAsync(Path.Combine(directory, $"{id}.pid"), $"{System.Environment.ProcessId}");
        await File.WriteAllTextAsync(Path.Combine(directory, $"{id}.child"), $"{System.Environment.ProcessId}");
        Directory.CreateDirectory(Path.Combine(yard.Settings.Instances, "never-finished"));
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(yard.Settings.Instances, "cut-off")).FullName, "control.json"), "{\"instance_id\": \"cut");

        var after = yard.NewFleet();
        await after.AdoptAsync([launch]);

        Assert.Equal(Verdict.Healthy, await after.HealthyAsync(launch.Project, launch.Release, default));
        Assert.Single(Directory.GetDirectories(yard.Settings.Instances));
    }

    [Fact]
    public async Task An_instance_whose_supervisor_was_killed_goes_on_and_can_still_be_stopped()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("serve");
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var backend = fleet.Backends(launch.Project, launch.Release, "web")[0];
        var supervisor = int.Parse(await File.ReadAllTextAsync(Path.Combine(yard.Settings.Instances, backend.Instance, $"{backend.Instance}.pid")));

        PosixSignals.Send(supervisor, PosixSignals.Kill);
        await ExitWatch.Of(supervisor);
        Assert.StartsWith(backend.Instance, await Yard.AskAsync(backend));
        await fleet.StopAsync(launch.Project, launch.Release);

        Assert.Empty(Stragglers.Find(backend.Instance));
    }

    [Fact]
    public async Task An_exit_is_noticed_when_no_report_can_arrive()
    {
        await using var yard = await Yard.NewAsync();
        yard.CloseDoor();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("web", "exit 5", 1, Web: true)]);

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal(5, verdict.ExitCode);
    }

    [Fact]
    public async Task Whoever_tells_a_supervisor_to_end_it_gets_the_code_that_the_application_chose()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var ended = new TaskCompletionSource<LostInstance>(TaskCreationOptions.RunContinuationsAsynchronously);
        fleet.Lost += lost => ended.TrySetResult(lost);
        var launch = yard.NewLaunchOf([new("worker", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done", 1, Web: false)]);
        await fleet.StartAsync(launch, default);
        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, "worker", 5).SequenceEqual(["ready"]), "its trap");
        var id = fleet.Status(launch.Project, launch.Release)[0].Id;

        PosixSignals.Send(int.Parse(await File.ReadAllTextAsync(Path.Combine(yard.Settings.Instances, id, $"{id}.pid"))), PosixSignals.Terminate);

        var lost = await ended.Task.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((id, 9), (lost.Instance, lost.Verdict.ExitCode));
        await fleet.StopAsync(launch.Project, launch.Release);
    }

    [Fact]
    public async Task A_key_opens_once_and_only_its_own_instance()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 2, Web: false)]);
        await fleet.StartAsync(launch, default);
        var ids = fleet.Status(launch.Project, launch.Release).Select(instance => instance.Id).ToList();
        var key = ControlFile.TryRead(Path.Combine(yard.Settings.Instances, ids[0]))!.Key;

        Assert.False(fleet.ReportExit("nobody", key, 0));
        Assert.False(fleet.ReportExit(ids[1], key, 0));
        Assert.False(fleet.ReportExit(ids[0], key + "0", 0));
        Assert.False(fleet.ReportExit(ids[0], "", 0));
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => fleet.ReportExit(ids[0], key, 0))));
        Assert.Equal(1, answers.Count(taken => taken));
    }

    [Fact]
    public async Task Nothing_secret_is_in_any_command_line()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]) with { Environment = new Dictionary<string, string> { ["TOKEN"] = "hunter2-" + Guid.NewGuid() } };
        await fleet.StartAsync(launch, default);
        var id = fleet.Status(launch.Project, launch.Release)[0].Id;
        var key = ControlFile.TryRead(Path.Combine(yard.Settings.Instances, id))!.Key;

        var lines = Directory.GetDirectories("/proc").Where(process => char.IsDigit(Path.GetFileName(process)[0])).Select(process =>
        {
            try
            {
                return File.ReadAllText(Path.Combine(process, "cmdline"));
            }
            catch (IOException)
            {
                return "";
            }
        }).ToList();

        Assert.DoesNotContain(lines, line => line.Contains(key) || line.Contains(launch.Environment["TOKEN"]));
        Assert.Contains(lines, line => line.Contains(id)); // so the search does see them
        var files = Directory.GetFiles(Path.Combine(yard.Settings.Instances, id)).Where(file => new FileInfo(file).UnixFileMode != (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Assert.Empty(files);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_process_gets_exactly_the_environment_of_the_contract(bool web)
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        const string Awkward = "it's \"$HOME\" `id` $(id) \\ \n two  lines\t";
        var launch = yard.NewLaunchOf([new("web", "cat /proc/$$/environ >$PAAS_DATA_DIR/new; mv $PAAS_DATA_DIR/new $PAAS_DATA_DIR/first; sleep 1000", 1, web)]) with
        {
            Environment = new Dictionary<string, string> { ["AWKWARD"] = Awkward, ["EMPTY"] = "", ["PM_PORT"] = "1", ["HOME"] = "/nowhere", ["LD_PRELOAD"] = "/nonexistent.so", ["_x9"] = "ü" },
            StartTimeout = TimeSpan.FromMilliseconds(700),
            Services = """{"db": {"port": 5432}}""",
            Commit = "0123456789abcdef0123456789abcdef01234567",
            NodeTags = """{"zone": "a"}""",
        };
        await fleet.StartAsync(launch, default);
        await Yard.UntilAsync(() => File.Exists(Path.Combine(launch.Project.Data, "first")), "the environment");

        var status = fleet.Status(launch.Project, launch.Release)[0];
        var given = (await File.ReadAllTextAsync(Path.Combine(launch.Project.Data, "first"))).Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(variable => variable.Split('=', 2)).ToDictionary(variable => variable[0], variable => variable[1]);

        var expected = new Dictionary<string, string>(Command.CleanEnvironment)
        {
            ["AWKWARD"] = Awkward,
            ["EMPTY"] = "",
            ["HOME"] = launch.Project.Run,
            ["LD_PRELOAD"] = "/nonexistent.so",
            ["_x9"] = "ü",
            ["PAAS_DATA_DIR"] = launch.Project.Data,
            ["PAAS_ENVIRONMENT"] = "local",
            ["PAAS_INSTANCE"] = status.Id,
            ["PAAS_PROJECT"] = "shop",
            ["PAAS_RELEASE"] = "v3",
            ["PAASTA_CLUSTER"] = "local",
            ["PAASTA_DEPLOY_GROUP"] = "local.web",
            ["PAASTA_DOCKER_IMAGE"] = "services-shop:paasta-0123456789abcdef0123456789abcdef01234567",
            ["PAASTA_GIT_SHA"] = "01234567",
            ["PAASTA_HOST"] = System.Environment.MachineName,
            ["PAASTA_INSTANCE"] = "web",
            ["PAASTA_SERVICE"] = "shop",
            ["SOURCE_VERSION"] = "0123456789abcdef0123456789abcdef01234567",
            ["PM_METADATA"] = given["PM_METADATA"],
            ["PM_SERVICES"] = """{"db":{"port":5432}}""",
        };
        if (web)
        {
            expected["PORT"] = expected["PM_PORT"] = expected["PAASTA_PORT"] = $"{status.Port}";
        }

        if (yard.Cage.Kind != CageKind.Plain)
        {
            Assert.Equal(expected.OrderBy(variable => variable.Key, StringComparer.Ordinal), given.OrderBy(variable => variable.Key, StringComparer.Ordinal));
        }

        var metadata = JsonDocument.Parse(given["PM_METADATA"]).RootElement; // PM-83
        Assert.Equal(["application", "node", "workspace"], metadata.EnumerateObject().Select(property => property.Name));
        Assert.Equal(["application_id", "name", "version", "version_id", "workspace", "workspace_stub"], metadata.GetProperty("application").EnumerateObject().Select(property => property.Name));
        Assert.Equal(3, metadata.GetProperty("application").GetProperty("version").GetInt32());
        Assert.Equal("a", metadata.GetProperty("node").GetProperty("zone").GetString());
    }

    [Fact]
    public async Task Signals_that_a_shell_ignores_for_its_background_jobs_work_in_an_application()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "grep SigIgn /proc/self/status; sleep 1000", 1, Web: false)]);

        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));

        Assert.Equal("SigIgn:\t0000000000000000", fleet.LastLines(launch.Project, launch.Release, null, 1).Single());
    }

    [Fact]
    public async Task Everything_that_can_never_start_is_refused_at_once()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("we/b", "true", 1, Web: true), new("twice", "true", 1, Web: false), new("twice", "", -1, Web: false)]) with
        {
            Environment = new Dictionary<string, string> { ["A B"] = "", ["NUL"] = "a\0b", ["BIG"] = new string('x', 200_000), ["1X"] = "" },
        };

        var refusal = await Assert.ThrowsAsync<Refusal>(() => fleet.StartAsync(launch, default));

        Assert.Equal(8, refusal.Message.Split('\n').Length);
        Assert.False(Directory.Exists(yard.Settings.Instances));
    }

    [Fact]
    public async Task Thirty_instances_start_side_by_side_and_stop_together()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 30, Web: false)]);

        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var status = fleet.Status(launch.Project, launch.Release);
        Assert.Equal(30, status.Select(instance => instance.Process).Distinct().Count());
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => fleet.StopAsync(launch.Project, launch.Release)));

        Assert.All(status, instance => Assert.Empty(Stragglers.Find(instance.Id)));
    }

    [Fact]
    public async Task A_supervisor_takes_less_than_two_megabytes()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]) with { Environment = new Dictionary<string, string> { ["LARGE"] = new string('x', 100_000) } };
        await fleet.StartAsync(launch, default);
        var id = fleet.Status(launch.Project, launch.Release)[0].Id;
        var supervisor = await File.ReadAllTextAsync(Path.Combine(yard.Settings.Instances, id, $"{id}.pid"));

        var resident = (await File.ReadAllLinesAsync($"/proc/{supervisor.Trim()}/status")).Single(line => line.StartsWith("VmRSS:"));

        Assert.InRange(int.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Split('\t')[^1]), 100, 2048);
    }

    [Fact]
    public async Task A_full_disk_is_said_and_takes_nothing_else_down()
    {
        if (System.Environment.UserName != "root")
        {
            Console.WriteLine("not run: mounting a small file system takes root");
            return;
        }

        var disk = Directory.CreateTempSubdirectory("small-disk-").FullName;
        await new Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk).OutputAsync();
        try
        {
            await using var yard = await Yard.NewAsync(CageKind.Overlay, below: disk);
            var fleet = yard.NewFleet();
            var good = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]);
            await fleet.StartAsync(good, default);
            Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(good.Project, good.Release, default));
            var bad = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]);
            await new Command("dd", "if=/dev/zero", $"of={disk}/filler", "bs=4k").RunAsync();

            await fleet.StartAsync(bad, default);
            var verdict = await fleet.HealthyAsync(bad.Project, bad.Release, default);

            Assert.Equal(Health.NotStarted, verdict.Health);
            Assert.Contains("No space left", verdict.Reason);
            Assert.True(fleet.Status(good.Project, good.Release)[0].Healthy);
            File.Delete(Path.Combine(disk, "filler"));
            await Yard.UntilAsync(() => fleet.Status(bad.Project, bad.Release)[0].Healthy, "a start once there is room");
        }
        finally
        {
            // multilog writes its last lines in its own time, even after the application.
            while ((await new Command("umount", disk).RunAsync()).Error.Contains("busy"))
            {
                await Task.Delay(20);
            }

            Directory.Delete(disk);
        }
    }

    [Theory]
    [InlineData("/usr/bin/python3 app.py --port $PORT", true)]
    [InlineData("node server.js \"a b\" 'c'", true)]
    [InlineData("./start", true)]
    [InlineData("cd x && ./start", false)]
    [InlineData("cd x", false)]
    [InlineData("exec ./start", false)]
    [InlineData("A=1 ./start", false)]
    [InlineData("./a; ./b", false)]
    [InlineData("./a | ./b", false)]
    [InlineData("./a $(cat x)", false)]
    [InlineData("./a &", false)]
    [InlineData("if true", false)]
    [InlineData("./a\n./b", false)]
    [InlineData("f() { ./a", false)]
    [InlineData("$COMMAND", false)]
    public void Only_a_line_that_is_one_program_replaces_its_shell(string line, bool replaces) =>
        Assert.Equal(replaces ? "exec " + line : line, Nursery.AsWritten(line));
}
