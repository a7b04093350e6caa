using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Buildpacks that others wrote, and those of ours whose toolchains few machines have.</summary>
public sealed class OthersBuildpacks(BuildingReceiver shared) : IClassFixture<BuildingReceiver>
{
    const string Serve = "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n";

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_buildpack_is_fetched_from_a_git_address_and_nobody_reads_its_password()
    {
        await using (var pack = await GitClient.NewAsync(receiver, "their-pack"))
        {
            await pack.WriteAsync("bin/detect", "#!/bin/sh\necho Theirs\n", executable: true);
            await pack.WriteAsync("bin/compile", "#!/bin/sh\nset -eu\necho '-----> Theirs at work'\nname=$(cat \"$(dirname \"$0\")/../name\")\necho \"$name by $(cat \"$3/WHO\")\" >\"$1/made\"\necho \"export BY=$name\" >\"$(dirname \"$0\")/../export\"\n", executable: true);
            await pack.WriteAsync("name", "first\n");
            await pack.CommitAsync("A buildpack");
            Assert.True((await pack.PushRefAsync("main:stable")).Accepted);

            await using var git = await GitClient.NewAsync(receiver, "with-theirs");
            await git.WriteAsync("Procfile", Serve);
            await git.WriteAsync(".buildpacks", $"http://reader:{receiver.Token}@127.0.0.1:{receiver.Port}/git/their-pack.git#stable\n");
            await git.WriteAsync(".paas/defaults.yml", "env: {WHO: me}\n");
            await git.CommitAsync("Use it");
            var push = await git.PushAsync();

            Assert.True(push.Accepted, push.Text);
            Assert.Contains("-----> Theirs at work", push.Remote);
            Assert.Equal("first by me\n", (await receiver.AskAsync("with-theirs.localhost", "/made")).Body);
            Assert.DoesNotContain(receiver.Token, push.Text);

            // Each build has the newest of it.
            await pack.CommitFileAsync("name", "second\n");
            Assert.True((await pack.PushRefAsync("main:stable")).Accepted);
            await git.CommitAsync("Again");
            Assert.True((await git.PushAsync()).Accepted);
            Assert.Equal("second by me\n", (await receiver.AskAsync("with-theirs.localhost", "/made")).Body);

            // The copy of the last build serves while the address does not answer.
            Assert.True((await pack.PushWithAsync("paas", "--delete", "stable")).Accepted);
            await git.CommitAsync("And again");
            var offline = await git.PushAsync();
            Assert.True(offline.Accepted, offline.Text);
            Assert.Contains("       it could not be fetched; the copy of an earlier build is used", offline.Remote);
        }
    }

    [Fact]
    public async Task A_cancelled_build_leaves_no_process_behind()
    {
        await using var git = await GitClient.NewAsync(receiver, "cancelled-pack");
        await git.WriteAsync("Procfile", Serve);
        await git.WriteAsync(".buildpacks", "./slow\n");
        await git.WriteAsync("slow/bin/detect", "#!/bin/sh\necho Slow\n", executable: true);
        await git.WriteAsync("slow/bin/compile", "#!/bin/sh\n(setsid sleep 3607 &)\n: >\"$2/begun\"\nsleep 3608\n", executable: true);
        await git.CommitAsync("Never done");

        var pushing = git.PushAsync();
        await Patience.UntilAsync(() => File.Exists(Path.Combine(receiver.Project("cancelled-pack"), "build", "cache", "begun")), "it builds");
        var id = Path.GetFileNameWithoutExtension(Assert.Single(Directory.GetFiles(Path.Combine(receiver.Root, "state", "deployments", "local", "cancelled-pack"), "*.log")));
        Assert.Equal(HttpStatusCode.Accepted, (await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/cancelled-pack/deployments/{id}/cancel")).Status);
        var push = await pushing;

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("cancelled by", StringComparison.Ordinal));
        Assert.Empty(Leftovers.Of(receiver.Project("cancelled-pack")));
    }

    [Fact]
    public async Task A_Maven_wrapper_builds_the_jar_that_runs()
    {
        if (!BuildingReceiver.Has("java", "javac", "jar"))
        {
            return;
        }

        // Maven's own plug-ins come from a registry that few test machines reach; what the buildpack asks of a wrapper is the same.
        await using var git = await GitClient.NewAsync(receiver, "java");
        await git.WriteAsync("mvnw", "#!/bin/sh\nset -eu\necho \"asked for: $*\" | sed 's|/[^ ]*|PATH|g'\nmkdir -p target/classes\njavac -d target/classes src/*.java\njar --create --file target/app.jar --main-class Main -C target/classes .\n", executable: true);
        await git.WriteAsync("src/Main.java", """
            import com.sun.net.httpserver.HttpServer;
            import java.net.InetSocketAddress;

            public class Main {
                public static void main(String[] arguments) throws Exception {
                    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.getInteger("server.port")), 0);
                    server.createContext("/", exchange -> {
                        var answer = ("java " + System.getenv("PAAS_RELEASE") + "\n").getBytes();
                        exchange.sendResponseHeaders(200, answer.length);
                        exchange.getResponseBody().write(answer);
                        exchange.close();
                    });
                    server.start();
                }
            }
            """);
        await git.CommitAsync("Java");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Java (Maven) detected (mvnw)", push.Remote);
        Assert.Equal("java v1\n", (await receiver.AskAsync("java.localhost", "/")).Body);
    }

    [Fact]
    public async Task A_Makefile_with_a_build_target_is_made()
    {
        if (!BuildingReceiver.Has("make"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "made");
        await git.WriteAsync("Procfile", Serve);
        await git.WriteAsync(".paas/defaults.yml", "env: {WHO: me}\n");
        await git.WriteAsync("Makefile", "build:\n\techo made by $(WHO) >made\ntest:\n\tfalse\n");
        await git.CommitAsync("Make it");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Make detected (Makefile)", push.Remote);
        Assert.Equal("made by me\n", (await receiver.AskAsync("made.localhost", "/made")).Body);
    }

    [Fact]
    public async Task Salt_recipes_are_applied_or_refused_with_the_reason()
    {
        await using var git = await GitClient.NewAsync(receiver, "salted");
        await git.WriteAsync("Procfile", Serve);
        await git.WriteAsync(".salt/000_first.sls", "made:\n  file.managed:\n    - name: {{ salt['environ.get']('HOME') }}/made\n    - contents: salted\n");
        await git.WriteAsync(".salt/task_never.sls", "never: {test.fail_without_changes: []}\n");
        await git.CommitAsync("Salt it");

        var push = await git.PushAsync();

        Assert.Contains("-----> Salt recipes detected (.salt/000_first.sls)", push.Remote);
        if (BuildingReceiver.Has("salt-call"))
        {
            Assert.True(push.Accepted, push.Text);
            Assert.Equal("salted\n", (await receiver.AskAsync("salted.localhost", "/made")).Body);
        }
        else
        {
            Assert.Contains(push.Remote, line => line.StartsWith(" !     salt-call is not on this machine", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Null_takes_a_tree_as_it_is()
    {
        await using var git = await GitClient.NewAsync(receiver, "as-it-is");
        await git.WriteAsync("Procfile", Serve);
        await git.WriteAsync("package.json", "this is not even JSON\n");
        await git.WriteAsync("app.json", """{"paas": {"buildpacks": ["null"]}}""");
        await git.CommitAsync("Leave it alone");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Null detected (app.json's paas section)", push.Remote);
    }

    [Fact]
    public async Task A_missing_toolchain_is_one_line_with_the_package_to_install()
    {
        await using var git = await GitClient.NewAsync(receiver, "no-toolchain");
        await git.WriteAsync("Procfile", Serve);
        await git.WriteAsync("build.gradle", "plugins { id 'java' }\n");
        await git.CommitAsync("With Gradle");
        if (File.Exists("/usr/bin/gradle"))
        {
            Console.WriteLine("skipped: gradle is on this machine");
            return;
        }

        var push = await git.PushAsync();

        var (missing, package) = File.Exists("/usr/bin/javac") ? ("gradle", "gradle") : ("javac", "default-jdk-headless");
        Assert.False(push.Accepted);
        Assert.Contains($" !     {missing} is not on this machine; on Debian: apt-get install {package}", push.Remote);
    }

    [Fact]
    public async Task A_version_that_the_machine_has_not_is_refused_with_those_it_has()
    {
        if (!BuildingReceiver.Has("node"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "too-new", "express");
        await git.CommitFileAsync(".nvmrc", "99\n");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains(".nvmrc asks for node 99; this machine has ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_app_json_gives_variables_and_keeps_its_secrets()
    {
        await using var git = await GitClient.NewAsync(receiver, "app-json");
        await git.WriteAsync("Procfile", "web: echo \"$PLAIN $SECRET\" >said; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteAsync("app.json", """
            {
              // for people who click a button
              "env": { "PLAIN": "given", "SECRET": { "generator": "secret" }, "NEEDED": { "description": "where it is", "required": true } },
              "scripts": { "dokku": { "predeploy": "echo built >built", "postdeploy": "echo $PAAS_RELEASE >>$PAAS_DATA_DIR/posted" } }
            }
            """);
        await git.CommitAsync("Ask for variables");

        var without = await git.PushAsync();
        Assert.False(without.Accepted);
        Assert.Contains(without.Remote, line => line.Contains("lacks what app.json requires: NEEDED (where it is)", StringComparison.Ordinal));

        Assert.True((await git.PushAsync("set=env.NEEDED=here")).Accepted);
        var said = (await receiver.AskAsync("app-json.localhost", "/said")).Body;
        Assert.Matches("^given [A-Za-z0-9]{64}\n$", said);
        Assert.Equal("built\n", (await receiver.AskAsync("app-json.localhost", "/built")).Body);

        await git.CommitAsync("Again");
        Assert.True((await git.PushAsync("set=env.NEEDED=here")).Accepted);
        Assert.Equal(said, (await receiver.AskAsync("app-json.localhost", "/said")).Body);
        Assert.Equal("v1\nv2\n", await File.ReadAllTextAsync(Path.Combine(receiver.Project("app-json"), "data", "posted")));

        await git.WriteAsync("app.json", """{ "scripts": { "dokku": { "postdeploy": "exit 9" } } }""");
        await git.CommitAsync("A postdeploy that fails");
        var failed = await git.PushAsync();
        Assert.False(failed.Accepted);
        Assert.Contains(" !     upgrade failed: app.json's postdeploy ended with exit code 9", failed.Remote);
    }
}
