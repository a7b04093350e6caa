using Xunit;

namespace Paas.Receiver.Processes;

public sealed class CageTests : IDisposable
{
    readonly string place = Directory.CreateTempSubdirectory("cage-").FullName;

    internal static bool MayEnter(CageKind kind)
    {
        if (kind == CageKind.Plain || System.Environment.UserName == "root")
        {
            return true;
        }

        Console.WriteLine($"not run: only root may enter a {kind} cage that was not probed for");
        return false;
    }

    public void Dispose() => Directory.Delete(place, recursive: true);

    [Theory]
    [InlineData(nameof(CageKind.Overlay))]
    [InlineData(nameof(CageKind.Bind))]
    public async Task A_process_sees_its_release_at_run_and_only_its_own_project(string name)
    {
        var kind = Enum.Parse<CageKind>(name);
        if (!MayEnter(kind))
        {
            return;
        }

        var view = View(place);
        File.WriteAllText(Path.Combine(view.Root, "projects", "other", "secret"), "theirs");
        File.WriteAllText(Path.Combine(view.Root, "state", "secret"), "ours");

        var seen = await Cage.Of(kind).Enter(view, new Command("/bin/sh", "-c", $"pwd; cat file; cd {view.Root} && find . ! -path '*/run/*' | sort; cat {view.Root}/state/secret {view.Root}/projects/other/secret 2>/dev/null; true")).OutputAsync();

        Assert.Equal($"{view.ProjectDirectory}/run\nsealed\n.\n./projects\n./projects/mine\n./projects/mine/data\n./projects/mine/run\n", seen);
    }

    [Theory]
    [InlineData(nameof(CageKind.Overlay))]
    [InlineData(nameof(CageKind.Bind))]
    [InlineData(nameof(CageKind.Plain))]
    public async Task What_it_writes_stays_its_own_and_what_it_puts_in_data_stays(string name)
    {
        var kind = Enum.Parse<CageKind>(name);
        if (!MayEnter(kind))
        {
            return;
        }

        var view = View(place);
        var command = new Command("/bin/sh", "-ec", "echo changed >file; rm -r folder; mkdir folder; ls folder; rmdir folder; : >new; echo kept >$DATA/kept; cat file; ls")
        {
            Environment = new Dictionary<string, string>(Command.CleanEnvironment) { ["DATA"] = Path.Combine(view.ProjectDirectory, "data") },
        };

        Assert.Equal("changed\nfile\nnew\n", await Cage.Of(kind).Enter(view, command).OutputAsync());

        Assert.Equal("sealed", File.ReadAllText(Path.Combine(view.RunSource, "file")).Trim());
        Assert.Equal(["file", "folder"], Directory.GetFileSystemEntries(view.RunSource).Select(Path.GetFileName).Order());
        Assert.Equal("kept", File.ReadAllText(Path.Combine(view.ProjectDirectory, "data", "kept")).Trim());
    }

    [Fact]
    public async Task Editable_shows_the_tree_itself()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        var view = View(place) with { CopyOnWrite = false };

        await Cage.Of(CageKind.Overlay).Enter(view, new Command("/bin/sh", "-c", "echo edited >file")).OutputAsync();

        Assert.Equal("edited", File.ReadAllText(Path.Combine(view.RunSource, "file")).Trim());
    }

    [Fact]
    public async Task Tmp_is_its_own_wherever_the_root_is()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        // Below /tmp (as here), below /var/tmp and below neither: the private directories and the root cover each other in each case.
        foreach (var home in new[] { "/tmp", "/var/tmp", "/run" })
        {
            var root = Path.Combine(home, $"cage-{Guid.NewGuid():N}");
            try
            {
                var view = View(Directory.CreateDirectory(root).FullName);
                var seen = await Cage.Of(CageKind.Overlay).Enter(view, new Command("/bin/sh", "-ec", "ls /tmp /var/tmp; cat file; : >/tmp/mine; : >/var/tmp/mine; stat -c %a /tmp /var/tmp")).RunAsync();

                Assert.Equal(("", 0), (seen.Error, seen.ExitCode));
                Assert.Contains("sealed\n1777\n1777", seen.Output);
                Assert.Equal(home == "/run" ? [] : [Path.GetFileName(root)], seen.Output.Split("sealed")[0].Split('\n').Where(line => line.Length > 0 && line[0] != '/'));
                Assert.False(File.Exists("/tmp/mine") || File.Exists("/var/tmp/mine"));
            }
            finally
            {
                await Cage.RemoveAsync(root);
            }
        }
    }

    [Fact]
    public async Task Shared_memory_and_system_v_queues_are_its_own()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        var name = $"/dev/shm/{Guid.NewGuid():N}";
        var seen = await Cage.Of(CageKind.Overlay).Enter(View(place), new Command("/bin/sh", "-c", $"ls -A /dev/shm; : >{name}; readlink /proc/self/ns/ipc")).OutputAsync();

        Assert.False(File.Exists(name));
        Assert.StartsWith("ipc:[", seen);
        Assert.NotEqual(new FileInfo("/proc/self/ns/ipc").LinkTarget, seen.Trim());
    }

    [Fact]
    public async Task Awkward_paths_are_only_paths()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        var view = View(Directory.CreateDirectory(Path.Combine(place, "a b,c:d\\e#f\tg'h$(i)\nj=k")).FullName);

        Assert.Equal("sealed\n", await Cage.Of(CageKind.Overlay).Enter(view, new Command("/bin/cat", "file")).OutputAsync());
    }

    [Fact]
    public async Task The_host_sees_no_mount_of_it()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        var view = View(place);
        await using var inside = Cage.Of(CageKind.Overlay).Enter(view, new Command("/bin/sh", "-c", "echo in; read -r wait")).Start();
        var buffer = new byte[3];
        await inside.Output.ReadExactlyAsync(buffer);

        Assert.DoesNotContain(place, File.ReadAllText("/proc/self/mountinfo"));

        inside.Input.Close();
        await inside.WaitAsync();
    }

    [Fact]
    public async Task A_cage_that_cannot_be_built_runs_nothing()
    {
        if (!MayEnter(CageKind.Overlay))
        {
            return;
        }

        var view = View(place);
        Directory.Delete(view.Writable[0], recursive: true);

        var result = await Cage.Of(CageKind.Overlay).Enter(view, new Command("/bin/echo", "ran")).RunAsync();

        Assert.Equal((125, ""), (result.ExitCode, result.Output));
        Assert.NotEqual("", result.Error);
    }

    [Fact]
    public async Task The_kernel_is_asked_once_and_what_it_refuses_is_said()
    {
        var cage = await Cage.ProbeAsync(place);

        Assert.True(cage.Kind == CageKind.Overlay ? cage.WhyNotBetter is null : cage.WhyNotBetter!.Length > 0, cage.WhyNotBetter);
        Assert.Empty(Directory.GetFileSystemEntries(place));
        Console.WriteLine($"this kernel gives {System.Environment.UserName} {cage.Kind}: {cage.WhyNotBetter}");
        Assert.All(cage.Findings, finding => Console.WriteLine($"{finding.What}: {(finding.IsGiven ? "yes" : "no")}, {finding.Detail}"));
    }

    [Theory]
    [InlineData("A B")]
    [InlineData("")]
    [InlineData("1A")]
    [InlineData("A\n")]
    [InlineData("A;id")]
    [InlineData("Ä")]
    public void A_name_that_no_shell_can_hold_is_not_taken(string name)
    {
        var command = new Command("/bin/true") { Environment = new Dictionary<string, string> { [name] = "x" } };

        Assert.Throws<ArgumentException>(() => Cage.Of(CageKind.Plain).Enter(View(place), command));
    }

    [Fact]
    public async Task Tools_below_what_is_hidden_are_where_they_are_for_everybody()
    {
        var outside = Directory.CreateTempSubdirectory("cage-tools-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(outside, "rubies")).FullName, "ruby"), "found\n");
            File.WriteAllText(Path.Combine(outside, "beside"), "");
            var below = Directory.CreateDirectory(Path.Combine(place, "tools")).FullName;
            File.WriteAllText(Path.Combine(below, "node"), "found too\n");
            var view = View(place);
            Directory.CreateDirectory(Path.Combine(place, "probe"));

            // The last three would open what is closed, and are not shown.
            var cage = await Cage.ProbeAsync(Path.Combine(place, "probe"), tools: [Path.Combine(outside, "rubies"), below, Path.Combine(place, "missing"), place, "/tmp", Path.Combine(place, "projects")]);
            if (cage.Kind == CageKind.Plain)
            {
                Console.WriteLine($"not run: no view of its own here: {cage.WhyNotBetter}");
                return;
            }

            var seen = await cage.Enter(view, new Command("/bin/sh", "-c", $"cat {outside}/rubies/ruby {below}/node; ls {outside}; ls {place} {place}/projects")).OutputAsync();
            Assert.Equal($"found\nfound too\nrubies\n{place}:\nprojects\ntools\n\n{place}/projects:\nmine\n", seen);
        }
        finally
        {
            Directory.Delete(outside, recursive: true);
        }
    }

    static CageView View(string root)
    {
        var project = Path.Combine(root, "projects", "mine");
        var release = Directory.CreateDirectory(Path.Combine(project, "deploy", "release")).FullName;
        Directory.CreateDirectory(Path.Combine(release, "folder", "inner"));
        File.WriteAllText(Path.Combine(release, "file"), "sealed\n");
        Directory.CreateDirectory(Path.Combine(root, "projects", "other"));
        return new CageView
        {
            Root = root,
            ProjectDirectory = project,
            RunSource = release,
            Scratch = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "state")).FullName, "view"),
            Writable = [Directory.CreateDirectory(Path.Combine(project, "data")).FullName],
        };
    }
}
