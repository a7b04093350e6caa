using System.Net;
using System.Net.Sockets;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Reference 3.14: a Jenkins bot marks, we deploy.</summary>
public sealed class BotsThatMark(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_mark_deploys_its_commit_into_another_environment_and_the_newest_stamp_wins()
    {
        await EnvironmentAsync("stage-a");
        await using var git = await GitClient.NewAsync(receiver, "marked", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var first = await git.HeadAsync();
        var second = await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushRefAsync("main:refs/heads/candidate")).Accepted);

        var mark = await git.PushRefAsync($"{second}:refs/tags/paasta-stage-a.main-20260101T120000-deploy");

        Assert.True(mark.Accepted, mark.Text);
        Assert.Contains(mark.Remote, line => line.Contains("goes on in the background", StringComparison.Ordinal));
        await ServesAsync("marked.stage-a.localhost", "hello version 2 ");
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("marked.localhost")).Body, StringComparison.Ordinal);

        var older = await git.PushRefAsync($"{first}:refs/tags/paasta-stage-a.main-20251231T000000-deploy");
        Assert.True(older.Accepted, older.Text);
        Assert.Contains(older.Remote, line => line.Contains("Ignored: stage-a.main has a newer mark", StringComparison.Ordinal));
        var bad = await git.PushRefAsync($"{second}:refs/tags/paasta-stage-a.main-20260101T130000-rollback");
        Assert.Contains(bad.Remote, line => line.Contains("rolled back", StringComparison.Ordinal));
        Assert.DoesNotContain(older.Remote.Concat(bad.Remote), line => line.Contains("background", StringComparison.Ordinal));

        var back = await git.PushRefAsync($"{first}:refs/tags/paasta-stage-a.main-20260101T140000-deploy");
        Assert.True(back.Accepted, back.Text);
        await ServesAsync("marked.stage-a.localhost", "hello version 1 ");
    }

    [Fact]
    public async Task A_stop_tag_stops_until_another_commit_is_marked_and_a_start_tag_renews()
    {
        await EnvironmentAsync("stage-b");
        await using var git = await GitClient.NewAsync(receiver, "stopped", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        var first = await git.HeadAsync();
        Assert.True((await git.PushRefAsync($"{first}:refs/tags/paasta-stage-b.web-20260101T120000-deploy")).Accepted);
        await ServesAsync("stopped.stage-b.localhost", "hello version 1 ");
        Assert.Equal(0, (await CorpusAsync("wait-for-deployment", "-s", "stopped", "-l", "stage-b.web", "-c", first)).Code);

        var stop = await git.PushRefAsync($"{first}:refs/tags/paasta-stage-b.web-20260101T120500-stop");
        Assert.Contains(stop.Remote, line => line.Contains("stage-b.web stops", StringComparison.Ordinal));
        await Patience.UntilAsync(async () => (await receiver.AskAsync("stopped.stage-b.localhost")).Status != HttpStatusCode.OK, "it is stopped");

        var start = await git.PushRefAsync($"{first}:refs/tags/paasta-paasta-stage-b.web-20260101T120600-start");
        Assert.Contains(start.Remote, line => line.Contains("stage-b.web starts", StringComparison.Ordinal));
        await ServesAsync("stopped.stage-b.localhost", "hello version 1 ");
        var again = await git.PushRefAsync($"{first}:refs/tags/paasta-stage-b.web-20260101T120700-stop");
        Assert.Contains(again.Remote, line => line.Contains("stage-b.web stops", StringComparison.Ordinal));

        var second = await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushRefAsync("main", "no-deploy")).Accepted);
        Assert.True((await git.PushRefAsync($"{second}:refs/tags/paasta-stage-b.web-20260101T120800-deploy")).Accepted);
        await ServesAsync("stopped.stage-b.localhost", "hello version 2 ");

        var late = await git.PushRefAsync($"{first}:refs/tags/paasta-stage-b.web-20260101T120900-stop");
        Assert.Contains(late.Remote, line => line.Contains("is not on", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("stopped.stage-b.localhost")).Status);
    }

    [Fact]
    public async Task A_bot_without_git_marks_by_dulwich_as_PaaSTAs_tools_do()
    {
        if (!await DulwichBot.IsHereAsync())
        {
            return;
        }

        await EnvironmentAsync("stage-h");
        await using var git = await GitClient.NewAsync(receiver, "by-dulwich", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        var url = $"http://127.0.0.1:{receiver.Port}/git/by-dulwich.git";

        await DulwichBot.MarkAsync(url, $"refs/tags/paasta-stage-h.main-20260101T120000-deploy", await git.HeadAsync(), token: receiver.Token);
        await ServesAsync("by-dulwich.stage-h.localhost", "hello version 1 ");
        await DulwichBot.MarkAsync(url, $"refs/heads/paasta-stage-h.main", await git.HeadAsync(), token: receiver.Token);

        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync("refs/heads/paasta-stage-h.main"));
    }

    [Fact]
    public async Task A_branch_of_the_first_years_deploys_forwards_and_backwards()
    {
        await EnvironmentAsync("stage-c");
        await using var git = await GitClient.NewAsync(receiver, "branched", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        var first = await git.HeadAsync();
        var second = await git.CommitFileAsync("VERSION", "2\n");

        foreach (var (commit, version) in ((string, int)[])[(first, 1), (second, 2), (first, 1)])
        {
            var push = await git.PushRefAsync($"+{commit}:refs/heads/paasta-stage-c.main");
            Assert.True(push.Accepted, push.Text);
            await ServesAsync("branched.stage-c.localhost", $"hello version {version} ");
        }
    }

    [Fact]
    public async Task A_soa_config_says_which_group_is_what_and_how_many()
    {
        await EnvironmentAsync("stage-d");
        await using var pillar = await GitClient.NewAsync(receiver, "configured/pillar");
        await pillar.WriteAsync("kubernetes-stage-d.yaml", "main: {instances: 2, deploy_group: everywhere, env: {GREETING: hi}}\nextra: {cmd: 'echo $PAASTA_INSTANCE $PAASTA_DEPLOY_GROUP $GREETING; exec sleep 1000', deploy_group: everywhere}\n");
        await pillar.CommitAsync("Configure");
        await using var git = await GitClient.NewAsync(receiver, "configured", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        Assert.True((await pillar.PushAsync()).Accepted);
        var commit = await git.HeadAsync();

        var nobody = await git.PushRefAsync($"{commit}:refs/tags/paasta-stage-d.main-20260101T120000-deploy");
        Assert.Contains(nobody.Remote, line => line.Contains("No instance of configured has the deploy group", StringComparison.Ordinal));
        Assert.True((await git.PushRefAsync($"{commit}:refs/tags/paasta-everywhere-20260101T120000-deploy")).Accepted);

        await ServesAsync("configured.stage-d.localhost", "hello version 1 ");
        var (_, status) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/stage-d/configured");
        var instances = System.Text.Json.JsonDocument.Parse(status).RootElement.GetProperty("instances").EnumerateArray().Select(instance => instance.GetProperty("type").GetString()).Order();
        Assert.Equal(["extra", "web", "web"], instances);
    }

    [Fact]
    public async Task A_mark_changes_over_as_its_soa_config_says()
    {
        await EnvironmentAsync("stage-bounce");
        await using var pillar = await GitClient.NewAsync(receiver, "bounced/pillar");
        await pillar.WriteAsync("kubernetes-stage-bounce.yaml", "main: {bounce_method: brutal, deploy_group: bounced}\n");
        await pillar.CommitAsync("Configure");
        await using var git = await GitClient.NewAsync(receiver, "bounced", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        Assert.True((await pillar.PushAsync()).Accepted);
        await MarkAsync(1);
        await ServesAsync("bounced.stage-bounce.localhost", "hello version 1 ");

        await MarkAsync(2);
        await ServesAsync("bounced.stage-bounce.localhost", "hello version 2 ");
        var steps = await StepsAsync();
        Assert.True(steps.IndexOf("start") is >= 0 and var start && start < steps.IndexOf("stop") && steps.IndexOf("stop") < steps.IndexOf("healthy"), string.Join(' ', steps));

        // Four of which one is enough: three old ones go for the first new one that is healthy, while the other new ones still wait.
        await pillar.WriteAsync("kubernetes-stage-bounce.yaml", "main: {instances: 4, bounce_method: crossover, bounce_margin_factor: 0.25, deploy_group: bounced}\n");
        await pillar.CommitAsync("Cross over");
        Assert.True((await pillar.PushAsync()).Accepted);
        await git.WriteAsync("Procfile", "web: sh wait.sh\n");
        await git.WriteAsync("wait.sh", "until [ $PAAS_RELEASE = v3 ] || mkdir \"$PAAS_DATA_DIR/first\" 2>/dev/null || [ -e \"$PAAS_DATA_DIR/all\" ]; do sleep 0.02; done\nexec /usr/bin/python3 app.py\n");
        await MarkAsync(3);
        await ServesAsync("bounced.stage-bounce.localhost", "hello version 3 ");
        await MarkAsync(4);
        await Patience.UntilAsync(async () => (await InstancesAsync()).Order().SequenceEqual(["v3 healthy", "v4 healthy", "v4 starting", "v4 starting", "v4 starting"]), "one of the old and one of the new");
        await File.WriteAllTextAsync(Path.Combine(receiver.Root, "environments", "stage-bounce", "projects", "bounced", "data", "all"), "");
        await Patience.UntilAsync(async () => (await InstancesAsync()).SequenceEqual(Enumerable.Repeat("v4 healthy", 4)), "all of the new ones");

        async Task MarkAsync(int version)
        {
            var commit = await git.CommitFileAsync("VERSION", $"{version}\n");
            Assert.True((await git.PushAsync("no-deploy")).Accepted);
            var mark = await git.PushRefAsync($"{commit}:refs/tags/paasta-bounced-2026010{version}T120000-deploy");
            Assert.True(mark.Accepted, mark.Text);
        }

        async Task<List<string>> StepsAsync()
        {
            var (_, all) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/stage-bounce/bounced/deployments?limit=1");
            var (_, newest) = await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/deployments/{System.Text.Json.JsonDocument.Parse(all).RootElement.GetProperty("items")[0].GetProperty("id").GetString()}");
            return [.. System.Text.Json.JsonDocument.Parse(newest).RootElement.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("name").GetString()!)];
        }

        async Task<List<string>> InstancesAsync()
        {
            var (_, status) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/stage-bounce/bounced");
            return [.. System.Text.Json.JsonDocument.Parse(status).RootElement.GetProperty("instances").EnumerateArray()
                .Select(instance => $"v{instance.GetProperty("release").GetInt32()} {instance.GetProperty("state").GetString()}")];
        }
    }

    [Fact]
    public async Task Groups_of_one_environment_are_deployed_when_they_agree()
    {
        await EnvironmentAsync("stage-e");
        await using var pillar = await GitClient.NewAsync(receiver, "agreeing/pillar");
        await pillar.WriteAsync("marathon-stage-e.yaml", "main: {deploy_group: canary}\nworker: {cmd: exec sleep 1000, deploy_group: rest}\n");
        await pillar.CommitAsync("Configure");
        await using var git = await GitClient.NewAsync(receiver, "agreeing", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        Assert.True((await pillar.PushAsync()).Accepted);
        var commit = await git.HeadAsync();

        var canary = await git.PushRefAsync($"{commit}:refs/tags/paasta-canary-20260101T120000-deploy");
        Assert.Contains(canary.Remote, line => line.Contains("stage-e waits", StringComparison.Ordinal));
        var rest = await git.PushRefAsync($"{commit}:refs/tags/paasta-rest-20260101T120000-deploy");

        Assert.Contains(rest.Remote, line => line.Contains("background", StringComparison.Ordinal));
        await ServesAsync("agreeing.stage-e.localhost", "hello version 1 ");
    }

    [Fact]
    public async Task A_bot_that_may_not_deploy_there_is_told_so_and_nothing_is_stored()
    {
        await EnvironmentAsync("stage-f");
        await using var git = await GitClient.NewAsync(receiver, "limited", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        var (_, made) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/tokens", """{"name":"bot","project":"limited"}""");
        var token = System.Text.Json.JsonDocument.Parse(made).RootElement.GetProperty("secret").GetString()!;
        await git.GitAsync("remote", "set-url", "paas", $"http://bot:{token}@127.0.0.1:{receiver.Port}/git/limited.git");

        var mark = await git.PushRefAsync($"HEAD:refs/tags/paasta-stage-f.main-20260101T120000-deploy");

        Assert.False(mark.Accepted, mark.Text);
        Assert.Contains(mark.Remote, line => line.Contains("You may not deploy limited to stage-f", StringComparison.Ordinal));
        Assert.Null(await git.RemoteRefAsync("refs/tags/paasta-stage-f.main-20260101T120000-deploy"));
    }

    [Fact]
    public async Task Scripts_that_know_PaaSTA_mark_wait_and_roll_back_with_its_exit_codes()
    {
        await EnvironmentAsync("stage-g");
        await using var git = await GitClient.NewAsync(receiver, "scripted", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        var first = await git.HeadAsync();
        await git.WriteAsync("Procfile", "web: exit 7\n");
        var broken = await git.CommitAsync("Break it");
        Assert.True((await git.PushRefAsync("main", "no-deploy")).Accepted);
        const string Group = "stage-g.web";

        Assert.Equal(1, (await CorpusAsync("wait-for-deployment", "-s", "scripted", "-l", Group, "-c", first)).Code);
        Assert.Equal(1, (await CorpusAsync("mark-for-deployment", "-s", "scripted", "-l", Group, "-c", new string('a', 40))).Code);
        var marked = await CorpusAsync("mark-for-deployment", "-s", "services-scripted", "-l", Group, "-c", first, "--wait-for-deployment");
        Assert.True(marked.Code == 0, marked.Error);
        Assert.Equal(0, (await CorpusAsync("wait-for-deployment", "-s", "scripted", "-l", Group, "-c", first)).Code);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("scripted.stage-g.localhost")).Body, StringComparison.Ordinal);

        var failed = await CorpusAsync("mark-for-deployment", "-s", "scripted", "-l", Group, "-c", broken, "--auto-rollback");
        Assert.True(failed.Code == 1, failed.Error);
        Assert.Contains("rolling back", failed.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusAsync("wait-for-deployment", "-s", "scripted", "-l", Group, "-c", first)).Code);

        var list = await CorpusAsync("rollback", "-s", "scripted", "-l", Group);
        Assert.Equal(1, list.Code);
        Assert.Contains($"{broken}  (was rolled back)", list.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await CorpusAsync("rollback", "-s", "scripted", "-l", Group, "-k", new string('a', 40))).Code);
        Assert.Equal(0, (await CorpusAsync("rollback", "-s", "scripted", "-a", "-k", first)).Code);
        Assert.Contains($"stage-g (web): live", (await CorpusAsync("groups", "scripted")).Output, StringComparison.Ordinal);
        var (_, view) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/-/scripted/deployments.json");
        Assert.Contains($$"""{"docker_image":"services-scripted:paasta-{{first}}","git_sha":"{{first}}","image_version":null}""", view, StringComparison.Ordinal);
        Assert.Contains("""
            "controls":{"scripted:stage-g.web":{"desired_state":"start","force_bounce":null}}
            """, view, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_is_met_at_its_proxy_port_and_a_worker_at_none()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        await using var git = await GitClient.NewAsync(receiver, "ported", "hello");
        await git.WriteAsync("Procfile", await File.ReadAllTextAsync(Path.Combine(git.Directory, "Procfile")) + "worker: exec sleep 1000\n");
        await git.CommitAsync("Add a worker");
        Assert.True((await git.PushAsync()).Accepted);
        await using var pillar = await GitClient.NewAsync(receiver, "ported/pillar");
        await pillar.WriteAsync("kubernetes-local.yaml", "main: {}\nworker: {}\n");
        var others = await PillarAsync($"main: {{proxy_port: {((IPEndPoint)taken.LocalEndpoint).Port}}}");
        Assert.False(others.Accepted);
        Assert.Contains(others.Remote, line => line.Contains("cannot be had: another program listens there", StringComparison.Ordinal));

        Assert.True((await PillarAsync($"main: {{proxy_port: {port}, mode: http}}")).Accepted);
        Assert.StartsWith("hello version 1 ", await client.GetStringAsync($"http://127.0.0.1:{port}/plain"), StringComparison.Ordinal);
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.StartsWith("hello version 2 ", await client.GetStringAsync($"http://127.0.0.1:{port}/plain"), StringComparison.Ordinal);

        await using var other = await GitClient.NewAsync(receiver, "ported-too/pillar");
        await other.CommitFileAsync("smartstack.yaml", $"main: {{proxy_port: {port}}}\n");
        var refused = await other.PushAsync();
        Assert.False(refused.Accepted);
        Assert.Contains(refused.Remote, line => line.Contains($"port {port} is local/ported's (main)", StringComparison.Ordinal));

        var (gone, text) = await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/local/ported");
        Assert.True((int)gone < 300, text);
        await Patience.UntilAsync(async () => (await other.PushAsync()).Accepted, "the port is free for another service");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.GetAsync($"http://127.0.0.1:{port}/plain")).StatusCode);
        await other.CommitFileAsync("smartstack.yaml", "{}\n");
        Assert.True((await other.PushAsync()).Accepted);
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync($"http://127.0.0.1:{port}/plain"));

        async Task<PushResult> PillarAsync(string smartstack)
        {
            await pillar.WriteAsync("smartstack.yaml", smartstack + "\n");
            await pillar.CommitAsync("Change the ports");
            return await pillar.PushAsync();
        }
    }

    [Fact]
    public async Task The_contract_is_checked_point_by_point()
    {
        await using var pillar = await GitClient.NewAsync(receiver, "checked/pillar");
        await pillar.WriteAsync("kubernetes-local.yaml", "main: {}\nother: {deploy_group: nowhere}\n");
        await pillar.WriteAsync("deploy.yaml", "pipeline: [{step: itest}, {step: local.main}]\n");
        await pillar.WriteAsync("monitoring.yaml", "team: us\n");
        await pillar.CommitAsync("Configure");
        await using var git = await GitClient.NewAsync(receiver, "checked", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        Assert.True((await pillar.PushAsync()).Accepted);

        var (code, output, _) = await CorpusAsync("check", "checked");

        Assert.Equal(1, code);
        Assert.Contains("NO  deploy.yaml has no security-check step", output, StringComparison.Ordinal);
        Assert.Contains("NO  no step of deploy.yaml marks nowhere", output, StringComparison.Ordinal);
        Assert.Contains("ok  monitoring.yaml names the team us", output, StringComparison.Ordinal);
        Assert.Contains("ok  the cluster local is an environment here", output, StringComparison.Ordinal);
        Assert.Contains("NO  there is no Dockerfile here", output, StringComparison.Ordinal);
        Assert.Equal(1, (await CorpusAsync("itest", "-s", "checked", "-c", await git.HeadAsync())).Code);

        await git.WriteAsync("Makefile", "DOCKER_TAG ?= checked-dev\nitest:\n\ttest $(DOCKER_TAG) = services-checked:paasta-1\ntest:\n\ttrue\n");
        var here = new Dictionary<string, string> { ["PWD"] = git.Directory };
        (_, output, _) = await CorpusCommand.RunAsync(receiver, here, "check", "checked");
        Assert.Contains("ok  the Makefile has a default for DOCKER_TAG", output, StringComparison.Ordinal);
        Assert.Contains("ok  the Makefile has a target itest", output, StringComparison.Ordinal);
        Assert.Contains("NO  the Makefile has no target cook-image", output, StringComparison.Ordinal);
        var (failed, _, why) = await CorpusCommand.RunAsync(receiver, here, "itest", "-s", "checked", "-c", "2");
        Assert.True(failed == 1 && why.Contains("make itest ended with exit code 2", StringComparison.Ordinal), why);
        (failed, _, why) = await CorpusCommand.RunAsync(receiver, here, "itest", "-s", "services-checked", "-c", "1");
        Assert.True(failed == 1 && (why.Contains("itest has not created services-checked:paasta-1", StringComparison.Ordinal) || why.Contains("docker is not", StringComparison.Ordinal)), why);

        await pillar.WriteAsync("kubernetes-local.yaml", "main: [\n");
        await pillar.CommitAsync("Break it");
        var refused = await pillar.PushAsync();
        Assert.False(refused.Accepted);
        Assert.Contains(refused.Remote, line => line.Contains("kubernetes-local.yaml has a mistake", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_pipeline_goes_stage_by_stage_waits_for_an_approval_and_rolls_back()
    {
        await EnvironmentAsync("first");
        await EnvironmentAsync("second");
        await EnvironmentAsync("third");
        await using var pillar = await GitClient.NewAsync(receiver, "piped/pillar");
        await pillar.WriteAsync("kubernetes-first.yaml", "main: {}\n");
        await pillar.WriteAsync("kubernetes-second.yaml", "main: {}\n");
        await pillar.WriteAsync("kubernetes-third.yaml", "main: {}\n");
        await pillar.WriteAsync("deploy.yaml", """
            pipeline:
              - step: itest
              - parallel:
                  - {step: first.main, auto_rollback: true}
                  - {step: second.main, auto_rollback: true, trigger_next_step_manually: true}
              - {step: third.main, wait_for_deployment: true}
            """);
        await pillar.CommitAsync("Configure");
        await using var git = await GitClient.NewAsync(receiver, "piped", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);
        Assert.True((await pillar.PushAsync()).Accepted);
        var second = await git.CommitFileAsync("VERSION", "2\n");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains("corpus pipeline start piped", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("piped.localhost")).Status);

        Assert.Equal(1, (await CorpusAsync("pipeline", "approve", "piped")).Code);
        Assert.Equal(0, (await CorpusAsync("pipeline", "start", "piped")).Code);
        await IsAsync("waiting (for an approval)  [itest] > [first.main,second.main] > third.main");
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("piped.first.localhost")).Body, StringComparison.Ordinal);
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("piped.second.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("piped.third.localhost")).Status);

        Assert.Equal(0, (await CorpusAsync("pipeline", "approve", "piped")).Code);
        await IsAsync("done  [itest] > [first.main,second.main] > [third.main]");
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("piped.third.localhost")).Body, StringComparison.Ordinal);

        await git.WriteAsync("Procfile", "web: exit 7\n");
        await git.CommitAsync("Break it");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(0, (await CorpusAsync("pipeline", "start", "piped")).Code);
        await IsAsync($"rolled back to {second[..8]}");
        Assert.Contains("failed", (await CorpusAsync("pipeline", "piped")).Output.Split('\n')[0], StringComparison.Ordinal);
        Assert.Equal(1, (await CorpusAsync("pipeline", "abort", "piped")).Code);
        Assert.Equal(0, (await CorpusAsync("wait-for-deployment", "-s", "piped", "-l", "first.main", "-c", second)).Code);

        Task IsAsync(string expected) =>
            Patience.UntilAsync(async () => (await CorpusAsync("pipeline", "piped")).Output.Split('\n')[0].Contains(expected, StringComparison.Ordinal), expected);
    }

    Task<(int Code, string Output, string Error)> CorpusAsync(params string[] arguments) => CorpusCommand.RunAsync(receiver, arguments);

    async Task EnvironmentAsync(string name)
    {
        var (made, text) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", $$"""{"type":"qa","name":"{{name}}"}""");
        Assert.True(made == HttpStatusCode.Created, text);
    }

    Task ServesAsync(string host, string expected) =>
        Patience.UntilAsync(async () => (await receiver.AskAsync(host)).Body.StartsWith(expected, StringComparison.Ordinal), $"{host} says {expected}");
}
