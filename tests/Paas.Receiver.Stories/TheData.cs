using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Backups and restores that somebody asks for, and what of the data they are of.</summary>
public sealed class TheData(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_backup_by_hand_can_be_brought_back_and_what_was_written_since_is_kept()
    {
        await using var git = await KeeperAsync("by-hand");
        Write("by-hand", "file", "one");

        var (outcome, log, backup) = await AskAsync("by-hand", "backup", "{}");
        Assert.Equal(("done", "dumped one"), (outcome, log.First(line => line.Contains("dumped", StringComparison.Ordinal)).Trim()));
        Write("by-hand", "file", "two");
        Write("by-hand", "later", "written later");
        (outcome, log, var restore) = await AskAsync("by-hand", "restore", "{}");

        Assert.True(outcome == "done", string.Join('\n', log));
        Assert.Contains("       loaded one", log);
        Assert.Equal("one", Read("by-hand", "file"));
        Assert.False(File.Exists(Path.Combine(receiver.Project("by-hand"), "data", "later")));
        Assert.Contains(log, line => line.Contains($"the data is as backup {backup} has it; as it was before it is in backup {restore}", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("by-hand.localhost", "/")).Status);

        // Forth again, by its id.
        (outcome, _, _) = await AskAsync("by-hand", "restore", $$"""{"backup": "{{restore}}"}""");
        Assert.Equal("done", outcome);
        Assert.Equal(("two", "written later"), (Read("by-hand", "file"), Read("by-hand", "later")));

        using var list = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/-/by-hand/backups")).Body);
        var kinds = list.RootElement.GetProperty("items").EnumerateArray().Select(one => one.GetProperty("kind").GetString()).ToList();
        Assert.Equal(["restore", "restore", "backup", "push"], kinds);
    }

    [Fact]
    public async Task A_live_backup_does_not_stop_the_application()
    {
        await using var git = await KeeperAsync("goes-on");
        Write("goes-on", "file", "one");
        var before = Leftovers.Of(receiver.Project("goes-on"));

        var (outcome, _, _) = await AskAsync("goes-on", "backup", """{"live": true}""");

        Assert.Equal("done", outcome);
        Assert.Equal(before.Order(), Leftovers.Of(receiver.Project("goes-on")).Order());
    }

    [Theory]
    [InlineData("restore:before")]
    [InlineData("restore:after")]
    [InlineData("start:after")]
    [InlineData("switch:after")]
    public async Task A_restore_that_is_killed_or_fails_leaves_the_data_as_it_was(string where)
    {
        foreach (var what in new[] { "fail", "kill" })
        {
            var name = $"{what}s-{where.Replace(':', '-')}";
            await using var git = await KeeperAsync(name);
            Write(name, "file", "one");
            Assert.Equal("done", (await AskAsync(name, "backup", "{}")).Outcome);
            Write(name, "file", "two");

            receiver.Arm($"{what}:{where}");
            if (what == "kill")
            {
                _ = await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/{name}/restore", "{}");
                Assert.Equal(137, await receiver.ExitAsync());
                receiver.Arm(null);
                await receiver.StartAgainAsync();
            }
            else
            {
                var (outcome, log, _) = await AskAsync(name, "restore", "{}");
                receiver.Arm(null);
                Assert.True(outcome == "rolledBack", string.Join('\n', log));
            }

            await Patience.UntilAsync(async () => (await receiver.AskAsync($"{name}.localhost", "/")).Status == HttpStatusCode.OK && Read(name, "file") == "two", $"{name}: the application serves and its data is as it was");
            Assert.Equal("done", (await AskAsync(name, "restore", "{}")).Outcome); // and nothing stands in the way of the next
        }
    }

    [Fact]
    public async Task What_no_backup_is_called_is_refused_before_anything_is_touched()
    {
        await using var git = await KeeperAsync("nothing-there");
        Write("nothing-there", "file", "kept");

        var (outcome, log, _) = await AskAsync("nothing-there", "restore", """{"backup": "v7"}""");

        Assert.Equal("refused", outcome);
        Assert.Contains(log, line => line.Contains("has no backup v7", StringComparison.Ordinal));
        Assert.Equal("kept", Read("nothing-there", "file"));
    }

    [Fact]
    public async Task A_restore_hook_that_fails_brings_the_data_back_as_it_was()
    {
        await using var git = await KeeperAsync("bad-hook");
        Write("bad-hook", "file", "bad");
        Assert.Equal("done", (await AskAsync("bad-hook", "backup", "{}")).Outcome);
        Write("bad-hook", "file", "two");

        var (outcome, log, _) = await AskAsync("bad-hook", "restore", "{}");

        Assert.True(outcome == "rolledBack", string.Join('\n', log));
        Assert.Contains(log, line => line.Contains(".paas/hooks/restore ended with exit code 1", StringComparison.Ordinal));
        Assert.Equal("two", Read("bad-hook", "file"));
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("bad-hook.localhost", "/")).Status);
    }

    [Fact]
    public async Task Of_the_data_only_what_the_patterns_name_is_backed_up_and_a_failure_leaves_the_rest_alone()
    {
        await using var git = await GitClient.NewAsync(receiver, "patterns");
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteAsync(".paas/defaults.yml", "backup: {exclude: [cache, '*.tmp']}\n");
        await git.WriteHookAsync("upgrade", "cd \"$PAAS_DATA_DIR\"; mkdir -p cache; echo \"$PAAS_RELEASE\" >rows; echo \"$PAAS_RELEASE\" >cache/c; test ! -e \"$HOME/fail\"");
        await git.CommitAsync("First");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("fail", "");

        Assert.False((await git.PushAsync()).Accepted);

        Assert.Equal(("v1\n", "v2\n"), (Read("patterns", "rows"), Read("patterns", "cache/c")));
    }

    [Fact]
    public async Task A_rollback_that_must_bring_its_data_is_refused_when_it_cannot()
    {
        await using var git = await KeeperAsync("must");
        await git.CommitFileAsync("more", "more\n");
        Assert.True((await git.PushAsync("skip_backup")).Accepted);

        var (outcome, log, _) = await AskAsync("must", "rollback", """{"release": 1, "withData": true}""");

        Assert.Equal("refused", outcome);
        Assert.Contains(log, line => line.Contains("there is no backup of the data as v1 left it", StringComparison.Ordinal));
        Assert.Equal("live", (await AskAsync("must", "rollback", """{"release": 1}""")).Outcome);
    }

    [Fact]
    public async Task A_task_runs_by_hand_in_the_live_release_and_never_by_itself()
    {
        await using var git = await KeeperAsync("tasks");
        Assert.Equal("", Read("tasks", "greeted"));

        var (outcome, log, _) = await AskAsync("tasks", "tasks/greet", "{}");

        Assert.Equal("done", outcome);
        Assert.Contains("       greetings from v1", log);
        Assert.Equal("v1\n", Read("tasks", "greeted"));
        (outcome, log, _) = await AskAsync("tasks", "tasks/nosuch", "{}");
        Assert.Equal("refused", outcome);
        Assert.Contains(log, line => line.Contains("there are: greet", StringComparison.Ordinal));
    }

    void Write(string project, string name, string content) => File.WriteAllText(Path.Combine(receiver.Project(project), "data", name), content);

    string Read(string project, string name) => Path.Combine(receiver.Project(project), "data", name) is var path && File.Exists(path) ? File.ReadAllText(path) : "";

    async Task<(string Outcome, IReadOnlyList<string> Log, string Id)> AskAsync(string project, string what, string json)
    {
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/{project}/{what}", json);
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        var (id, url) = (accepted.RootElement.GetProperty("id").GetString()!, accepted.RootElement.GetProperty("url").GetString()!.TrimStart('/'));
        string? outcome = null;
        await Patience.UntilAsync(
            async () =>
            {
                using var state = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, url)).Body);
                outcome = state.RootElement.TryGetProperty("outcome", out var ended) ? ended.GetString() : null;
                return outcome is not null;
            },
            $"{what} of {project} ends");
        var file = Path.Combine(receiver.Root, "state", "deployments", "local", project, $"{id}.log");
        return (outcome!, await File.ReadAllLinesAsync(file), id);
    }

    async Task<GitClient> KeeperAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteHookAsync("backup", "cat \"$PAAS_DATA_DIR/file\" >\"$PAAS_DUMPS_DIR/dump\" 2>/dev/null || exit 0; echo \"dumped $(cat \"$PAAS_DUMPS_DIR/dump\")\"");
        await git.WriteHookAsync("restore", "[ -s \"$PAAS_DUMPS_DIR/dump\" ] || exit 0; echo \"loaded $(cat \"$PAAS_DUMPS_DIR/dump\")\"; ! grep -q bad \"$PAAS_DUMPS_DIR/dump\"");
        await git.WriteHookAsync("task_greet", "echo \"greetings from $PAAS_RELEASE\"; echo \"$PAAS_RELEASE\" >\"$PAAS_DATA_DIR/greeted\"");
        await git.CommitAsync("Keep data");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        return git;
    }
}
