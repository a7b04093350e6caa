using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>A collector hears of a push as one trace, from git's first byte to the switch, and of the measurements.</summary>
public sealed class OneTrace
{
    [Fact]
    public async Task A_push_is_one_trace_and_a_collector_that_goes_away_fails_none()
    {
        await using var collector = Collector.Start();
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Url,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "300",
        });
        await using var git = await GitClient.NewAsync(receiver, "hello", "hello");

        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        await Patience.UntilAsync(() => collector.Spans.Any(span => span.Name == "push"), "the collector has the push");
        await Patience.UntilAsync(() => collector.Metrics.ContainsKey("paas_deployments"), "the collector has the measurements");

        var spans = collector.Spans.ToList();
        var root = Assert.Single(spans, span => span.Name == "push");
        var deployment = Assert.Single(spans, span => span.Name == "deployment");
        Assert.Equal("", root.Parent);
        Assert.Equal(root.Id, deployment.Parent);
        Assert.All(spans, span => Assert.Equal(root.Trace, span.Trace));
        var steps = spans.Where(span => span.Parent == deployment.Id).Select(span => span.Name).ToList();
        Assert.All((string[])["queue", "checkout", "seal", "start", "healthy", "switch"], step => Assert.Contains(step, steps));
        Assert.Contains("paas_instances", collector.Metrics.Keys);

        // A pusher who has a trace of his own finds the deployment in it; words that are no trace are not heeded.
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        foreach (var (said, trace, parent) in ((string, string?, string)[])[($"00-{Trace}-b7ad6b7169203331-01", Trace, "b7ad6b7169203331"), ("00-0000-nothing-like-it", null, "")])
        {
            collector.Spans.Clear();
            _ = await git.CommitAsync("Once more");
            await git.GitAsync("-c", $"http.extraHeader=traceparent: {said}", "push", "-q", "-o", "no-deploy", "paas", "main");
            await Patience.UntilAsync(() => collector.Spans.Any(span => span.Name == "push"), "the collector has the further push");
            var continued = Assert.Single(collector.Spans, span => span.Name == "push");
            Assert.Equal(parent, continued.Parent);
            Assert.True(trace is null ? continued.Trace != root.Trace && continued.Trace != Trace : continued.Trace == trace, continued.Trace);
        }

        await collector.DisposeAsync();
        _ = await git.CommitFileAsync("VERSION", "2\n");
        var unheard = await git.PushAsync();
        Assert.True(unheard.Accepted, unheard.Text);
    }

    sealed record Span(string Trace, string Id, string Parent, string Name);

    /// <summary>OTLP over HTTP, of which it understands what the test asks about.</summary>
    sealed class Collector : IAsyncDisposable
    {
        readonly HttpListener listener = new();
        Task serving = Task.CompletedTask;

        public string Url { get; private set; } = "";

        public ConcurrentQueue<Span> Spans { get; } = new();

        public ConcurrentDictionary<string, bool> Metrics { get; } = new();

        public static Collector Start()
        {
            int port;
            using (var probe = new TcpListener(IPAddress.Loopback, 0))
            {
                probe.Start();
                port = ((IPEndPoint)probe.LocalEndpoint).Port;
            }

            var collector = new Collector { Url = $"http://127.0.0.1:{port}" };
            collector.listener.Prefixes.Add(collector.Url + "/");
            collector.listener.Start();
            collector.serving = collector.ServeAsync();
            return collector;
        }

        public async ValueTask DisposeAsync()
        {
            listener.Close();
            await serving;
        }

        async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    Read(context.Request.Url!.AbsolutePath, body.ToArray());
                    context.Response.ContentType = "application/x-protobuf";
                    context.Response.Close();
                }
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // It is closed.
            }
        }

        // Export…ServiceRequest 1: Resource…, 2: Scope…, 2: Span or Metric (opentelemetry-proto).
        void Read(string path, byte[] body)
        {
            foreach (var one in Fields(body, 1).SelectMany(resource => Fields(resource, 2)).SelectMany(scope => Fields(scope, 2)))
            {
                if (path == "/v1/traces")
                {
                    Spans.Enqueue(new Span(Hex(one, 1), Hex(one, 2), Hex(one, 4), Encoding.UTF8.GetString(Fields(one, 5).Single())));
                }
                else
                {
                    Metrics[Encoding.UTF8.GetString(Fields(one, 1).Single())] = true;
                }
            }
        }

        static string Hex(byte[] message, int field) => Convert.ToHexStringLower(Fields(message, field).SingleOrDefault() ?? []);

        /// <summary>The length-delimited fields of this number.</summary>
        static List<byte[]> Fields(byte[] message, int wanted)
        {
            var (found, at) = (new List<byte[]>(), 0);
            while (at < message.Length)
            {
                var tag = Number();
                switch (tag & 7)
                {
                    case 0:
                        _ = Number();
                        break;
                    case 1:
                        at += 8;
                        break;
                    case 2:
                        var length = (int)Number();
                        if (tag >> 3 == (ulong)wanted)
                        {
                            found.Add(message[at..(at + length)]);
                        }

                        at += length;
                        break;
                    case 5:
                        at += 4;
                        break;
                    default:
                        throw new InvalidDataException("no protocol buffer");
                }
            }

            return found;

            ulong Number()
            {
                var (number, shift) = (0UL, 0);
                while (true)
                {
                    var one = message[at++];
                    number |= (ulong)(one & 0x7F) << shift;
                    if (one < 0x80)
                    {
                        return number;
                    }

                    shift += 7;
                }
            }
        }
    }
}
