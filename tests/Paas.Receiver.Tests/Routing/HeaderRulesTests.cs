using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Paas.Receiver.Routing;

/// <summary>Every header rule, byte for byte, with sockets on both sides.</summary>
public class HeaderRulesTests
{
    // Where keep-alive or close is in the list too, Kestrel keeps only that word of it, and the router cannot know the other names.
    [Fact]
    public async Task What_belongs_to_one_connection_does_not_reach_the_application()
    {
        var seen = await SeenAsync("GET /a?b=%20c HTTP/1.1\r\nHost: k.test:81\r\nConnection: X-Mine, Cookie2\r\nX-Mine: 1\r\nCookie2: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy: http://evil\r\nTE: gzip\r\nX-Kept: 1\r\n");

        Assert.StartsWith("GET /a?b=%20c HTTP/1.1\r\nHost: k.test:81\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Kept: 1\r\n", seen, StringComparison.Ordinal);
        foreach (var gone in new[] { "\r\nConnection:", "X-Mine", "Cookie2", "Keep-Alive", "Proxy", "\r\nTE:", "Transfer-Encoding", "Content-Length", "Upgrade" })
        {
            Assert.DoesNotContain(gone, seen, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public async Task Who_the_visitor_is_the_router_says_and_not_the_visitor()
    {
        var (seen, port) = await SeenAndPortAsync("GET / HTTP/1.1\r\nHost: k.test\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Proto: https\r\nX-Forwarded-Prefix: /evil\r\n");

        Assert.DoesNotContain("6.6.6.6", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("https", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("evil", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: k.test\r\n", seen, StringComparison.Ordinal);
        Assert.Contains($"\r\nX-Forwarded-Port: {port}\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nForwarded: for=127.0.0.1;host=\"k.test\";proto=http\r\n", seen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_header_cannot_be_taken_away_by_listing_it_in_connection()
    {
        var seen = await SeenAsync("POST / HTTP/1.1\r\nHost: k.test\r\nConnection: Host, X-Forwarded-For, Content-Length\r\nContent-Length: 2\r\n", "hi");

        Assert.Contains("\r\nHost: k.test\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Forwarded-For: 127.0.0.1\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nContent-Length: 2\r\n", seen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_length_written_oddly_arrives_written_plainly()
    {
        Assert.Contains("\r\nContent-Length: 5\r\n", await SeenAsync("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 0005\r\n", "hello"), StringComparison.Ordinal);
        Assert.Contains("\r\nContent-Length: 5\r\n", await SeenAsync("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: +5\r\n", "hello"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trusted_peer_is_believed_and_extended()
    {
        var seen = await SeenAsync(
            "GET / HTTP/1.1\r\nHost: k.test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: out.test\r\nX-Forwarded-Port: 443\r\nForwarded: for=9.9.9.9\r\nX-Real-IP: 9.9.9.9\r\n",
            options: new RouterOptions { TrustedPeers = [System.Net.IPNetwork.Parse("127.0.0.0/8")] });

        Assert.Contains("\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: out.test\r\nX-Forwarded-Port: 443\r\nForwarded: for=9.9.9.9, for=127.0.0.1;", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Real-IP: 9.9.9.9\r\n", seen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Authorization_and_cookies_go_to_the_application_they_were_sent_to()
    {
        var seen = await SeenAsync("GET / HTTP/1.1\r\nHost: k.test\r\nAuthorization: Bearer x\r\nCookie: a=1\r\nRange: bytes=1-2\r\nAccept-Encoding: br\r\nIf-None-Match: \"e\"\r\n");

        foreach (var kept in new[] { "Authorization: Bearer x", "Cookie: a=1", "Range: bytes=1-2", "Accept-Encoding: br", "If-None-Match: \"e\"" })
        {
            Assert.Contains($"\r\n{kept}\r\n", seen, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("traceparent", seen, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("User-Agent", seen, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Bytes_beyond_ASCII_pass_both_ways_as_they_are()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var seen = new TaskCompletionSource<string>();
        var raw = house.Raw(async connection =>
        {
            seen.SetResult(await connection.ReadHeadAsync());
            await connection.WriteAsync("HTTP/1.1 200 Gr\u00fc\u00df\r\nX-Back: \u00e4\u00ff\r\nContent-Length: 0\r\n\r\n");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        var answer = await house.TellAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\nX-There: \u00c3\u00a9\u00ff\r\n\r\n");

        Assert.Contains("\r\nX-There: \u00c3\u00a9\u00ff\r\n", await seen.Task, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Back: \u00e4\u00ff\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_absolute_form_arrives_in_origin_form()
    {
        Assert.StartsWith("GET /x?y HTTP/1.1\r\nHost: k.test\r\n", await SeenAsync("GET http://k.test/x?y HTTP/1.1\r\nHost: k.test\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("GET / HTTP/1.1\r\nHost: k.test\r\n", await SeenAsync("GET http://k.test HTTP/1.1\r\nHost: k.test\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("OPTIONS * HTTP/1.1\r\nHost: k.test\r\n", await SeenAsync("OPTIONS * HTTP/1.1\r\nHost: k.test\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_path_arrives_as_it_was_written()
    {
        Assert.StartsWith("GET /a/%2e%2e/b%2Fc//d;e?f=/../ HTTP/1.1\r\n", await SeenAsync("GET /a/%2e%2e/b%2Fc//d;e?f=/../ HTTP/1.1\r\nHost: k.test\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: k.test\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 5, 5\r\n\r\nhello", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: -1\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: identity\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test\r\nHost: other.test\r\n\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\n\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test\r\nX: a\r\n b\r\n\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test\r\nX Y: a\r\n\r\n", "400")]
    [InlineData("GET http://other.test/ HTTP/1.1\r\nHost: k.test\r\n\r\n", "400")]
    [InlineData("CONNECT k.test:443 HTTP/1.1\r\nHost: k.test:443\r\n\r\n", "405")]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test/x\r\n\r\n", "400")]
    [InlineData("GET / HTTP/3.7\r\nHost: k.test\r\n\r\n", "505")]
    [InlineData("\0\u0001\u0002\r\n\r\n", "400")]
    public async Task What_can_be_read_in_two_ways_is_refused_and_its_connection_closed(string request, string status)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var seen = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var raw = house.Raw(async connection =>
        {
            while (await connection.ReadHeadAsync() is { Length: > 0 } head)
            {
                seen.Enqueue(head);
                if (!head.StartsWith("POST", StringComparison.Ordinal))
                {
                    await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            }
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        var answer = await house.TellAsync(request);

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.DoesNotContain(seen, head => head.Contains("smuggled", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(40_000, 1)]
    [InlineData(100, 200)]
    public async Task Too_much_header_is_refused(int length, int count)
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").Backend]);

        var answer = await house.TellAsync("GET / HTTP/1.1\r\nHost: k.test\r\n" + string.Concat(Enumerable.Range(0, count).Select(i => $"X-{i}: {new string('x', length)}\r\n")) + "\r\n");

        Assert.StartsWith("HTTP/1.1 431 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_longer_than_addresses_are_is_414_and_one_near_the_limit_passes_whole()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").Backend]);

        Assert.StartsWith("HTTP/1.1 414 ", await house.TellAsync($"GET /{new string('a', 8200)} HTTP/1.1\r\nHost: k.test\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith($"GET /{new string('a', 8000)}?b HTTP/1.1\r\n", await SeenAsync($"GET /{new string('a', 8000)}?b HTTP/1.1\r\nHost: k.test\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: k.te")]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test\r\nX: 1\r\n")]
    public async Task A_head_that_does_not_come_to_its_end_is_408_and_reaches_nobody(string head)
    {
        await using var house = await RoutingHouse.OpenAsync(kestrel: server => server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(1));
        var raw = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.StartsWith("HTTP/1.1 408 ", await house.TellAsync(head), StringComparison.Ordinal);
        Assert.Equal(0, raw.Connections);
    }

    [Fact]
    public async Task A_head_near_the_limit_passes_whole()
    {
        var seen = await SeenAsync("GET / HTTP/1.1\r\nHost: k.test\r\n" + string.Concat(Enumerable.Range(0, 90).Select(i => $"X-{i}: {new string('x', 300)}\r\n")));

        Assert.Equal(90, seen.Split(new string('x', 300)).Length - 1);
    }

    [Fact]
    public async Task What_belongs_to_one_connection_does_not_reach_the_visitor()
    {
        var answer = await AnsweredAsync("HTTP/1.1 200 Fine\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nServer: own/1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok");

        Assert.StartsWith("HTTP/1.1 200 Fine\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nok", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nServer: own/1\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Kept: 1\r\n", answer, StringComparison.Ordinal);
        foreach (var gone in new[] { "X-Mine", "Keep-Alive", "Proxy-Connection", "Via" })
        {
            Assert.DoesNotContain(gone, answer, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\u0001b\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nnothing\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n: nothing\r\n\r\n")]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 999999 OK\r\n\r\n")]
    [InlineData("HTTP/2 200 OK\r\n\r\n")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: cut o")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")]
    [InlineData("")]
    public async Task An_answer_that_is_not_HTTP_is_502_and_nothing_of_it_gets_out(string answer)
    {
        var seen = await AnsweredAsync(answer);

        Assert.StartsWith("HTTP/1.1 502 ", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("OpenSSH", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("hello", seen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_head_without_end_is_502()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 200 OK\r\n");
            while (true)
            {
                await connection.WriteAsync($"X-Y: {new string('x', 1000)}\r\n");
            }
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.StartsWith("HTTP/1.1 502 ", await house.TellAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nto the end", "to the end")]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", "to the end")]
    [InlineData("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok")]
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n01\r\nk\r\n0\r\n\r\n", "ok")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n", "0123456789")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok")]
    public async Task Applications_that_speak_plainly_are_understood(string answer, string body)
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [Once(house, answer).Backend]);

        Assert.Equal(body, await house.GetAsync("k.test"));
    }

    [Theory]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", 204)]
    [InlineData("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204)]
    [InlineData("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 500\r\n\r\n", 304)]
    [InlineData("HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n", 301)]
    [InlineData("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/5\r\nContent-Length: 2\r\n\r\nel", 206)]
    [InlineData("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n", 416)]
    [InlineData("HTTP/1.1 599 Own\r\nContent-Length: 0\r\n\r\n", 599)]
    public async Task Every_status_passes_and_the_connection_goes_on(string answer, int status)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Answering(answer);
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(status, (int)(await house.SendAsync(HttpMethod.Get, "k.test")).StatusCode);
        }

        Assert.Equal(1, raw.Connections);
    }

    [Fact]
    public async Task HEAD_keeps_the_length_and_has_no_body()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: \"x\"\r\n\r\n");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (var i = 0; i < 3; i++)
        {
            var answer = await house.SendAsync(HttpMethod.Head, "k.test");
            Assert.Equal(500, answer.Content.Headers.ContentLength);
            Assert.Equal("\"x\"", answer.Headers.ETag?.Tag);
        }

        Assert.Equal(1, raw.Connections);
    }

    [Fact]
    public async Task An_interim_answer_passes_before_the_final_one()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var go = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
            await go.Task;
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            await connection.ReadHeadAsync();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\n\r\n");

        Assert.Equal("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n", await visitor.ReadHeadAsync());
        go.SetResult();
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("ok", await visitor.ReadExactlyAsync(2));
    }

    [Fact]
    public async Task Answers_without_end_of_interim_ones_are_502()
    {
        Assert.StartsWith("HTTP/1.1 103", await AnsweredAsync(string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100))), StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 502 ", await AnsweredAsync(string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cookie_in_pieces_over_HTTP2_arrives_whole()
    {
        await using var house = await RoutingHouse.OpenAsync(protocols: HttpProtocols.Http2);
        var seen = new TaskCompletionSource<string>();
        var raw = house.Raw(async connection =>
        {
            seen.SetResult(await connection.ReadHeadAsync());
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var message = new HttpRequestMessage(HttpMethod.Get, house.Address + "x?y") { Version = new(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        message.Headers.Host = "k.test";
        message.Headers.Add("Cookie", ["a=1", "b=2"]);

        var answer = await house.Client.SendAsync(message);

        Assert.Equal("ok", await answer.Content.ReadAsStringAsync());
        var head = await seen.Task;
        Assert.StartsWith("GET /x?y HTTP/1.1\r\nHost: k.test\r\n", head, StringComparison.Ordinal);
        Assert.Contains("\r\nCookie: a=1; b=2\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("\r\n:", head, StringComparison.Ordinal);
    }

    static async Task<string> SeenAsync(string request, string body = "", RouterOptions? options = null) => (await SeenAndPortAsync(request, body, options)).Seen;

    static async Task<(string Seen, int Port)> SeenAndPortAsync(string request, string body = "", RouterOptions? options = null)
    {
        await using var house = await RoutingHouse.OpenAsync(options);
        var seen = new TaskCompletionSource<string>();
        var raw = house.Raw(async connection =>
        {
            seen.SetResult(await connection.ReadHeadAsync());
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync(request + "\r\n" + body);
        Assert.StartsWith("HTTP/1.1 200 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        return (await seen.Task, house.Address.Port);
    }

    static async Task<string> AnsweredAsync(string answer)
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [Once(house, answer).Backend]);
        return await house.TellAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\n\r\n");
    }

    static RawApplication Once(RoutingHouse house, string answer) => house.Raw(async connection =>
    {
        await connection.ReadHeadAsync();
        await connection.WriteAsync(answer);
    });
}
