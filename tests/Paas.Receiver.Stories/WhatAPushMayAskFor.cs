using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Push options, the refs of a push, and what becomes of each.</summary>
public sealed class WhatAPushMayAskFor(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Async_returns_at_once_and_deploys_in_the_background()
    {
        await using var git = await GatedAsync("async-live", 1);
        var gate = new Gate(receiver, "async-live");

        var push = await git.PushAsync("async");

        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains("goes on in the background", StringComparison.Ordinal));
        Assert.Contains("       See how it goes: corpus status async-live", push.Remote);
        await gate.BegunAsync(1);
        Assert.False(Directory.Exists(Path.Combine(receiver.Project("async-live"), "deploy", "current")));
        await gate.OpenAsync(1);
        await AnswersAsync("async-live", HttpStatusCode.OK);
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync());
    }

    [Fact]
    public async Task An_async_push_that_fails_gives_the_ref_back_and_can_be_pushed_again()
    {
        await using var git = await GitClient.NewAsync(receiver, "async-fails", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var live = await git.HeadAsync();
        await git.WriteHookAsync("build", "test -e \"$PAAS_CACHE_DIR/mended\"");
        var failing = await git.CommitAsync("Fail");

        var push = await git.PushAsync("async");

        Assert.True(push.Accepted, push.Text);
        await Patience.UntilAsync(async () => await git.RemoteRefAsync() == live, "the ref is given back");
        await File.WriteAllTextAsync(Path.Combine(receiver.Project("async-fails"), "build", "cache", "mended"), "");
        var again = await git.PushAsync();
        Assert.True(again.Accepted, again.Text);
        Assert.Contains(again.Remote, line => line.Contains("is live at", StringComparison.Ordinal));
        Assert.Equal(failing, await git.RemoteRefAsync());
    }

    [Fact]
    public async Task Async_pushes_that_overtake_each_other_and_fail_leave_the_ref_at_what_is_live()
    {
        await using var git = await GitClient.NewAsync(receiver, "async-overtaken", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var live = await git.HeadAsync();
        var gate = new Gate(receiver, "async-overtaken");
        await Gate.InstallAsync(git);
        for (var number = 1; number <= 3; number++)
        {
            // The first is built, the second waits and is superseded by the third; none of them comes to be.
            await git.CommitFileAsync("NUMBER", $"{number}\n");
            var push = await git.PushAsync("async");
            Assert.True(push.Accepted, push.Text);
        }

        await gate.BegunAsync(1);
        await gate.OpenAsync(1, code: 1);
        await gate.OpenAsync(3, code: 1);

        await Patience.UntilAsync(async () => await git.RemoteRefAsync() == live, "the ref is given back");
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("async-overtaken.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_async_push_of_what_cannot_be_deployed_is_refused_at_once_and_moves_nothing()
    {
        await using var git = await GitClient.NewAsync(receiver, "async-refused", "hello");

        var refused = await git.PushAsync("async", "mode=fast");

        Assert.False(refused.Accepted, refused.Text);
        Assert.Contains("'mode' is one of", refused.Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(receiver.Project("async-refused")));
        Assert.True((await git.PushAsync()).Accepted);
    }

    [Fact]
    public async Task No_deploy_keeps_the_commits_and_a_later_push_deploys_them()
    {
        await using var git = await GitClient.NewAsync(receiver, "no-deploy", "hello");

        var kept = await git.PushAsync("no-deploy");

        Assert.True(kept.Accepted, kept.Text);
        Assert.Contains(kept.Remote, line => line.Contains("main is kept, not deployed, as you asked", StringComparison.Ordinal));
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync());
        Assert.False(Directory.Exists(Path.Combine(receiver.Project("no-deploy"), "run")));
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("no-deploy.localhost")).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mode=fast", "'mode' is one of mode=editable, mode=cooking, mode=final.")]
    [InlineData("asinc", "There is no push option 'asinc'. Did you mean 'async'?")]
    [InlineData("rebuild=yes", "'rebuild' takes no value.")]
    [InlineData("no-deploy\u001b[31m", "There is no push option 'no-deploy␛[31m'.")]
    [InlineData("only=dance", "There is no step 'dance' that could be chosen.")]
    public async Task An_option_that_cannot_be_heeded_is_refused_in_words(string option, string words)
    {
        await using var git = await GitClient.NewAsync(receiver, "strange-options", "hello");

        var push = await git.PushAsync(option);

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains(words, StringComparison.Ordinal));
        Assert.Null(await TryRemoteRefAsync(git));
    }

    [Fact]
    public async Task Rebuild_takes_the_caches_of_former_builds_away()
    {
        await using var git = await GitClient.NewAsync(receiver, "rebuilds", "hello");
        await git.WriteHookAsync("build", "echo \"cache has $(ls \"$PAAS_CACHE_DIR\" | wc -l), rebuild=$PAAS_REBUILD\"\n: >\"$PAAS_CACHE_DIR/kept\"");
        await git.CommitAsync("Cache");
        Assert.Contains("       cache has 0, rebuild=0", (await git.PushAsync()).Remote);
        await git.CommitAsync("Again");
        Assert.Contains("       cache has 1, rebuild=0", (await git.PushAsync()).Remote);
        await git.CommitAsync("Afresh");
        Assert.Contains("       cache has 0, rebuild=1", (await git.PushAsync("rebuild")).Remote);
    }

    [Fact]
    public async Task Other_branches_and_tags_are_kept_and_said_not_to_be_deployed()
    {
        await using var git = await GitClient.NewAsync(receiver, "other-refs", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("VERSION", "2\n");
        await git.GitAsync("tag", "-a", "-m", "Two", "v2.0");

        var branch = await git.PushRefAsync("main:refs/heads/feature");
        var tag = await git.PushRefAsync("v2.0");

        Assert.True(branch.Accepted, branch.Text);
        Assert.Contains(branch.Remote, line => line.Contains("feature is kept, not deployed", StringComparison.Ordinal));
        Assert.True(tag.Accepted, tag.Text);
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync("refs/heads/feature"));
        Assert.NotNull(await git.RemoteRefAsync("refs/tags/v2.0"));
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("other-refs.localhost")).Body, StringComparison.Ordinal);
        Assert.True((await git.PushRefAsync(":refs/heads/feature")).Accepted);
    }

    [Fact]
    public async Task The_branch_that_is_deployed_cannot_be_deleted_and_can_be_rewritten()
    {
        await using var git = await GitClient.NewAsync(receiver, "rewritten", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);

        var deleted = await git.PushRefAsync(":main");
        await git.GitAsync("reset", "-q", "--hard", "HEAD~1");
        await git.CommitFileAsync("VERSION", "3\n");
        var plain = await git.PushAsync();
        var forced = await git.PushRefAsync("+main");

        Assert.False(deleted.Accepted);
        Assert.Contains(deleted.Remote, line => line.Contains("cannot be deleted", StringComparison.Ordinal));
        Assert.False(plain.Accepted);
        Assert.True(forced.Accepted, forced.Text);
        Assert.StartsWith("hello version 3 ", (await receiver.AskAsync("rewritten.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync());
    }

    [Fact]
    public async Task Two_deploying_branches_in_one_push_are_refused_and_nothing_moves()
    {
        await using var git = await GitClient.NewAsync(receiver, "two-branches", "hello");
        await git.GitAsync("branch", "master");

        foreach (var how in new[] { "--no-atomic", "--atomic" })
        {
            var push = await git.PushWithAsync(how, "paas", "main", "master");
            Assert.False(push.Accepted);
            Assert.Contains(push.Remote, line => line.Contains("Only one branch deploys in a push", StringComparison.Ordinal));
        }

        Assert.False(Directory.Exists(receiver.Project("two-branches")));
    }

    [Fact]
    public async Task An_atomic_push_and_a_mirror_deploy_their_one_branch_and_keep_the_rest()
    {
        await using var git = await GitClient.NewAsync(receiver, "all-at-once", "hello");
        await git.GitAsync("branch", "feature");
        await git.GitAsync("tag", "v1");

        var atomic = await git.PushWithAsync("--atomic", "paas", "main", "feature");
        await git.CommitFileAsync("VERSION", "2\n");
        await git.GitAsync("branch", "-D", "feature");
        var mirror = await git.PushWithAsync("--mirror", "paas");

        Assert.True(atomic.Accepted, atomic.Text);
        Assert.Contains(atomic.Remote, line => line.Contains("feature is kept, not deployed", StringComparison.Ordinal));
        Assert.True(mirror.Accepted, mirror.Text);
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync());
        Assert.Null(await git.RemoteRefAsync("refs/heads/feature"));
        Assert.NotNull(await git.RemoteRefAsync("refs/tags/v1"));
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("all-at-once.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_atomic_push_whose_release_fails_moves_no_ref_at_all()
    {
        await using var git = await GitClient.NewAsync(receiver, "atomic-fails", "wont-build");
        await git.GitAsync("branch", "feature");

        var push = await git.PushWithAsync("--atomic", "paas", "main", "feature");

        Assert.False(push.Accepted);
        Assert.Null(await TryRemoteRefAsync(git));
        Assert.Null(await TryRemoteRefAsync(git, "refs/heads/feature"));
    }

    [Fact]
    public async Task A_first_push_to_master_deploys_and_is_what_a_clone_checks_out()
    {
        await using var git = await GitClient.NewAsync(receiver, "of-old", "hello");
        await git.GitAsync("branch", "-m", "master");

        var push = await git.PushRefAsync("master");

        Assert.True(push.Accepted, push.Text);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("of-old.localhost")).Body, StringComparison.Ordinal);
        Assert.Contains("ref: refs/heads/master\tHEAD", await git.GitAsync("ls-remote", "--symref", "paas", "HEAD"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_repository_creates_nothing()
    {
        await using var git = await GitClient.NewAsync(receiver, "empty");

        Assert.False((await git.PushAsync()).Accepted);
        Assert.False((await git.PushWithAsync("--mirror", "paas")).Accepted && Directory.Exists(receiver.Project("empty")));
        Assert.False(Directory.Exists(receiver.Project("empty")));
    }

    [Fact]
    public async Task The_pillar_is_stored_and_deploys_only_when_asked()
    {
        await using var git = await GitClient.NewAsync(receiver, "has-pillar");
        await git.WriteAsync("Procfile", "web: echo \"colour ${COLOUR-none}\" >plain; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.CommitAsync("Show the colour");
        Assert.True((await git.PushAsync()).Accepted);
        await using var pillar = await GitClient.NewAsync(receiver, "has-pillar/pillar");
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: blue\n");

        var stored = await pillar.PushAsync();
        var before = (await receiver.AskAsync("has-pillar.localhost")).Body;
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: green\n");
        var deployed = await pillar.PushAsync("deploy");

        Assert.True(stored.Accepted, stored.Text);
        Assert.Contains("-----> The configuration of has-pillar is stored", stored.Remote);
        Assert.Equal("colour none\n", before);
        Assert.True(deployed.Accepted, deployed.Text);
        Assert.Contains(deployed.Remote, line => line.Contains("v2 is live", StringComparison.Ordinal));
        Assert.Equal("colour green\n", (await receiver.AskAsync("has-pillar.localhost")).Body);
    }

    [Fact]
    public async Task A_configuration_that_the_application_does_not_start_with_is_refused_with_its_push()
    {
        await using var git = await GitClient.NewAsync(receiver, "breaks-on-colour");
        await git.WriteAsync("Procfile", "web: [ \"${COLOUR-none}\" != red ] || exit 4; echo \"colour ${COLOUR-none}\" >plain; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.CommitAsync("Dislike red");
        Assert.True((await git.PushAsync()).Accepted);
        await using var pillar = await GitClient.NewAsync(receiver, "breaks-on-colour/pillar");
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: green\n");
        Assert.True((await pillar.PushAsync("deploy")).Accepted);
        var stored = await pillar.RemoteRefAsync();
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: red\n");

        var refused = await pillar.PushAsync("deploy");

        Assert.False(refused.Accepted, refused.Text);
        Assert.Contains(refused.Remote, line => line.Contains("exited with code 4", StringComparison.Ordinal));
        Assert.Equal(stored, await pillar.RemoteRefAsync());
        Assert.Equal("colour green\n", (await receiver.AskAsync("breaks-on-colour.localhost")).Body);
    }

    [Fact]
    public async Task A_configuration_for_nothing_is_not_deployed()
    {
        await using var pillar = await GitClient.NewAsync(receiver, "not-yet-there/pillar");
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: red\n");

        var push = await pillar.PushAsync("deploy");

        Assert.False(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains("nothing is deployed yet", StringComparison.Ordinal));
        Assert.True((await pillar.PushAsync()).Accepted);
    }

    [Theory]
    [InlineData("jinja", "{% set colour = 'blue' %}\nenv:\n  COLOUR: {{ colour }}\n", "Jinja")]
    [InlineData("no-yaml", "env: [\n", "init.sls")]
    [InlineData("no-name", "env:\n  'NOT A NAME': 1\n", "NOT A NAME")]
    public async Task A_pillar_that_cannot_be_read_is_refused_and_what_is_live_stays(string project, string text, string words)
    {
        await using var git = await GitClient.NewAsync(receiver, project, "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await using var pillar = await GitClient.NewAsync(receiver, $"{project}/pillar");
        await pillar.CommitFileAsync("init.sls", text);

        foreach (var options in new string[][] { [], ["deploy"], ["async", "deploy"] })
        {
            var push = await pillar.PushAsync(options);

            Assert.False(push.Accepted, push.Text);
            Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains(words, StringComparison.Ordinal));
        }

        Assert.Null(await TryRemoteRefAsync(pillar));
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync($"{project}.localhost")).Body, StringComparison.Ordinal);
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: blue\n");
        Assert.Contains((await pillar.PushAsync("deploy")).Remote, line => line.Contains("v2 is live", StringComparison.Ordinal));
    }

    async Task<GitClient> GatedAsync(string project, int number)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        await Gate.InstallAsync(git);
        await git.CommitFileAsync("NUMBER", $"{number}\n");
        return git;
    }

    Task AnswersAsync(string project, HttpStatusCode status) =>
        Patience.UntilAsync(async () => (await receiver.AskAsync($"{project}.localhost")).Status == status, $"{project} answers {status}");

    // A project that was never made has no repository to ask.
    static async Task<string?> TryRemoteRefAsync(GitClient git, string name = "refs/heads/main")
    {
        var answer = await git.Git("ls-remote", "paas", name).RunAsync();
        return answer is { ExitCode: 0, Output.Length: > 0 } ? answer.Output.Split('\t')[0] : null;
    }
}
