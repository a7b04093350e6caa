using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Notifications;

public sealed class NotificationsTests : IDisposable
{
    const string Secret = "a-shared-secret";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly string directory = Directory.CreateTempSubdirectory("notices").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task A_webhook_is_signed_so_that_the_other_side_can_tell_who_sends_it()
    {
        await using var site = new Site(_ => "200 OK");
        using var channel = new WebhookChannel(anywhere: true, TimeProvider.System);

        await channel.SendAsync(Example(), new Recipient("webhook", site.Url, Secret), CancellationToken.None);

        var heard = await site.HeardAsync(0);
        Assert.Equal("sha256=" + WebhookChannel.Sign(Secret, heard.Header("X-Paas-Timestamp"), heard.Body), heard.Header("X-Paas-Signature"));
        Assert.Equal(("deployment", "one", "application/json"), (heard.Header("X-Paas-Event"), heard.Header("X-Paas-Delivery"), heard.Header("Content-Type")));
        Assert.Equal("""{"event":"deployment","id":"one","subject":"hello: v1 is live","release":"v1"}""", Encoding.UTF8.GetString(heard.Body));
    }

    [Theory]
    [InlineData("400 Bad Request", true)]
    [InlineData("410 Gone", true)]
    [InlineData("302 Found\r\nLocation: http://169.254.169.254/", true)]
    [InlineData("429 Too Many Requests", false)]
    [InlineData("503 Service Unavailable", false)]
    public async Task What_was_refused_for_good_is_told_from_what_may_be_tried_again(string answer, bool forGood)
    {
        await using var site = new Site(_ => answer);
        using var channel = new WebhookChannel(anywhere: true, TimeProvider.System);

        var thrown = await Record.ExceptionAsync(() => channel.SendAsync(Example(), new Recipient("webhook", site.Url, Secret), CancellationToken.None));

        Assert.Equal(forGood, thrown is UndeliverableException);
        Assert.NotNull(thrown);
        Assert.Equal(1, site.Count);
    }

    [Theory]
    [InlineData("http://127.0.0.1:{0}/")]
    [InlineData("http://localhost:{0}/")]
    [InlineData("http://[::1]:{0}/")]
    [InlineData("http://[::ffff:127.0.0.1]:{0}/")]
    [InlineData("http://0.0.0.0:{0}/")]
    [InlineData("http://0x7f000001:{0}/")]
    [InlineData("http://2130706433:{0}/")]
    [InlineData("http://localhost.:{0}/")]
    public async Task Nothing_on_this_machine_is_reached_by_whatever_name(string url)
    {
        await using var site = new Site(_ => "200 OK");
        using var channel = new WebhookChannel(anywhere: false, TimeProvider.System);

        var thrown = await Record.ExceptionAsync(() => channel.SendAsync(Example(), new Recipient("webhook", string.Format(url, site.Port), Secret), CancellationToken.None));

        Assert.True(thrown is UndeliverableException or HttpRequestException, $"{thrown}");
        Assert.Equal(0, site.Count);
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.255.0.3", true)]
    [InlineData("0.0.0.0", true)]
    [InlineData("169.254.169.254", true)]
    [InlineData("224.0.0.1", true)]
    [InlineData("255.255.255.255", true)]
    [InlineData("::1", true)]
    [InlineData("::", true)]
    [InlineData("fe80::1", true)]
    [InlineData("ff02::1", true)]
    [InlineData("::ffff:169.254.169.254", true)]
    [InlineData("::127.0.0.1", true)]
    [InlineData("64:ff9b::7f00:1", true)]
    [InlineData("64:ff9b::808:808", false)]
    [InlineData("10.0.0.1", false)]
    [InlineData("192.0.2.1", false)]
    [InlineData("2001:db8::1", false)]
    public void This_machine_and_its_link_are_known_in_any_way_of_writing(string address, bool nearby) =>
        Assert.Equal(nearby, WebhookChannel.IsNearby(IPAddress.Parse(address)));

    [Fact]
    public async Task Mail_arrives_with_its_subject_and_text_and_nobody_adds_headers_to_it()
    {
        await using var server = new SmtpServer();
        var channel = new MailChannel(new MailSettings(new Uri($"smtp://127.0.0.1:{server.Port}"), "paas@example.org"));
        Assert.Null(channel.WhyNot(new Recipient("mail", "someone@example.org")));

        await channel.SendAsync(Example() with { Subject = "hello: über\r\nBcc: other@example.org" }, new Recipient("mail", "someone@example.org"), CancellationToken.None);

        var mail = await server.MailAsync();
        Assert.Contains("RCPT TO:<someone@example.org>", mail, StringComparison.Ordinal);
        Assert.DoesNotContain("RCPT TO:<other@example.org>", mail, StringComparison.Ordinal);
        Assert.DoesNotContain(mail.Split('\n'), line => line.StartsWith("Bcc", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("It is live.", mail, StringComparison.Ordinal);
        Assert.Contains("Auto-Submitted: auto-generated", mail, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("someone")]
    [InlineData("a@example.org,b@example.org")]
    [InlineData("a@example.org\r\nBcc: b@example.org")]
    [InlineData("Someone <a@example.org>")]
    public void What_is_no_single_mail_address_is_refused(string address) =>
        Assert.NotNull(new MailChannel(new MailSettings(new Uri("smtp://mail.example.org"), "paas@example.org")).WhyNot(new Recipient("mail", address)));

    [Fact]
    public async Task What_could_not_be_told_is_tried_again_also_by_the_next_run_of_the_receiver()
    {
        var answers = 0;
        await using var site = new Site(_ => Interlocked.Increment(ref answers) <= 2 ? "503 Service Unavailable" : "200 OK");
        using var channel = new WebhookChannel(anywhere: true, TimeProvider.System);
        using var database = Database.OpenOrCreate(Path.Combine(directory, "receiver.db"));
        using (var first = new Outbox(database, [channel], TimeProvider.System, NullLogger<Outbox>.Instance))
        {
            await first.StartAsync(CancellationToken.None);
            first.Put(Example(), [new Recipient("webhook", site.Url, Secret), new Recipient("webhook", site.Url, Secret)]);
            _ = await site.HeardAsync(0);
            await first.StopAsync(CancellationToken.None);
        }

        using var second = new Outbox(database, [channel], TimeProvider.System, NullLogger<Outbox>.Instance);
        await second.StartAsync(CancellationToken.None);
        var told = await site.HeardAsync(2);
        await UntilAsync(() => database.ReadOne<int>("SELECT count(*) FROM notices") == 0);
        await second.StopAsync(CancellationToken.None);

        Assert.Equal("one", told.Header("X-Paas-Delivery"));
        Assert.Equal(3, site.Count);
    }

    [Fact]
    public async Task What_is_refused_for_good_and_what_nobody_knows_are_given_up()
    {
        await using var site = new Site(_ => "404 Not Found");
        using var channel = new WebhookChannel(anywhere: true, TimeProvider.System);
        using var database = Database.OpenOrCreate(Path.Combine(directory, "receiver.db"));
        using var outbox = new Outbox(database, [channel], TimeProvider.System, NullLogger<Outbox>.Instance);
        outbox.Put(Example(), [new Recipient("webhook", site.Url, Secret), new Recipient("pigeon", "home")]);

        await outbox.StartAsync(CancellationToken.None);
        await UntilAsync(() => database.ReadOne<int>("SELECT count(*) FROM notices") == 0);
        await outbox.StopAsync(CancellationToken.None);

        Assert.Equal(1, site.Count);
    }

    [Fact]
    public async Task The_operators_command_gets_the_facts_on_its_standard_input()
    {
        var (script, heard) = (Path.Combine(directory, "told"), Path.Combine(directory, "heard"));
        await File.WriteAllTextAsync(script, $"#!/bin/sh\n{{ echo \"$1\"; cat; }} >'{heard}'\n");
        File.SetUnixFileMode(script, (UnixFileMode)0x1C0);

        await new CommandChannel().SendAsync(Example(), new Recipient(CommandChannel.ChannelName, script), CancellationToken.None);

        Assert.StartsWith("deployment\n{\"event\":\"deployment\"", await File.ReadAllTextAsync(heard), StringComparison.Ordinal);
        await File.WriteAllTextAsync(script, "#!/bin/sh\nexit 3\n");
        await Assert.ThrowsAsync<IOException>(() => new CommandChannel().SendAsync(Example(), new Recipient(CommandChannel.ChannelName, script), CancellationToken.None));
    }

    [Fact]
    public void A_projects_configuration_says_who_hears_of_what()
    {
        using var webhook = new WebhookChannel(anywhere: false, TimeProvider.System);
        var wanted = Wanted.In(
            JsonDocument.Parse("""{"notify": [{"mail": ["a@example.org", "b@example.org"], "on": "failure"}, {"webhook": "https://chat.example.org/x", "secret": "a-shared-secret"}]}""").RootElement,
            [new MailChannel(new MailSettings(new Uri("smtp://mail.example.org"), "paas@example.org")), webhook, new CommandChannel()]);

        Assert.Equal(
            [
                new Wanted(new Recipient("mail", "a@example.org"), Successes: false, Failures: true), new Wanted(new Recipient("mail", "b@example.org"), Successes: false, Failures: true),
                new Wanted(new Recipient("webhook", "https://chat.example.org/x", Secret), Successes: true, Failures: true),
            ],
            wanted);
    }

    [Fact]
    public void Everything_that_cannot_be_told_is_said_at_once()
    {
        using var webhook = new WebhookChannel(anywhere: false, TimeProvider.System);
        var refusal = Assert.Throws<Refusal>(() => Wanted.In(
            JsonDocument.Parse("""{"notify": ["x", {"mail": "a@example.org", "on": "never"}, {"webhook": "http://127.0.0.1/", "secret": "a-shared-secret"}, {"webhook": "https://x.example.org"}, {"operator-command": "/bin/sh"}, {"pigeon": 1}]}""").RootElement,
            [new MailChannel(null), webhook, new CommandChannel()]));

        foreach (var words in new[] { "notify.0:", "this receiver sends no mail", "notify.1.on:", "leads to this machine", "needs a secret", "for the receiver's operator", "notify.5.pigeon: is not known" })
        {
            Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Bad_settings_are_named_without_repeating_a_password()
    {
        var mistakes = new List<string>();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["PAAS_SMTP"] = "user:very-secret@host",
            ["PAAS_NOTIFY_MAIL"] = "a@example.org",
            ["PAAS_NOTIFY_WEBHOOK"] = "https://chat.example.org",
            ["PAAS_NOTIFY_COMMAND"] = "told",
        }).Build();

        _ = TellingOptions.From(configuration, "localhost", mistakes);

        Assert.Equal(4, mistakes.Count);
        Assert.All(mistakes, mistake => Assert.DoesNotContain("very-secret", mistake, StringComparison.Ordinal));
    }

    static Notice Example() => new()
    {
        Id = "one",
        Event = "deployment",
        Subject = "hello: v1 is live",
        Text = "It is live.\n",
        Facts = new Dictionary<string, string?> { ["release"] = "v1", ["failure"] = null },
    };

    static async Task UntilAsync(Func<bool> met)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!met())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), limit.Token);
        }
    }

    /// <summary>A web site of one answer, on a loopback port; keeps what it heard.</summary>
    sealed class Site : IAsyncDisposable
    {
        readonly TcpListener listener = new(IPAddress.Loopback, 0);
        readonly List<Heard> heard = [];
        readonly Task serving;

        public Site(Func<Heard, string> answer)
        {
            listener.Start();
            serving = ServeAsync(answer);
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public string Url => $"http://127.0.0.1:{Port}/hook?x=1";

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

        public async Task<Heard> HeardAsync(int number)
        {
            await UntilAsync(() => Count > number);
            lock (heard)
            {
                return heard[number];
            }
        }

        public async ValueTask DisposeAsync()
        {
            listener.Stop();
            await serving;
        }

        async Task ServeAsync(Func<Heard, string> answer)
        {
            while (true)
            {
                try
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    await using var stream = client.GetStream();
                    var request = await ReadAsync(stream);
                    lock (heard)
                    {
                        heard.Add(request);
                    }

                    await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {answer(request)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }
                catch (IOException)
                {
                    // this one hung up
                }
            }
        }

        static async Task<Heard> ReadAsync(NetworkStream stream)
        {
            var bytes = new List<byte>();
            var buffer = new byte[4096];
            while (true)
            {
                var text = Encoding.Latin1.GetString([.. bytes]);
                var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
                if (end >= 0)
                {
                    var head = text[..end].Split("\r\n");
                    var length = int.Parse(head.First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1]);
                    if (bytes.Count >= end + 4 + length)
                    {
                        return new Heard(head, [.. bytes.Skip(end + 4).Take(length)]);
                    }
                }

                var read = await stream.ReadAsync(buffer);
                if (read == 0)
                {
                    throw new IOException("cut off");
                }

                bytes.AddRange(buffer.AsSpan(0, read));
            }
        }
    }

    sealed record Heard(IReadOnlyList<string> Head, byte[] Body)
    {
        public string Header(string name) => Head.First(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))[(name.Length + 1)..].Trim();
    }

    /// <summary>Takes one mail.</summary>
    sealed class SmtpServer : IAsyncDisposable
    {
        readonly TcpListener listener = new(IPAddress.Loopback, 0);
        readonly Task<string> mail;

        public SmtpServer()
        {
            listener.Start();
            mail = TakeAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public Task<string> MailAsync() => mail.WaitAsync(Patience);

        public ValueTask DisposeAsync()
        {
            listener.Stop();
            return ValueTask.CompletedTask;
        }

        async Task<string> TakeAsync()
        {
            using var client = await listener.AcceptTcpClientAsync();
            await using var stream = client.GetStream();
            using var reader = new StreamReader(stream);
            await using var writer = new StreamWriter(stream) { NewLine = "\r\n", AutoFlush = true };
            var said = new StringBuilder();
            await writer.WriteLineAsync("220 here");
            var data = false;
            while (await reader.ReadLineAsync() is { } line)
            {
                said.Append(line).Append('\n');
                if (data)
                {
                    if (line == ".")
                    {
                        data = false;
                        await writer.WriteLineAsync("250 taken");
                        return said.ToString();
                    }

                    continue;
                }

                data = line == "DATA";
                await writer.WriteLineAsync(data ? "354 go on" : line.StartsWith("QUIT", StringComparison.Ordinal) ? "221 bye" : "250 fine");
            }

            return said.ToString();
        }
    }
}
