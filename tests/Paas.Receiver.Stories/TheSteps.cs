using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What a project brings for the steps of the pipeline: all of R14's macros and the hooks around them.</summary>
public sealed class TheSteps(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    static readonly string[] BeforeSeal = ["gather_variables", "pre_install", "configure", "build", "post_build", "bundle"];

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Every_step_runs_in_its_place_in_the_release_it_belongs_to()
    {
        await using var git = await PlainAsync("places");
        string[] all = [.. BeforeSeal, "pre_stop", "post_stop", "backup", "deploy", "pre_start", "post_start", "post_deploy", "upgrade", "post_install", "notify"];
        foreach (var step in all)
        {
            await git.WriteHookAsync(step, $"echo \"step {step} of $(cat VERSION) in $(pwd)\"\ntest \"$PAAS_STEP\" = {step}");
        }

        await git.CommitFileAsync("VERSION", "1\n");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("VERSION", "2\n");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        var run = Path.Combine(receiver.Project("places"), "run");
        Assert.Equal(
            all.Select(step => $"       step {step} of {(step is "pre_stop" or "post_stop" or "backup" ? 1 : 2)} in {run}"),
            push.Remote.Where(line => line.Contains("step ", StringComparison.Ordinal) && line.Contains(" of ", StringComparison.Ordinal)));
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(receiver.Project("places"), "build"), "*.common"));
    }

    [Fact]
    public async Task Common_goes_from_step_to_step_and_what_it_adds_is_the_releases_for_good()
    {
        await using var git = await PlainAsync("common");
        const string change = "#!/usr/bin/python3\nimport json, os\np = os.environ['PAAS_COMMON']\nc = json.load(open(p))\n";
        await git.WriteAsync(".paas/hooks/gather_variables", change + "c['data'] = {'colour': 'blue'}\nc['env']['FROM_STEP'] = 'added'\njson.dump(c, open(p, 'w'))\n", executable: true);
        await git.WriteAsync(".paas/hooks/build", "#!/bin/sh\necho \"built with $FROM_STEP\"\ngrep -q '\"colour\": \"blue\"' \"$PAAS_COMMON\"\n", executable: true);
        await git.WriteAsync(".paas/hooks/deploy", change + "assert c['data']['colour'] == 'blue', c\nc['processes']['worker'] = 'while :; do echo \"$FROM_STEP $LATE\" >$PAAS_DATA_DIR/worked; sleep 0.1; done'\nc['env']['LATE'] = 'too'\njson.dump(c, open(p, 'w'))\n", executable: true);
        await git.CommitAsync("Add on the way");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("       built with added", push.Remote);
        Assert.Contains("         data.colour = blue", push.Remote);
        Assert.Contains("         env.LATE = too", push.Remote);
        await UntilWorkedAsync("common");

        // It is still so when the receiver and the application start again.
        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        File.Delete(Path.Combine(receiver.Project("common"), "data", "worked"));
        await UntilWorkedAsync("common");
    }

    [Fact]
    public async Task Scripts_beside_a_hook_run_in_the_order_of_their_names_and_upgrades_once_for_the_data()
    {
        await using var git = await PlainAsync("scripts");
        await git.WriteAsync(".paas/hooks/build.d/020_second", "#!/bin/sh\necho second build\n", executable: true);
        await git.WriteAsync(".paas/hooks/build.d/010_first", "#!/bin/sh\necho first build\n", executable: true);
        await git.WriteAsync(".paas/hooks/upgrade.d/010_schema", "#!/bin/sh\necho schema upgraded\necho 1 >>\"$PAAS_DATA_DIR/schema\"\n", executable: true);
        await git.CommitFileAsync("VERSION", "1\n");
        var first = await git.PushAsync();
        Assert.True(first.Accepted, first.Text);
        Assert.Equal(["       first build", "       second build", "       schema upgraded"], first.Remote.Where(line => line.EndsWith("build", StringComparison.Ordinal) || line.EndsWith("upgraded", StringComparison.Ordinal)));

        await git.WriteAsync(".paas/hooks/upgrade.d/020_index", "#!/bin/sh\necho index upgraded\necho 2 >>\"$PAAS_DATA_DIR/schema\"\ntest ! -e .fail\n", executable: true);
        await git.WriteAsync(".fail", "");
        await git.CommitFileAsync("VERSION", "2\n");
        var failed = await git.PushAsync();
        Assert.False(failed.Accepted);
        Assert.Contains(" !     upgrade failed: .paas/hooks/upgrade.d/020_index ended with exit code 1", failed.Remote);
        Assert.Equal("1\n", await DataAsync("scripts", "schema"));

        await git.GitAsync("rm", "-q", ".fail");
        await git.CommitAsync("Mend it");
        var mended = await git.PushAsync();
        Assert.True(mended.Accepted, mended.Text);
        Assert.DoesNotContain("       schema upgraded", mended.Remote);
        Assert.Contains("       index upgraded", mended.Remote);
        Assert.Equal("1\n2\n", await DataAsync("scripts", "schema"));

        // Data that goes back has not been through the second script any more; when its release comes again, it will be.
        Assert.Equal("Live", await RollBackAsync("scripts", 1));
        Assert.Equal("1\n", await DataAsync("scripts", "schema"));
        await git.CommitFileAsync("VERSION", "3\n");
        var again = await git.PushAsync();
        Assert.True(again.Accepted, again.Text);
        Assert.Contains("       index upgraded", again.Remote);
        Assert.Equal("1\n2\n", await DataAsync("scripts", "schema"));
    }

    [Fact]
    public async Task Steps_and_scripts_can_be_chosen_at_the_push()
    {
        await using var git = await PlainAsync("chosen");
        foreach (var step in new[] { "configure", "build", "upgrade", "backup" })
        {
            await git.WriteHookAsync(step, $"echo \"ran {step}\"");
        }

        await git.WriteAsync(".paas/hooks/build.d/010_a", "#!/bin/sh\necho ran a\n", executable: true);
        await git.WriteAsync(".paas/hooks/build.d/020_b.sh", "#!/bin/sh\necho ran b\n", executable: true);
        await git.CommitAsync("First");
        var push = await git.PushAsync("skip_upgrade", "skip=configure", "only_steps=020_b");
        Assert.Equal(["       ran build", "       ran b"], push.Remote.Where(line => line.StartsWith("       ran ", StringComparison.Ordinal)));
        Assert.Contains("       left out, as asked for: configure, upgrade", push.Remote);

        await git.CommitFileAsync("more", "more\n");
        push = await git.PushAsync("only=build");
        Assert.Equal(["       ran build", "       ran a", "       ran b"], push.Remote.Where(line => line.StartsWith("       ran ", StringComparison.Ordinal)));
        Assert.Contains(" !     without a backup the data cannot be brought back when this deployment fails", push.Remote);

        await git.CommitFileAsync("more", "again\n");
        push = await git.PushAsync("only=biuld");
        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("There is no step 'biuld'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_step_that_spoils_common_fails_the_deployment_with_words()
    {
        await using var git = await PlainAsync("spoils");
        await git.WriteHookAsync("build", "echo '[' >\"$PAAS_COMMON\"");
        await git.CommitAsync("Spoil");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     build failed: .paas/hooks/build left no JSON object in the file that PAAS_COMMON names", StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(receiver.Project("spoils"), "build"), "*.common"));
    }

    [Fact]
    public async Task An_old_release_that_starts_again_runs_its_own_start_hooks()
    {
        await using var git = await PlainAsync("again");
        await git.WriteHookAsync("pre_stop", "echo closed >\"$PAAS_DATA_DIR/maintenance\"");
        await git.WriteHookAsync("post_start", "rm -f \"$PAAS_DATA_DIR/maintenance\"; echo opened");
        await git.WriteHookAsync("upgrade", "test ! -e fail");
        await git.CommitAsync("First");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("fail", "");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Equal(2, push.Remote.Count(line => line == "       opened"));
        Assert.False(File.Exists(Path.Combine(receiver.Project("again"), "data", "maintenance")));
    }

    Task UntilWorkedAsync(string project) => Patience.UntilAsync(
        () => File.Exists(Path.Combine(receiver.Project(project), "data", "worked")) && File.ReadAllText(Path.Combine(receiver.Project(project), "data", "worked")) == "added too\n",
        "the worker that a step added works");

    Task<string> DataAsync(string project, string name) => File.ReadAllTextAsync(Path.Combine(receiver.Project(project), "data", name));

    Task<string> RollBackAsync(string project, int release) => Rollbacks.RollBackAsync(receiver, project, release);

    async Task<GitClient> PlainAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        return git;
    }
}
