using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>How a deployment ended is told, and telling it changes nothing.</summary>
public sealed class WhoIsTold
{
    [Fact]
    public async Task Webhooks_and_the_projects_own_hook_hear_of_success_and_failure_and_change_neither()
    {
        await using var ear = new Ear();
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string>
        {
            ["PAAS_NOTIFY_PRIVATE"] = "1",
            ["PAAS_NOTIFY_WEBHOOK"] = $"http://127.0.0.1:{ear.Port}/operator",
            ["PAAS_NOTIFY_WEBHOOK_SECRET"] = "the-operators-own",
        });
        await using var git = await GitClient.NewAsync(receiver, "told");
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteAsync(
            ".paas/defaults.yml",
            $"notify:\n- {{webhook: 'http://127.0.0.1:{ear.Port}/failures', secret: the-projects-own, on: failure}}\n- {{webhook: 'http://127.0.0.1:{ear.Port}/hangs', secret: the-projects-own}}\n- {{mail: someone@example.org}}\n");
        await git.WriteHookAsync("notify", "echo \"hook heard [$PAAS_OUTCOME] [$PAAS_FAILURE]\"; exit 1");
        await git.CommitAsync("First");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("       hook heard [live] []", push.Remote);
        Assert.Contains(push.Remote, line => line.Contains("this receiver sends no mail", StringComparison.Ordinal));
        // A configuration with something in it that cannot be told is told to the operator only.
        Assert.Equal(("live", "v1", "true"), await ear.HeardAsync("/operator", 0));

        await git.WriteAsync(
            ".paas/defaults.yml",
            $"notify:\n- {{webhook: 'http://127.0.0.1:{ear.Port}/failures', secret: the-projects-own, on: failure}}\n- {{webhook: 'http://127.0.0.1:{ear.Port}/hangs', secret: the-projects-own}}\n");
        await git.CommitAsync("Mend it");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(("live", "v2", "true"), await ear.HeardAsync("/operator", 1));
        Assert.Equal(("live", "v2", "true"), await ear.HeardAsync("/hangs", 0));

        await git.WriteHookAsync("build", "exit 1");
        await git.CommitAsync("Fail");
        push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("       hook heard [rolledBack] [build: .paas/hooks/build ended with exit code 1]", push.Remote);
        Assert.Equal(("rolledBack", null, "false"), await ear.HeardAsync("/operator", 2));
        Assert.Equal(("rolledBack", null, "false"), await ear.HeardAsync("/failures", 0));
    }

    [Fact]
    public async Task Whoever_makes_an_environment_or_a_project_and_the_operator_are_told_how_to_get_in_without_any_secret()
    {
        await using var ear = new Ear();
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string>
        {
            ["PAAS_NOTIFY_PRIVATE"] = "1",
            ["PAAS_NOTIFY_WEBHOOK"] = $"http://127.0.0.1:{ear.Port}/operator",
            ["PAAS_NOTIFY_WEBHOOK_SECRET"] = "the-operators-own",
        });

        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"name": "qa", "type": "staging"}""")).Status);
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/qa/shop")).Status);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/qa/shop")).Status);

        var bodies = new[] { await ear.BodyAsync("/operator", 0), await ear.BodyAsync("/operator", 1) };
        Assert.Contains(bodies, body => body.Contains("environment qa is made", StringComparison.Ordinal));
        Assert.Contains(bodies, body => body.Contains($"\"repository\":\"http://127.0.0.1:{receiver.Port}/git/qa/shop.git\"", StringComparison.Ordinal));
        Assert.All(bodies, body => Assert.DoesNotContain(receiver.Token, body, StringComparison.Ordinal));
        Assert.Equal(2, ear.Count);
    }

    [Fact]
    public async Task An_instance_that_ends_again_and_again_is_told_once_and_status_says_so()
    {
        await using var ear = new Ear();
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string>
        {
            ["PAAS_NOTIFY_PRIVATE"] = "1",
            ["PAAS_NOTIFY_WEBHOOK"] = $"http://127.0.0.1:{ear.Port}/operator",
            ["PAAS_NOTIFY_WEBHOOK_SECRET"] = "the-operators-own",
        });
        await using var git = await GitClient.NewAsync(receiver, "looping");
        await git.WriteAsync("Procfile", "worker: until [ -e \"$PAAS_DATA_DIR/die\" ]; do sleep 0.02; done; exit 9\n");
        await git.CommitAsync("First");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(("live", "v1", "true"), await ear.HeardAsync("/operator", 0));

        await File.WriteAllTextAsync(Path.Combine(receiver.Project("looping"), "data", "die"), "");
        var body = await ear.BodyAsync("/operator", 1);
        Assert.Contains("\"event\":\"crash-loop\"", body);
        Assert.Contains("\"subject\":\"local/looping: worker.1 of v1 ends again and again\"", body);
        Assert.Contains("\"exitCode\":\"9\"", body);
        await Patience.UntilAsync(() => receiver.Output.Contains("worker.1 ended 5 times in a row, last with 9", StringComparison.Ordinal), "the operator's log says so");
        var (_, status, _) = await CorpusCommand.RunAsync(receiver, "status", "looping");
        Assert.Contains("worker.1 of v1 ends again and again: ", status);
        Assert.Equal(2, ear.Count);
    }

    /// <summary>Listens to webhooks; to <c>/hangs</c> it never answers.</summary>
    sealed class Ear : IAsyncDisposable
    {
        readonly TcpListener listener = new(IPAddress.Loopback, 0);
        readonly List<(string Path, string Body)> heard = [];
        readonly List<TcpClient> hanging = [];
        readonly Task listening;

        public Ear()
        {
            listener.Start();
            listening = ListenAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public int Count
        {
            get
            {
                lock (heard)
                {
                    return heard.Count;
                }
            }
        }

        public async Task<(string? Outcome, string? Release, string? Succeeded)> HeardAsync(string path, int number)
        {
            using var document = JsonDocument.Parse(await BodyAsync(path, number));
            return (Of("outcome"), Of("release"), Of("succeeded"));

            string? Of(string name) => document.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;
        }

        public async Task<string> BodyAsync(string path, int number)
        {
            string? body = null;
            await Patience.UntilAsync(
                () =>
                {
                    lock (heard)
                    {
                        body = heard.Where(one => one.Path == path).Skip(number).Select(one => one.Body).FirstOrDefault();
                    }

                    return body is not null;
                },
                $"{path} hears number {number + 1}");
            return body!;
        }

        public async ValueTask DisposeAsync()
        {
            listener.Stop();
            hanging.ForEach(client => client.Dispose());
            await listening;
        }

        async Task ListenAsync()
        {
            while (true)
            {
                try
                {
                    var client = await listener.AcceptTcpClientAsync();
                    var (path, body) = await ReadAsync(client.GetStream());
                    lock (heard)
                    {
                        heard.Add((path, body));
                    }

                    if (path == "/hangs")
                    {
                        hanging.Add(client);
                        continue;
                    }

                    await client.GetStream().WriteAsync("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"u8.ToArray());
                    client.Dispose();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }
            }
        }

        static async Task<(string Path, string Body)> ReadAsync(NetworkStream stream)
        {
            var text = new StringBuilder();
            var buffer = new byte[4096];
            while (true)
            {
                var read = await stream.ReadAsync(buffer);
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
                var end = text.ToString().IndexOf("\r\n\r\n", StringComparison.Ordinal);
                if (read == 0 || (end >= 0 && text.Length >= end + 4 + Length(text.ToString(0, end))))
                {
                    return (text.ToString().Split(' ')[1], text.ToString(end + 4, text.Length - end - 4));
                }
            }
        }

        static int Length(string head) => int.Parse(head.Split("\r\n").First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1]);
    }
}
