using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Nobody who comes during a switch loses anything: short requests on connections that stay open, downloads that take longer than a switch, WebSockets that outlive many.</summary>
public sealed class AThousandSwitches
{
    const string Host = "switched.localhost";

    /// <summary>Of a slow download, in this many pieces of this many bytes.</summary>
    const int Pieces = 40, PieceSize = 20_000;

    const string App = """
        import base64, hashlib, http.server, os, socketserver, struct, time

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def do_GET(self):
                if self.headers.get('Upgrade', '').lower() == 'websocket':
                    return self.echo()
                release = os.environ['PAAS_RELEASE'].encode()
                self.send_response(200)
                if self.path != '/slow':
                    self.send_header('Content-Length', str(len(release)))
                    self.end_headers()
                    self.wfile.write(release)
                    return
                self.send_header('Content-Length', str(40 * 20000))
                self.end_headers()
                for _ in range(40):
                    self.wfile.write(release[-1:] * 20000)
                    time.sleep(0.02)

            # RFC 6455, for small unfragmented messages.
            def echo(self):
                accept = hashlib.sha1(self.headers['Sec-WebSocket-Key'].encode() + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()
                self.send_response(101)
                self.send_header('Upgrade', 'websocket')
                self.send_header('Connection', 'Upgrade')
                self.send_header('Sec-WebSocket-Accept', base64.b64encode(accept).decode())
                self.end_headers()
                self.wfile.flush()
                self.close_connection = True
                while True:
                    head = self.rfile.read(2)
                    if len(head) < 2:
                        return
                    mask = self.rfile.read(4)
                    body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.rfile.read(head[1] & 127)))
                    self.wfile.write(struct.pack('!BB', head[0], len(body)) + body)
                    if head[0] & 15 == 8:
                        return

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 256

        Server(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
        """;

    /// <summary>PAAS_STORY_SWITCHES sets another number: the thousand takes minutes.</summary>
    static int Turns => int.TryParse(System.Environment.GetEnvironmentVariable("PAAS_STORY_SWITCHES"), out var turns) ? turns : 12;

    [Fact]
    public async Task Keep_alive_slow_downloads_and_WebSockets_go_through_consecutive_switches_and_none_fails()
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SETTLE"] = "0" });
        await using var git = await PushedAsync(receiver, versions: 2);
        await DoAsync(receiver, "start", "switched", "v1");

        using var over = new CancellationTokenSource();
        var clock = Stopwatch.StartNew();
        var failures = new ConcurrentQueue<string>();
        var (downloads, sockets, echoes) = (0, 0, 0);
        await using var visitor = Visitor.Start(receiver, Host, abreast: 4, pause: TimeSpan.FromMilliseconds(1));
        using var whole = await ConnectAsync(receiver); // from before the first switch to after the last
        await EchoAsync(whole, "first");
        var guests = Task.WhenAll(Enumerable.Range(0, 2).SelectMany(_ => new[] { UntilOverAsync(DownloadAsync), UntilOverAsync(TalkAsync) }));

        for (var turn = 0; turn < Turns; turn++)
        {
            await DoAsync(receiver, "current", "switched", turn % 2 == 0 ? "v1" : "v2");
            await visitor.OneMoreAsync();
            if (Turns > 50)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(150)); // one credential may ask the API 20 times a second in the long run
            }
        }

        clock.Stop();
        await EchoAsync(whole, "last");
        await whole.CloseAsync(WebSocketCloseStatus.NormalClosure, null, default);
        await over.CancelAsync();
        await guests;
        await visitor.StopAsync();
        Console.WriteLine($"{Turns} switches in {clock.Elapsed.TotalSeconds:0.0} s: {visitor.Answered} requests, {downloads} slow downloads, {sockets} WebSockets with {echoes} messages; "
            + $"failed: {visitor.Failures.Count} and {failures.Count}; longest gap {visitor.LongestGap.TotalMilliseconds:0} ms");
        Assert.Empty(visitor.Failures);
        Assert.Empty(failures);
        Assert.Equal(2, visitor.Answers.Count);
        Assert.True(downloads > 0 && sockets > 0 && echoes > sockets, $"{downloads} {sockets} {echoes}");

        async Task UntilOverAsync(Func<Task> act)
        {
            while (!over.IsCancellationRequested)
            {
                try
                {
                    await act();
                }
                catch (Exception e) when (e is HttpRequestException or IOException or WebSocketException or OperationCanceledException)
                {
                    failures.Enqueue($"{clock.Elapsed.TotalSeconds:0.0} s: {e.GetBaseException().Message}");
                }
            }
        }

        async Task DownloadAsync()
        {
            var body = await GetSlowAsync(receiver);
            if (body.Length != Pieces * PieceSize || body.Distinct().Count() != 1)
            {
                failures.Enqueue($"a download had {body.Length} bytes of {body.Distinct().Count()} releases");
            }

            Interlocked.Increment(ref downloads);
        }

        async Task TalkAsync()
        {
            using var socket = await ConnectAsync(receiver);
            for (var word = 0; word < 40; word++)
            {
                await EchoAsync(socket, $"word {word}");
                Interlocked.Increment(ref echoes);
                await Task.Delay(TimeSpan.FromMilliseconds(20));
            }

            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, default);
            Interlocked.Increment(ref sockets);
        }
    }

    [Fact]
    public async Task An_instance_that_goes_finishes_its_downloads_and_its_WebSockets_end_at_the_deadline()
    {
        const int Deadline = 3;
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_STOP_TIMEOUT"] = $"{Deadline}" });
        await using var git = await PushedAsync(receiver, versions: 1);
        using var socket = await ConnectAsync(receiver);
        await EchoAsync(socket, "before");
        await git.CommitFileAsync("VERSION", "2\n");
        var push = git.PushAsync();
        while ((await receiver.AskAsync(Host)).Body == "v1")
        {
            await EchoAsync(socket, "meanwhile");
        }

        // Visitors meet the new release; whom the old one is answering it answers until the deadline.
        var clock = Stopwatch.StartNew();
        await EchoAsync(socket, "behind the switch");
        var buffer = new byte[100];
        try
        {
            Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(buffer, default).WaitAsync(TimeSpan.FromSeconds(30))).MessageType);
        }
        catch (WebSocketException e)
        {
            Assert.Equal(WebSocketError.ConnectionClosedPrematurely, e.WebSocketErrorCode);
        }

        Assert.InRange(clock.Elapsed.TotalSeconds, Deadline - 1, Deadline + 10);
        Assert.True((await push).Accepted, (await push).Text);

        await git.CommitFileAsync("VERSION", "3\n");
        push = git.PushAsync();
        var downloads = new List<Task<byte[]>>();
        while ((await receiver.AskAsync(Host)).Body == "v2")
        {
            downloads.Add(GetSlowAsync(receiver));
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }

        Assert.All(await Task.WhenAll(downloads), body => Assert.Equal((Pieces * PieceSize, 1), (body.Length, body.Distinct().Count())));
        Assert.True((await push).Accepted, (await push).Text);
    }

    static async Task<GitClient> PushedAsync(ReceiverProcess receiver, int versions)
    {
        var git = await GitClient.NewAsync(receiver, "switched");
        await git.WriteAsync("app.py", App);
        await git.WriteAsync("Procfile", "web: /usr/bin/python3 app.py\n");
        for (var version = 1; version <= versions; version++)
        {
            await git.CommitFileAsync("VERSION", $"{version}\n");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        return git;
    }

    static async Task DoAsync(ReceiverProcess receiver, params string[] words)
    {
        var (code, output, error) = await CorpusCommand.RunAsync(receiver, words);
        Assert.True(code == 0, $"corpus {string.Join(' ', words)}: {code}\n{output}{error}");
    }

    static async Task<byte[]> GetSlowAsync(ReceiverProcess receiver)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(receiver.Address, "/slow")) { Headers = { Host = Host } };
        using var response = await receiver.Http.SendAsync(request);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsByteArrayAsync();
    }

    static async Task<ClientWebSocket> ConnectAsync(ReceiverProcess receiver)
    {
        var socket = new ClientWebSocket { Options = { KeepAliveInterval = TimeSpan.Zero } };
        socket.Options.SetRequestHeader("Host", Host);
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{receiver.Port}/"), default);
        return socket;
    }

    static async Task EchoAsync(ClientWebSocket socket, string word)
    {
        var buffer = new byte[100];
        await socket.SendAsync(Encoding.UTF8.GetBytes(word), WebSocketMessageType.Text, true, default);
        var answer = await socket.ReceiveAsync(buffer, default).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(word, Encoding.UTF8.GetString(buffer, 0, answer.Count));
    }
}
