using System.Globalization;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 2, item 9: what a push says, when it goes well and when it does not.</summary>
public sealed class WhatThePusherReads(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_push_that_goes_live_tells_its_steps_its_times_its_number_and_its_address()
    {
        await using var git = await GitClient.NewAsync(receiver, "says-live", "hello");

        var first = await git.PushAsync();

        Assert.True(first.Accepted, first.Text);
        Assert.Equal($"-----> Deploying {(await git.HeadAsync())[..8]} to local/says-live", first.Remote[0]);
        Assert.Contains("       runs web", first.Remote);
        Assert.Contains(first.Remote, IsTimings);
        Assert.Equal($"=====> v1 is live at http://says-live.localhost:{receiver.Port}", first.Remote[^1]);

        await git.CommitFileAsync("VERSION", "2\n");
        var second = await git.PushAsync();

        Assert.True(second.Accepted, second.Text);
        Assert.Equal($"=====> v2 is live at http://says-live.localhost:{receiver.Port}", second.Remote[^1]);
    }

    [Fact]
    public async Task A_build_that_fails_tells_its_step_its_exit_code_and_what_serves_on()
    {
        await using var git = await GitClient.NewAsync(receiver, "wont-build", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var live = await git.RemoteRefAsync();
        await git.CommitSampleAsync("wont-build");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        AssertInOrder(
            push.Remote,
            "-----> Running .paas/hooks/build",
            "       the part 'flux-capacitor' is missing",
            " !     build failed: .paas/hooks/build ended with exit code 3",
            $" !     v1 still serves http://wont-build.localhost:{receiver.Port}");
        await AssertFullLogAsync(push);
        Assert.Contains(push.Remote, line => line.StartsWith("       next: ", StringComparison.Ordinal) && line.Contains("corpus logs wont-build", StringComparison.Ordinal));
        Assert.Equal(live, await git.RemoteRefAsync());
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("wont-build.localhost")).Body, StringComparison.Ordinal);

        // The same commit again: not "everything up to date".
        Assert.Contains(" !     build failed: .paas/hooks/build ended with exit code 3", (await git.PushAsync()).Remote);
    }

    [Fact]
    public async Task An_application_that_dies_at_its_start_is_quoted_with_its_last_twenty_lines()
    {
        await using var git = await GitClient.NewAsync(receiver, "dies-early", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await git.WriteAsync("Procfile", "web: for i in $(seq 1 50); do echo \"line $i\"; done; echo 'the settings do not make sense' >&2; exit 9\n");
        await git.CommitAsync("Die early");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     healthy failed: ", StringComparison.Ordinal) && line.Contains('9', StringComparison.Ordinal));
        Assert.Contains(" !     the application's last 20 lines:", push.Remote);
        Assert.Contains("         line 50", push.Remote);
        Assert.Contains("         the settings do not make sense", push.Remote);
        Assert.DoesNotContain("         line 31", push.Remote);
        Assert.Contains($" !     v1 still serves http://dies-early.localhost:{receiver.Port}", push.Remote);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("dies-early.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_first_push_that_fails_says_that_nothing_is_live_and_can_be_mended()
    {
        await using var git = await GitClient.NewAsync(receiver, "wont-start", "wont-start");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("         RuntimeError: the settings do not make sense", push.Remote);
        Assert.Contains(" !     nothing was live before, nothing is live now", push.Remote);
        Assert.Null(await git.RemoteRefAsync());

        await git.CommitSampleAsync("hello");
        var mended = await git.PushAsync();
        Assert.True(mended.Accepted, mended.Text);
    }

    [Fact]
    public async Task Escape_sequences_of_a_build_and_of_an_application_are_made_harmless()
    {
        await using var git = await GitClient.NewAsync(receiver, "escapes", "shouts");
        await git.WriteAsync("Procfile", "web: sh shout.sh escapes; exit 1\n");
        await git.CommitAsync("Shout twice");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Equal(2, push.Remote.Count(line => line.Contains("␛[31mred␛[0m", StringComparison.Ordinal)));
        // git itself puts ESC [ K behind a line on a terminal only; here nothing of it is left.
        var log = await File.ReadAllTextAsync(FullLog(push));
        foreach (var text in new[] { push.Text, log })
        {
            Assert.DoesNotContain(text, c => (char.IsControl(c) && c is not ('\n' or '\t')) || c is '\u202e');
        }
    }

    [Theory]
    [InlineData("binary")]
    [InlineData("line")]
    public async Task Output_that_is_no_text_harms_nobody(string what)
    {
        await using var git = await GitClient.NewAsync(receiver, $"shouts-{what}", "shouts");
        await git.WriteAsync("build.says", what);
        await git.WriteAsync("run.says", what);
        await git.CommitAsync("Shout");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, string.Join("\n", push.Remote.TakeLast(5)));
        Assert.DoesNotContain(push.Text, c => char.IsControl(c) && c is not ('\n' or '\t'));
        Assert.All(push.Remote, line => Assert.InRange(line.Length, 0, 4200));
    }

    internal static string FullLog(PushResult push)
    {
        const string Mark = "full log: ";
        var line = Assert.Single(push.Remote, line => line.Contains(Mark, StringComparison.Ordinal));
        return line[(line.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length)..];
    }

    static async Task AssertFullLogAsync(PushResult push)
    {
        var path = FullLog(push);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        // git itself adds the last line.
        Assert.Equal((await File.ReadAllLinesAsync(path)).Append("error: hook declined to update refs/heads/main"), push.Remote);
    }

    static void AssertInOrder(IReadOnlyList<string> lines, params string[] wanted)
    {
        var rest = lines.ToList();
        foreach (var line in wanted)
        {
            var at = rest.IndexOf(line);
            Assert.True(at >= 0, $"'{line}' is missing, or not in its place, in:\n{string.Join('\n', lines)}");
            rest.RemoveRange(0, at + 1);
        }
    }

    // "       checkout 12 ms · start 1.2 s"
    static bool IsTimings(string line) =>
        line.StartsWith("       ", StringComparison.Ordinal)
        && line.Trim().Split(" · ").All(step => step.Split(' ') is [var name, var number, "ms" or "s"] && name.All(char.IsAsciiLetterLower) && double.TryParse(number, CultureInfo.InvariantCulture, out _));
}
