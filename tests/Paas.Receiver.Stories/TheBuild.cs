using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What a project's own build may do, and what it cannot.</summary>
public sealed class TheBuild(HastyReceiver shared) : IClassFixture<HastyReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task The_release_has_what_the_build_made_and_the_checkout_what_was_pushed()
    {
        await using var git = await PlainAsync("builds");
        await git.WriteAsync("doomed/old.txt", "old\n");
        await git.WriteAsync("kept.txt", "kept\n");
        await git.WriteHookAsync("build", "cat kept.txt\ntest ! -e new.txt\nmkdir made\necho new >new.txt\necho deep >made/deep.txt\nrm -r doomed\necho changed >>kept.txt\nchmod 0755 kept.txt");
        await git.CommitAsync("Build something");
        for (var number = 1; number <= 2; number++)
        {
            var push = await git.PushAsync();

            Assert.True(push.Accepted, push.Text);
            Assert.Contains("       kept", push.Remote);
            Assert.DoesNotContain("       changed", push.Remote); // each build starts from what was pushed
            foreach (var place in new[] { "run", "deploy/current" })
            {
                var run = Path.Combine(receiver.Project("builds"), place);
                Assert.Equal("new\n", await File.ReadAllTextAsync(Path.Combine(run, "new.txt")));
                Assert.Equal("deep\n", await File.ReadAllTextAsync(Path.Combine(run, "made", "deep.txt")));
                Assert.Equal("kept\nchanged\n", await File.ReadAllTextAsync(Path.Combine(run, "kept.txt")));
                Assert.False(Directory.Exists(Path.Combine(run, "doomed")));
            }

            var checkout = Path.Combine(receiver.Project("builds"), "project");
            Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(checkout, "kept.txt")));
            Assert.False((File.GetUnixFileMode(Path.Combine(checkout, "kept.txt")) & UnixFileMode.UserExecute) != UnixFileMode.None);
            Assert.Equal("old\n", await File.ReadAllTextAsync(Path.Combine(checkout, "doomed", "old.txt")));
            Assert.False(File.Exists(Path.Combine(checkout, "new.txt")));
            await git.CommitAsync("Nothing changed");
        }
    }

    [Fact]
    public async Task A_build_and_the_application_see_the_release_at_the_same_path()
    {
        await using var git = await PlainAsync("same-path");
        await git.WriteHookAsync("build", "pwd >built-in");
        await git.WriteAsync("Procfile", "web: pwd >ran-in; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.CommitAsync("Where am I");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        var run = Path.Combine(receiver.Project("same-path"), "run") + "\n";
        Assert.Equal(run, (await receiver.AskAsync("same-path.localhost", "/built-in")).Body);
        Assert.Equal(run, (await receiver.AskAsync("same-path.localhost", "/ran-in")).Body);
    }

    [Fact]
    public async Task What_an_instance_writes_reaches_neither_the_release_nor_the_checkout_nor_another_release()
    {
        await using var git = await PlainAsync("writes");
        await git.WriteAsync("shared.txt", "as pushed\n");
        await git.WriteAsync("Procfile", "web: echo scribbled >>shared.txt; chmod 0600 shared.txt; rm plain; echo scribbled >other; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        for (var number = 1; number <= 2; number++)
        {
            await git.CommitAsync("Scribble");
            var push = await git.PushAsync();

            Assert.True(push.Accepted, push.Text);
            Assert.Equal("as pushed\nscribbled\n", (await receiver.AskAsync("writes.localhost", "/shared.txt")).Body);
            var project = receiver.Project("writes");
            foreach (var tree in Directory.EnumerateDirectories(Path.Combine(project, "deploy")).Append(Path.Combine(project, "project")))
            {
                Assert.Equal("as pushed\n", await File.ReadAllTextAsync(Path.Combine(tree, "shared.txt")));
                Assert.NotEqual(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(tree, "shared.txt")));
                Assert.True(File.Exists(Path.Combine(tree, "plain")));
                Assert.False(File.Exists(Path.Combine(tree, "other")));
            }
        }
    }

    [Fact]
    public async Task A_build_that_asks_gets_no_answer_and_goes_on()
    {
        await using var git = await PlainAsync("asks");
        await git.WriteHookAsync("build", "read -r answer || echo 'nobody answers'");
        await git.CommitAsync("Ask");

        Assert.Contains("       nobody answers", (await git.PushAsync()).Remote);
    }

    [Fact]
    public async Task A_build_that_takes_too_long_is_ended_with_everything_it_started()
    {
        await using var git = await PlainAsync("too-long");
        await git.WriteHookAsync("build", "setsid sleep 3601 &\nsleep 3602");
        await git.CommitAsync("Take too long");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(" !     build failed: .paas/hooks/build took longer than 5 s and was ended", push.Remote);
        Assert.Empty(Leftovers.Of(receiver.Project("too-long")));
    }

    [Fact]
    public async Task A_daemon_that_a_build_leaves_behind_is_gone_when_it_ends()
    {
        await using var git = await PlainAsync("daemon");
        await git.WriteHookAsync("build", "(setsid sh -c 'trap \"\" TERM HUP; exec sleep 3603' >/dev/null 2>&1 &)\necho done");
        await git.CommitAsync("Leave a daemon");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.DoesNotContain(Leftovers.Of(receiver.Project("daemon")), process => File.ReadAllText($"/proc/{process}/cmdline").Contains("3603", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_build_that_nobody_may_run_is_said_so()
    {
        await using var git = await PlainAsync("not-executable");
        await git.WriteAsync(".paas/hooks/build", "#!/bin/sh\necho built\n");
        await git.CommitAsync("Forget the mode");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     build failed: ", StringComparison.Ordinal) && line.Contains("executable", StringComparison.Ordinal));
    }

    async Task<GitClient> PlainAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteAsync("plain", "plain\n");
        return git;
    }
}
