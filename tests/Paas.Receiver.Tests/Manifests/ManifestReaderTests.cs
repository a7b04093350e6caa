using System.Diagnostics;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class ManifestReaderTests(Xunit.Abstractions.ITestOutputHelper log) : IDisposable
{
    const string Minimal = """
        manifest:
          format: 1
        application:
          name: foo.com
        instances:
          - name: web
            runtime:
              plugin: paasmaker.runtime.shell
              version: 1
              parameters:
                launch_command: python app.py --port=%(port)d
        """;

    readonly string directory = Directory.CreateTempSubdirectory("manifests").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void A_minimal_manifest_runs_one_web_instance()
    {
        var manifest = Parse(Minimal);

        Assert.Equal([new ProcessType("web", "python app.py '--port='\"$PORT\"", 1, Web: true)], manifest.ProcessTypes);
        Assert.Null(manifest.ReleaseCommand);
        Assert.Null(manifest.Strategy);
        Assert.Empty(manifest.Notices);
        Assert.Equal("foo.com", manifest.Application!.Name);
    }

    [Fact]
    public void Every_key_of_the_schema_is_read()
    {
        var manifest = Parse("""
            manifest: {format: 1}
            application:
              name: foo.com
              tags: {owner: team-a, deep: [1, 2.5, yes, ~, "3"]}
              prepare:
                runtime: {plugin: paasmaker.runtime.shell, version: 1}
                commands:
                  - plugin: paasmaker.prepare.shell
                    name: first
                    parameters: {commands: ["echo built > prepare.txt", "false"]}
            instances:
              - name: web
                quantity: 2
                runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "python app.py --port=%(port)d", start_timeout: 20}}
                startup: [{plugin: paasmaker.startup.shell, parameters: {commands: ["echo 'up' > startup.txt"]}}]
                placement: {plugin: paasmaker.placement.default, parameters: {tags: {region: a}}}
                hostnames: [foo.com, '*.Foo.com']
                crons: [{runspec: '*/5 * * * *', uri: '/crons/task?token=x', username: u, password: p}]
              - name: worker
                runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "python worker.py 100%%", standalone_wait: 5}}
                standalone: true
                exclusive: yes
            services:
              - {name: variables, plugin: paasmaker.service.parameters, parameters: {one: two, n: 3}}
            paas:
              strategy: downthenup
              health: {path: /up, timeout: 7}
            """);

        Assert.Equal(["web", "worker"], manifest.ProcessTypes.Select(type => type.Name));
        Assert.Equal([2, 1], manifest.ProcessTypes.Select(type => type.Quantity));
        Assert.Equal([true, false], manifest.ProcessTypes.Select(type => type.Web));
        Assert.Equal("python worker.py '100%'", manifest.ProcessTypes[1].Command);
        Assert.Equal("echo built > prepare.txt\nfalse\n", Assert.Single(manifest.Prepares).Parameters["commands"]);
        Assert.Equal(Strategy.DownThenUp, manifest.Strategy);
        Assert.Equal(new HealthCheck("/up", TimeSpan.FromSeconds(7)), manifest.Health);
        var application = manifest.Application!;
        Assert.Equal("""{"owner":"team-a","deep":[1,2.5,true,null,"3"]}""", application.Tags.GetRawText());
        Assert.Equal(["foo.com", "*.foo.com"], application.Instances[0].Hostnames);
        Assert.Equal(new Cron("*/5 * * * *", "/crons/task?token=x", "u", "p"), Assert.Single(application.Instances[0].Crons));
        Assert.Equal((true, true), (application.Instances[1].Standalone, application.Instances[1].Exclusive));
        Assert.Equal(("variables", "paasmaker.service.parameters", """{"one":"two","n":3}"""), application.Services.Select(use => (use.Label, use.Name, use.Parameters.GetRawText())).Single());
    }

    [Fact]
    public void Versions_keep_their_literal_text_AMB_35()
    {
        var manifest = Parse(Minimal.Replace("name: foo.com", "name: foo.com\n  prepare: {runtime: {plugin: paasmaker.runtime.shell, version: 1.10}}", StringComparison.Ordinal));

        Assert.Equal("1.10", manifest.Application!.PrepareRuntime!.Version);
    }

    [Fact]
    public void The_start_timeout_of_a_runtime_is_kept() =>
        Assert.Equal(TimeSpan.FromSeconds(33), Parse(Minimal + "\n        start_timeout: 33").Health.Timeout);

    [Fact]
    public void A_host_name_with_a_star_that_is_not_quoted_is_explained_AMB_37()
    {
        foreach (var star in (string[])["[foo.com, *.foo.com]", "\n  - *.foo.com", "*.foo.com", "[*]", "[*nosuch]"])
        {
            var message = Refused(Minimal + "\n    hostnames: " + star.Replace("\n", "\n    ", StringComparison.Ordinal));

            Assert.Contains("begins with '*'", message, StringComparison.Ordinal);
            Assert.Contains("quotes", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_old_spelling_of_a_service_plugin_is_taken_with_a_notice_AMB_36()
    {
        var manifest = Parse(Minimal + "\nservices:\n  - {name: v, provider: paasmaker.service.parameters}");

        Assert.Equal("paasmaker.service.parameters", Assert.Single(manifest.Application!.Services).Name);
        Assert.Contains("services.0.provider", Assert.Single(manifest.Notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://foo.com")]
    [InlineData("foo.com/path")]
    [InlineData("foo.com:8080")]
    [InlineData("foo_bar.com")]
    [InlineData("foo..com")]
    [InlineData("'-foo.com'")]
    [InlineData("''")]
    public void What_is_no_host_name_is_refused_PM_03(string name) =>
        Assert.Contains("instances.0.hostnames.0: ", Refused(Minimal + $"\n    hostnames: [{name}]"), StringComparison.Ordinal);

    [Fact]
    public void A_service_that_nobody_offers_is_refused_with_those_that_there_are_PM_09() =>
        Assert.Contains(
            "services.0.plugin: there is no service plug-in 'paasmaker.service.mysql' here; available: paasmaker.service.parameters, paasmaker.service.filesystem",
            Refused(Minimal + "\nservices:\n  - {name: db, plugin: paasmaker.service.mysql}"), StringComparison.Ordinal);

    [Fact]
    public void Placement_is_read_and_said_to_change_nothing_PM_25()
    {
        var manifest = Parse(Minimal + "\n    placement: {parameters: {tags: {region: a}}}");

        Assert.Equal(("paasmaker.placement.default", """{"tags":{"region":"a"}}"""), (manifest.Application!.Instances[0].Placement.Name, manifest.Application.Instances[0].Placement.Parameters.GetRawText()));
        Assert.Contains("instances.0.placement: there is one host", Assert.Single(manifest.Notices), StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once_with_line_and_path()
    {
        var message = Refused("""
            manifest: {format: one}
            aplication: {}
            application:
              nmae: x
              name: under_score
            instances:
              - name: web
                quantity: -1
                exclusive: maybe
                runtime:
                  plugin: paasmaker.runtime.shell
                  version: 1
                  parameters: {launch_comand: x}
              - name: web
                runtime: {version: 1}
              - just a text
            services: {}
            paas: {strategy: crosover, bounce_margin_factor: 1.5, health: {path: up, timeout: soon}}
            """);

        Assert.Equal(
            """
            manifest.yml has 16 mistakes:
              line 1  manifest.format: a whole number from 0 to 2147483647 was expected, not 'one'
              line 2  aplication: is not known here; did you mean 'application'?
              line 4  application.nmae: is not known here; did you mean 'name'?
              line 5  application.name: 'under_score' may only have letters, digits, '-' and '.'
              line 8  instances.0.quantity: a whole number from 0 to 1000 was expected, not '-1'
              line 9  instances.0.exclusive: true or false was expected, not 'maybe'
              line 13  instances.0.runtime.parameters.launch_command: is missing
              line 13  instances.0.runtime.parameters.launch_comand: is not known here; did you mean 'launch_command'?
              line 14  instances.1.name: there is another instance 'web' on line 7
              line 15  instances.1.runtime.plugin: is missing
              line 16  instances.2: a mapping was expected, not a single value
              line 17  services: a list was expected, not a mapping
              line 18  paas.strategy: 'crosover' is none of downthenup, upthendown, crossover, brutal; did you mean 'crossover'?
              line 18  paas.bounce_margin_factor: '1.5' is not a number above 0 and at most 1, such as 0.5
              line 18  paas.health.path: 'up' is not a path like /up
              line 18  paas.health.timeout: a whole number from 1 to 86400 was expected, not 'soon'
            """,
            message);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("# only a comment\n", "is empty")]
    [InlineData("~", "is empty")]
    [InlineData("just text", "a mapping was expected, not a single value")]
    [InlineData("- a\n- b", "a mapping was expected, not a list")]
    [InlineData("{}", "instances: is missing")]
    [InlineData("a: [1, 2", "line 2")]
    [InlineData("a: b\n\tc: d", "tab")]
    [InlineData("a: 1\n---\nb: 2", "second document")]
    [InlineData("a: 1\na: 2", "line 2  'a' is given twice; first on line 1")]
    [InlineData("? [complex]\n: key", "keys are single words")]
    [InlineData("a: !!python/object:os.system x", "tag")]
    [InlineData("a: !ruby/object x", "tag")]
    [InlineData("<<: 5", "'<<' merges")]
    [InlineData("manifest: \"\\q\"", "line 1")]
    [InlineData("%YAML 9.9\n---\na: b", "line 1")]
    [InlineData("a: &x [*x]", "begins with '*'")]
    public void What_is_no_manifest_is_said_so(string text, string expected) => Assert.Contains(expected, Refused(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("plugin: paasmaker.runtime.shell", "plugin: paasmaker.runtime.perl", "there is no runtime plug-in 'paasmaker.runtime.perl' here; available: paasmaker.runtime.shell")]
    [InlineData("version: 1", "version: 5.3", "has version 1 only, not '5.3'")]
    [InlineData("--port=%(port)d", "100%", "write %% for the character itself")]
    [InlineData("python app.py --port=%(port)d", "python 'app", "quote that is not closed")]
    [InlineData("python app.py --port=%(port)d", "''", "launch_command: is empty")]
    [InlineData("name: web", "name: ../../etc", "is no process type")]
    [InlineData("name: web", "name: [web]", "a text was expected, not a list")]
    [InlineData("name: foo.com", "name: {}", "a text was expected, not a mapping")]
    [InlineData("format: 1", "format: ", "manifest.format: is missing")]
    [InlineData("name: foo.com", "name: foo.com\n  prepare: {commands: [{plugin: paasmaker.prepare.rake}]}", "there is no plug-in 'paasmaker.prepare.rake' here; available: paasmaker.prepare.pythonpip, paasmaker.prepare.shell")]
    [InlineData("plugin: paasmaker.runtime.shell", "plugin: paasmaker.runtime.shel", "; did you mean 'paasmaker.runtime.shell'?")]
    [InlineData("name: foo.com", "name: foo.com\n  prepare: {commands: [{plugin: paasmaker.prepare.shell}]}", "application.prepare.commands.0.parameters.commands: is missing")]
    [InlineData("name: foo.com", "name: foo.com\n  prepare: {commands: [{plugin: paasmaker.prepare.shell, parameters: {commands: [{a: b}]}}]}", "commands.0: a text was expected, not a mapping")]
    [InlineData("name: foo.com", "name: foo.com\n  prepare: {commands: [{plugin: paasmaker.prepare.pythonpip, parameters: {virtualenv_name: ../v}}]}", "'../v' is not a path inside the application")]
    [InlineData("name: foo.com", "name: foo.com\n  unknown: 1", "application.unknown: is not known here; there are: name, prepare, tags")]
    [InlineData("  - name: web", "  - quantity: 2\n    hostnames: [a b]\n    crons: [{runspec: x, uri: y}]\n    name: web", "not five fields")]
    public void A_wrong_value_is_named(string right, string wrong, string expected)
    {
        var text = Minimal.Replace(right, wrong, StringComparison.Ordinal);

        Assert.Contains(expected, Refused(text), StringComparison.Ordinal);
    }

    [Fact]
    public void Anchors_and_merges_work_as_in_a_safe_loader()
    {
        var manifest = Parse("""
            manifest: {format: 1}
            application: {name: x}
            instances:
              - &base
                name: web
                runtime: &runtime {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: a}}
              - <<: *base
                name: api
                runtime: {<<: *runtime, parameters: {launch_command: b}}
                standalone: true
            """);

        Assert.Equal([("web", "a", true), ("api", "b", false)], manifest.ProcessTypes.Select(type => (type.Name, type.Command, type.Web)));
    }

    [Fact]
    public async Task A_launch_command_means_to_a_shell_what_Paasmaker_meant()
    {
        var manifest = Parse(Minimal.Replace("python app.py --port=%(port)d", """ 'printf "%%s|" "a b" $HOME --port=%(port)d x%(port)sy \; ''q uote'' \* >nothing' """.Trim(), StringComparison.Ordinal));

        var result = await new Processes.Command("/bin/sh", "-c", "exec " + manifest.ProcessTypes[0].Command)
            .With([new("PORT", "8123"), new("HOME", "/nowhere")]).RunAsync();

        Assert.Equal("a b|$HOME|--port=8123|x8123y|;|q uote|*|>nothing|", result.Output);
    }

    [Fact]
    public async Task Startup_commands_run_first_and_a_failing_one_stops_the_instance()
    {
        const string Startup = """

                startup:
                  - plugin: paasmaker.startup.shell
                    parameters: {commands: ["X='set here'", "echo \"first: $X\"", "STATUS | cat", "echo not reached"]}
            """;
        var text = Minimal.Replace("python app.py --port=%(port)d", "echo launched", StringComparison.Ordinal) + Startup;

        foreach (var (status, code, output) in ((string, int, string)[])[("true", 0, "first: set here\nnot reached\nlaunched\n"), ("false", 1, "first: set here\n")])
        {
            var command = Parse(text.Replace("STATUS", status, StringComparison.Ordinal)).ProcessTypes[0].Command;
            var result = await new Processes.Command("/bin/sh", "-c", "exec " + command).RunAsync();

            Assert.Equal((code, output), (result.ExitCode, result.Output));
            Assert.Contains("+ echo 'first: set here'", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_Procfile_declares_types_and_a_release_command()
    {
        Write("Procfile", "# types\r\nweb: python3 app.py --port $PORT\r\n\r\nworker:   node w.js: x  \r\nrelease: ./migrate\r\n");

        var manifest = ManifestReader.Read(directory);

        Assert.Equal(
            [new ProcessType("web", "python3 app.py --port $PORT", 1, Web: true), new ProcessType("worker", "node w.js: x", 1, Web: false)], manifest.ProcessTypes);
        Assert.Equal("./migrate", manifest.ReleaseCommand);
        Assert.Equal("Procfile", manifest.Source);
    }

    [Fact]
    public void An_app_json_sets_quantities_and_our_additions_and_keeps_the_rest_to_itself()
    {
        Write("Procfile", "web: a\nworker: b\nclock: c\n");
        Write("app.json", """
            // made by hand
            {
              "name": "x", "env": {"SECRET": {"generator": "secret"}}, /* more */
              "formation": {"web": {"quantity": 3, "size": "standard-1x"}, "worker": {"quantity": 0}, "wroker": {}},
              "paas": {"strategy": "crossover", "bounce_margin_factor": 0.25},
            }
            """);

        var manifest = ManifestReader.Read(directory);

        Assert.Equal([3, 0, 1], manifest.ProcessTypes.Select(type => type.Quantity));
        Assert.Equal(Strategy.Crossover, manifest.Strategy);
        Assert.Equal(0.25m, manifest.BounceMargin);
        Assert.Equal("app.json: formation names 'wroker', which the Procfile does not; did you mean 'worker'?", Assert.Single(manifest.Notices));
    }

    [Fact]
    public void Mistakes_in_Procfile_and_app_json_are_told_together()
    {
        Write("Procfile", "web python app.py\n9lives: x\nempty:\nok: y\nok: z\nBig_Worker: x\n../x: y\n");
        Write("app.json", "{\n \"formation\": {\n  \"web\": {\"quantity\": \"2\"}\n },\n \"formation\": 3\n}");

        var message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message;

        Assert.Equal(
            """
            Procfile has 6 mistakes:
              line 1  'web python app.py' is not 'type: command'
              line 2  '9lives' is no process type: it is 1 to 40 of a-z, 0-9 and '-', beginning with a letter
              line 3  empty: has no command
              line 5  ok: is declared twice; first on line 4
              line 6  'Big_Worker' is no process type: it is 1 to 40 of a-z, 0-9 and '-', beginning with a letter; call it 'big-worker'
              line 7  '../x' is no process type: it is 1 to 40 of a-z, 0-9 and '-', beginning with a letter
            app.json has 2 mistakes:
              line 3  formation.web.quantity: a whole number from 0 to 1000 was expected, not '2'
              line 5  'formation' is given twice
            """,
            message);
    }

    [Theory]
    [InlineData("{", "is not JSON")]
    [InlineData("", "is not JSON")]
    [InlineData("[1]", "a mapping was expected, not a list")]
    [InlineData("{\"a\": \"\\ud800\"}", "is not JSON")]
    [InlineData("{} {}", "is not JSON")]
    public void An_app_json_that_is_none_is_said_so(string text, string expected)
    {
        Write("Procfile", "web: x");
        Write("app.json", text);

        Assert.Contains(expected, Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_Procfile_with_nothing_but_release_has_nothing_to_run()
    {
        Write("Procfile", "release: ./migrate\n");

        Assert.Contains("nothing to run", Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_repository_without_anything_to_run_is_told_what_to_add()
    {
        Assert.Null(ManifestReader.Find(directory));
        var message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message;
        Assert.Contains("Add a file named Procfile", message, StringComparison.Ordinal);
        Assert.Contains("\n    web: python3 app.py\n", message, StringComparison.Ordinal);

        Write("package.json", "{}");
        Write("procfile", "web: x");
        message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message;
        Assert.Contains("web: npm start", message, StringComparison.Ordinal);
        Assert.Contains("'procfile' is not what it is called", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_repository_of_many_projects_is_told_how_one_is_deployed()
    {
        Directory.CreateDirectory(Path.Combine(directory, "apps", "web"));
        Write("apps/web/package.json", "{}");
        Directory.CreateDirectory(Path.Combine(directory, "docs"));
        Directory.CreateSymbolicLink(Path.Combine(directory, "elsewhere"), "/");

        var message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message;

        Assert.Contains("There are projects below it ('apps/web'): to deploy one, put 'paas: {path: apps/web}' into the pillar.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_manifest_goes_before_a_Procfile_and_may_have_another_path()
    {
        Write("manifest.yml", Minimal);
        Write("Procfile", "other: x");
        Directory.CreateDirectory(Path.Combine(directory, "sub"));
        Write("sub/m.yml", Minimal.Replace("name: web", "name: sub", StringComparison.Ordinal));

        Assert.Equal("web", ManifestReader.Read(directory).ProcessTypes[0].Name);
        Assert.Equal("sub", ManifestReader.Read(directory, "sub/m.yml").ProcessTypes[0].Name);
        foreach (var wrong in (string[])["../m.yml", "/etc/passwd", "sub/../../x", "", "a\0b", "nosuch.yml", "sub"])
        {
            Assert.Throws<Refusal>(() => ManifestReader.Read(directory, wrong));
        }
    }

    [Fact]
    public void A_link_that_leads_out_of_the_repository_shows_nothing_of_the_machine()
    {
        var outside = Directory.CreateTempSubdirectory("outside").FullName;
        try
        {
            File.WriteAllText(Path.Combine(outside, "secret"), "root:x:0:0");
            foreach (var (link, target) in ((string, string)[])[("out", Path.Combine(outside, "secret")), ("circle", "circle"), ("nowhere", "gone"), ("device", "/dev/zero"), ("etc", outside)])
            {
                File.CreateSymbolicLink(Path.Combine(directory, link), target);
                var message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory, link == "etc" ? "etc/secret" : link)).Message;
                Assert.DoesNotContain("root", message, StringComparison.Ordinal);
            }

            Write("real.yml", Minimal);
            File.CreateSymbolicLink(Path.Combine(directory, "manifest.yml"), "real.yml");
            Assert.Equal("web", ManifestReader.Read(directory).ProcessTypes[0].Name);
        }
        finally
        {
            Directory.Delete(outside, recursive: true);
        }
    }

    [Fact]
    public async Task A_pipe_in_place_of_a_manifest_is_refused_and_not_waited_for()
    {
        await new Processes.Command("mkfifo", Path.Combine(directory, "manifest.yml")).OutputAsync();

        var refusal = await Task.Run(() => Assert.Throws<Refusal>(() => ManifestReader.Read(directory))).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Contains("is not a file", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_named_with_their_line()
    {
        File.WriteAllBytes(Path.Combine(directory, "manifest.yml"), [.. "a: b\nc: "u8, 0xC3, 0x28]);
        Assert.Contains("manifest.yml line 2: is not UTF-8", Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message, StringComparison.Ordinal);

        File.WriteAllBytes(Path.Combine(directory, "manifest.yml"), "a: b\n\nc: \0"u8.ToArray());
        Assert.Contains("manifest.yml line 3: holds a NUL", Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message, StringComparison.Ordinal);

        File.WriteAllBytes(Path.Combine(directory, "manifest.yml"), Encoding.Unicode.GetBytes("manifest: 1"));
        Assert.Throws<Refusal>(() => ManifestReader.Read(directory));

        File.WriteAllBytes(Path.Combine(directory, "manifest.yml"), [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Minimal)]);
        Assert.Single(ManifestReader.Read(directory).ProcessTypes);
    }

    [Fact]
    public void A_hostile_manifest_is_refused_in_little_time_and_memory()
    {
        var million = 1_000_000;
        var bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 12; i++)
        {
            bomb.Append($"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]\n");
        }

        var hostile = new Dictionary<string, string>
        {
            ["ten megabytes"] = new string('a', 10 * 1024 * 1024),
            ["deep flow lists"] = new string('[', million),
            ["deep flow maps"] = string.Concat(Enumerable.Repeat("{a: ", million / 4)),
            ["deep blocks"] = string.Concat(Enumerable.Repeat("- ", million / 2)),
            ["deep question marks"] = string.Concat(Enumerable.Repeat("? ", million / 2)),
            ["deep indentation"] = string.Concat(Enumerable.Range(0, 1300).Select(i => new string(' ', i) + "a:\n")),
            ["alias bomb"] = bomb.ToString(),
            ["many keys"] = string.Concat(Enumerable.Range(0, 100_000).Select(i => $"k{i}: 1\n")),
            ["the same key"] = string.Concat(Enumerable.Repeat("k: 1\n", 9_000)),
            ["one line"] = "a: " + new string('x', million),
            ["an open quote"] = "a: \"" + new string('x', million),
            ["an open block"] = "a: |\n" + string.Concat(Enumerable.Repeat(" x\n", million / 3)),
            ["many anchors"] = string.Concat(Enumerable.Range(0, 30_000).Select(i => $"- &a{i} x\n")),
            ["many commas"] = "[" + new string(',', million),
            ["many colons"] = new string(':', million),
            ["colons and blanks"] = string.Concat(Enumerable.Repeat(": ", million / 2)),
            ["many documents"] = string.Concat(Enumerable.Repeat("---\n", million / 4)),
            ["many directives"] = string.Concat(Enumerable.Range(0, 40_000).Select(i => $"%TAG !{i}! tag:x,2000:\n")),
            ["many comments"] = string.Concat(Enumerable.Repeat("#\n", million / 2)),
            ["many stars"] = new string('*', million),
            ["many ampersands"] = new string('&', million),
            ["many exclamations"] = new string('!', million),
            ["many quotes"] = new string('\'', million),
            ["many escapes"] = "\"" + string.Concat(Enumerable.Repeat("\\x41", million / 4)) + "\"",
            ["many blanks"] = new string(' ', million),
            ["many lines"] = new string('\n', million),
            ["long key"] = new string('k', million) + ": 1",
            ["unknown long keys"] = string.Concat(Enumerable.Range(0, 4_000).Select(i => $"{new string('k', 200)}{i}: 1\n")),
            ["near misses"] = string.Concat(Enumerable.Range(0, 9_000).Select(i => $"applicatio{i}: 1\n")),
        };
        ManifestReader.Parse(new ProjectFile("manifest.yml", Minimal)); // warmed up
        foreach (var (what, text) in hostile)
        {
            Write("manifest.yml", text);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var watch = Stopwatch.StartNew();

            var refusal = Assert.Throws<Refusal>(() => ManifestReader.Read(directory));

            log.WriteLine($"{what}: {watch.Elapsed.TotalMilliseconds:0} ms, {(GC.GetAllocatedBytesForCurrentThread() - before) / 1_000_000} MB, {refusal.Message.Split('\n').ElementAtOrDefault(1)}");
            Assert.True(refusal.Message.Length < 20_000, $"{what}: a message of {refusal.Message.Length}");
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"{what}: {watch.Elapsed}");
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 300_000_000, $"{what}: {GC.GetAllocatedBytesForCurrentThread() - before:N0} bytes");
        }
    }

    [Fact]
    public void Control_characters_of_a_manifest_do_not_reach_the_message()
    {
        var message = Refused("\"\\e[31m\\x07evil\\u202e\": 1");

        Assert.DoesNotContain(message, c => char.IsControl(c) && c != '\n');
        Assert.DoesNotContain('\u202e', message);
    }

    [Fact]
    public void Random_bytes_never_crash_or_hang()
    {
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll<byte[]>(bytes =>
        {
            File.WriteAllBytes(Path.Combine(directory, "manifest.yml"), bytes);
            Assert.Throws<Refusal>(() => ManifestReader.Read(directory));
        }));
    }

    [Fact]
    public void Random_pieces_of_yaml_never_crash_or_hang()
    {
        string[] pieces =
        [
            "manifest", "format", "application", "instances", "name", "runtime", "paas", ":", ": ", "\n", "\n  ", "\n- ", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "<<",
            "!!str ", "!x ", "|", ">", "|+\n", "\"", "'", "#", "%", "@", "`", "?", "? ", "~", "1", "yes", "\t", "\\", "---\n", "...\n", "é", "\uFEFF", "\u0085", "\r",
        ];
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(Gen.Elements(pieces).ListOf().ToArbitrary(), list =>
        {
            try
            {
                ManifestReader.Parse(new ProjectFile("manifest.yml", string.Concat(list)));
            }
            catch (Refusal)
            {
                // An answer.
            }
        }));
    }

    [Fact]
    public void A_manifest_cut_off_anywhere_is_read_or_refused()
    {
        for (var length = 0; length < Minimal.Length; length++)
        {
            try
            {
                ManifestReader.Parse(new ProjectFile("manifest.yml", Minimal[..length]));
            }
            catch (Refusal)
            {
                // An answer.
            }
        }
    }

    [Fact]
    public void Random_Procfiles_never_crash_and_names_are_always_safe()
    {
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll<NonNull<string>>(text =>
        {
            Write("Procfile", text.Get);
            try
            {
                Assert.All(ManifestReader.Read(directory).ProcessTypes, type => Assert.Matches("^[a-z][a-z0-9-]{0,39}$", type.Name));
            }
            catch (Refusal)
            {
                // An answer.
            }
        }));
    }

    static Manifest Parse(string text) => ManifestReader.Parse(new ProjectFile("manifest.yml", text), PrepareShelfTests.Ours);

    static string Refused(string text) => Assert.Throws<Refusal>(() => Parse(text)).Message;

    void Write(string name, string text) => File.WriteAllText(Path.Combine(directory, name), text);
}
