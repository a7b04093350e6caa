using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Paas.Receiver.Routing;

public class ForwarderTests
{
    static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Connections_to_the_application_are_used_again()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (var i = 0; i < 50; i++)
        {
            Assert.Equal("ok", await house.GetAsync("k.test"));
        }

        Assert.Equal(1, raw.Connections);
    }

    [Fact]
    public async Task An_application_that_closes_after_each_answer_fails_nobody()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); // and does not say that it will close
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await house.SendAsync(HttpMethod.Get, "k.test")).StatusCode);
        }
    }

    [Fact]
    public async Task A_request_is_repeated_only_when_it_may_be_and_nothing_came_back()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var seen = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var raw = house.Raw(async connection =>
        {
            seen.Enqueue((await connection.ReadHeadAsync()).Split('/')[0].Trim());
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            seen.Enqueue((await connection.ReadHeadAsync()).Split('/')[0].Trim()); // taken, and never answered
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.Equal("ok", await house.GetAsync("k.test"));
        Assert.Equal("ok", await house.GetAsync("k.test"));
        Assert.Equal(HttpStatusCode.BadGateway, (await house.SendAsync(HttpMethod.Post, "k.test")).StatusCode);

        Assert.Equal(["GET", "GET", "GET", "POST"], seen);
    }

    [Fact]
    public async Task A_fresh_connection_that_is_closed_without_an_answer_is_502_and_asked_once()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Raw(connection => connection.ReadHeadAsync());
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.Equal(HttpStatusCode.BadGateway, (await house.SendAsync(HttpMethod.Get, "k.test")).StatusCode);
        Assert.Equal(1, raw.Connections);
    }

    [Fact]
    public async Task Bytes_after_an_answer_are_never_the_next_visitors()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("ok", await house.GetAsync("k.test"));
        }
    }

    [Fact]
    public async Task An_application_that_takes_too_long_is_504()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { ResponseTimeout = TimeSpan.FromMilliseconds(100) });
        var ended = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.ReadToEndAsync();
            ended.SetResult();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.Equal(HttpStatusCode.GatewayTimeout, (await house.SendAsync(HttpMethod.Get, "k.test")).StatusCode);
        await ended.Task.WaitAsync(Long);
    }

    [Fact]
    public async Task A_pause_within_the_body_is_no_timeout()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { ResponseTimeout = TimeSpan.FromMilliseconds(100) });
        var application = await house.ApplicationAsync(async context =>
        {
            await context.Response.WriteAsync("a");
            await context.Response.Body.FlushAsync();
            await Task.Delay(400);
            await context.Response.WriteAsync("b");
        });
        house.Router.Assign("k", ["k.test"], [application]);

        Assert.Equal("ab", await house.GetAsync("k.test"));
    }

    [Fact]
    public async Task A_connection_nobody_uses_is_closed()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { IdleTimeout = TimeSpan.FromMilliseconds(50) });
        var ended = new TaskCompletionSource<bool>();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            await connection.ReadToEndAsync();
            ended.SetResult(connection.WasReset);
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        Assert.Equal("ok", await house.GetAsync("k.test"));

        Assert.False(await ended.Task.WaitAsync(Long));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf", false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfX", false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nhalf", true)]
    public async Task An_answer_that_breaks_off_never_looks_whole(string answer, bool reset)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var half = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync(answer);
            if (reset)
            {
                await half.Task; // the visitor has the first half; a reset would overtake it
                connection.Reset();
            }
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\n\r\n");
        var begun = reset ? await visitor.ReadUntilAsync("half") : ""; // without waiting the break may overtake even the head
        half.SetResult();

        var rest = await visitor.ReadToEndAsync();

        Assert.True(visitor.WasReset || (begun + rest).StartsWith("HTTP/1.1 502 ", StringComparison.Ordinal), $"ended politely with: {rest}");
        Assert.DoesNotContain("\r\n0\r\n\r\n", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_arrive_as_they_happen()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var next = new SemaphoreSlim(0);
        var application = await house.ApplicationAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            for (var i = 0; i < 5; i++)
            {
                await next.WaitAsync();
                await context.Response.WriteAsync($"data: {i}\n\n");
                await context.Response.Body.FlushAsync();
            }
        });
        house.Router.Assign("k", ["k.test"], [application]);

        using var answer = await house.SendAsync(HttpMethod.Get, "k.test", completion: HttpCompletionOption.ResponseHeadersRead).WaitAsync(Long);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        for (var i = 0; i < 5; i++)
        {
            next.Release();
            Assert.Equal($"data: {i}", await reader.ReadLineAsync().WaitAsync(Long));
            await reader.ReadLineAsync();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(8191)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(300_000)]
    [InlineData(20_000_000)]
    public async Task A_body_arrives_whole_both_ways_with_and_without_length(int length)
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.ApplicationAsync(async context =>
        {
            using var all = new MemoryStream(); // HttpClient listens only when it has said everything
            await context.Request.Body.CopyToAsync(all);
            context.Response.ContentLength = context.Request.ContentLength;
            all.Position = 0;
            await all.CopyToAsync(context.Response.Body);
        })]);
        var body = RandomNumberGenerator.GetBytes(length);

        var sized = await house.SendAsync(HttpMethod.Post, "k.test", content: new ByteArrayContent(body));
        Assert.Equal(body, await sized.Content.ReadAsByteArrayAsync());

        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new ByteArrayContent(body) };
        chunked.Headers.Host = "k.test";
        chunked.Headers.TransferEncodingChunked = true;
        var answer = await house.Client.SendAsync(chunked);
        Assert.Equal(body, await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Both_directions_flow_at_once()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.ApplicationAsync(async context =>
        {
            var buffer = new byte[100];
            while (await context.Request.Body.ReadAsync(buffer) is > 0 and var count)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, count));
                await context.Response.Body.FlushAsync();
            }
        })]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n");
        await visitor.ReadUntilAsync("ping");
        await visitor.WriteAsync("4\r\npong\r\n");
        await visitor.ReadUntilAsync("pong");
        await visitor.WriteAsync("0\r\n\r\n");

        Assert.EndsWith("0\r\n\r\n", await visitor.ReadUntilAsync("0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_before_the_body_was_read_is_heard()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
            await connection.ReadToEndAsync();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 100000000\r\n\r\nsome");

        Assert.StartsWith("HTTP/1.1 413 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("big", await visitor.ReadExactlyAsync(3));
    }

    [Fact]
    public async Task Trailers_pass_both_ways()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var seen = new TaskCompletionSource<string>();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            seen.SetResult(await connection.ReadUntilAsync("\r\n\r\n"));
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nTrailer: X-Sum, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        var answer = await house.TellAsync("POST / HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\nTE: trailers\r\nTrailer: X-Mine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Mine: 7\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");

        Assert.Equal("2\r\nhi\r\n0\r\nX-Mine: 7\r\n\r\n", await seen.Task);
        Assert.EndsWith("\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trailers_pass_over_HTTP2()
    {
        await using var house = await RoutingHouse.OpenAsync(protocols: HttpProtocols.Http2);
        var raw = house.Answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var message = new HttpRequestMessage(HttpMethod.Get, house.Address) { Version = new(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        message.Headers.Host = "k.test";

        var answer = await house.Client.SendAsync(message);

        Assert.Equal("abc", await answer.Content.ReadAsStringAsync());
        Assert.Equal("42", Assert.Single(answer.TrailingHeaders.GetValues("X-Sum")));
    }

    [Fact]
    public async Task Expect_is_the_applications_to_grant()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { ContinueTimeout = TimeSpan.FromMinutes(5) });
        var raw = house.Raw(async connection =>
        {
            Assert.Contains("Expect: 100-continue", await connection.ReadHeadAsync(), StringComparison.Ordinal);
            await connection.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n");
            var body = await connection.ReadExactlyAsync(4);
            await connection.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}");
            Assert.Contains("Expect: 100-continue", await connection.ReadHeadAsync(), StringComparison.Ordinal);
            await connection.WriteAsync("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            await connection.ReadToEndAsync();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("PUT / HTTP/1.1\r\nHost: k.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 100 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        await visitor.WriteAsync("body");
        Assert.StartsWith("HTTP/1.1 200 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("body", await visitor.ReadExactlyAsync(4));

        await visitor.WriteAsync("PUT / HTTP/1.1\r\nHost: k.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 403 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("no", await visitor.ReadExactlyAsync(2));
    }

    [Fact]
    public async Task Expect_is_granted_for_an_application_that_has_never_heard_of_it()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { ContinueTimeout = TimeSpan.FromMilliseconds(30) });
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            var body = await connection.ReadExactlyAsync(4);
            await connection.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("PUT / HTTP/1.1\r\nHost: k.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 100 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
        await visitor.WriteAsync("body");
        Assert.StartsWith("HTTP/1.1 200 ", await visitor.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: k.test\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 10000\r\n\r\nsome")]
    [InlineData("POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")]
    public async Task A_visitor_who_goes_away_is_noticed_by_the_application(string request)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var came = new TaskCompletionSource();
        var ended = new TaskCompletionSource<string>();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            came.SetResult();
            ended.SetResult(await connection.ReadToEndAsync());
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        var visitor = await house.VisitAsync();
        await visitor.WriteAsync(request);
        await came.Task.WaitAsync(Long);

        visitor.Dispose();

        Assert.DoesNotContain("0\r\n\r\n", await ended.Task.WaitAsync(Long), StringComparison.Ordinal);
        await RouterTests.UntilAsync(() => house.Router.InFlight(raw.Backend) == 0);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_413_announced_or_not()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { LargestBody = 10_000 });
        house.Router.Assign("k", ["k.test"], [await house.ApplicationAsync(async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            await context.Response.WriteAsync("all");
        })]);

        Assert.StartsWith("HTTP/1.1 413 ", await house.TellAsync("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 10001\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 413 ", await house.TellAsync($"POST / HTTP/1.1\r\nHost: k.test\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n{new string('x', 0x4000)}\r\n"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await house.SendAsync(HttpMethod.Post, "k.test", content: new ByteArrayContent(new byte[10_000]))).StatusCode);
    }

    [Fact]
    public async Task A_slow_download_survives_a_switch()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var go = new TaskCompletionSource();
        var body = RandomNumberGenerator.GetBytes(5_000_000);
        var old = await house.ApplicationAsync(async context =>
        {
            await context.Response.Body.WriteAsync(body.AsMemory(0, 1000));
            await context.Response.Body.FlushAsync();
            await go.Task;
            await context.Response.Body.WriteAsync(body.AsMemory(1000));
        });
        house.Router.Assign("k", ["k.test"], [old]);
        using var answer = await house.SendAsync(HttpMethod.Get, "k.test", completion: HttpCompletionOption.ResponseHeadersRead);
        house.Router.Switch("k", [await house.NamedAsync("new")]);
        Assert.Equal("new", await house.GetAsync("k.test"));
        var drained = house.Router.DrainAsync("k", [old], Long);
        go.SetResult();

        Assert.Equal(body, await answer.Content.ReadAsByteArrayAsync());
        await drained;
    }

    [Theory]
    [InlineData(HttpProtocols.Http1)]
    [InlineData(HttpProtocols.Http2)]
    public async Task A_WebSocket_works_and_survives_a_switch(HttpProtocols protocol)
    {
        await using var house = await RoutingHouse.OpenAsync(protocols: protocol);
        var old = await house.ApplicationAsync(EchoAsync);
        house.Router.Assign("k", ["k.test"], [old]);
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", "k.test");
        socket.Options.AddSubProtocol("chat");
        if (protocol == HttpProtocols.Http2)
        {
            socket.Options.HttpVersion = new Version(2, 0);
            socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        }

        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{house.Address.Port}/chat"), invoker, default).WaitAsync(Long);
        Assert.Equal("chat", socket.SubProtocol);
        Assert.Equal("one", await SayAsync(socket, "one"));

        house.Router.Switch("k", []);
        var drained = house.Router.DrainAsync("k", [old], Long);

        Assert.Equal("two", await SayAsync(socket, "two"));
        Assert.Equal(new string('x', 100_000), await SayAsync(socket, new string('x', 100_000)));
        Assert.False(drained.IsCompleted);
        Assert.Equal(1, house.Router.InFlight(old));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", default).WaitAsync(Long);
        await drained;
    }

    [Fact]
    public async Task Any_other_upgrade_is_bytes_both_ways_and_half_an_end_is_half_an_end()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Raw(async connection =>
        {
            var head = await connection.ReadHeadAsync();
            Assert.Contains("\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n", head, StringComparison.Ordinal);
            await connection.WriteAsync("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nX-Own: 1\r\n\r\nearly");
            Assert.Equal("\0hello\n", await connection.ReadExactlyAsync(7));
            await connection.WriteAsync("\u0001back");
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("POST /attach HTTP/1.1\r\nHost: k.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");

        var head = await visitor.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 101 ", head, StringComparison.Ordinal);
        Assert.Contains("\r\nUpgrade: tcp\r\n", head, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Own: 1\r\n", head, StringComparison.Ordinal);
        Assert.Equal("early", await visitor.ReadExactlyAsync(5));
        await visitor.WriteAsync("\0hello\n");
        Assert.Equal("\u0001back", await visitor.ReadToEndAsync());
        await RouterTests.UntilAsync(() => house.Router.InFlight(raw.Backend) == 0);
    }

    [Fact]
    public async Task An_upgrade_that_is_declined_is_an_answer_like_any_other()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var raw = house.Answering("HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno");
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        for (var i = 0; i < 3; i++)
        {
            await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            var head = await visitor.ReadHeadAsync();
            Assert.StartsWith("HTTP/1.1 426 ", head, StringComparison.Ordinal);
            Assert.Contains("\r\nUpgrade: other\r\n", head, StringComparison.Ordinal);
            Assert.Equal("no", await visitor.ReadExactlyAsync(2));
        }
    }

    [Fact]
    public async Task An_upgraded_connection_ends_when_either_side_breaks()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var application = new TaskCompletionSource<RawConnection>();
        var ended = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
            application.TrySetResult(connection);
            await connection.ReadToEndAsync();
            ended.TrySetResult();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
        await visitor.ReadHeadAsync();
        visitor.Reset();
        await ended.Task.WaitAsync(Long);
        await RouterTests.UntilAsync(() => house.Router.InFlight(raw.Backend) == 0);
        application = new TaskCompletionSource<RawConnection>();

        using var second = await house.VisitAsync();
        await second.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
        await second.ReadHeadAsync();
        (await application.Task).Reset();
        await second.ReadToEndAsync();
        await RouterTests.UntilAsync(() => house.Router.InFlight(raw.Backend) == 0);
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_order()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.ApplicationAsync(context => context.Response.WriteAsync($"<{context.Request.Path}>"))]);

        var answer = await house.TellAsync(string.Concat(Enumerable.Range(0, 20).Select(i => $"GET /{i} HTTP/1.1\r\nHost: {(i % 5 == 4 ? "control.test" : "k.test")}\r\n{(i == 19 ? "Connection: close\r\n" : "")}\r\n")));

        var at = 0;
        for (var i = 0; i < 20; i++)
        {
            at = answer.IndexOf(i % 5 == 4 ? "control plane" : $"</{i}>", at, StringComparison.Ordinal);
            Assert.True(at > 0, answer);
        }
    }

    [Fact]
    public async Task Answers_cut_at_every_byte_arrive_whole()
    {
        await using var house = await RoutingHouse.OpenAsync();
        const string answer = "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5;e=f\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n";
        var cut = 0;
        var raw = house.Raw(async connection =>
        {
            while (await connection.ReadHeadAsync() is { Length: > 0 })
            {
                await connection.WriteAsync(answer[..cut]);
                await Task.Delay(1);
                await connection.WriteAsync(answer[cut..]);
            }
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        for (cut = 1; cut < answer.Length; cut++)
        {
            var got = await house.SendAsync(HttpMethod.Get, "k.test");
            Assert.Equal("hello!", await got.Content.ReadAsStringAsync());
            Assert.Equal("b", Assert.Single(got.Headers.GetValues("X-A")));
        }

        Assert.Equal(1, raw.Connections);
    }

    [Fact]
    public async Task A_visitor_who_reads_nothing_does_not_fill_our_memory()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var sent = 0L;
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            var piece = new byte[100_000];
            for (var i = 0; i < 10_000; i++)
            {
                await connection.WriteAsync(piece);
                Interlocked.Add(ref sent, piece.Length);
            }
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\n\r\n");
        await visitor.ReadHeadAsync();

        var last = -1L;
        while (last != Interlocked.Read(ref sent))
        {
            last = Interlocked.Read(ref sent);
            await Task.Delay(200);
        }

        Assert.InRange(last, 0, 50_000_000); // what the kernel's own buffers take
    }

    static async Task EchoAsync(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync("chat");
        var buffer = new byte[200_000];
        while (true)
        {
            var got = await socket.ReceiveAsync(buffer, default);
            if (got.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", default);
                return;
            }

            await socket.SendAsync(buffer.AsMemory(0, got.Count), got.MessageType, got.EndOfMessage, default);
        }
    }

    static async Task<string> SayAsync(ClientWebSocket socket, string text)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, default);
        var heard = new List<byte>();
        var buffer = new byte[200_000];
        ValueWebSocketReceiveResult got;
        do
        {
            using var limit = new CancellationTokenSource(Long);
            got = await socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
            heard.AddRange(buffer.AsSpan(0, got.Count));
        }
        while (!got.EndOfMessage);

        return Encoding.ASCII.GetString([.. heard]);
    }
}
