using System.Net;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>The receiver's root on a small file system of its own: what is live stays live, nothing temporary is left, and with room again the same commit deploys.</summary>
public class AFullDisk(ITestOutputHelper output)
{
    const long Megabyte = 1 << 20;

    [Theory]
    [InlineData(20, "hardly any room")]
    [InlineData(36, "room that the release itself uses up")]
    public async Task A_deployment_without_room_fails_and_changes_nothing(long free, string why)
    {
        if (System.Environment.UserName != "root")
        {
            output.WriteLine("Not run: mounting a small file system needs root.");
            return;
        }

        await using var receiver = await ReceiverProcess.StartAsync(
            new Dictionary<string, string> { ["PAAS_STOP_TIMEOUT"] = "3" }, root => new Command("mount", "-t", "tmpfs", "-o", "size=128m,mode=0755", "tmpfs", root).OutputAsync());
        await using var subject = await Subject.NewAsync(receiver, "full", keepsData: true);
        var first = await subject.CommitVersionAsync(1);
        var push = await subject.Git.PushAsync();
        Assert.True(push.Accepted, push.Text + receiver.Output);
        subject.FillData();
        var old = subject.Now(1, first);
        subject.WriteHook("build", "head -c 48000000 /dev/urandom >big");
        var second = await subject.CommitVersionAsync(2);
        var ballast = Path.Combine(receiver.Root, "ballast");
        await using (var file = File.Create(ballast))
        {
            var block = new byte[Megabyte];
            while (new DriveInfo(receiver.Root).AvailableFreeSpace > free * Megabyte)
            {
                await file.WriteAsync(block);
            }
        }

        var refused = await subject.Git.PushAsync();

        Assert.False(refused.Accepted);
        Assert.True(refused.Text.Contains("disk is full", StringComparison.Ordinal) || refused.Text.Contains("No space left", StringComparison.Ordinal), $"{why}: {refused.Text}");
        File.Delete(ballast);
        foreach (var failed in Directory.EnumerateDirectories(Path.Combine(subject.Directory, "archives")).Select(archive => Path.Combine(archive, "run.failed")).Where(Directory.Exists))
        {
            Directory.Delete(failed, recursive: true);
        }

        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, second));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + refused.Text + receiver.Output);
        Assert.Same(old, moment);
        var again = await subject.Git.PushAsync();
        Assert.True(again.Accepted, again.Text + receiver.Output);
        var (now, left) = await subject.SettleAsync(old, subject.After(old, 2, second));
        Assert.True(left.Count == 0, string.Join('\n', left));
        Assert.Equal(2, now!.Version);
    }

    [Fact]
    public async Task With_no_byte_left_a_push_fails_in_words_and_the_application_goes_on()
    {
        if (System.Environment.UserName != "root")
        {
            output.WriteLine("Not run: mounting a small file system needs root.");
            return;
        }

        await using var receiver = await ReceiverProcess.StartAsync(
            new Dictionary<string, string> { ["PAAS_STOP_TIMEOUT"] = "3" }, root => new Command("mount", "-t", "tmpfs", "-o", "size=128m,mode=0755", "tmpfs", root).OutputAsync());
        await using var subject = await Subject.NewAsync(receiver, "brim", keepsData: true);
        var first = await subject.CommitVersionAsync(1);
        Assert.True((await subject.Git.PushAsync()).Accepted);
        subject.FillData();
        var old = subject.Now(1, first);
        var second = await subject.CommitVersionAsync(2);
        var ballast = Path.Combine(receiver.Root, "ballast");
        await new Command("sh", "-c", $"head -c 200000000 /dev/zero >{ballast} 2>/dev/null; true").OutputAsync();

        var refused = await subject.Git.PushAsync();

        Assert.False(refused.Accepted);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync(subject.Host)).Status);
        File.Delete(ballast);
        var again = await subject.Git.PushAsync();
        Assert.True(again.Accepted, $"{refused.Text}\n{again.Text}{receiver.Output}");
        var (now, wrong) = await subject.SettleAsync(old, subject.After(old, 2, second));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(2, now!.Version);
    }
}
