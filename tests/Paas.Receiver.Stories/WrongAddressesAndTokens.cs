using System.Net;
using System.Net.Sockets;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Who knocks at the wrong door, or with the wrong key, is told so; nothing is made for him.</summary>
public sealed class WrongAddressesAndTokens(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Theory]
    [InlineData("Hello")]
    [InlineData("..")]
    [InlineData("../../etc")]
    [InlineData("-option")]
    [InlineData("ends-")]
    [InlineData("two--dashes")]
    [InlineData("1st")]
    [InlineData("a.b")]
    [InlineData("git")]
    [InlineData("state")]
    [InlineData("con")]
    [InlineData("%2e%2e")]
    [InlineData("hel%6co")]
    [InlineData("a%00b")]
    [InlineData("a%2fb")]
    [InlineData("a\\b")]
    [InlineData("h\u00e9llo")]
    [InlineData("a;b")]
    [InlineData("")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task A_name_that_is_none_is_not_found_and_makes_nothing(string name)
    {
        var before = Everything();

        foreach (var address in new[] { $"/git/{name}.git", $"/git/local/{name}.git", $"/git/{name}/hello.git", $"/git/{name}/pillar.git" })
        {
            Assert.InRange(await AskRawAsync($"{address}/info/refs?service=git-receive-pack"), 400, 404);
        }

        Assert.Equal(before, Everything());
    }

    [Fact]
    public async Task The_longest_name_is_a_name()
    {
        var name = new string('a', 40);
        await using var git = await GitClient.NewAsync(receiver, name, "hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync($"{name}.localhost")).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Hello")]
    [InlineData("no-such-environment/hello")]
    public async Task A_push_to_a_wrong_address_says_not_found(string address)
    {
        await using var git = await GitClient.NewAsync(receiver, address, "hello");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("not found", push.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_project_that_is_not_there_cannot_be_cloned_and_is_not_made_by_trying()
    {
        await using var git = await GitClient.NewAsync(receiver, "never-pushed");

        Assert.NotEqual(0, (await git.Git("ls-remote", "paas").RunAsync()).ExitCode);
        Assert.False(Directory.Exists(receiver.Project("never-pushed")));
    }

    [Fact]
    public async Task Only_the_smart_protocol_is_served()
    {
        await using var git = await GitClient.NewAsync(receiver, "smart-only", "hello");
        Assert.True((await git.PushAsync("no-deploy")).Accepted);

        foreach (var path in new[] { "HEAD", "config", "objects/info/packs", $"objects/{(await git.HeadAsync())[..2]}/{(await git.HeadAsync())[2..]}", "hooks/update", "info/refs", "" })
        {
            Assert.Equal(404, await AskRawAsync($"/git/smart-only.git/{path}"));
        }
    }

    [Fact]
    public async Task Wrong_tokens_are_refused_and_who_tries_many_is_slowed_down()
    {
        await using var strict = await ReceiverProcess.StartAsync();
        var codes = new List<HttpStatusCode>();
        for (var tries = 0; tries < 40 && !codes.Contains(HttpStatusCode.TooManyRequests); tries++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(strict.Address, "git/hello.git/info/refs?service=git-receive-pack"));
            request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes($"pusher:wrong-token-number-{tries}")));
            using var response = await strict.Http.SendAsync(request);
            codes.Add(response.StatusCode);
            if (response.StatusCode == HttpStatusCode.TooManyRequests)
            {
                Assert.NotNull(response.Headers.RetryAfter);
            }
        }

        Assert.Equal(HttpStatusCode.Unauthorized, codes[0]);
        Assert.Equal(HttpStatusCode.TooManyRequests, codes[^1]);
        Assert.False(Directory.Exists(strict.Project("hello")));
    }

    List<string> Everything() =>
        new[] { ".", "projects", "pillar/makina-projects" }.Select(below => Path.Combine(receiver.Root, below)).Where(Directory.Exists)
            .SelectMany(Directory.EnumerateFileSystemEntries).Order(StringComparer.Ordinal).ToList();

    // HttpClient would clean the address up.
    async Task<int> AskRawAsync(string target)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, receiver.Port);
        var stream = client.GetStream();
        var token = Convert.ToBase64String(Encoding.ASCII.GetBytes($"pusher:{receiver.Token}"));
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream);
        var status = await reader.ReadLineAsync() ?? throw new IOException("No answer.");
        return int.Parse(status.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
