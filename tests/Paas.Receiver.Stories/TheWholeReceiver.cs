using System.Net;
using System.Net.Sockets;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>The restore drill: a receiver that runs is backed up, and another machine's empty root becomes it.</summary>
public sealed class TheWholeReceiver
{
    [Fact]
    public async Task A_backup_of_a_running_receiver_is_the_same_receiver_in_an_empty_root()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var subject = await Subject.NewAsync(receiver, "keeps", keepsData: true);
        await using var hello = await GitClient.NewAsync(receiver, "hello", "hello");
        Assert.True((await hello.PushAsync()).Accepted);
        subject.FillData();
        foreach (var version in (int[])[1, 2])
        {
            _ = await subject.CommitVersionAsync(version);
            var push = await subject.Git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        subject.WriteData("last words", "before the backup");
        var data = subject.ReadData();
        var file = Path.Combine(Path.GetDirectoryName(receiver.Root)!, "backup.tar.zst");

        // What the receiver's daemons listen at is of the moment.
        var daemons = Directory.CreateDirectory(Path.Combine(receiver.Root, "state", "registry")).FullName;
        using var listening = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listening.Bind(new UnixDomainSocketEndPoint(Path.Combine(daemons, "socket")));
        await File.WriteAllTextAsync(Path.Combine(daemons, "kept"), "an image");
        var token = await CorpusCommand.RunAsync(receiver, "tokens", "add", "bot");
        Assert.True(token.Code == 0, token.Error);
        var backup = await CorpusCommand.RunAsync(receiver, "backup-server", file);
        Assert.True(backup.Code == 0, backup.Output + backup.Error);
        var offline = await MachineAsync(receiver.Root, "backup", file + ".2");
        Assert.Equal(1, offline.ExitCode);
        Assert.Contains("corpus backup-server", offline.Error, StringComparison.Ordinal);
        subject.WriteData("last words", "after the backup");

        // The machine is lost, and a new one has nothing but the backup.
        await receiver.KillAsync();
        await Leftovers.EndAllAsync(receiver.Root);
        var lost = receiver.Root + ".lost";
        Directory.Move(receiver.Root, lost);
        var restore = await MachineAsync(receiver.Root, "restore", file);
        Assert.True(restore.ExitCode == 0, restore.Error);
        var again = await MachineAsync(receiver.Root, "restore", file);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("is not empty", again.Error, StringComparison.Ordinal);
        await receiver.StartAgainAsync();

        foreach (var host in (string[])[subject.Host, "hello.localhost"])
        {
            await Patience.UntilAsync(async () => (await receiver.AskAsync(host)).Status == HttpStatusCode.OK, $"{host} answers");
        }

        Assert.Contains("version 2 ", (await receiver.AskAsync(subject.Host)).Body, StringComparison.Ordinal);
        Assert.Equal(data, subject.ReadData());
        Assert.Equal("an image", await File.ReadAllTextAsync(Path.Combine(daemons, "kept")));
        Assert.False(Path.Exists(Path.Combine(daemons, "socket")));
        Assert.Contains("bot", (await CorpusCommand.RunAsync(receiver, "tokens")).Output, StringComparison.Ordinal);
        Assert.NotEmpty(Keys(lost));
        Assert.Equal(Keys(lost), Keys(receiver.Root));
        _ = await subject.CommitVersionAsync(3);
        var next = await subject.Git.PushAsync();
        Assert.True(next.Accepted, next.Text);
        Assert.Contains("v3 is live", next.Text, StringComparison.Ordinal);
        var rollback = await CorpusCommand.RunAsync(receiver, "rollback", "keeps", "v1");
        Assert.True(rollback.Code == 0, rollback.Output + rollback.Error);
        Assert.Contains("version 1 ", (await receiver.AskAsync(subject.Host)).Body, StringComparison.Ordinal);
        var doctor = await CorpusCommand.RunAsync(receiver, "doctor", "--repositories", "--all");
        Assert.DoesNotContain("problem  files", doctor.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("problem  repositories", doctor.Output, StringComparison.Ordinal);
    }

    /// <summary>What others know the receiver by.</summary>
    static IEnumerable<string> Keys(string root) =>
        Directory.EnumerateFiles(Path.Combine(root, "state"), "*key*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(file => $"{Path.GetRelativePath(root, file)} {File.ReadAllText(file)}");

    static Task<CommandResult> MachineAsync(string root, params string[] words) =>
        new Command("dotnet", [Path.Combine(AppContext.BaseDirectory, "paas-receiver.dll"), .. words]).With([
            new("PAAS_ROOT", root), new("PATH", Environment.GetEnvironmentVariable("PATH") ?? ""), new("DOTNET_ROOT", Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? ""), new("HOME", Path.GetTempPath())]).RunAsync();
}
