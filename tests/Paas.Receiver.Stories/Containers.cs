using System.Net;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Projects that run as containers of an image, with a real engine.</summary>
public sealed class ContainerStories(ContainingReceiver shared) : IClassFixture<ContainingReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [DockerFact]
    public async Task A_repository_with_a_dockerfile_is_built_and_run_and_taken_back_and_forth()
    {
        await using var git = await WithSampleAsync("boxed");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains($"-----> Building image services-boxed:paasta-{await git.HeadAsync()}", push.Remote);
        Assert.Contains(push.Remote, line => line.Contains("RUN [\"/bin/busybox\"", StringComparison.Ordinal));
        Assert.Equal("contained version 1 release v1\n", await AskAsync("boxed", "plain"));

        // What visitors write is in the project's data, where every release finds it.
        Assert.Equal("1\n", await AskAsync("boxed", "count"));
        await git.CommitFileAsync("VERSION", "2\n");
        push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Equal("contained version 2 release v2\n", await AskAsync("boxed", "plain"));
        Assert.Equal("2\n", await AskAsync("boxed", "count"));
        await OneIsLeftAsync("boxed");

        // One that ends at once: nothing has changed for visitors.
        await git.CommitFileAsync("start", "#!/bin/sh\necho 'the settings do not make sense'\nexit 3\n");
        push = await git.PushAsync();
        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("web.1 exited with code 3", StringComparison.Ordinal));
        Assert.Contains(push.Remote, line => line.Contains("the settings do not make sense", StringComparison.Ordinal));
        Assert.Equal("contained version 2 release v2\n", await AskAsync("boxed", "plain"));
        Assert.Equal("3\n", await AskAsync("boxed", "count"));

        var (code, output, error) = await CorpusCommand.RunAsync(receiver, "rollback", "boxed", "v1");
        Assert.True(code == 0, output + error);
        Assert.Equal("contained version 1 release v1\n", await AskAsync("boxed", "plain"));
        await OneIsLeftAsync("boxed");
    }

    [DockerFact]
    public async Task A_container_that_is_slow_to_end_keeps_no_push_waiting_and_ends_though_the_receiver_is_killed_and_before_data_is_backed_up()
    {
        await using var git = await WithSampleAsync("slow-to-go");
        await git.WriteAsync("app.json", """{"paas": {"run": "container", "strategy": "crossover"}}""");
        await git.CommitFileAsync("start", """
            #!/bin/sh
            trap 'until [ -e "$PAAS_DATA_DIR/$PAAS_RELEASE.may-go" ]; do sleep 0.05; done; echo "$PAAS_RELEASE" >>"$PAAS_DATA_DIR/ended"; exit' TERM
            httpd -f -p "0.0.0.0:$PORT" -h /app/www &
            while :; do wait; done
            """ + "\n");
        await PushedAsync("1\n");
        var first = Assert.Single(await ContainersAsync("slow-to-go")).Id;

        await PushedAsync("2\n");
        Assert.Equal("contained version 2 release v2\n", await AskAsync("slow-to-go", "plain"));
        Assert.Contains(first, (await ContainersAsync("slow-to-go")).Select(one => one.Id));

        // Killed meanwhile, the next one finishes it.
        await receiver.KillAsync();
        await MayGoAsync("v1");
        await receiver.StartAgainAsync();
        await OneIsLeftAsync("slow-to-go");
        Assert.Equal("contained version 2 release v2\n", await AskAsync("slow-to-go", "plain"));

        // What stops its project first waits for it: nobody writes any more when the data is backed up.
        await PushedAsync("3\n");
        await MayGoAsync("v3");
        await git.WriteAsync("app.json", """{"paas": {"run": "container", "strategy": "downthenup"}}""");
        var last = PushedAsync("4\n");
        await Patience.UntilAsync(() => Ended().Contains("v3"), "v3 is stopped");
        await MayGoAsync("v2");
        await last;
        var backup = Directory.GetDirectories(Path.Combine(receiver.Project("slow-to-go"), "archives")).Order().Last();
        Assert.Equal(["v1", "v2", "v3"], (await File.ReadAllLinesAsync(Path.Combine(backup, "data", "ended"))).Order());

        string[] Ended() => File.ReadAllLines(Path.Combine(receiver.Project("slow-to-go"), "data", "ended"));

        async Task PushedAsync(string version)
        {
            await git.CommitFileAsync("VERSION", version);
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        Task MayGoAsync(string release) => File.WriteAllTextAsync(Path.Combine(receiver.Project("slow-to-go"), "data", $"{release}.may-go"), "");
    }

    [DockerFact]
    public async Task Containers_change_over_one_by_one()
    {
        await using var git = await WithSampleAsync("three-boxed");
        await git.WriteAsync("app.json", """{"formation": {"web": {"quantity": 3}}, "paas": {"run": "container", "strategy": "crossover"}}""");
        await git.CommitFileAsync("start", """
            #!/bin/sh
            n=1
            until mkdir "$PAAS_DATA_DIR/$PAAS_RELEASE.$n" 2>/dev/null; do n=$((n + 1)); done
            until [ "$PAAS_RELEASE" = v1 ] || [ -e "$PAAS_DATA_DIR/$PAAS_RELEASE.go-$n" ]; do sleep 0.05; done
            exec httpd -f -p "0.0.0.0:$PORT" -h /app/www
            """ + "\n");
        var first = await git.PushAsync();
        Assert.True(first.Accepted, first.Text);
        var old = (await ContainersAsync("three-boxed")).Select(one => one.Id).ToHashSet();
        Assert.Equal(3, old.Count);
        await using var visitor = Visitor.Start(receiver, "three-boxed.localhost", "/cgi-bin/plain", pause: TimeSpan.FromMilliseconds(20));

        await git.CommitFileAsync("VERSION", "2\n");
        var push = git.PushAsync();
        foreach (var (turn, left) in new[] { (1, 2), (2, 1), (3, 0) })
        {
            await File.WriteAllTextAsync(Path.Combine(receiver.Project("three-boxed"), "data", $"v2.go-{turn}"), "");
            await Patience.UntilAsync(async () => (await ContainersAsync("three-boxed")).Count(one => old.Contains(one.Id)) == left, $"{left} of the old containers are left");
        }

        Assert.True((await push).Accepted, (await push).Text);
        Assert.Equal(3, (await ContainersAsync("three-boxed")).Count);
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
        Assert.Equal(2, visitor.Answers.Count);
    }

    [DockerFact]
    public async Task Containers_go_on_while_the_receiver_is_away_and_are_found_again_and_no_line_they_print_is_lost_or_told_twice()
    {
        await using var git = await WithSampleAsync("lasting");
        await git.CommitFileAsync("start", "#!/bin/sh\n(n=0; while :; do n=$((n + 1)); echo \"tick $n\"; sleep 0.05; done) &\nexec httpd -f -p \"$PORT\" -h /app/www\n");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        var before = Assert.Single(await ContainersAsync("lasting"));

        await receiver.KillAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(500)); // ticks that nobody carries
        await receiver.StartAgainAsync();
        Assert.Equal("contained version 1 release v1\n", await AskAsync("lasting", "plain"));
        Assert.Equal(before.Id, Assert.Single(await ContainersAsync("lasting")).Id);
        await Patience.UntilAsync(async () => (await TicksAsync()).Count > 30, "it ticks");
        var ticks = await TicksAsync();
        Assert.Equal(Enumerable.Range(1, ticks.Count), ticks);

        // One that ends while nobody looks is noticed and replaced.
        await receiver.KillAsync();
        await shared.Docker.Engine.SignalAsync(before.Id, "SIGKILL");
        await receiver.StartAgainAsync();
        await Patience.UntilAsync(async () => (await receiver.AskAsync("lasting.localhost", "/cgi-bin/plain")).Status == HttpStatusCode.OK, "it answers again");
        Assert.Contains("lasting web.1 ended with 137 while the receiver was away", receiver.Output);
        Assert.NotEqual(before.Id, Assert.Single(await ContainersAsync("lasting")).Id);

        async Task<List<int>> TicksAsync()
        {
            var (_, output, _) = await CorpusCommand.RunAsync(receiver, "logs", "lasting", "-n", "100000");
            return [.. output.Split('\n').Where(line => line.Contains("tick ", StringComparison.Ordinal)).Select(line => int.Parse(line.Split("tick ")[1]))];
        }
    }

    [DockerFact]
    public async Task Images_go_with_the_releases_that_need_them_and_those_of_others_stay()
    {
        await using var git = await WithSampleAsync("pruned");
        var first = (await PushedAsync())!;
        await shared.Docker.Engine.TagImageAsync(first, "somebody", "elses");
        await git.CommitFileAsync("VERSION", "2\n");
        var second = (await PushedAsync())!;
        await git.CommitFileAsync("VERSION", "3\n");
        var third = (await PushedAsync())!;
        await git.CommitFileAsync("VERSION", "4\n");
        var fourth = (await PushedAsync())!;

        var left = (await shared.Docker.Engine.ImagesAsync(new Dictionary<string, string> { [OwnThings.ProjectLabel] = "local/pruned" })).Select(image => image.Id).ToHashSet();
        Assert.Equal(new HashSet<string> { first, third, fourth }, left);
        Assert.Equal(["somebody:elses"], (await shared.Docker.Engine.FindImageAsync(first))!.RepoTags);
        Assert.DoesNotContain(second, left);

        async Task<string?> PushedAsync()
        {
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
            return (await shared.Docker.Engine.FindImageAsync($"services-pruned:paasta-{await git.HeadAsync()}"))?.Id;
        }
    }

    [DockerFact]
    public async Task A_container_is_confined_and_gets_no_secret_at_its_build()
    {
        await using (var pillar = await GitClient.NewAsync(receiver, "held/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", "env:\n  GREETING: good day\n  API_TOKEN: whoever-reads-this-may-enter\n");
            Assert.True((await pillar.PushAsync()).Accepted);
        }

        await using var git = await WithSampleAsync("held");
        await git.CommitFileAsync("Procfile", "web: /app/start\nrelease: echo \"released with $API_TOKEN as $(id -u)\"\n");
        await git.CommitFileAsync("app.json", "{\"paas\": {\"run\": \"container\", \"container\": {\"read_only\": true, \"memory\": 64, \"reservation\": 32}}}");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains("API_TOKEN is a secret", StringComparison.Ordinal));
        Assert.Contains(push.Remote, line => line.Contains("released with ******** as 0", StringComparison.Ordinal));
        Assert.DoesNotContain("may-enter", push.Text);
        Assert.Equal("good day none\n", (await receiver.AskAsync("held.localhost", "/greeting")).Body);

        var who = await AskAsync("held", "who");
        Assert.Contains("NoNewPrivs:\t1", who);
        Assert.Contains("CapEff:\t00000000000004fb", who);
        Assert.Contains("docker-init", who);

        var (code, output, error) = await CorpusCommand.RunAsync(receiver, "run", "held", "--", "/bin/sh", "-c", "(echo x >/app/x) 2>/dev/null || echo y >/tmp/x && cat /tmp/x /app/VERSION; exit 7");
        Assert.Equal((7, "y\n1\n"), (code, output));
        Assert.Equal("", error);
    }

    [DockerFact]
    public async Task A_tree_that_was_built_here_is_put_into_a_base_image()
    {
        using var docker = new DockerClient(shared.Docker);
        await docker.BuildAsync("bottom", "#!/bin/sh\n", 8000);
        await using var git = await GitClient.NewAsync(receiver, "based");
        await git.WriteHookAsync("build", "echo \"built in $PWD\" >built");
        await git.CommitFileAsync("Procfile", "web: echo \"$(cat built) runs in $(pwd)\"; exec httpd -f -p 0.0.0.0:$PORT -h .\n");
        await git.CommitFileAsync("app.json", """{"paas": {"run": "container", "container": {"base": "bottom", "memory": 64, "reservation": 32}}}""");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal($"built in {receiver.Project("based")}/run\n", (await receiver.AskAsync("based.localhost", "/built")).Body);
        var (code, output, error) = await CorpusCommand.RunAsync(receiver, "run", "based", "--", "/bin/sh", "-c", "pwd");
        Assert.True(code == 0, error);
        Assert.Equal($"{receiver.Project("based")}/run\n", output);
    }

    [DockerFact]
    public async Task A_supervisor_of_the_operators_watches_processes_and_is_not_asked_about_containers()
    {
        var refuses = Path.Combine(Places.NewScratch("supervisor"), "refuses");
        await File.WriteAllTextAsync(refuses, "#!/bin/sh\necho nothing is started here\nexit 9\n");
        File.SetUnixFileMode(refuses, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await using var other = await ReceiverProcess.StartAsync(
            new Dictionary<string, string> { ["DOCKER_HOST"] = shared.Docker.Address, ["PAAS_SUPERVISOR"] = refuses, ["PAAS_SETTLE"] = "0", ["PAAS_STOP_TIMEOUT"] = "3" });

        await using var boxed = await WithSampleAsync("watched", other);
        var push = await boxed.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Equal("contained version 1 release v1\n", (await other.AskAsync("watched.localhost", "/cgi-bin/plain")).Body);

        await using var process = await GitClient.NewAsync(other, "plain", "hello");
        push = await process.PushAsync();
        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains($"the supervisor {refuses} ended with 9", StringComparison.Ordinal));
    }

    [DockerFact]
    public async Task Make_itest_makes_exactly_the_image_that_is_deployed_and_what_it_leaves_else_is_gone()
    {
        await using var git = await WithSampleAsync("by-make");
        var head = "";
        await git.WriteAsync("app.json", """{"paas": {"run": "container", "container": {"make": "itest"}}}""");
        await git.WriteAsync(".dockerignore", "Makefile\n"); // so that what is built of it is known to the engine from the second time on
        var push = await ItestAsync("docker run --name one --detach -e PORT=8000 $(DOCKER_TAG)", "docker exec one cat /app/VERSION", "docker logs one", "docker ps --format '{{.Names}}'", "docker build -q -t services-by-make:spare .");
        Assert.True(push.Accepted, push.Text);
        Assert.Contains($"-----> Running make itest for services-by-make:paasta-{await git.HeadAsync()}", push.Remote);
        Assert.Equal("contained version 1 release v1\n", await AskAsync("by-make", "plain"));
        Assert.All(await shared.Docker.Engine.ContainersAsync(new Dictionary<string, string> { ["paas.root"] = receiver.Root }), one => Assert.Contains(OwnThings.InstanceLabel, one.Labels!));
        Assert.Null(await shared.Docker.Engine.FindImageAsync("services-by-make:spare"));

        var other = await ItestAsync("docker tag $(DOCKER_TAG) services-by-make:mine", "docker rmi $(DOCKER_TAG)");
        Assert.False(other.Accepted);
        Assert.True(other.Text.Contains($"make itest has not created services-by-make:paasta-{head}; it made services-by-make:mine", StringComparison.Ordinal), other.Text);

        var foreign = await ItestAsync("docker tag $(DOCKER_TAG) services-boxed:paasta-1");
        Assert.False(foreign.Accepted);
        Assert.Contains(foreign.Remote, line => line.Contains($"this build may call its image services-by-make:paasta-{head}", StringComparison.Ordinal));
        Assert.Contains(foreign.Remote, line => line.Contains("make itest ended with exit code 2", StringComparison.Ordinal));

        var failing = await ItestAsync("docker run --rm $(DOCKER_TAG) /bin/sh -c 'echo the contract is broken; exit 5'");
        Assert.False(failing.Accepted);
        Assert.Contains(failing.Remote, line => line.Contains("the contract is broken", StringComparison.Ordinal));
        Assert.Equal("contained version 1 release v1\n", await AskAsync("by-make", "plain"));

        async Task<PushResult> ItestAsync(params string[] lines)
        {
            await git.WriteAsync("Makefile", $"DOCKER_TAG ?= by-make-dev\ncook-image:\n\tdocker build -t $(DOCKER_TAG) .\nitest: cook-image\n{string.Concat(lines.Select(line => $"\t{line}\n"))}");
            head = await git.CommitAsync("Change the Makefile");
            return await git.PushAsync();
        }
    }

    [DockerFact]
    public async Task A_build_that_has_the_engine_sees_nothing_of_others_and_gets_no_way_out()
    {
        using var docker = new DockerClient(shared.Docker);
        var file = Path.Combine(Places.NewScratch("image"), "file.tar");
        await new Command("tar", "-C", "/bin", "-cf", file, "busybox").OutputAsync();
        const string image = "somebody:elses";
        await docker.DoAsync("import", file, image);
        var container = (await docker.DoAsync("create", image, "/busybox")).Trim();
        await using var git = await GitClient.NewAsync(receiver, "curious");
        await git.WriteAsync("app.json", """{"paas": {"run": "container", "container": {"make": "cook-image"}}}""");
        await git.WriteAsync("Dockerfile", "FROM scratch\nCOPY look /look\n");
        await git.WriteAsync("Makefile", "cook-image:\n\tdocker build -q -t $(DOCKER_TAG) .\n\tsh ./look\n\tfalse\n");
        string[] tries =
        [
            $"docker inspect {container}", $"docker exec {container} id", $"docker start {container}", $"docker rm {container}", $"docker inspect {image}", $"docker run --rm {image} id", $"docker rmi {image}",
            "docker run --rm -v /:/host $DOCKER_TAG /bin/sh -c id", "docker run --rm --privileged $DOCKER_TAG /bin/sh -c id", "docker run --rm --network host $DOCKER_TAG /bin/sh -c id", "docker run --rm --pid host $DOCKER_TAG /bin/sh -c id",
            "docker run --rm --mount type=bind,src=/,dst=/host $DOCKER_TAG /bin/sh -c id", "docker run --rm --cap-add SYS_ADMIN $DOCKER_TAG /bin/sh -c id", "docker run --rm -p 80:8000 $DOCKER_TAG /bin/sh -c id",
            "docker volume create x", "docker network ls", "docker info", "docker pull busybox", "docker push $DOCKER_TAG", "docker build --network host .", "docker save $DOCKER_TAG -o image",
            "test $(docker ps -aq | wc -l) -gt 0", "test $(docker images -q | wc -l) -ne 1",
        ];
        await git.WriteAsync("look", string.Concat(tries.Select((one, number) => $"{one} >out 2>&1 && {{ echo \"got {number}\"; cat out; }}; rm -f image\n")) + "echo looked\n");
        await git.CommitAsync("Look around");

        var push = await git.PushAsync();

        Assert.Contains(push.Remote, line => line.Trim() == "looked");
        Assert.DoesNotContain(push.Remote, line => line.Contains("got ", StringComparison.Ordinal));
        Assert.NotNull(await shared.Docker.Engine.FindContainerAsync(container));
        await Leftovers.RemoveAsync(Path.GetDirectoryName(file)!);
    }

    /// <summary>What visitors have left ends behind the push.</summary>
    Task OneIsLeftAsync(string project) => Patience.UntilAsync(async () => (await ContainersAsync(project)).Count == 1, "one container is left");

    async Task<GitClient> WithSampleAsync(string project, ReceiverProcess? at = null)
    {
        var git = await GitClient.NewAsync(at ?? receiver, project, "contained");
        File.Copy("/bin/busybox", Path.Combine(git.Directory, "busybox"));
        await git.CommitAsync("Bring busybox");
        return git;
    }

    async Task<string> AskAsync(string project, string script)
    {
        var (status, body) = await receiver.AskAsync($"{project}.localhost", $"/cgi-bin/{script}");
        Assert.True(status == HttpStatusCode.OK, $"{status} {body}\n{receiver.Output}");
        return body;
    }

    Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string project) =>
        shared.Docker.Engine.ContainersAsync(new Dictionary<string, string> { [OwnThings.ProjectLabel] = $"local/{project}" });
}
