using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Xunit;
using Environment = Paas.Receiver.Projects.Environment;

namespace Paas.Receiver.Buildpacks;

/// <summary>The whole of Heroku's interface, with buildpacks of a few lines in a temporary directory and real cages.</summary>
public sealed class BuildpackTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("paas-packs-").FullName;
    readonly Project project;
    readonly Draft draft;

    public BuildpackTests()
    {
        project = new Project(new Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, Path.Combine(root, "srv"), IsDefault: true), ProjectName.Parse("shop"));
        draft = NewDraft();
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData(null)]
    [InlineData(nameof(CageKind.Bind))]
    [InlineData(nameof(CageKind.Plain))]
    public async Task A_buildpack_gets_build_cache_and_variables_and_says_what_runs(string? kind)
    {
        if (kind is not null && !CageTests.MayEnter(Enum.Parse<CageKind>(kind)))
        {
            return;
        }

        wanted = kind is null ? null : Enum.Parse<CageKind>(kind);
        Directory.CreateDirectory(Path.Combine(project.Deploy, "live"));
        Directory.CreateSymbolicLink(project.Run, Path.Combine(project.Deploy, "live"));
        Pack("one", detect: "test -f \"$1/marker\" && echo One", compile: "echo \"$1|$2\" >places; cat \"$3/GREETING\" >greeting; ls -l \"$3/GREETING\" | cut -c 1-10 >mode; echo kept >>\"$2/log\"; cp \"$2/log\" .; env >variables",
            release: "echo 'config_vars: {A: one}'; echo 'default_process_types: {web: serve --it}'");
        Write("marker", "");
        Write("mine.txt", "as pushed");

        var (built, log) = await BuildAsync(configured: ("GREETING", "hello"));

        Assert.Equal([new BuiltBy("one", "One")], built.Buildpacks);
        Assert.Equal("serve --it", built.ProcessTypes["web"]);
        Assert.Equal("one", built.ConfigVars["A"]);
        Assert.Equal("hello", Read("greeting"));
        Assert.Equal("-rw-------", Read("mode").Trim());
        Assert.Contains("-----> One detected (any)", log);
        if (!Plain)
        {
            Assert.Equal($"{project.Run}|{project.Build}/cache", Read("places").Trim());
        }

        // Configuration is in ENV_DIR alone: a variable such as PATH or LD_PRELOAD must not steer a buildpack.
        Assert.DoesNotContain("GREETING", Read("variables"));
        Assert.Contains("STACK=heroku-22", Read("variables"));

        await BuildAsync();
        Assert.Equal("kept\nkept\n", Read("log"));
        await BuildAsync(rebuild: true);
        Assert.Equal("kept\n", Read("log"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(project.Deploy, "live")));
    }

    [Fact]
    public async Task A_buildpack_that_fails_says_with_which_code_and_what_it_wrote_is_not_in_the_draft()
    {
        Pack("one", detect: "echo One", compile: "echo half >half; echo 'something broke'; exit 7");

        var refusal = await Assert.ThrowsAsync<Refusal>(() => BuildAsync());

        Assert.Equal("the buildpack one ended with exit code 7", refusal.Message);
        if (!Plain)
        {
            Assert.False(File.Exists(Path.Combine(draft.Directory, "half")));
        }
    }

    [Fact]
    public async Task What_bin_release_prints_must_be_what_it_may_print()
    {
        Pack("one", detect: "echo One", compile: "true", release: "echo 'default_process_types: {Web_Server: x, web: [1]}'");

        var refusal = await Assert.ThrowsAsync<Refusal>(() => BuildAsync());

        Assert.Contains("bin/release of the buildpack one has 2 mistakes", refusal.Message);
    }

    [Fact]
    public async Task A_build_without_a_network_reaches_itself_and_nobody_else()
    {
        var cage = await Cage.ProbeAsync(Directory.CreateDirectory(Path.Combine(root, "probe")).FullName);
        if (!cage.CanCutNetwork)
        {
            Console.WriteLine("skipped: this kernel or user may not have a network namespace");
            return;
        }

        const string Look = "cat /proc/net/dev | tail -n +3 | cut -d : -f 1 | tr -d ' ' >networks; /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); socket.create_connection(s.getsockname())'";
        Pack("one", detect: "echo One", compile: Look);
        await BuildAsync();
        Assert.Equal("lo\n", Read("networks"));

        File.WriteAllText(Path.Combine(root, "packs", "one", "network"), "");
        await BuildAsync();
        Assert.Equal(File.ReadLines("/proc/net/dev").Count() - 2, Read("networks").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        await BuildAsync(network: BuildNetwork.None);
        Assert.Equal("lo\n", Read("networks"));
    }

    [Fact]
    public async Task A_build_that_complains_of_the_network_is_told_of_the_setting()
    {
        Pack("one", detect: "echo One", compile: "echo 'curl: (6) Could not resolve host: example.org'; exit 6");

        var refusal = await Assert.ThrowsAsync<Refusal>(() => BuildAsync());

        Assert.Contains("paas: {network: true}", refusal.Message);
    }

    [Fact]
    public async Task A_later_buildpack_has_what_an_earlier_one_exported()
    {
        Pack("one", detect: "echo One", compile: "echo 'export SAID=one' >\"$(dirname \"$0\")/../export\"", release: "echo 'default_process_types: {web: first}'");
        Pack("two", detect: "echo Two", compile: "echo \"$SAID\" >said", release: "echo 'default_process_types: {web: second}'");
        Write(".buildpacks", "one\ntwo\n");

        var (built, _) = await BuildAsync();

        Assert.Equal("one\n", Read("said"));
        Assert.Equal("second", built.ProcessTypes["web"]);
        Assert.Equal(["one", "two"], built.Buildpacks.Select(pack => pack.Name));
    }

    [Fact]
    public async Task No_build_can_change_a_buildpack_for_the_next_one()
    {
        Pack("one", detect: "echo One", compile: "echo 'echo changed; exit 1' >\"$0\"");

        var before = await File.ReadAllTextAsync(Path.Combine(root, "packs", "one", "bin", "compile"));
        await BuildAsync();

        Assert.Equal(before, await File.ReadAllTextAsync(Path.Combine(root, "packs", "one", "bin", "compile")));
    }

    [Theory]
    [InlineData("nowhere", "names the buildpack 'nowhere', which is not here; there are one")]
    [InlineData("./../../etc", "there is no ./../../etc/bin/compile in this repository")]
    [InlineData("../other", "there is no ../other/bin/compile in this repository")]
    [InlineData("file:///srv/projects/other", "which is not here")]
    [InlineData("/etc", "which is not here")]
    [InlineData("ext::sh -c id", "which is not here")]
    [InlineData("ssh://host/pack", "which is not here")]
    [InlineData("https://host/pack#--upload-pack=x", "which is not here")]
    public async Task A_name_that_nobody_has_is_refused(string name, string reason)
    {
        Pack("one", detect: "echo One", compile: "true");
        Write(".buildpacks", name + "\n");

        Assert.Contains(reason, (await Assert.ThrowsAsync<Refusal>(() => BuildAsync())).Message);
    }

    [Fact]
    public async Task A_named_buildpack_that_finds_nothing_of_its_own_is_refused()
    {
        Pack("one", detect: "exit 1", compile: "true");
        Write(".buildpacks", "one\n");

        Assert.Equal("the buildpack one, named by .buildpacks, finds no application of its kind here", (await Assert.ThrowsAsync<Refusal>(() => BuildAsync())).Message);
    }

    [Fact]
    public async Task A_file_of_the_operators_that_is_not_there_is_said_without_its_path()
    {
        Pack("plain", "echo Plain", "env | grep COLOR");
        machine = Path.Combine(root, "machine.env");
        var named = Path.Combine(root, "pip.conf");
        await File.WriteAllTextAsync(machine, "PIP_CONFIG_FILE=file:pip.conf\n");
        await File.WriteAllTextAsync(named, "");
        Assert.Contains("NO_COLOR=1", string.Join('\n', (await BuildAsync()).Log));

        File.Delete(named);
        var message = (await Assert.ThrowsAsync<Refusal>(() => BuildAsync())).Message;

        Assert.Contains("PAAS_BUILD_ENV says that PIP_CONFIG_FILE is a file, and that file is not there", message, StringComparison.Ordinal);
        Assert.DoesNotContain(root, message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_detect_that_does_not_say_what_it_looks_for_is_asked_in_the_cage()
    {
        var outside = Path.Combine(root, "srv", "secret");
        Directory.CreateDirectory(Path.GetDirectoryName(outside)!);
        await File.WriteAllTextAsync(outside, "theirs");
        Pack("curious", detect: $"if [ -e {outside} ]; then echo Outside; else echo Inside; fi; touch \"$1/left-behind\"", compile: "true", looksFor: "");

        var (built, log) = await BuildAsync();

        if (!Plain)
        {
            Assert.Equal("Inside", built.Buildpacks[0].Found);
            Assert.False(File.Exists(Path.Combine(draft.Directory, "left-behind")));
        }
    }

    [Fact]
    public async Task A_project_with_a_build_hook_of_its_own_builds_itself()
    {
        Pack("one", detect: "echo One", compile: "true");
        Write(".paas/hooks/build", "#!/bin/sh\n");

        Assert.Empty((await BuildAsync()).Built.Buildpacks);
    }

    [Fact]
    public async Task What_was_built_is_remembered_in_the_tree_and_what_was_pushed_as_such_is_not_believed()
    {
        Write(".paas/built.json", """{"processTypes": {"web": "forged"}, "buildpacks": [{"name": "forged", "found": "x"}]}""");
        Pack("one", detect: "echo One", compile: "true", release: "echo 'default_process_types: {web: real}'");

        await BuildAsync();

        Assert.Equal("real", Assert.Single(ManifestReader.Read(draft.Directory).ProcessTypes).Command);
        Built.Nothing.Write(draft.Directory);
        Assert.Null(ManifestReader.Find(draft.Directory));
    }

    [Fact]
    public void A_link_in_the_place_of_our_folder_is_not_written_through()
    {
        var elsewhere = Directory.CreateDirectory(Path.Combine(root, "elsewhere")).FullName;
        Directory.CreateSymbolicLink(Path.Combine(draft.Directory, ".paas"), elsewhere);

        File.WriteAllText(Path.Combine(elsewhere, "built.json"), """{"manifest": "forged"}""");

        Assert.Throws<Refusal>(() => (Built.Nothing with { Manifest = "x" }).Write(draft.Directory));
        Assert.Equal(Built.Nothing, Built.Read(draft.Directory));
        Built.Forget(draft.Directory);
        Assert.Equal(["built.json"], Directory.EnumerateFileSystemEntries(elsewhere).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public async Task A_tree_gives_its_build_variables_and_leaves_files_out_and_its_dotenv_is_read_by_nobody()
    {
        Pack("plain", "echo Plain", "echo \"variables: ${FROM_TOML-none} ${FROM_DOTENV-none}\"; ls");
        Write("project.toml", "[_]\nschema-version = \"0.2\"\n[[io.buildpacks.build.env]]\nname = \"FROM_TOML\"\nvalue = \"given\"\n");
        Write(".env", "FROM_DOTENV=secret\n");
        Write(".slugignore", "# not for the release\n*.psd\n/drafts\n");
        Write("logo.psd", "large");
        Write("drafts/one", "1");

        var log = (await BuildAsync()).Log;

        Assert.Contains(log, line => line.EndsWith("variables: given none", StringComparison.Ordinal));
        Assert.Contains(log, line => line.EndsWith("2 files and directories are left out (.slugignore)", StringComparison.Ordinal));
        Assert.Contains(log, line => line.Contains("note: .env is part of the repository and is not read", StringComparison.Ordinal));
        Assert.DoesNotContain(log, line => line.Contains("logo.psd", StringComparison.Ordinal) || line.Contains("drafts", StringComparison.Ordinal));
        Assert.False(File.Exists(Path.Combine(draft.Directory, "logo.psd")));
    }

    [Fact]
    public async Task A_build_that_takes_more_memory_than_it_may_is_ended_and_told_so()
    {
        limits = new CageLimits(Memory: 100_000_000, Cpus: null, Processes: 100);
        Pack("hungry", "echo Hungry", "exec perl -e '$x = \"x\" x 300_000_000; sleep 1000'");
        var probed = await Cage.ProbeAsync(Directory.CreateDirectory(Path.Combine(root, "probe")).FullName, limits);
        if (probed.Findings.Single(finding => finding.What == "limits") is { IsGiven: false } missing)
        {
            Console.WriteLine($"not run: {missing.Detail}");
            return;
        }

        var refusal = await Assert.ThrowsAsync<Refusal>(() => BuildAsync());

        Assert.Contains("the buildpack hungry ended with exit code 137", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("the memory limit was reached", await File.ReadAllTextAsync(lastLog), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cache_that_has_grown_too_large_loses_what_was_used_least_recently()
    {
        var cache = Directory.CreateDirectory(Path.Combine(project.Build, "cache")).FullName;
        foreach (var (name, days) in new[] { ("oldest", 3), ("older", 2), ("newest", 1) })
        {
            Directory.CreateDirectory(Path.Combine(cache, name, "deep"));
            await File.WriteAllBytesAsync(Path.Combine(cache, name, "deep", "file"), new byte[600_000]);
            Directory.SetLastWriteTimeUtc(Path.Combine(cache, name), DateTime.UtcNow.AddDays(-days));
        }

        var one = new BuildCache(largest: 1_300_000);
        one.Trim(project);
        await one.OpenAsync(project);

        Assert.Equal(["newest", "older"], Directory.EnumerateDirectories(cache).Select(path => Path.GetFileName(path)).Order());
    }

    [Fact]
    public void A_slugignore_leaves_out_what_it_names()
    {
        foreach (var path in new[] { "a.log", "deep/b.log", "docs/page", "deep/docs/page", "build/x", "src/build/y", "keep.txt", "tests/a/b/c", "q1", "q12" })
        {
            Write(path, "x");
        }

        Directory.CreateSymbolicLink(Path.Combine(draft.Directory, "outside.log"), root);
        LeftOut.RemoveFrom(draft.Directory, ["*.log", "/docs", "build/", "tests/**", "q?", "!keep.txt"]);

        Assert.Equal(
            ["any", "deep/docs/page", "keep.txt", "q12"],
            Directory.EnumerateFiles(draft.Directory, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(draft.Directory, path)).Order(StringComparer.Ordinal));
        Assert.True(Directory.Exists(root));
    }

    [Fact]
    public async Task Detection_costs_what_one_folder_costs_however_large_the_repository_is()
    {
        for (var folder = 0; folder < 200; folder++)
        {
            for (var file = 0; file < 100; file++)
            {
                Write($"src{folder / 20}/f{folder}/file{file}.txt", "x");
            }
        }

        Write("index.html", "the last but one that is asked");
        var shelf = new BuildpackShelf([Path.Combine(AppContext.BaseDirectory, "buildpacks")]);
        var cage = await Cage.ProbeAsync(Directory.CreateDirectory(Path.Combine(root, "probe")).FullName);
        var settings = new BuildSettings { Root = Path.Combine(root, "srv"), Longest = TimeSpan.FromSeconds(60), Shelf = shelf };
        var planning = new Planning(shelf, settings.Toolchains, new CagedBuild(cage, settings, new BuildCache(1)));
        var times = new List<double>();
        for (var i = 0; i < 11; i++)
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            var plan = await planning.PlanAsync(draft, null, Pillar.Empty, CancellationToken.None);
            times.Add(clock.Elapsed.TotalMilliseconds);
            Assert.Equal("static", Assert.Single(plan.Packs).Pack.Name);
        }

        var median = times.Order().ElementAt(5);
        Console.WriteLine($"detection in a repository of 20,000 files: {median:0.0} ms (first {times[0]:0.0} ms; bar 20 ms)");
        Assert.True(median < 500, $"{median:0.0} ms"); // a slow machine is no slow program; the bar is for people to read
    }

    bool Plain => cageKind == CageKind.Plain;

    CageKind cageKind;
    CageKind? wanted;
    string? machine;
    string lastLog = "";
    CageLimits limits = CageLimits.None;

    async Task<(Built Built, IReadOnlyList<string> Log)> BuildAsync(bool rebuild = false, BuildNetwork network = BuildNetwork.Needed, params (string Name, string Value)[] configured)
    {
        var cage = wanted is { } kind ? Cage.Of(kind) : await Cage.ProbeAsync(Directory.CreateDirectory(Path.Combine(root, "probe")).FullName, limits);
        cageKind = cage.Kind;
        var builder = new DraftBuilder(cage, new BuildSettings { Root = Path.Combine(root, "srv"), Longest = TimeSpan.FromSeconds(60), Shelf = new BuildpackShelf([Path.Combine(root, "packs")]), Network = network, EnvironmentFile = machine });
        var file = lastLog = Path.Combine(root, $"{Guid.NewGuid():N}.log");
        using (var log = LogStream.Open(file))
        {
            var pillar = new Pillar(configured.ToDictionary(pair => pair.Name, pair => pair.Value), []);
            var plan = await builder.PlanAsync(draft, null, pillar, rebuild, log, CancellationToken.None);
            await builder.CompileAsync(draft, plan, pillar, rebuild, log, CancellationToken.None);
            var built = Built.Read(draft.Directory);
            builder.Finish(draft);
            log.Close();
            return (built, await File.ReadAllLinesAsync(file));
        }
    }

    Draft NewDraft()
    {
        var made = new Draft(project, ReleaseId.New(TimeProvider.System), new string('a', 40));
        Directory.CreateDirectory(made.Directory);
        Write(made, "any", "");
        return made;
    }

    void Pack(string name, string detect, string compile, string? release = null, string looksFor = "any")
    {
        var packs = Path.Combine(root, "packs");
        var bin = Directory.CreateDirectory(Path.Combine(packs, name, "bin")).FullName;
        foreach (var (script, text) in new[] { ("detect", detect), ("compile", compile), ("release", release) })
        {
            if (text is not null)
            {
                File.WriteAllText(Path.Combine(bin, script), $"#!/bin/sh\n{text}\n");
                File.SetUnixFileMode(Path.Combine(bin, script), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
            }
        }

        if (looksFor.Length > 0)
        {
            File.WriteAllText(Path.Combine(packs, name, "looks-for"), looksFor + "\n");
        }

        File.AppendAllText(Path.Combine(packs, "order"), name + "\n");
    }

    void Write(string path, string content) => Write(draft, path, content);

    static void Write(Draft draft, string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(draft.Directory, path))!);
        File.WriteAllText(Path.Combine(draft.Directory, path), content);
    }

    string Read(string path) => File.ReadAllText(Path.Combine(draft.Directory, path));
}
