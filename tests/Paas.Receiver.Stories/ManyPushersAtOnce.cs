using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Pushes that meet each other, and pushers who do not wait for the end.</summary>
public sealed class ManyPushersAtOnce(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task The_second_push_waits_visibly_and_is_refused_as_stale()
    {
        await using var one = await GatedAsync("stale", 1);
        await using var two = await GatedAsync("stale", 2);
        var gate = new Gate(receiver, "stale");

        var first = one.PushAsync();
        await gate.BegunAsync(1);
        var second = two.PushAsync();
        await WaitingAsync("stale", 1);
        await gate.OpenAsync(1);

        Assert.True((await first).Accepted, (await first).Text);
        var late = await second;
        Assert.False(late.Accepted);
        Assert.Contains(late.Remote, line => line.StartsWith("-----> Waiting for deployment ", StringComparison.Ordinal));
        Assert.Contains(late.Remote, line => line.Contains("refs/heads/main has moved to", StringComparison.Ordinal) && line.Contains("fetch, and push again", StringComparison.Ordinal));
        Assert.Equal(await one.HeadAsync(), await one.RemoteRefAsync());
    }

    [Fact]
    public async Task A_newer_push_takes_the_place_of_one_that_waits()
    {
        await using var one = await GatedAsync("superseded", 1);
        await using var two = await GatedAsync("superseded", 2);
        await using var three = await GatedAsync("superseded", 3);
        var gate = new Gate(receiver, "superseded");

        var first = one.PushAsync();
        await gate.BegunAsync(1);
        var second = two.PushAsync();
        await WaitingAsync("superseded", 1);
        var third = three.PushAsync();
        var overtaken = await second;
        await gate.OpenAsync(3);
        await gate.OpenAsync(1, code: 7);

        Assert.False(overtaken.Accepted);
        Assert.Contains(overtaken.Remote, line => line.Contains("superseded by a newer push to refs/heads/main", StringComparison.Ordinal));
        Assert.False((await first).Accepted);
        Assert.True((await third).Accepted, (await third).Text);
        Assert.Equal(await three.HeadAsync(), await three.RemoteRefAsync());
        Assert.Equal("3\n", await File.ReadAllTextAsync(Path.Combine(receiver.Project("superseded"), "run", "NUMBER")));
    }

    [Fact]
    public async Task Eight_projects_go_live_at_once()
    {
        await Task.WhenAll(Enumerable.Range(1, 8).Select(async number =>
        {
            await using var git = await GitClient.NewAsync(receiver, $"eight-{number}", "hello");
            await git.CommitFileAsync("VERSION", $"{number}\n");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
            Assert.StartsWith($"hello version {number} ", (await receiver.AskAsync($"eight-{number}.localhost")).Body, StringComparison.Ordinal);
        }));
    }

    [Fact]
    public async Task A_push_does_not_wait_for_the_build_of_another_project()
    {
        await using var slow = await GatedAsync("slow-build", 1);
        var gate = new Gate(receiver, "slow-build");
        var building = slow.PushAsync();
        await gate.BegunAsync(1);

        await using var quick = await GitClient.NewAsync(receiver, "quick-build", "hello");
        var push = await quick.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.False(building.IsCompleted);
        await gate.OpenAsync(1);
        Assert.True((await building).Accepted, (await building).Text);
    }

    [Fact]
    public async Task A_pusher_who_is_killed_in_the_middle_stops_nothing_and_the_ref_moves()
    {
        await using var git = await GatedAsync("killed", 1);
        var gate = new Gate(receiver, "killed");
        await using (var pusher = (git.Git("push", "paas", "main") with { OwnGroup = true }).Start())
        {
            await gate.BegunAsync(1);
            pusher.Signal(PosixSignals.Kill);
            await pusher.WaitAsync();
        }

        Assert.Null(await git.RemoteRefAsync());
        await gate.OpenAsync(1);

        await Patience.UntilAsync(async () => await git.RemoteRefAsync() == await git.HeadAsync(), "the ref moves");
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("killed.localhost")).Body, StringComparison.Ordinal);
        // The next push goes on from there.
        await gate.OpenAsync(2);
        await git.CommitFileAsync("NUMBER", "2\n");
        var next = await git.PushAsync();
        Assert.True(next.Accepted, next.Text);
    }

    [Fact]
    public async Task What_runs_and_what_waits_can_be_cancelled()
    {
        await using var git = await GitClient.NewAsync(receiver, "cancelled", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var live = await git.HeadAsync();
        await Gate.InstallAsync(git);
        await git.CommitFileAsync("NUMBER", "1\n");
        var gate = new Gate(receiver, "cancelled");
        var running = git.PushAsync();
        await gate.BegunAsync(1);
        await using var other = await GatedAsync("cancelled", 2);
        var waiting = other.PushRefAsync("+main");
        await WaitingAsync("cancelled", 1);

        var ids = Directory.GetFiles(Path.Combine(receiver.Root, "state", "deployments", "local", "cancelled"), "*.log").Order(StringComparer.Ordinal).Select(Path.GetFileNameWithoutExtension).ToList();
        Assert.Equal(HttpStatusCode.Accepted, (await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/cancelled/deployments/{ids.Find(id => IsWaiting(id!))}/cancel")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/cancelled/deployments/{ids.FindLast(id => !IsWaiting(id!))}/cancel")).Status);

        Assert.Contains(" !     cancelled by admin while it waited", (await waiting).Remote);
        Assert.Contains(" !     build failed: cancelled by admin", (await running).Remote);
        Assert.Equal(live, await git.RemoteRefAsync());
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("cancelled.localhost")).Body, StringComparison.Ordinal);

        bool IsWaiting(string id) => LogOf("cancelled", id).Contains("Waiting for", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_push_during_a_rollback_waits_for_it_and_then_deploys()
    {
        await using var git = await GitClient.NewAsync(receiver, "rolls-back", "hello");
        await git.WriteAsync("Procfile", "web: test ! -e \"$PAAS_DATA_DIR/wait\" || until [ -e \"$PAAS_DATA_DIR/go\" ]; do : >\"$PAAS_DATA_DIR/begun\"; sleep 0.01; done; exec /usr/bin/python3 app.py\n");
        await git.CommitAsync("Take time");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        var data = Path.Combine(receiver.Project("rolls-back"), "data");
        await File.WriteAllTextAsync(Path.Combine(data, "wait"), "");
        await git.CommitFileAsync("VERSION", "3\n");

        var asked = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/rolls-back/rollback", "{\"release\":1,\"codeOnly\":true}");
        Assert.Equal(HttpStatusCode.Accepted, asked.Status);
        await Patience.UntilAsync(() => File.Exists(Path.Combine(data, "begun")), "the rollback is in its middle");
        var pushing = git.PushAsync();
        await WaitingAsync("rolls-back", 1);
        await File.WriteAllTextAsync(Path.Combine(data, "go"), "");
        var push = await pushing;

        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.StartsWith("-----> Waiting for deployment ", StringComparison.Ordinal));
        Assert.StartsWith("hello version 3 ", (await receiver.AskAsync("rolls-back.localhost")).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pusher_who_is_gone_in_the_middle_of_the_pack_has_changed_nothing(bool first)
    {
        var project = first ? "cut-first" : "cut-later";
        await using var git = await GitClient.NewAsync(receiver, project, "hello");
        var old = first ? null : await git.HeadAsync();
        if (!first)
        {
            Assert.True((await git.PushAsync()).Accepted);
        }

        await SendHalfAPackAsync(project, old ?? new string('0', 40));

        if (first)
        {
            await Patience.UntilAsync(() => !Directory.Exists(receiver.Project(project)), "the project is taken back");
        }
        else
        {
            var objects = Path.Combine(receiver.Project(project), "git", "project", "objects");
            await Patience.UntilAsync(() => !Directory.EnumerateFileSystemEntries(objects, "*incoming*").Any(), "git's quarantine goes");
            Assert.Empty(Directory.EnumerateFiles(objects, "tmp_*", SearchOption.AllDirectories));
            Assert.Equal(old, await git.RemoteRefAsync());
        }

        await Patience.UntilAsync(() => !Directory.EnumerateFileSystemEntries(Path.Combine(receiver.Root, "state", "pushes")).Any(), "the push is closed");
        await git.CommitFileAsync("VERSION", "2\n");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
    }

    async Task SendHalfAPackAsync(string project, string old)
    {
        var line = $"{old} {new string('1', 40)} refs/heads/main\0 report-status side-band-64k\n";
        var body = Encoding.ASCII.GetBytes($"{line.Length + 4:x4}{line}0000").Concat("PACK\0\0\0\u0002\0\0\0\u0063"u8.ToArray()).Concat(new byte[1000]).ToArray();
        var head = string.Join(
            "\r\n",
            $"POST /git/{project}.git/git-receive-pack HTTP/1.1",
            "Host: 127.0.0.1",
            "Authorization: Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes($"pusher:{receiver.Token}")),
            "Content-Type: application/x-git-receive-pack-request",
            "Content-Length: " + (body.Length + 1_000_000).ToString(CultureInfo.InvariantCulture),
            "", "");
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, receiver.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
        await stream.WriteAsync(body);
        await stream.FlushAsync();
        // Git has begun to read when the project is there; then the line is cut.
        await Patience.UntilAsync(() => Directory.Exists(Path.Combine(receiver.Project(project), "git", "project", "objects")), "the push has begun");
        client.Client.LingerState = new LingerOption(enable: true, seconds: 0);
    }

    async Task<GitClient> GatedAsync(string project, int number)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        await Gate.InstallAsync(git);
        await git.CommitFileAsync("NUMBER", $"{number}\n");
        return git;
    }

    string LogOf(string project, string id) => File.ReadAllText(Path.Combine(receiver.Root, "state", "deployments", "local", project, id + ".log"));

    Task WaitingAsync(string project, int number) => Patience.UntilAsync(
        () => Directory.EnumerateFiles(Path.Combine(receiver.Root, "state", "deployments", "local", project), "*.log")
            .Count(log => File.ReadAllText(log).Contains("Waiting for", StringComparison.Ordinal)) >= number,
        "a push waits");
}
