using System.IO.Compression;
using System.Net;
using System.Text;
using Xunit;

namespace Paas.Receiver.GitHttp;

public sealed class GitDoorTests : IAsyncLifetime
{
    PushingReceiver receiver = null!;

    public async Task InitializeAsync() => receiver = await PushingReceiver.StartAsync();

    public async Task DisposeAsync() => await receiver.DisposeAsync();

    [Theory]
    [InlineData("shop.git/HEAD")]
    [InlineData("shop.git/config")]
    [InlineData("shop.git/objects/info/packs")]
    [InlineData("shop.git/objects/00/11")]
    [InlineData("shop.git/hooks/update")]
    [InlineData("shop.git/info/refs")]
    [InlineData("shop.git/refs/heads/main")]
    [InlineData("shop.git/git-upload-pack")]
    [InlineData("shop.git/git-upload-archive")]
    [InlineData("shop.git")]
    [InlineData("")]
    public async Task Only_the_smart_protocol_is_served(string path)
    {
        await PushOnceAsync();
        using var client = receiver.Client();

        using var answer = await client.GetAsync("/git/" + path);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Theory]
    [InlineData("/git/%2e%2e/shop.git")]
    [InlineData("/git/..%2fshop.git")]
    [InlineData("/git/%252e%252e/shop.git")]
    [InlineData("/git/sho%70.git")]
    [InlineData("/git/Shop.git")]
    [InlineData("/git/shop..git")]
    [InlineData("/git/shop.git.")]
    [InlineData("/git/-shop.git")]
    [InlineData("/git/pillar.git")]
    [InlineData("/git/nosuchenv/shop.git")]
    [InlineData("/git//shop.git")]
    [InlineData("/git/shop.git/../shop.git")]
    [InlineData("/git/shop%00.git")]
    public async Task A_name_that_is_no_name_is_not_found_and_makes_nothing(string path)
    {
        var target = $"{path}/info/refs?service=git-receive-pack";
        var pushed = $"{path}/git-receive-pack";

        Assert.Contains(await RawStatusAsync("GET", target), (int[])[400, 404]);
        Assert.Contains(await RawStatusAsync("POST", pushed), (int[])[400, 404]);
        Assert.Empty(receiver.Projects.List());
    }

    [Fact]
    public async Task The_shape_of_a_request_must_be_right()
    {
        using var client = receiver.Client();

        Assert.Equal(HttpStatusCode.Forbidden, (await client.GetAsync("/git/shop.git/info/refs?service=git-upload-archive")).StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await client.PostAsync("/git/shop.git/git-receive-pack", RawPush.Content([], "text/plain"))).StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await client.PostAsync("/git/shop.git/git-receive-pack", RawPush.Content([], "application/x-git-upload-pack-request"))).StatusCode);
        using var brotli = RawPush.Content([]);
        brotli.Headers.ContentEncoding.Add("br");
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await client.PostAsync("/git/shop.git/git-receive-pack", brotli)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.PutAsync("/git/shop.git/git-receive-pack", RawPush.Content([]))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.PostAsync("/git/shop.git/info/refs?service=git-receive-pack", RawPush.Content([]))).StatusCode);
        Assert.Empty(receiver.Projects.List());
    }

    [Fact]
    public async Task Looking_at_a_project_that_is_not_there_does_not_make_it()
    {
        using var client = receiver.Client();

        using var push = await client.GetAsync("/git/shop.git/info/refs?service=git-receive-pack");
        using var clone = await client.GetAsync("/git/shop.git/info/refs?service=git-upload-pack");

        Assert.Equal(HttpStatusCode.OK, push.StatusCode);
        Assert.Equal("application/x-git-receive-pack-advertisement", push.Content.Headers.ContentType?.ToString());
        Assert.True(push.Headers.CacheControl?.NoCache);
        Assert.StartsWith("001f# service=git-receive-pack\n0000", await push.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("push-options", await push.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, clone.StatusCode);
        Assert.Empty(receiver.Projects.List());
    }

    [Fact]
    public async Task Who_may_not_is_told_no_more_than_he_may_see()
    {
        await PushOnceAsync();
        var scoped = receiver.Tokens.Create("bot", isAdmin: false, onlyProject: "local/shop").Secret;
        var other = receiver.Tokens.Create("other", isAdmin: false, onlyProject: "local/other").Secret;
        const string Clone = "/git/shop.git/info/refs?service=git-upload-pack";
        using var nobody = new HttpClient { BaseAddress = receiver.Address };
        using var wrong = receiver.Client("not a token of anybody");
        using var bot = receiver.Client(scoped);
        using var stranger = receiver.Client(other);

        using var asked = await nobody.GetAsync(Clone);
        Assert.Equal(HttpStatusCode.Unauthorized, asked.StatusCode);
        Assert.Contains(asked.Headers.WwwAuthenticate, challenge => challenge.Scheme == "Basic");
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("/git/missing.git/info/refs?service=git-upload-pack")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await wrong.GetAsync(Clone)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await bot.GetAsync(Clone)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync(Clone)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync("/git/shop.git/info/refs?service=git-receive-pack")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync("/git/missing.git/info/refs?service=git-upload-pack")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await stranger.GetAsync("/git/other.git/info/refs?service=git-receive-pack")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await stranger.PostAsync("/git/other.git/git-receive-pack", RawPush.Content([]))).StatusCode);
        Assert.Single(receiver.Projects.List());
    }

    [Fact]
    public async Task Guessing_is_throttled()
    {
        using var wrong = receiver.Client("not a token of anybody");
        HttpResponseMessage? last = null;
        for (var i = 0; i < 12; i++)
        {
            last = await wrong.GetAsync("/git/shop.git/info/refs?service=git-receive-pack");
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, last!.StatusCode);
        Assert.NotNull(last.Headers.RetryAfter);
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ====")]
    [InlineData("Basic bm9jb2xvbg==")]
    [InlineData("Bearer x")]
    [InlineData("Basic /w==")]
    public async Task Credentials_that_are_none_are_401(string header)
    {
        using var client = new HttpClient { BaseAddress = receiver.Address };
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);

        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/git/shop.git/info/refs?service=git-receive-pack")).StatusCode);
    }

    [Fact]
    public async Task Gzip_chunks_and_expect_are_understood_together()
    {
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var push = await RawPush.OfAsync(tree, "refs/heads/main");
        using var zipped = new MemoryStream();
        await using (var gzip = new GZipStream(zipped, CompressionMode.Compress, leaveOpen: true))
        {
            await gzip.WriteAsync(push.Whole);
        }

        using var client = receiver.Client();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/git/shop.git/git-receive-pack") { Content = RawPush.Content(zipped.ToArray()) };
        request.Content.Headers.ContentEncoding.Add("gzip");
        request.Headers.TransferEncodingChunked = true;
        request.Headers.ExpectContinue = true;
        using var answer = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("ok refs/heads/main", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync("refs/heads/main"));
    }

    [Fact]
    public async Task A_bot_that_pushes_a_tag_with_an_empty_pack_in_chunks_is_understood()
    {
        await PushOnceAsync();
        var head = await receiver.Repository("shop").ReadRefAsync("refs/heads/main");
        var line = $"{new string('0', 40)} {head} refs/tags/paasta-prod.canary-20260101T120000-deploy\0agent=dulwich/0.21 delete-refs ofs-delta report-status side-band-64k";
        byte[] empty = [.. "PACK"u8, 0, 0, 0, 2, 0, 0, 0, 0];
        byte[] body = [.. RawPush.PacketLine(line), .. "0000"u8, .. empty, .. System.Security.Cryptography.SHA1.HashData(empty)];

        using var client = receiver.Client();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/git/shop.git/git-receive-pack") { Content = RawPush.Content(body) };
        request.Headers.TransferEncodingChunked = true;
        using var answer = await client.SendAsync(request);

        Assert.Contains("ok refs/tags/paasta-prod.canary-20260101T120000-deploy", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    async Task PushOnceAsync()
    {
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "--quiet", "origin", "main");
    }

    /// <summary>The status of a request whose target is sent as it is written: a client would tidy it up.</summary>
    async Task<int> RawStatusAsync(string method, string target)
    {
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, receiver.Address.Port);
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes("any:" + receiver.Token));
        await socket.GetStream().WriteAsync(Encoding.Latin1.GetBytes(
            $"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n"
            + $"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(socket.GetStream());
        return int.Parse((await reader.ReadLineAsync())!.Split(' ')[1]);
    }
}
