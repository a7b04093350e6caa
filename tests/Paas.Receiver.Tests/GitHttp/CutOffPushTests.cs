using System.Net;
using System.Net.Sockets;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.GitHttp;

/// <summary>Clients that go away, and bytes that are no push.</summary>
public class CutOffPushTests
{
    const string Main = "refs/heads/main";

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.01)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    public async Task A_client_that_goes_away_mid_pack_moves_nothing_and_leaves_nothing(double at)
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var project = receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await File.WriteAllBytesAsync(Path.Combine(tree.Directory, "noise"), Noise(3_000_000));
        await tree.GitAsync("add", "--all");
        await tree.GitAsync("commit", "--quiet", "--message", "noise");
        var push = await RawPush.OfAsync(tree, Main);

        using (var socket = await SendAsync(receiver, push, push.Commands.Length + (int)(push.Pack.Length * at)))
        {
            await Eventually.TrueAsync(() => receiver.Pushes.Count == 1, "the push is being received");
            socket.Client.LingerState = new LingerOption(enable: true, 0); // a reset, as of a client that is killed
        }

        await Eventually.TrueAsync(() => receiver.Pushes.Count == 0, "the push is over");
        Assert.Empty(receiver.Submitted);
        Assert.Null(await receiver.Repository("shop").ReadRefAsync(Main));
        Assert.Empty(Directory.GetFiles(Path.Combine(project.ProjectRepository, "objects"), "*", SearchOption.AllDirectories));
        Assert.Empty(Directory.GetDirectories(Path.Combine(project.ProjectRepository, "objects"), "tmp_*"));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(receiver.Root, "state", "pushes")));
        Assert.Equal(0, (await tree.TryGitAsync("push", "origin", "main")).Code);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(40_000)]
    public async Task A_pusher_who_hangs_up_stops_neither_the_deployment_nor_the_ref(int lines)
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var (started, gone) = (new TaskCompletionSource(), new TaskCompletionSource());
        receiver.Deploy = async (_, log) =>
        {
            log.Title("begun");
            started.SetResult();
            await gone.Task;
            for (var i = 0; i < lines; i++)
            {
                log.Detail($"{i} many words that nobody hears any more, many more than a pipe can hold");
            }

            return true;
        };

        await using (var push = tree.Command("push", "origin", "main") is var command ? (command with { OwnGroup = true }).Start() : null!)
        {
            await started.Task;
            push.Signal(PosixSignals.Kill);
            await push.WaitAsync();
        }

        gone.SetResult();
        await Eventually.TrueAsync(() => !receiver.RefMoved.IsEmpty && receiver.Pushes.Count == 0, "the deployment is closed");
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync(Main));
    }

    [Fact]
    public async Task When_git_is_killed_after_the_release_went_live_the_ref_follows_all_the_same()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var (started, killed) = (new TaskCompletionSource(), new TaskCompletionSource());
        receiver.Deploy = async (_, _) =>
        {
            started.SetResult();
            await killed.Task;
            return true;
        };

        var push = tree.TryGitAsync("push", "origin", "main");
        await started.Task;
        var repository = receiver.Repository("shop").Path;
        foreach (var receivePack in await RunningAsync("receive-pack", repository))
        {
            PosixSignals.Send(receivePack, PosixSignals.Kill);
        }

        Assert.NotEqual(0, (await push).Code);
        Assert.Null(await receiver.Repository("shop").ReadRefAsync(Main));
        killed.SetResult();

        await Eventually.TrueAsync(() => !receiver.RefMoved.IsEmpty, "the deployment is closed");
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync(Main));
        Assert.Equal(0, receiver.Pushes.Count);
    }

    [Fact]
    public async Task A_hook_that_finds_its_push_gone_fails_the_push()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        receiver.Check = (push, _) =>
        {
            Directory.Delete(Path.Combine(receiver.Root, "state", "pushes", push.Id), recursive: true);
            return [];
        };

        Assert.NotEqual(0, (await tree.TryGitAsync("push", "origin", "main")).Code);
        Assert.Empty(receiver.Submitted);
    }

    [Fact]
    public async Task No_bytes_in_place_of_a_push_move_a_ref_or_hang()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "--quiet", "origin", "main");
        var before = await tree.GitAsync("ls-remote", "origin");
        var push = await RawPush.OfAsync(tree, "refs/heads/fuzz");
        var deployed = receiver.Submitted.Count;
        using var client = receiver.Client();
        client.Timeout = TimeSpan.FromSeconds(30);

        var broken = Gen.OneOf(
            ArbMap.Default.GeneratorFor<byte[]>(),                                                     // anything
            Gen.Choose(0, push.Whole.Length - 1).Select(length => push.Whole[..length]),               // a prefix
            Gen.Choose(push.Commands.Length, push.Whole.Length - 1).SelectMany(at => Gen.Choose(1, 255).Select(bits => Flipped(push.Whole, at, (byte)bits))),
            ArbMap.Default.GeneratorFor<byte[]>().Select(bytes => (byte[])[.. push.Commands, .. bytes]),
            ArbMap.Default.GeneratorFor<byte[]>().Select(bytes => (byte[])[.. RawPush.PacketLine(Encoding.Latin1.GetString(bytes)), .. "0000"u8, .. push.Pack]));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(100), Prop.ForAll(broken.ToArbitrary(), bytes =>
        {
            Ask("shop", "receive", bytes);
            Ask("shop", "upload", bytes);
        }));

        // A byte changed in a command may well make another command, so here only that an answer comes is asked.
        var bent = Gen.Choose(0, push.Commands.Length - 1).SelectMany(at => Gen.Choose(1, 255).Select(bits => Flipped(push.Whole, at, (byte)bits)));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(50), Prop.ForAll(bent.ToArbitrary(), bytes => Ask("bent", "receive", bytes)));

        Assert.Equal(0, receiver.Pushes.Count);
        Assert.Equal(deployed, receiver.Submitted.Count);
        Assert.Equal(before, await tree.GitAsync("ls-remote", "origin"));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(receiver.Repository("shop").Path, "objects"), "tmp_*", SearchOption.AllDirectories));

        void Ask(string project, string service, byte[] bytes)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/git/{project}.git/git-{service}-pack")
            {
                Content = RawPush.Content(bytes, $"application/x-git-{service}-pack-request"),
            };
            using var answer = client.Send(request);
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, answer.StatusCode.ToString());
        }
    }

    [Fact]
    public async Task A_zipped_body_that_is_no_zip_or_is_cut_off_is_refused()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        using var client = receiver.Client();
        foreach (var bytes in (byte[][])[[], [1, 2, 3], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0x63]])
        {
            var content = RawPush.Content(bytes);
            content.Headers.ContentEncoding.Add("gzip");

            using var answer = await client.PostAsync("/git/shop.git/git-receive-pack", content);

            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }

        Assert.Empty(receiver.Projects.List());
    }

    static byte[] Flipped(byte[] bytes, int at, byte bits)
    {
        var copy = bytes.ToArray();
        copy[at] ^= bits;
        return copy;
    }

    static byte[] Noise(int length)
    {
        var noise = new byte[length];
        new Random(1).NextBytes(noise);
        return noise;
    }

    static async Task<TcpClient> SendAsync(PushingReceiver receiver, RawPush push, int length)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, receiver.Address.Port);
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes("any:" + receiver.Token));
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /git/shop.git/git-receive-pack HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n"
            + $"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {push.Whole.Length}\r\n\r\n"));
        await socket.GetStream().WriteAsync(push.Whole.AsMemory(0, length));
        return socket;
    }

    static async Task<List<int>> RunningAsync(string program, string argument)
    {
        var found = new List<int>();
        foreach (var process in Directory.GetDirectories("/proc").Where(path => path[6..].All(char.IsAsciiDigit)))
        {
            try
            {
                var line = await File.ReadAllTextAsync(Path.Combine(process, "cmdline"));
                if (line.Contains(program, StringComparison.Ordinal) && line.Contains(argument, StringComparison.Ordinal))
                {
                    found.Add(int.Parse(process[6..]));
                }
            }
            catch (IOException)
            {
                // Gone meanwhile.
            }
        }

        return found;
    }
}
