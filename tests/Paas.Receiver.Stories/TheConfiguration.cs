using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What a project is configured with, from its own defaults to what one push sets.</summary>
public sealed class TheConfiguration(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Defaults_of_the_tree_the_pillar_and_the_push_reach_the_build_and_the_application()
    {
        await using var git = await NewAsync("layers", "env: {WHO: pillar, URL: \"{data_root}/{WHO}/{data.depth}\"}\n");
        await git.WriteAsync(".paas/defaults.yml", "env: {WHO: tree, COLOUR: blue}\nenv_defaults: {staging: {env: {COLOUR: green}}}\ndata: {depth: 3}\n");
        await git.WriteHookAsync("build", "echo \"built for $WHO in $COLOUR at $URL\"");
        await git.CommitAsync("Say it");

        var push = await git.PushAsync("set=COLOUR=red");

        Assert.True(push.Accepted, push.Text);
        var data = Path.Combine(receiver.Project("layers"), "data");
        Assert.Contains($"       built for pillar in red at {data}/pillar/3", push.Remote);
        Assert.Equal("pillar red", (await receiver.AskAsync("layers.localhost", "/said")).Body.Trim());
        Assert.Equal("env: {WHO: pillar", (await File.ReadAllTextAsync(Path.Combine(receiver.Project("layers"), "pillar", "init.sls")))[..17]);

        // What one call sets holds for its release, across a restart too, and not for the next.
        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        await Patience.UntilAsync(async () => (await receiver.AskAsync("layers.localhost", "/said")).Body.Trim() == "pillar red", "it is up again, red");
        await git.CommitFileAsync("more", "more\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal("pillar green", (await receiver.AskAsync("layers.localhost", "/said")).Body.Trim());
    }

    [Fact]
    public async Task A_generated_secret_is_the_same_in_every_release_masked_in_logs_and_shown_as_stars()
    {
        await using var git = await NewAsync("generated", "env: {WHO: \"{secret:token}\"}\n");
        await git.WriteHookAsync("build", "echo \"secret is $WHO\"\nprintf %s \"$WHO\" >>\"$PAAS_CACHE_DIR/seen\"; printf ' ' >>\"$PAAS_CACHE_DIR/seen\"");
        await git.CommitAsync("Whisper");
        Assert.Contains("       secret is ********", (await git.PushAsync()).Remote);
        await git.CommitFileAsync("more", "more\n");
        Assert.Contains("       secret is ********", (await git.PushAsync()).Remote);

        var seen = (await File.ReadAllTextAsync(Path.Combine(receiver.Project("generated"), "build", "cache", "seen"))).Split(' ', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(2, seen.Length);
        Assert.Equal(seen[0], seen[1]);
        Assert.Equal(32, seen[0].Length);
        using var config = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/-/generated/config")).Body);
        var entry = config.RootElement.GetProperty("items")[0];
        Assert.Equal(("WHO", "********", true, "pillar"), (entry.GetProperty("name").GetString(), entry.GetProperty("value").GetString(), entry.GetProperty("masked").GetBoolean(), entry.GetProperty("from").GetString()));
    }

    [Fact]
    public async Task Defaults_that_cannot_be_read_fail_the_deployment_and_the_old_release_serves()
    {
        await using var git = await NewAsync("bad-defaults", "env: {WHO: me}\n");
        await git.CommitAsync("First");
        Assert.True((await git.PushAsync()).Accepted);
        await git.WriteAsync("PILLAR.sample", "env:\n  WHO: {{ jinja }}\n");
        await git.CommitAsync("Break");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("configuration failed: PILLAR.sample has a mistake", StringComparison.Ordinal));
        Assert.Equal("me", (await receiver.AskAsync("bad-defaults.localhost", "/said")).Body.Trim());
    }

    async Task<GitClient> NewAsync(string project, string pillarText)
    {
        await using (var pillar = await GitClient.NewAsync(receiver, $"{project}/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", pillarText);
            var stored = await pillar.PushAsync();
            Assert.True(stored.Accepted, stored.Text);
        }

        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", "web: echo \"$WHO $COLOUR\" >said; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        return git;
    }
}
