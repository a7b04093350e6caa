using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Runtimes;

/// <summary>What one project can do to another, to the receiver and to the machine.</summary>
public sealed class IsolationTests
{
    static readonly TimeSpan Plenty = TimeSpan.FromSeconds(60);

    static bool HasUsers(Yard yard)
    {
        if (yard.Users.Finding.IsGiven)
        {
            return true;
        }

        Console.WriteLine($"not run: {yard.Users.Finding.Detail}");
        return false;
    }

    [Theory]
    [InlineData(nameof(CageKind.Overlay))]
    [InlineData(nameof(CageKind.Bind))]
    [InlineData(nameof(CageKind.Plain))]
    public async Task A_project_runs_as_a_user_of_its_own_that_has_a_name_and_owns_what_it_may_write(string name)
    {
        var kind = Enum.Parse<CageKind>(name);
        if (!CageTests.MayEnter(kind))
        {
            return;
        }

        await using var yard = await Yard.NewAsync(kind);
        if (!HasUsers(yard))
        {
            return;
        }

        Directory.CreateDirectory(Path.Combine(yard.Project.Data, "deep"));
        File.WriteAllText(Path.Combine(yard.Project.Data, "deep", "of-root"), "");
        var (code, lines) = await OnceAsync(yard, yard.NewLaunchOf([]), """
            set -e
            id -u; id -g; id -G
            stat -c '%u %n' . app.py "$PAAS_DATA_DIR/deep/of-root"
            echo more >>app.py; mkdir new; echo more >>"$PAAS_DATA_DIR/deep/of-root"; touch "$HOME/x" /tmp/y
            """);

        var user = lines[0];
        Assert.Equal(0, code);
        Assert.InRange(int.Parse(user), 70_000, 99_999);
        Assert.Equal([user, user, user, $"{user} .", $"{user} app.py", $"{user} {yard.Project.Data}/deep/of-root"], lines);
        if (kind != CageKind.Plain)
        {
            Assert.Equal(["paas-shop paas-shop"], (await OnceAsync(yard, yard.NewLaunchOf([]), "echo $(id -un) $(id -gn)")).Lines);
        }

        Assert.DoesNotContain("paas-shop", await File.ReadAllTextAsync("/etc/passwd"));
    }

    [Fact]
    public async Task Two_projects_are_two_users_and_neither_reads_sees_or_signals_the_other_or_the_receiver()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        if (!HasUsers(yard) || yard.Cage.Kind == CageKind.Plain)
        {
            return;
        }

        var other = yard.NewProject("other");
        File.WriteAllText(Path.Combine(other.Data, "secret"), "theirs");
        var fleet = yard.NewFleet();
        var victim = yard.NewLaunch("serve", other) with { Environment = new Dictionary<string, string> { ["KEY"] = "swordfish" } };
        await fleet.StartAsync(victim, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(other, victim.Release, default));
        var process = Assert.Single(fleet.Status(other, victim.Release)).Process!.Value;

        var (_, lines) = await OnceAsync(yard, yard.NewLaunchOf([]), $"""
            cat /proc/{process}/environ && echo read
            kill -0 {process} && echo signalled
            kill -0 {System.Environment.ProcessId} && echo signalled the receiver
            ls {other.Directory} && echo listed
            ls {yard.State} && echo listed
            cat {yard.State}/receiver.db && echo read
            find / -xdev -user {await UserOfAsync(yard, other)} 2>/dev/null
            ls /proc | grep -c '^[0-9]' | while read -r n; do [ "$n" -lt 10 ] && echo few processes; done
            exit 0
            """);

        Assert.Equal(["few processes"], lines.Where(line => line.Trim().Length > 0 && !line.Contains("No such") && !line.Contains("not permitted") && !line.Contains("cannot access")));
        Assert.StartsWith(fleet.Backends(other, victim.Release, "web")[0].Instance, await Yard.AskAsync(fleet.Backends(other, victim.Release, "web")[0]));
    }

    [Fact]
    public async Task Nobody_gains_a_privilege()
    {
        await using var yard = await Yard.NewAsync();

        var (_, lines) = await OnceAsync(yard, yard.NewLaunchOf([]), "grep -E '^(NoNewPrivs|CapEff|CapBnd)' /proc/self/status | tr -d '\\t '");

        Assert.Contains("NoNewPrivs:1", lines);
        if (yard.Users.Finding.IsGiven)
        {
            Assert.Contains("CapEff:0000000000000000", lines);
            Assert.Contains("CapBnd:0000000000000000", lines);
        }
    }

    [Fact]
    public async Task What_a_project_configures_does_not_steer_the_programs_that_build_its_cage()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]) with { Environment = new Dictionary<string, string> { ["LD_PRELOAD"] = "/no/such.so", ["IFS"] = "P", ["ENV"] = "/no/such" } };

        var (code, lines) = await OnceAsync(yard, launch, ["/bin/echo", "ran"]);

        // The program itself is the only one that is told of the library, and echo is that program.
        Assert.Equal(0, code);
        Assert.Contains("ran", lines);
        Assert.Single(lines, line => line.Contains("/no/such.so"));
    }

    [Fact]
    public async Task Data_that_somebody_else_put_there_becomes_the_projects()
    {
        await using var yard = await Yard.NewAsync();
        if (!HasUsers(yard))
        {
            return;
        }

        var user = await UserOfAsync(yard, yard.Project);
        var odd = Directory.CreateDirectory(Path.Combine(yard.Project.Data, "a b\nc", "d")).FullName;
        File.WriteAllText(Path.Combine(odd, "file"), "");
        File.CreateSymbolicLink(Path.Combine(odd, "away"), "/etc/hostname");
        File.CreateSymbolicLink(Path.Combine(odd, "out"), "/etc");

        yard.Users.GiveData(yard.Project);

        Assert.All([yard.Project.Data, Path.GetDirectoryName(odd)!, odd, Path.Combine(odd, "file"), Path.Combine(odd, "away"), Path.Combine(odd, "out")], path =>
            Assert.Equal(user, Inode.Of(path)!.Value.Owner));
        Assert.Equal(0u, Inode.Of("/etc")!.Value.Owner);
        Assert.Equal(0u, new FileInfo("/etc/hostname") is { Exists: true, LinkTarget: null } ? Inode.Of("/etc/hostname")!.Value.Owner : 0u);
    }

    [Fact]
    public async Task A_project_keeps_its_user_and_no_other_ever_gets_it()
    {
        await using var yard = await Yard.NewAsync();
        if (!HasUsers(yard))
        {
            return;
        }

        using var database = Database.OpenOrCreate(Path.Combine(yard.State, "numbers.db"));
        ProjectUsers Users() => new(database, yard.Place, (70_000, 70_009), TimeProvider.System);
        var users = Users();
        var projects = Enumerable.Range(0, 10).Select(n => yard.NewProject($"p{n}")).ToList();

        await Parallel.ForEachAsync(projects.Concat(projects), (project, _) =>
        {
            users.GiveData(project);
            return ValueTask.CompletedTask;
        });
        var owners = projects.Select(project => Ownership.Of(project.Data)!.Value).ToList();

        Assert.Equal(Enumerable.Range(70_000, 10).Select(n => (uint)n), owners.Order());
        var tooMany = Assert.Throws<Refusal>(() => Users().GiveData(yard.NewProject("eleventh")));
        Assert.Contains("PAAS_USERS", tooMany.Message);
        Users().GiveData(projects[3]);
        Assert.Equal(owners[3], Ownership.Of(projects[3].Data));
    }

    [Fact]
    public async Task Memory_and_processes_are_limited_and_whoever_reaches_a_limit_is_told()
    {
        await using var yard = await Yard.NewAsync(limits: new CageLimits(Memory: 100_000_000, Cpus: 1, Processes: 30));
        if (yard.Cage.Findings.Single(finding => finding.What == "limits") is { IsGiven: false } missing)
        {
            Console.WriteLine($"not run: {missing.Detail}");
            return;
        }

        var fleet = yard.NewFleet();
        var hungry = yard.NewLaunchOf([new("web", $"{Yard.Python} -c \"x = bytearray(300_000_000); import time; time.sleep(1000)\"", 1, Web: true)]);
        await fleet.StartAsync(hungry, default);
        var verdict = await fleet.HealthyAsync(hungry.Project, hungry.Release, default);
        await fleet.StopAsync(hungry.Project, hungry.Release);

        Assert.Equal((Health.Exited, 137), (verdict.Health, verdict.ExitCode));
        Assert.Contains("memory limit was reached", verdict.Reason);

        var (code, lines) = await OnceAsync(yard, yard.NewLaunchOf([]), "for n in $(seq 100); do sleep 100 & done; wait");
        Assert.NotEqual(0, code);
        Assert.Contains(lines, line => line.Contains("fork", StringComparison.OrdinalIgnoreCase));
        await fleet.DisposeAsync();
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
    }

    [Fact]
    public void Control_groups_of_version_2_are_made_below_a_group_of_ours()
    {
        var root = Directory.CreateTempSubdirectory("cgroup").FullName;
        try
        {
            // As the kernel shows it: files that are there already. (Directories that are made bring theirs along only in the kernel.)
            File.WriteAllText(Path.Combine(root, "cgroup.controllers"), "cpuset cpu io memory hugetlb pids rdma\n");
            File.WriteAllText(Path.Combine(root, "cgroup.subtree_control"), "");
            var ours = Directory.CreateDirectory(Path.Combine(root, "paas-receiver")).FullName;
            File.WriteAllText(Path.Combine(ours, "cgroup.subtree_control"), "");
            var one = Directory.CreateDirectory(Path.Combine(ours, "9cc65ce7-one")).FullName;
            foreach (var file in new[] { "memory.max", "pids.max", "cpu.max" })
            {
                File.WriteAllText(Path.Combine(one, file), "");
            }

            var groups = ControlGroups.Find("/srv/state", $"30 1 0:26 / {root} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", out var whyNot);

            Assert.Null(whyNot);
            Assert.True(groups!.IsUnified);
            Assert.Equal("+cpu +memory +pids", File.ReadAllText(Path.Combine(root, "cgroup.subtree_control")));
            Assert.Equal([Path.Combine(one, "cgroup.procs")], groups.Make("one", new CageLimits(1_000_000, 0.5, 7)));
            Assert.Equal(("1000000", "7", "50000 100000"), (File.ReadAllText(Path.Combine(one, "memory.max")), File.ReadAllText(Path.Combine(one, "pids.max")), File.ReadAllText(Path.Combine(one, "cpu.max"))));
            Assert.False(groups.RanOutOfMemory("one"));
            File.WriteAllText(Path.Combine(one, "memory.events"), "low 0\noom 1\noom_kill 1\n");
            Assert.True(groups.RanOutOfMemory("one"));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task In_the_kernels_own_tree_of_version_2_a_process_enters_its_group_and_the_group_goes_after_it()
    {
        // Where version 1 holds the controllers that limit, version 2 has one left that may be free: what differs between the two is the tree, not the numbers written into it.
        var mounts = File.Exists("/proc/self/mountinfo") ? File.ReadAllText("/proc/self/mountinfo") : "";
        var owner = Guid.NewGuid().ToString();
        if (ControlGroups.Find(owner, mounts, out var whyNot, ["cpu", "memory", "pids", "hugetlb"]) is not { IsUnified: true } groups)
        {
            Console.WriteLine($"not run: no control groups of version 2 to write to ({whyNot ?? "version 1 has them all"})");
            return;
        }

        var files = groups.Make("one", CageLimits.None);
        var group = Path.GetDirectoryName(files.Single())!;
        await using var sleeper = new Command("/bin/sh", "-c", "echo $$ >\"$0\" && echo in && exec sleep 1000", files.Single()).Start();
        try
        {
            using var said = new StreamReader(sleeper.Output);
            Assert.Equal("in", await said.ReadLineAsync());
            Assert.EndsWith($"/paas-receiver/{Path.GetFileName(group)}", File.ReadLines($"/proc/{sleeper.Id}/cgroup").Single(line => line.StartsWith("0::", StringComparison.Ordinal)));
            Assert.Contains($"{sleeper.Id}", File.ReadAllLines(files.Single()));
            Assert.True(File.ReadAllText(Path.Combine(group, "cgroup.controllers")).Split().Intersect(groups.Have).Any());
            groups.Remove("one");
            Assert.True(Directory.Exists(group), "a group went with a process in it");
        }
        finally
        {
            sleeper.Signal(PosixSignals.Kill);
            await sleeper.WaitAsync();
        }

        groups.Sweep();
        Assert.False(Directory.Exists(group));
    }

    [Fact]
    public void A_machine_without_control_groups_says_so()
    {
        Assert.Null(ControlGroups.Find("/srv/state", "21 1 8:1 / / rw - ext4 /dev/root rw\n", out var whyNot));
        Assert.Equal("no control group file system is mounted", whyNot);
    }

    static async Task<uint> UserOfAsync(Yard yard, Project project)
    {
        yard.Users.GiveData(project);
        await Task.Yield();
        return Ownership.Of(project.Data)!.Value;
    }

    static Task<(int Code, IReadOnlyList<string> Lines)> OnceAsync(Yard yard, Launch launch, string script) => OnceAsync(yard, launch, ["/bin/sh", "-c", script]);

    static async Task<(int Code, IReadOnlyList<string> Lines)> OnceAsync(Yard yard, Launch launch, IReadOnlyList<string> words)
    {
        using var log = LogStream.Open(Path.Combine(yard.Place, $"log-{Guid.NewGuid():N}"));
        var code = await yard.NewFleet().RunOnceAsync(launch, "test", words, log, Plenty, default);
        log.Close();
        return (code, [.. (await File.ReadAllLinesAsync(log.Path)).Select(line => line.Length > 7 ? line[7..] : line)]);
    }
}
