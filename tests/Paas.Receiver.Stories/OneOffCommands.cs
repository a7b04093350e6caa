using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary><c>corpus run -- CMD</c>: the same view, user and environment as the application's, the command's own output and exit code.</summary>
public sealed class OneOffCommands(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_command_sees_what_the_application_sees_and_its_exit_code_is_ours()
    {
        await using var git = await GitClient.NewAsync(receiver, "one-off");
        await git.CommitSampleAsync("hello");
        Assert.True((await git.PushAsync()).Accepted);

        var (code, output, error) = await CorpusCommand.RunAsync(
            receiver, "run", "one-off", "--", "sh", "-c", "pwd; echo $PAAS_RELEASE ${PORT-no port} $PAASTA_LAUNCHED_BY; printf 'no end'; printf kept >$PAAS_DATA_DIR/kept; echo oops >&2; exit 42");

        Assert.Equal(42, code);
        Assert.Equal($"{receiver.Project("one-off")}/run\nv1 no port admin\nno end", output);
        Assert.Equal("oops\n", error);
        Assert.Equal("kept", await File.ReadAllTextAsync(Path.Combine(receiver.Project("one-off"), "data", "kept")));
        Assert.Empty(Directory.GetDirectories(Path.Combine(receiver.Root, "state", "instances")).Skip(1));
    }

    [Fact]
    public async Task Every_byte_passes_a_signal_is_a_code_and_nonsense_is_refused()
    {
        await using var git = await GitClient.NewAsync(receiver, "bytes");
        await git.CommitSampleAsync("hello");
        Assert.True((await git.PushAsync()).Accepted);

        var (_, zeros, _) = await CorpusCommand.RunAsync(receiver, "run", "bytes", "--", "head", "-c", "3000000", "/dev/zero");
        Assert.Equal(3_000_000, zeros.Length);
        Assert.Equal(128 + 9, (await CorpusCommand.RunAsync(receiver, "run", "bytes", "--", "sh", "-c", "kill -9 $$")).Code);
        Assert.Equal(127, (await CorpusCommand.RunAsync(receiver, "run", "bytes", "--", "no-such-program")).Code);
        Assert.Equal(2, (await CorpusCommand.RunAsync(receiver, "run", "bytes", "ls")).Code);
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "run", "no-such-project", "--", "ls")).Code);
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "run", "bytes", "--release", "v9", "--", "ls")).Code);
        Assert.Equal(2, (await CorpusCommand.RunAsync(receiver, "run", "bytes", "--release", "nine", "--", "ls")).Code);
    }

    [Fact]
    public async Task Whoever_hangs_up_ends_the_command_and_all_it_started()
    {
        await using var git = await GitClient.NewAsync(receiver, "hung-up");
        await git.CommitSampleAsync("hello");
        Assert.True((await git.PushAsync()).Accepted);
        var marker = Path.Combine(receiver.Project("hung-up"), "data", "begun");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(receiver.Address, "api/v1/projects/-/hung-up/run"))
        {
            Headers = { Authorization = new("Bearer", receiver.Token) },
            Content = new StringContent("""{"command": ["sh", "-c", "setsid -f sleep 1000; : >$PAAS_DATA_DIR/begun; sleep 1000"]}""", System.Text.Encoding.UTF8, "application/json"),
        };

        using (var response = await receiver.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            await Patience.UntilAsync(() => File.Exists(marker), "the command begins");
        }

        await Patience.UntilAsync(() => Directory.GetDirectories(Path.Combine(receiver.Root, "state", "instances")).All(Directory.Exists)
            && !Leftovers.Of(receiver.Root).Any(process => CommandLineOf(process).StartsWith("sleep\0" + "1000", StringComparison.Ordinal)), "nothing of it is left");
    }

    static string CommandLineOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }
}
