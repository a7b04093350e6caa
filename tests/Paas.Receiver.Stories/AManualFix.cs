using System.Text;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>R7.6: the live release changed by hand, over ssh and by <c>corpus fix</c>: seen, kept as a patch, a release of its own, and never silently lost.</summary>
public sealed class AManualFix(SshReceiver shared) : IClassFixture<SshReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_shell_over_ssh_makes_a_release_whose_patch_git_applies_at_home()
    {
        var ssh = await shared.ClientAsync("\"user\":\"admin\"");
        await using var git = await PushedAsync("by-shell");
        var shell = await ssh.TypeAsync(
            "pwd; echo 7 >VERSION; printf 'a\\0b' >'new\nbinary'; ln -s VERSION link; mkdir -p deep/er; echo x >deep/er/file; chmod +x deep/er/file; rm README.md; touch Procfile; exit 0\n",
            terminal: true, "fix", "by-shell");

        Assert.True(shell.ExitCode == 0, shell.Output + shell.Error + receiver.Output);
        Assert.Contains("+7", shell.Output, StringComparison.Ordinal);
        Assert.Contains("v2 is live", shell.Output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 7 release v2", (await receiver.AskAsync("by-shell.localhost", "/plain")).Body, StringComparison.Ordinal);
        var release = Path.Combine(receiver.Project("by-shell"), "deploy", "current");
        Assert.Equal("a\0b", await File.ReadAllTextAsync(Path.Combine(release, "new\nbinary")));
        Assert.Equal("VERSION", new FileInfo(Path.Combine(release, "link")).LinkTarget);
        Assert.True(File.GetUnixFileMode(Path.Combine(release, "deep/er/file")).HasFlag(UnixFileMode.UserExecute));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(release), path => Path.GetFileName(path).StartsWith(".bash", StringComparison.Ordinal));

        // What people get is a commit at home, of whom and when included.
        var (code, patch, _) = await CorpusCommand.RunAsync(receiver, "patches", "by-shell", "1");
        Assert.Equal(0, code);
        Assert.Contains("From: admin <admin@localhost>", patch, StringComparison.Ordinal);
        var file = Path.Combine(git.Directory, ".git", "fix.patch");
        await File.WriteAllTextAsync(file, patch);
        await git.GitAsync("am", "-q", file);
        Assert.Equal("7\n", await File.ReadAllTextAsync(Path.Combine(git.Directory, "VERSION")));
        Assert.Equal("a\0b", await File.ReadAllTextAsync(Path.Combine(git.Directory, "new\nbinary")));

        // A push that has it is told nothing; it is a release like any other, with an archive and a way back.
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.DoesNotContain("manual fix", push.Text, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "rollback", "by-shell", "v2")).Code);
        Assert.StartsWith("hello version 7 release v2", (await receiver.AskAsync("by-shell.localhost", "/plain")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fix_is_there_again_when_its_commit_is_deployed_again_and_a_push_without_it_is_told_first()
    {
        await using var git = await PushedAsync("again");
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "fix", "again", "-m", "Say seven", "--", "sh", "-c", "echo 7 >VERSION")).Code);

        var (code, redeployed, _) = await CorpusCommand.RunAsync(receiver, "redeploy", "again");
        Assert.True(code == 0, redeployed);
        Assert.Contains("fix 1 is applied: Say seven", redeployed, StringComparison.Ordinal);
        Assert.StartsWith("hello version 7 release v3", (await receiver.AskAsync("again.localhost", "/plain")).Body, StringComparison.Ordinal);

        await git.CommitFileAsync("other", "x\n");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        var told = push.Remote.ToList().FindIndex(line => line.Contains("v3 has a manual fix that this push does not contain: VERSION", StringComparison.Ordinal));
        Assert.InRange(told, 0, push.Remote.ToList().FindIndex(line => line.Contains("is live at", StringComparison.Ordinal)));

        await CorpusCommand.RunAsync(receiver, "fix", "again", "--apply", "1");
        await git.CommitFileAsync("other", "y\n");
        await PushPillarAsync("again", "drift: refuse\n");
        var refused = await git.PushAsync();
        Assert.False(refused.Accepted, refused.Text);
        Assert.Contains("drift: refuse", refused.Text, StringComparison.Ordinal);
        Assert.True((await git.PushAsync("discard-fixes")).Accepted);
    }

    [Fact]
    public async Task A_fix_that_does_not_come_up_is_taken_back_and_its_patch_kept()
    {
        await using var git = await PushedAsync("broken");
        var (code, output, _) = await CorpusCommand.RunAsync(receiver, "fix", "broken", "--", "sh", "-c", "echo 'web: exit 3' >Procfile");

        Assert.Equal(1, code);
        Assert.Contains("v1 still serves", output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v1", (await receiver.AskAsync("broken.localhost", "/plain")).Body, StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(Path.Combine(receiver.Project("broken"), "archives"), "fix-1.patch", SearchOption.AllDirectories));
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "redeploy", "broken")).Code); // without it
        Assert.Contains("web: exit 3", (await CorpusCommand.RunAsync(receiver, "patches", "broken", "1")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_is_cut_off_loses_nothing_and_keeps_nobody_from_deploying()
    {
        var ssh = await shared.ClientAsync("\"user\":\"admin\"");
        await using var git = await PushedAsync("cut-off");
        var begun = Path.Combine(receiver.Project("cut-off"), "data", "begun");
        await using (var lost = ssh.Command(["-tt"], "fix", "cut-off").Start())
        {
            var (said, complained) = (lost.ReadAllAsync(lost.Output), lost.ReadAllAsync(lost.Error));
            await lost.Input.WriteAsync(Encoding.ASCII.GetBytes("echo 7 >VERSION; : >$PAAS_DATA_DIR/begun; sleep 5000\n"));
            await lost.Input.FlushAsync();
            await Patience.UntilAsync(() => File.Exists(begun), "the shell works");

            // One at a time; a push goes ahead and says who is there.
            var (second, _, why) = await CorpusCommand.RunAsync(receiver, "fix", "cut-off", "--", "true");
            Assert.Equal(1, second);
            Assert.Contains("admin is fixing", why, StringComparison.Ordinal);
            await git.CommitFileAsync("other", "x\n");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
            Assert.Contains("admin is fixing v1 by hand", push.Text, StringComparison.Ordinal);
            lost.Signal(PosixSignals.Kill);
            await lost.WaitAsync();
            await Task.WhenAll(said, complained);
        }

        // Its file is there a moment before it is kept for good.
        await Patience.UntilAsync(async () => (await CorpusCommand.RunAsync(receiver, "patches", "cut-off", "1")).Code == 0, "it is kept");
        Assert.Contains("+7", (await CorpusCommand.RunAsync(receiver, "patches", "cut-off", "1")).Output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v2", (await receiver.AskAsync("cut-off.localhost", "/plain")).Body, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "fix", "cut-off", "--apply", "1")).Code);
        Assert.StartsWith("hello version 7 release v3", (await receiver.AskAsync("cut-off.localhost", "/plain")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_changed_a_command_that_fails_and_what_is_given_up_deploy_nothing()
    {
        await using var git = await PushedAsync("nothing");
        var none = await CorpusCommand.RunAsync(receiver, "fix", "nothing", "--", "touch", "VERSION");
        Assert.Equal(0, none.Code);
        Assert.Contains("Nothing was changed", none.Output, StringComparison.Ordinal);
        var failed = await CorpusCommand.RunAsync(receiver, "fix", "nothing", "--", "sh", "-c", "echo 7 >VERSION; exit 9");
        Assert.Equal(9, failed.Code);
        Assert.Contains("Kept as fix 1 of v1 and not deployed", failed.Output, StringComparison.Ordinal);
        var given = await CorpusCommand.RunAsync(receiver, "fix", "nothing", "--discard", "--", "sh", "-c", "echo 8 >VERSION");
        Assert.Contains("+8", given.Output, StringComparison.Ordinal);
        var kept = await CorpusCommand.RunAsync(receiver, "fix", "nothing", "-n", "--", "sh", "-c", "echo 9 >VERSION; cp /bin/true tool; chmod u+s tool");
        Assert.Contains("setuid", kept.Output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v1", (await receiver.AskAsync("nothing.localhost", "/plain")).Body, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "redeploy", "nothing")).Code);
        Assert.StartsWith("hello version 9 release v2", (await receiver.AskAsync("nothing.localhost", "/plain")).Body, StringComparison.Ordinal);
        var tool = Path.Combine(receiver.Project("nothing"), "deploy", "current", "tool");
        Assert.False(File.GetUnixFileMode(tool).HasFlag(UnixFileMode.SetUser));
        Assert.Empty(Directory.GetDirectories(Path.Combine(receiver.Project("nothing"), "build"), "*.fix"));
    }

    [Theory]
    [InlineData("asked-d", "d", 0, "v2 is live", "kept", "hello version 7 ")]
    [InlineData("asked-k", "", 9, "Kept as fix 1 of v1 and not deployed", "aside", "hello version 1 ")]
    [InlineData("asked-g", "g", 9, "fix 1 is given up", "dropped", "hello version 1 ")]
    public async Task A_command_that_fails_in_a_terminal_asks_what_is_to_come_of_its_changes(string project, string answer, int code, string told, string state, string page)
    {
        var ssh = await shared.ClientAsync("\"user\":\"admin\"");
        await using var git = await PushedAsync(project);
        await using var terminal = ssh.Command(["-tt"], "fix", project, "--", "sh", "-c", "'echo 7 >VERSION; exit 9'").Start();
        var complained = terminal.ReadAllAsync(terminal.Error);
        var (said, buffer) = (new StringBuilder(), new byte[4096]);
        while (!said.ToString().Contains("[d/K/g] ", StringComparison.Ordinal) && await terminal.Output.ReadAsync(buffer) is > 0 and var read)
        {
            said.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }

        // It is shown and durable before anybody is asked.
        Assert.Contains("+7", said.ToString(), StringComparison.Ordinal);
        Assert.Contains("The shell ended with 9", said.ToString(), StringComparison.Ordinal);
        Assert.Contains("aside", (await CorpusCommand.RunAsync(receiver, "patches", project)).Output, StringComparison.Ordinal);
        await terminal.Input.WriteAsync(Encoding.ASCII.GetBytes(answer + "\n"));
        await terminal.Input.FlushAsync();
        said.Append(await terminal.ReadAllAsync(terminal.Output));

        Assert.True(await terminal.WaitAsync() == code, said + await complained + receiver.Output);
        Assert.Contains(told, said.ToString(), StringComparison.Ordinal);
        Assert.Contains(state, (await CorpusCommand.RunAsync(receiver, "patches", project)).Output, StringComparison.Ordinal);
        Assert.StartsWith(page, (await receiver.AskAsync($"{project}.localhost", "/plain")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_somebody_wrote_into_a_sealed_release_is_seen_said_and_kept()
    {
        await using var git = await PushedAsync("drifted");
        var release = Path.Combine(receiver.Project("drifted"), "deploy", "current");
        await Patience.UntilAsync(() => File.Exists(Path.Combine(Directory.GetDirectories(Path.Combine(receiver.Project("drifted"), "releases")).Single(), "release.json")), "it is archived");
        Assert.DoesNotContain("past the receiver", (await CorpusCommand.RunAsync(receiver, "status", "drifted", "--verify")).Output, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(release, "VERSION"), "9\n");
        await File.WriteAllTextAsync(Path.Combine(release, "left-by-root"), "x\n");
        var status = await CorpusCommand.RunAsync(receiver, "status", "drifted");
        Assert.Contains("changed past the receiver", status.Output, StringComparison.Ordinal);
        Assert.Contains("VERSION", status.Output, StringComparison.Ordinal);

        Assert.Contains("v1 of local/drifted was changed past the receiver", (await CorpusCommand.RunAsync(receiver, "doctor")).Output, StringComparison.Ordinal);

        await git.CommitFileAsync("other", "x\n");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains("v1 was changed past the receiver: VERSION, left-by-root; it is kept as fix 1", push.Text, StringComparison.Ordinal);
        Assert.Contains("+9", (await CorpusCommand.RunAsync(receiver, "patches", "drifted", "1")).Output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v2", (await receiver.AskAsync("drifted.localhost", "/plain")).Body, StringComparison.Ordinal);
        Assert.DoesNotContain("past the receiver", (await CorpusCommand.RunAsync(receiver, "status", "drifted")).Output, StringComparison.Ordinal);

        // A time that was set back is found by reading.
        var quiet = Path.Combine(release, "VERSION");
        var time = File.GetLastWriteTimeUtc(quiet);
        await File.WriteAllTextAsync(quiet, "8\n");
        File.SetLastWriteTimeUtc(quiet, time);
        Assert.DoesNotContain("past the receiver", (await CorpusCommand.RunAsync(receiver, "status", "drifted")).Output, StringComparison.Ordinal);
        Assert.Contains("past the receiver", (await CorpusCommand.RunAsync(receiver, "status", "drifted", "--verify")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rollback_brings_back_what_was_archived_when_somebody_wrote_into_the_kept_tree()
    {
        await using var git = await PushedAsync("touched");
        await git.CommitFileAsync("other", "x\n");
        Assert.True((await git.PushAsync()).Accepted);
        var release = Path.Combine(receiver.Project("touched"), "deploy", "current");

        // The file is the same one in both releases: who writes into the live one writes into the other.
        await File.WriteAllTextAsync(Path.Combine(release, "VERSION"), "9\n");
        var back = await CorpusCommand.RunAsync(receiver, "rollback", "touched", "--code-only");

        Assert.True(back.Code == 0, back.Output + back.Error);
        Assert.Contains("v1 was changed past the receiver: VERSION; it is unpacked from its archive again", back.Output + back.Error, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v1", (await receiver.AskAsync("touched.localhost", "/plain")).Body, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(receiver.Project("touched"), "build"), "*.tmp"));

        // Nothing comes of it later either.
        await git.CommitFileAsync("other", "y\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.StartsWith("hello version 1 release v3", (await receiver.AskAsync("touched.localhost", "/plain")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receiver_that_is_killed_in_a_fix_finds_it_at_its_next_start()
    {
        await using var alone = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(alone, "killed", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var begun = Path.Combine(alone.Project("killed"), "data", "begun");
        var fixing = CorpusCommand.RunAsync(alone, "fix", "killed", "--", "sh", "-c", "echo 7 >VERSION; : >$PAAS_DATA_DIR/begun; sleep 6000");
        await Patience.UntilAsync(() => File.Exists(begun), "the command works");
        await alone.KillAsync();
        await fixing;
        await alone.StartAgainAsync();

        var (_, patches, _) = await CorpusCommand.RunAsync(alone, "patches", "killed");
        Assert.Contains("aside", patches, StringComparison.Ordinal);
        Assert.Contains("+7", (await CorpusCommand.RunAsync(alone, "patches", "killed", "1")).Output, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v1", (await alone.AskAsync("killed.localhost")).Body, StringComparison.Ordinal);
        Assert.Contains("made 1", (await CorpusCommand.RunAsync(alone, "releases", "killed")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(alone, "fix", "killed", "--apply", "1")).Code);
        Assert.StartsWith("hello version 7 release v2", (await alone.AskAsync("killed.localhost")).Body, StringComparison.Ordinal);
        Assert.Contains("has 1", (await CorpusCommand.RunAsync(alone, "releases", "killed")).Output, StringComparison.Ordinal);
        Assert.Contains("kept", (await CorpusCommand.RunAsync(alone, "patches", "killed")).Output, StringComparison.Ordinal);

        // Nobody takes the patches for something that nobody knows.
        await CorpusCommand.RunAsync(alone, "doctor", "--fix");
        Assert.Contains("+7", (await CorpusCommand.RunAsync(alone, "patches", "killed", "1")).Output, StringComparison.Ordinal);
    }

    async Task PushPillarAsync(string project, string text)
    {
        await using var pillar = await GitClient.NewAsync(receiver, project + "/pillar");
        await pillar.CommitFileAsync("init.sls", text);
        var push = await pillar.PushAsync();
        Assert.True(push.Accepted, push.Text);
    }

    async Task<GitClient> PushedAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text + receiver.Output);
        return git;
    }
}
