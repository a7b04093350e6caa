using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.LogDrains;

public sealed class DrainTests : IAsyncLifetime
{
    static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    readonly string root = Directory.CreateTempSubdirectory("drains").FullName;
    readonly Database database;
    readonly ProjectStore projects;
    readonly Project project;
    readonly ReleaseId release = ReleaseId.New(TimeProvider.System);
    Drains drains;

    public DrainTests()
    {
        database = Database.OpenOrCreate(Path.Combine(root, "db"));
        projects = ProjectStore.Open(database, new Projects.Environment(Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true), TimeProvider.System);
        project = projects.FindOrCreate(null, ProjectName.Parse("hello"));
        drains = NewDrains();
    }

    public Task InitializeAsync() => drains.StartAsync(default);

    public async Task DisposeAsync()
    {
        await drains.StopAsync(default);
        drains.Dispose();
        database.Dispose();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public async Task Lines_of_all_releases_and_types_arrive_as_syslog_over_TCP()
    {
        using var collector = new Collector();
        drains.Add(project, DrainAddress.Parse($"syslog://127.0.0.1:{collector.Port}"));
        var second = ReleaseId.New(TimeProvider.System);

        Print(release, "web", "first \u001b[31mred", "");
        Print(second, "worker", "zweite Zeile: Grüße");

        Assert.Matches(@"^<14>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ local\.hello web\.1 - - first ", await collector.NextAsync());
        var further = new[] { await collector.NextAsync(), await collector.NextAsync() };
        Assert.Contains(further, message => message.EndsWith(" local.hello worker.1 - - zweite Zeile: Grüße", StringComparison.Ordinal));
        await RouterTests.UntilAsync(() => drains.Of(project).Single() is { Sent: 3, Trouble: null });
    }

    [Fact]
    public async Task Another_end_that_goes_away_gets_what_it_missed_when_it_is_back()
    {
        int port;
        using (var collector = new Collector())
        {
            port = collector.Port;
            drains.Add(project, DrainAddress.Parse($"syslog://127.0.0.1:{port}"));
            Print(release, "web", "one");
            Assert.EndsWith(" one", await collector.NextAsync(), StringComparison.Ordinal);
        }

        Print(release, "web", "two");
        await RouterTests.UntilAsync(() => drains.Of(project).Single().Trouble is not null);
        Print(release, "web", "three");
        using var back = new Collector(port);

        Assert.EndsWith(" two", await back.NextAsync(), StringComparison.Ordinal);
        Assert.EndsWith(" three", await back.NextAsync(), StringComparison.Ordinal);
        await RouterTests.UntilAsync(() => drains.Of(project).Single().Trouble is null);
    }

    [Fact]
    public async Task A_restart_of_the_receiver_loses_no_line_and_brings_none_twice()
    {
        using var collector = new Collector();
        drains.Add(project, DrainAddress.Parse($"syslog://127.0.0.1:{collector.Port}"));
        Print(release, "web", "before");
        Assert.EndsWith(" before", await collector.NextAsync(), StringComparison.Ordinal);
        await RouterTests.UntilAsync(() => drains.Of(project).Single().Sent == 1);
        await drains.StopAsync(default);
        drains.Dispose();

        Print(release, "web", "meanwhile");
        drains = NewDrains();
        await drains.StartAsync(default);

        Assert.EndsWith(" meanwhile", await collector.NextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_HTTP_end_gets_batches_and_is_asked_again_when_it_refuses()
    {
        var requests = new ConcurrentQueue<(string Path, string Type, string Count, string? Authorization, string Body)>();
        var refusals = 1;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var server = builder.Build();
        server.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var body = await reader.ReadToEndAsync();
            if (Interlocked.Decrement(ref refusals) >= 0)
            {
                context.Response.StatusCode = 503;
                return;
            }

            requests.Enqueue((context.Request.Path + context.Request.QueryString, context.Request.ContentType!, context.Request.Headers["Logplex-Msg-Count"]!, context.Request.Headers.Authorization, body));
        });
        await server.StartAsync();
        var drain = drains.Add(project, DrainAddress.Parse($"http://user:p%40ss@127.0.0.1:{new Uri(server.Urls.Single()).Port}/in?key=k1"));

        Print(release, "web", "a", "b", "c");

        await RouterTests.UntilAsync(() => requests.Sum(request => int.Parse(request.Count)) == 3);
        var first = requests.First();
        Assert.Equal(("/in?key=k1", "application/logplex-1", "Basic " + Convert.ToBase64String("user:p@ss"u8)), (first.Path, first.Type, first.Authorization));
        Assert.Equal(["a", "b", "c"], requests.SelectMany(request => Messages(request.Body)).Select(message => message[^1..]));
        Assert.DoesNotContain("p@ss", drain.Address.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("k1", drain.Address.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TLS_is_believed_only_with_a_certificate_the_machine_trusts()
    {
        using var authority = new Certificates.Authority();
        var (chain, key) = authority.Issue(["localhost"]);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeTlsAsync();

        var drain = drains.Add(project, DrainAddress.Parse($"syslog+tls://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}"));
        Print(release, "web", "secret");

        await RouterTests.UntilAsync(() => drain.Trouble is not null);
        Assert.Equal(0, drain.Sent);
        listener.Stop();
        await serving;

        async Task ServeTlsAsync()
        {
            using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(chain, key);
            try
            {
                while (true)
                {
                    using var socket = await listener.AcceptSocketAsync();
                    await using var stream = new SslStream(new NetworkStream(socket));
                    try
                    {
                        await stream.AuthenticateAsServerAsync(certificate);
                        Assert.Equal(0, await stream.ReadAsync(new byte[1]));
                    }
                    catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
                    {
                        // as it should
                    }
                }
            }
            catch (Exception stopped) when (stopped is SocketException or InvalidOperationException or ObjectDisposedException)
            {
                // the test is over
            }
        }
    }

    [Fact]
    public async Task A_drain_that_is_removed_carries_nothing_more_and_one_that_hangs_does_not_keep_it()
    {
        using var collector = new Collector();
        var drain = drains.Add(project, DrainAddress.Parse($"syslog://127.0.0.1:{collector.Port}"));
        Print(release, "web", "one");
        await collector.NextAsync();

        Assert.False(await drains.RemoveAsync(projects.FindOrCreate(null, ProjectName.Parse("other")), drain.Id));
        Assert.True(await drains.RemoveAsync(project, drain.Id).WaitAsync(Long));
        Assert.False(await drains.RemoveAsync(project, drain.Id));
        Assert.Empty(drains.Of(project));
        Assert.Empty(database.Read<long>("SELECT id FROM drains"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("host:514")]
    [InlineData("file:///etc/passwd")]
    [InlineData("udp://host:514")]
    [InlineData("syslog://user:word@host:514")]
    [InlineData("syslog://host:514/path")]
    [InlineData("syslog://")]
    public void What_is_no_drain_is_refused(string? url) => Assert.Throws<Refusal>(() => DrainAddress.Parse(url));

    [Fact]
    public void A_project_has_each_drain_once_and_only_so_many()
    {
        drains.Add(project, DrainAddress.Parse("syslog://127.0.0.1:1"));

        Assert.Throws<Refusal>(() => drains.Add(project, DrainAddress.Parse("syslog://127.0.0.1:1")));
        for (var i = 2; i <= 10; i++)
        {
            drains.Add(project, DrainAddress.Parse($"syslog://127.0.0.1:{i}"));
        }

        Assert.Throws<Refusal>(() => drains.Add(project, DrainAddress.Parse("syslog://127.0.0.1:11")));
    }

    Drains NewDrains() => new(database, projects, new InstanceLogs(Path.Combine(root, "logs"), TimeProvider.System), TimeProvider.System, NullLogger<Drains>.Instance);

    // As multilog would.
    void Print(ReleaseId of, string type, params string[] lines)
    {
        var place = Directory.CreateDirectory(Path.Combine(root, "logs", "local", "hello", of.Value, $"{type}.1.abc")).FullName;
        var text = new StringBuilder();
        foreach (var line in lines)
        {
            var now = TimeProvider.System.GetUtcNow();
            text.Append($"@{(1UL << 62) + 10 + (ulong)now.ToUnixTimeSeconds():x16}{now.Ticks % TimeSpan.TicksPerSecond * 100:x8} {line}\n");
        }

        File.AppendAllText(Path.Combine(place, "current"), text.ToString());
    }

    static List<string> Messages(string framed)
    {
        var messages = new List<string>();
        var bytes = Encoding.UTF8.GetBytes(framed).AsSpan();
        while (bytes.IndexOf((byte)' ') is > 0 and var space)
        {
            var length = int.Parse(bytes[..space]);
            messages.Add(Encoding.UTF8.GetString(bytes.Slice(space + 1, length)));
            bytes = bytes[(space + 1 + length)..];
        }

        return messages;
    }

    /// <summary>A syslog server that takes one connection after the other.</summary>
    sealed class Collector : IDisposable
    {
        readonly TcpListener listener;
        readonly Channel<string> messages = Channel.CreateUnbounded<string>();
        readonly List<Socket> sockets = [];

        public Collector(int port = 0)
        {
            listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public Task<string> NextAsync() => messages.Reader.ReadAsync().AsTask().WaitAsync(Long);

        public void Dispose()
        {
            listener.Stop();
            sockets.ForEach(socket => socket.Dispose());
        }

        async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var socket = await listener.AcceptSocketAsync();
                    sockets.Add(socket);
                    _ = Task.Run(() => Read(socket));
                }
            }
            catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException)
            {
                // the test is over
            }
        }

        void Read(Socket socket)
        {
            try
            {
                using var reader = new BinaryReader(new NetworkStream(socket));
                while (true)
                {
                    var digits = "";
                    for (var c = (char)reader.ReadByte(); c != ' '; c = (char)reader.ReadByte())
                    {
                        digits += c;
                    }

                    messages.Writer.TryWrite(Encoding.UTF8.GetString(reader.ReadBytes(int.Parse(digits))));
                }
            }
            catch (Exception over) when (over is IOException or ObjectDisposedException)
            {
                // the other side has gone
            }
        }
    }
}
