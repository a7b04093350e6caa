using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Paas.Corpus;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>Another receiver as a host (R2.2, R13.4, R15.2, R15.3), and hosts that are dead or lie.</summary>
public sealed class HostTests : IAsyncLifetime
{
    readonly string home = Directory.CreateTempSubdirectory("hosts").FullName;
    ApiStage stage = null!;
    ApiStage paris = null!;
    string token = "";

    public async Task InitializeAsync()
    {
        (stage, paris) = (await ApiStage.OpenAsync(), await ApiStage.OpenAsync());
        token = stage.Admin;
    }

    public async Task DisposeAsync()
    {
        await stage.DisposeAsync();
        await paris.DisposeAsync();
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task A_linked_receiver_is_listed_and_environments_are_made_shown_changed_and_destroyed_on_it()
    {
        await LinkAsync();
        var listed = (await RunAsync("listhosts", "--endpoint", "{here}")).Output.Split('\n');
        Assert.Matches(" here +[0-9.]+ +127.0.0.1 ", listed[1]);
        Assert.Matches(" paris +reachable +[0-9.]+ +127.0.0.1 +\\*\\.localhost +process ", listed[2]);

        var made = await RunAsync("init_env", "{here}", "prod", "paris", "--quota", "10");
        Assert.Equal((0, "prod@paris is a prod environment in final mode.\n"), (made.Code, made.Error));
        var uuid = made.Output.Trim();
        Assert.Equal("prod", paris.The<ProjectStore>().FindEnvironment(uuid)!.Name.Value);
        Assert.Null(stage.The<ProjectStore>().FindEnvironment(uuid));

        Assert.Contains($"{paris.Url}git/prod/shop.git", (await RunAsync("init", "{here}", uuid, "shop")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("init", "{here}", "prod@paris", "blog")).Code);
        Assert.Matches("prod@paris +prod +final +2 +10 GB", (await RunAsync("environments", "--endpoint", "{here}")).Output);
        Assert.Contains("prod@paris/shop", (await RunAsync("status", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        Assert.StartsWith("prod/shop (final)", (await RunAsync("status", "shop", "-e", "prod@paris", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        var shown = (await RunAsync("environments", uuid, "--endpoint", "{here}")).Output;
        Assert.Contains("on paris", shown, StringComparison.Ordinal);
        Assert.Contains($"{paris.Url}git/prod/PROJECT.git", shown, StringComparison.Ordinal);

        Assert.Equal(0, (await RunAsync("change_env", "{here}", "prod@paris", "--mode", "cooking")).Code);
        Assert.Equal(Mode.Cooking, paris.The<ProjectStore>().FindEnvironment("prod")!.Mode);
        using (var client = stage.Client(token))
        {
            using var bounded = await client.PutAsync(new Uri("api/v1/projects/prod@paris/shop/space", UriKind.Relative), Json("""{"quotaGigabytes":5}"""));
            Assert.Equal(HttpStatusCode.OK, bounded.StatusCode);
        }

        Assert.Contains("may take 10 GB", (await RunAsync("enlarge", "{here}", "prod@paris", "shop", "5gb")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("domains", "add", "www.example.org", "prod@paris/shop", "--endpoint", "{here}")).Code);
        Assert.Single(paris.The<Domains>().Of(paris.The<ProjectStore>().Find("prod/shop")!));
        Assert.Equal(0, (await RunAsync("domains", "remove", "www.example.org", "prod@paris/shop", "--endpoint", "{here}")).Code);
        Assert.Equal((1, true), (await RunAsync("run", "prod@paris/shop", "--endpoint", "{here}", "--", "true")) is var own ? (own.Code, own.Error.Contains($"--endpoint {paris.Url}", StringComparison.Ordinal)) : default);

        Assert.Equal(0, (await RunAsync("destroy", "{here}", uuid, "shop", "--yes")).Code);
        Assert.Equal(0, (await RunAsync("destroy", "{here}", "prod@paris", "--yes")).Code);
        Assert.Null(paris.The<ProjectStore>().FindEnvironment("prod"));
        Assert.Equal(1, (await RunAsync("environments", uuid, "--endpoint", "{here}")).Code);

        Assert.Equal(0, (await RunAsync("unlink_host", "paris", "--endpoint", "{here}")).Code);
        Assert.Equal(1, (await RunAsync("unlink_host", "paris", "--endpoint", "{here}")).Code);
        Assert.DoesNotContain("paris", (await RunAsync("listhosts", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync("init_env", "{here}", "prod", "paris")).Code);
    }

    [Fact]
    public async Task What_takes_long_there_is_asked_for_and_followed_from_here()
    {
        await LinkAsync();
        Assert.Equal(0, (await RunAsync("init_env", "{here}", "qa", "paris", "--mode", "cooking")).Code);
        Assert.Equal(0, (await RunAsync("init", "{here}", "qa@paris", "shop")).Code);
        var shop = paris.The<ProjectStore>().Find("qa/shop")!;
        var release = paris.Release(shop, new string('a', 40));
        paris.Print(release, "web", "one", "t\e[31mwo");

        var logs = await RunAsync("logs", "qa@paris/shop", "--endpoint", "{here}");
        Assert.Equal((0, ""), (logs.Code, logs.Error));
        Assert.Matches("web.1 one\n.*web.1 t␛\\[31mwo\n$", logs.Output);
        Assert.Equal(1, (await RunAsync("logs", "qa@paris/nosuch", "--endpoint", "{here}")).Code);
        foreach (var verb in (string[])["releases", "ps", "config", "crons", "patches", "traffic", "scale"])
        {
            Assert.Equal((verb, 0, ""), (await RunAsync(verb, "qa@paris/shop", "--endpoint", "{here}", "--json")) is var read ? (verb, read.Code, read.Error) : default);
        }

        var rollback = await RunAsync("rollback", "shop", "v7", "-e", "qa@paris", "--endpoint", "{here}");
        Assert.Equal(1, rollback.Code);
        Assert.Contains("there is no release v7 of qa/shop", rollback.Output, StringComparison.Ordinal);
        Assert.Contains("ended as", rollback.Error, StringComparison.Ordinal);
        var asked = paris.The<Deployments.Journal>().Of(shop)[0];
        Assert.Equal(("Rollback", 7), (asked.Kind, asked.TargetRelease));
        var spoken = (await RunAsync("redeploy", "qa@paris/shop", "--json", "--endpoint", "{here}")).Output.TrimEnd('\n').Split('\n');
        Assert.Contains("/projects/qa%40paris/shop/deployments/", spoken[0], StringComparison.Ordinal);
        Assert.Contains("\"kind\":\"redeploy\"", spoken[^1], StringComparison.Ordinal);

        // Promotion stays on one host; a release from elsewhere comes the way that environment says.
        Assert.Equal(0, (await RunAsync("init_env", "{here}", "prod", "paris")).Code);
        Assert.Equal(1, (await RunAsync("promote", "qa@paris/shop", "--to", "prod@paris", "--endpoint", "{here}")).Code);
        Assert.Contains("\"env:qa\"", paris.The<Deployments.Journal>().Of(paris.The<ProjectStore>().Find("prod/shop")!)[0].Wishes, StringComparison.Ordinal);
        Assert.Contains("--releases-from", (await RunAsync("promote", "local/hello", "--to", "prod@paris", "--endpoint", "{here}")).Error, StringComparison.Ordinal);

        using var client = stage.Client(token);
        using var read1 = await client.GetAsync(new Uri("api/v1/environments/qa@paris", UriKind.Relative));
        foreach (var (tag, expected) in ((string, HttpStatusCode)[])[("\"other\"", HttpStatusCode.PreconditionFailed), (read1.Headers.ETag!.ToString(), HttpStatusCode.OK)])
        {
            using var change = new HttpRequestMessage(HttpMethod.Patch, "api/v1/environments/qa@paris") { Content = Json("""{"quotaGigabytes":15}""") };
            change.Headers.TryAddWithoutValidation("If-Match", tag);
            using var changed = await client.SendAsync(change);
            Assert.Equal(expected, changed.StatusCode);
        }

        token = stage.Developer;
        Assert.Equal(1, (await RunAsync("logs", "qa@paris/shop", "--endpoint", "{here}")).Code);
    }

    [Fact]
    public async Task Whatever_does_not_fit_is_refused_before_anything_is_kept()
    {
        foreach (var (name, url, secret, why) in ((string, string, string, string)[])[
            ("paris", "http://example.invalid", paris.Admin, "is not a receiver's URL"),
            ("paris", "ftp://example.invalid", paris.Admin, "is not a URL"),
            ("Paris!", paris.Url.ToString(), paris.Admin, "is not a host's name"),
            ("localhost", paris.Url.ToString(), paris.Admin, "is this host"),
            ("self", stage.Url.ToString(), stage.Admin, "is this receiver"),
            ("paris", paris.Url.ToString(), "wrong", "does not know the token"),
            ("paris", paris.Url.ToString(), paris.Developer, "not an administrator's"),
            ("paris", "http://127.0.0.1:1", paris.Admin, "cannot be reached")])
        {
            var (code, _, error) = await FeedAsync(secret, "link_host", name, url, "--endpoint", "{here}");
            Assert.True(code != 0 && error.Contains(why, StringComparison.Ordinal), $"{name} {url}: {code} {error}");
            Assert.DoesNotContain(paris.Admin, error, StringComparison.Ordinal);
        }

        Assert.Equal(2, (await FeedAsync("", "link_host", "paris", paris.Url.ToString(), "--endpoint", "{here}")).Code);
        Assert.Empty(stage.The<Hosts.HostLinks>().List());
    }

    [Fact]
    public async Task Only_administrators_get_through_a_link_and_nobody_reads_its_token()
    {
        await LinkAsync();
        Assert.Equal(0, (await RunAsync("init_env", "{here}", "qa", "paris")).Code);
        Assert.DoesNotContain(paris.Admin, (await RunAsync("listhosts", "--json", "--endpoint", "{here}")).Output + (await RunAsync("audit", "--export", "--endpoint", "{here}")).Output, StringComparison.Ordinal);

        token = stage.Developer;
        Assert.Contains("paris", (await RunAsync("listhosts", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("paris", (await RunAsync("environments", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        foreach (var arguments in (string[][])[["environments", "qa@paris"], ["init", "{here}", "qa@paris", "mine"], ["destroy", "{here}", "qa@paris", "--yes"], ["link_host", "b", "http://127.0.0.1:1"], ["unlink_host", "paris"]])
        {
            Assert.NotEqual(0, (await FeedAsync(paris.Admin, [.. arguments, .. arguments[1] == "{here}" ? Array.Empty<string>() : ["--endpoint", "{here}"]])).Code);
        }

        token = stage.OnlyHello;
        Assert.DoesNotContain("paris", (await RunAsync("listhosts", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        Assert.NotNull(paris.The<ProjectStore>().FindEnvironment("qa"));
    }

    [Fact]
    public async Task Two_that_are_linked_to_each_other_do_not_ask_in_circles()
    {
        await LinkAsync();
        using var client = paris.Client(paris.Admin);
        using var answer = await client.PutAsync(new Uri("api/v1/hosts/london", UriKind.Relative), Json(JsonSerializer.Serialize(new { url = stage.Url, token = stage.Admin })));
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);

        Assert.Equal(4, (await RunAsync("environments", "--endpoint", "{here}")).Output.Split('\n').Length);
        Assert.Equal(4, (await RunAsync("listhosts", "--endpoint", "{here}")).Output.Split('\n').Length);
    }

    [Theory]
    [InlineData("silent", "does not answer within 3 seconds")]
    [InlineData("drips", "does not answer within 3 seconds")]
    [InlineData("endless", "cannot be reached")]
    [InlineData("page", "no receiver's")]
    [InlineData("nulls", "no receiver's")]
    [InlineData("redirects", "answers 302")]
    [InlineData("gone", "cannot be reached")]
    [InlineData("forgets", "does not know the token of its link")]
    public async Task A_dead_or_lying_host_neither_hangs_nor_breaks_a_listing(string manner, string why)
    {
        await LinkAsync();
        await using var liar = new Liar(manner);
        var link = stage.The<Hosts.HostLinks>();
        link.Put(link.Find("paris")! with { Name = "liar", Url = liar.Url });
        if (manner == "gone")
        {
            await liar.DisposeAsync();
        }

        var watch = Stopwatch.StartNew();
        var hosts = await RunAsync("listhosts", "--endpoint", "{here}");
        Assert.Equal(0, hosts.Code);
        Assert.Matches(" liar +unreachable ", hosts.Output);
        Assert.Matches(" paris +reachable ", hosts.Output);
        Assert.Contains(why, hosts.Error, StringComparison.Ordinal);
        if (manner is "silent" or "drips")
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
            return;
        }

        var environments = await RunAsync("environments", "--endpoint", "{here}");
        Assert.Contains("local@paris", environments.Output, StringComparison.Ordinal);
        Assert.Contains(why, environments.Error, StringComparison.Ordinal);
        var (code, _, error) = await RunAsync("init_env", "{here}", "prod", "liar");
        Assert.True(code is 3 or 1 && error.Contains("liar", StringComparison.Ordinal), error);
        foreach (var arguments in (string[][])[["logs", "prod@liar/shop"], ["rollback", "prod@liar/shop"]])
        {
            (code, var said, error) = await RunAsync([.. arguments, "--endpoint", "{here}"]);
            Assert.True(code == 3 && said.Length == 0 && error.Contains("liar", StringComparison.Ordinal), $"{code} {said} {error}");
        }
    }

    [Fact]
    public async Task What_a_host_says_of_itself_is_text_and_nothing_more()
    {
        await LinkAsync();
        await using var liar = new Liar("escapes");
        var link = stage.The<Hosts.HostLinks>();
        link.Put(link.Find("paris")! with { Name = "liar", Url = liar.Url });

        var all = await RunAsync("environments", "--endpoint", "{here}");
        Assert.DoesNotContain('\e', all.Output + all.Error);
        Assert.DoesNotContain("../", all.Output, StringComparison.Ordinal);
        Assert.Contains("good@liar", all.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', (await RunAsync("environments", "good@liar", "--endpoint", "{here}")).Output);
        var status = await RunAsync("status", "good@liar/x", "--endpoint", "{here}");
        Assert.DoesNotContain('\e', status.Output + status.Error);
    }

    [Fact]
    public async Task Links_outlive_a_restart_and_an_environment_is_found_by_its_uuid_again()
    {
        await LinkAsync();
        var uuid = (await RunAsync("init_env", "{here}", "qa", "paris")).Output.Trim();

        var again = new Hosts.HostLinks(stage.The<Storage.Database>());
        Assert.Equal(("paris", paris.Admin), (again.Find("paris")!.Name, again.Find("paris")!.Token));
        Assert.Equal("qa", again.Find(Guid.Parse(uuid))!.Value.Environment);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(stage.Root, "state", "receiver.db")));
        again.Remove("paris");
        Assert.Null(again.Find(Guid.Parse(uuid)));
    }

    async Task LinkAsync()
    {
        var file = Path.Combine(home, "token");
        await File.WriteAllTextAsync(file, paris.Admin + "\n");
        var (code, output, error) = await RunAsync("link_host", "paris", paris.Url.ToString(), "--token-file", file, "--endpoint", "{here}");
        Assert.True(code == 0, error);
        Assert.Contains("paris is linked", output, StringComparison.Ordinal);
        Assert.Equal(0, (await FeedAsync(paris.Admin, "link_host", "paris", paris.Url.ToString(), "--endpoint", "{here}")).Code); // twice, from standard input
    }

    static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => FeedAsync("", arguments);

    async Task<(int Code, string Output, string Error)> FeedAsync(string input, params string[] arguments)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        var code = await CommandLine.RunAsync([.. arguments.Select(argument => argument == "{here}" ? stage.Url.ToString() : argument)], new Surroundings
        {
            Out = output,
            Error = error,
            In = new StringReader(input),
            Directory = home,
            Home = home,
            Variable = name => name == "PAAS_TOKEN" ? token : null,
        });
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>A server that is no receiver, each in its own manner.</summary>
    sealed class Liar : IAsyncDisposable
    {
        readonly TcpListener listener = new(IPAddress.Loopback, 0);
        readonly CancellationTokenSource stop = new();
        readonly string manner;
        readonly Task serving;
        bool stopped;

        public Liar(string manner)
        {
            this.manner = manner;
            listener.Start();
            Url = new Uri($"http://{listener.LocalEndpoint}/");
            serving = ServeAsync();
        }

        public Uri Url { get; }

        public async ValueTask DisposeAsync()
        {
            if (stopped)
            {
                return;
            }

            stopped = true;
            await stop.CancelAsync();
            listener.Stop();
            await serving;
            stop.Dispose();
        }

        async Task ServeAsync()
        {
            var visits = new List<Task>();
            try
            {
                while (true)
                {
                    visits.Add(AnswerAsync(await listener.AcceptTcpClientAsync(stop.Token)));
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                await Task.WhenAll(visits);
            }
        }

        async Task AnswerAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    var stream = client.GetStream();
                    var head = new byte[8192];
                    var length = await stream.ReadAsync(head, stop.Token);
                    var path = Encoding.ASCII.GetString(head, 0, length).Split(' ')[1];
                    switch (manner)
                    {
                        case "silent":
                            await Task.Delay(Timeout.Infinite, stop.Token);
                            break;
                        case "drips":
                            await SayAsync(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
                            while (true)
                            {
                                await SayAsync(stream, " ");
                                await Task.Delay(200, stop.Token);
                            }

                        case "endless":
                            await SayAsync(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
                            while (true)
                            {
                                await SayAsync(stream, new string('[', 65_536));
                            }

                        case "redirects":
                            await SayAsync(stream, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
                            break;
                        case "forgets":
                            await SayAsync(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
                            break;
                        default:
                            var body = manner switch
                            {
                                "page" => "<html>It works!</html>",
                                "nulls" => """{"items":null}""",
                                _ => Escapes(path),
                            };
                            await SayAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Type: {(manner == "page" ? "text/html" : "application/json")}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}");
                            break;
                    }
                }
                catch (Exception e) when (e is OperationCanceledException or IOException)
                {
                    // The caller has had enough, or the test is over.
                }
            }
        }

        static string Escapes(string path) => path switch
        {
            "/api/v1/environments" => $$"""{"items":[{{Environment("../../etc")}},{{Environment("good")}},null,{{Environment("\\u001b[31mred")}}]}""",
            "/api/v1/environments/good" => Environment("good"),
            "/api/v1/hosts" => """{"items":[{"name":"x","addresses":["\u001b[31m",null],"domain":"\u001b]0;x","environments":1}]}""",
            _ => """{"environment":"good","name":"\u001b[31mx","mode":"\u001b[5m","url":"\u001b[2J","instances":[],"waiting":[]}""",
        };

        static string Environment(string name) =>
            $$"""{"name":"{{name}}","uuid":"{{Guid.NewGuid()}}","type":"\u001b[31mprod","mode":"final","isDefault":true,"host":"x","tags":{"\u001b[1m":"\u001b[2m"},"projects":1,"domain":"\u001b[3m","git":"\u001b[4m"}""";

        async Task SayAsync(NetworkStream stream, string text) => await stream.WriteAsync(Encoding.UTF8.GetBytes(text), stop.Token);
    }
}
