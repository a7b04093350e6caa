using System.Net;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>R7.6 when it is cut off: whatever breaks between the last keystroke and the release that holds it, the change is in one of the two, or found at the next start.</summary>
public sealed class AFixThatGoesWrong(ITestOutputHelper output)
{
    static readonly Dictionary<string, string> Quick = new() { ["PAAS_SETTLE"] = "0", ["PAAS_STOP_TIMEOUT"] = "3" };

    [Fact]
    public async Task Killed_or_failed_at_any_step_the_change_is_live_or_kept_and_can_be_applied()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Quick);
        await using var git = await PushedAsync(receiver, "faults");
        var version = 1;
        foreach (var fault in new[]
        {
            "kill:record:after", "kill:keep:after", "kill:patch:after", "kill:seal:after", "kill:switch:after", "fail:record:after", "fail:patch:after", "fail:seal:after",
        })
        {
            var before = version;
            receiver.Arm(fault);
            var (code, said, why) = await CorpusCommand.RunAsync(receiver, "fix", "faults", "-m", $"Say {++version}", "--", "sh", "-c", $"echo {version} >VERSION");
            Assert.True(code != 0, $"{fault}: {said}{why}");
            if (fault.StartsWith("kill:", StringComparison.Ordinal))
            {
                Assert.Equal(137, await receiver.ExitAsync());
            }
            else if (fault.Contains(":record:", StringComparison.Ordinal))
            {
                Assert.Contains("Nothing is lost", said + why, StringComparison.Ordinal);
                await receiver.StopAsync();
            }

            receiver.Arm(null);
            if (!receiver.IsRunning)
            {
                await receiver.StartAgainAsync();
            }

            var page = await PageAsync(receiver, "faults");
            Assert.True(page.StartsWith($"hello version {before} ", StringComparison.Ordinal) || page.StartsWith($"hello version {version} ", StringComparison.Ordinal), $"{fault}: {page}{receiver.Output}");
            using var patches = JsonDocument.Parse((await CorpusCommand.RunAsync(receiver, "patches", "faults", "--json")).Output);
            var mine = patches.RootElement.GetProperty("items").EnumerateArray().Last();
            var number = mine.GetProperty("number").GetInt32();
            Assert.True(number == version - 1, $"{fault}: each fix is kept once, and this is number {number}\n{receiver.Output}");
            Assert.Contains($"+{version}\n", (await CorpusCommand.RunAsync(receiver, "patches", "faults", $"{number}")).Output, StringComparison.Ordinal);
            if (page.StartsWith($"hello version {before} ", StringComparison.Ordinal))
            {
                var applied = await CorpusCommand.RunAsync(receiver, "fix", "faults", "--apply", $"{number}");
                Assert.True(applied.Code == 0, $"{fault}: {applied.Output}{applied.Error}{receiver.Output}");
            }

            Assert.StartsWith($"hello version {version} ", await PageAsync(receiver, "faults"), StringComparison.Ordinal);
            Assert.Empty(Directory.GetDirectories(Path.Combine(receiver.Project("faults"), "build"), "*.fix"));
            output.WriteLine($"{fault}: {page.Split(" release")[0]}");
        }
    }

    [Fact]
    public async Task On_a_full_disk_what_was_changed_stays_where_it_is_and_the_next_start_makes_it_a_patch()
    {
        if (System.Environment.UserName != "root")
        {
            output.WriteLine("Not run: mounting a small file system needs root.");
            return;
        }

        await using var receiver = await ReceiverProcess.StartAsync(Quick, root => new Command("mount", "-t", "tmpfs", "-o", "size=48m,mode=0755", "tmpfs", root).OutputAsync());
        await using var git = await PushedAsync(receiver, "full");
        var ballast = Path.Combine(receiver.Project("full"), "data", "ballast");

        // It is the fix itself that fills the disk, behind its change.
        var (code, said, why) = await CorpusCommand.RunAsync(
            receiver, "fix", "full", "--", "sh", "-c", "echo 7 >VERSION; cat /dev/zero >\"$PAAS_DATA_DIR/ballast\" 2>/dev/null; true");

        Assert.True(code == 1, said + why + receiver.Output);
        Assert.Contains("Nothing is lost: it is in ", said + why, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("full.localhost")).Status);
        Assert.Single(Directory.GetDirectories(Path.Combine(receiver.Project("full"), "build"), "*.fix"));

        // While it is full another one is not even begun, or ends like this one; nobody is kept from the next.
        Assert.NotEqual(0, (await CorpusCommand.RunAsync(receiver, "fix", "full", "--", "sh", "-c", "echo 8 >VERSION")).Code);
        File.Delete(ballast);
        var third = await CorpusCommand.RunAsync(receiver, "fix", "full", "--", "true");
        Assert.True(third.Code == 0, third.Output + third.Error + receiver.Output);

        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        using var patches = JsonDocument.Parse((await CorpusCommand.RunAsync(receiver, "patches", "full", "--json")).Output);
        var kept = patches.RootElement.GetProperty("items").EnumerateArray().First();
        Assert.Equal("aside", kept.GetProperty("state").GetString());
        Assert.Contains("+7\n", (await CorpusCommand.RunAsync(receiver, "patches", "full", kept.GetProperty("number").ToString())).Output, StringComparison.Ordinal);
        var applied = await CorpusCommand.RunAsync(receiver, "fix", "full", "--apply", kept.GetProperty("number").ToString());
        Assert.True(applied.Code == 0, applied.Output + applied.Error + receiver.Output);
        Assert.StartsWith("hello version 7 ", await PageAsync(receiver, "full"), StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(Path.Combine(receiver.Project("full"), "build"), "*.fix"));
    }

    static async Task<GitClient> PushedAsync(ReceiverProcess receiver, string project)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text + receiver.Output);
        return git;
    }

    /// <summary>As soon as one is answered: behind a restart somebody may have to be waited for.</summary>
    static async Task<string> PageAsync(ReceiverProcess receiver, string project)
    {
        var page = "";
        await Patience.UntilAsync(async () =>
        {
            var (status, body) = await receiver.AskAsync($"{project}.localhost", "/plain");
            page = body;
            return status == HttpStatusCode.OK;
        }, "the application answers");
        return page;
    }
}
