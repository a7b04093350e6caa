using System.Net;
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

    async Task EnvironmentAsync(string name)
    {
        var (made, text) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", $$"""{"type":"qa","name":"{{name}}"}""");
        Assert.True(made == HttpStatusCode.Created, text);
    }

    Task ServesAsync(string host, string expected) =>
        Patience.UntilAsync(async () => (await receiver.AskAsync(host)).Body.StartsWith(expected, StringComparison.Ordinal), $"{host} says {expected}");
}
