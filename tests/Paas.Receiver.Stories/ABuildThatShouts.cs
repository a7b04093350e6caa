using System.Globalization;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>A gigabyte of output costs the receiver neither memory nor disk, and the pusher reads its beginning and its end.</summary>
public sealed class ABuildThatShouts(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_gigabyte_is_cut_to_its_beginning_and_its_end()
    {
        await using var git = await GitClient.NewAsync(receiver, "shouts", "hello");
        await git.WriteHookAsync("build", "echo first\nyes \"$(printf %01000d 7)\" | head -c 1073741824\necho\necho last");
        await git.CommitAsync("Shout");
        var before = PeakMemory();

        var push = await git.PushAsync();

        Assert.True(push.Accepted, string.Join('\n', push.Remote.TakeLast(20)));
        Assert.Contains("       first", push.Remote);
        Assert.Contains(push.Remote, line => line.StartsWith("       … more output than is kept", StringComparison.Ordinal));
        Assert.Contains(push.Remote, line => line.StartsWith("       … ", StringComparison.Ordinal) && line.EndsWith(" lines left out", StringComparison.Ordinal));
        Assert.Contains("       last", push.Remote);
        Assert.Contains("=====> v1 is live", push.Remote[^1], StringComparison.Ordinal);
        var log = Assert.Single(Directory.GetFiles(Path.Combine(receiver.Root, "state", "deployments", "local", "shouts")));
        Assert.InRange(new FileInfo(log).Length, 1_000_000, 10_000_000);
        Assert.InRange(PeakMemory() - before, 0, 200_000);
    }

    /// <summary>In kB.</summary>
    int PeakMemory() => int.Parse(
        File.ReadLines($"/proc/{receiver.Id}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
