using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Routing;

public class RouteRulesTests
{
    [Fact]
    public async Task A_projects_own_pages_are_shown_and_others_see_the_plain_ones()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var gone = house.Answering("");
        await gone.DisposeAsync();
        var rules = new RouteRules { Pages = PagesOf(("404", "lost with us"), ("502", "we broke"), ("503", "we wake up")) };
        house.Router.Assign("a", [new RouteWish("a.test/shop", rules)], [gone.Backend]);
        house.Router.Assign("b", [new RouteWish("b.test", rules)], []);
        house.Router.Assign("c", ["c.test"], []);

        Assert.Equal((HttpStatusCode.NotFound, "lost with us"), await house.SeeAsync("a.test", "/elsewhere"));
        Assert.Equal((HttpStatusCode.BadGateway, "we broke"), await house.SeeAsync("a.test", "/shop"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "we wake up"), await house.SeeAsync("b.test"));
        Assert.Contains("is starting", (await house.SeeAsync("c.test")).Text, StringComparison.Ordinal);
        Assert.Contains("no application", (await house.SeeAsync("d.test")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Maintenance_shows_its_page_until_it_is_over_and_requests_under_way_finish()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var (arrived, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        var application = await house.ApplicationAsync(async context =>
        {
            if (context.Request.Path == "/slow")
            {
                arrived.SetResult();
                await go.Task;
            }

            await context.Response.WriteAsync("served");
        });
        house.Router.Assign("k", ["k.test"], [application]);
        var underWay = house.GetAsync("k.test", "/slow");
        await arrived.Task;

        house.Router.Reassign("k", [new RouteWish("k.test", new RouteRules { Maintenance = true, Pages = PagesOf(("maintenance", "back at noon")) })]);
        var answer = await house.SendAsync(HttpMethod.Get, "k.test");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("back at noon", await answer.Content.ReadAsStringAsync());
        Assert.NotNull(answer.Headers.RetryAfter);
        go.SetResult();
        Assert.Equal("served", await underWay);

        house.Router.Reassign("k", [new RouteWish("k.test", RouteRules.None)]);
        Assert.Equal("served", await house.GetAsync("k.test"));
    }

    [Theory]
    [InlineData(null, 401)]
    [InlineData("Basic !!!", 401)]
    [InlineData("Bearer anna:right", 401)]
    [InlineData("anna", 401)]
    [InlineData("anna:wrong", 401)]
    [InlineData("nobody:right", 401)]
    [InlineData("nobody:", 401)]
    [InlineData(":", 401)]
    [InlineData("anna:right", 200)]
    public async Task A_guarded_route_asks_for_name_and_password(string? credentials, int status)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var rules = new RouteRules { DoorList = new DoorList(new Dictionary<string, string> { ["anna"] = DoorList.Hash("right") }) };
        house.Router.Assign("k", [new RouteWish("k.test/admin", rules), new RouteWish("k.test", RouteRules.None)], [await house.NamedAsync("application")]);
        var header = credentials is null ? "" : $"Authorization: {(credentials.Contains(' ', StringComparison.Ordinal) ? credentials : "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)))}\r\n";

        for (var i = 0; i < 2; i++)
        {
            var answer = await house.TellAsync($"GET /admin/x HTTP/1.1\r\nHost: k.test\r\n{header}Connection: close\r\n\r\n");
            Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
            Assert.Equal(status == 401, answer.Contains("WWW-Authenticate: Basic ", StringComparison.Ordinal));
        }

        Assert.Equal("application", await house.GetAsync("k.test", "/administration"));
    }

    [Theory]
    [InlineData("/admin")]
    [InlineData("/admin/")]
    [InlineData("/%61dmin")]
    [InlineData("//admin")]
    [InlineData("/x/../admin")]
    [InlineData("/x/..%2fadmin")]
    [InlineData("/x%2f..%2fadmin")]
    [InlineData("/.//admin/x")]
    [InlineData("/x\\..\\admin")]
    [InlineData("http://k.test/admin")]
    public async Task No_way_of_writing_a_path_leads_past_its_guard(string path)
    {
        await using var house = await RoutingHouse.OpenAsync();
        var guarded = new RouteRules { Allow = [IPNetwork.Parse("203.0.113.0/24")] };
        house.Router.Assign("k", [new RouteWish("k.test", RouteRules.None), new RouteWish("k.test/admin", guarded)], [await house.NamedAsync("application")]);

        Assert.StartsWith("HTTP/1.1 403 ", await house.TellAsync($"GET {path} HTTP/1.1\r\nHost: k.test\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("203.0.113.0/24", null, false, 403)]
    [InlineData("127.0.0.0/8", null, false, 200)]
    [InlineData("203.0.113.0/24", "203.0.113.7", false, 403)]
    [InlineData("203.0.113.0/24", "203.0.113.7", true, 200)]
    [InlineData("203.0.113.0/24", "203.0.113.7, 198.51.100.1", true, 403)]
    [InlineData("203.0.113.0/24", "198.51.100.1, 203.0.113.7", true, 200)]
    [InlineData("203.0.113.0/24", "203.0.113.7, 127.0.0.1", true, 200)]
    [InlineData("203.0.113.0/24", "203.0.113.7, nonsense", true, 403)]
    [InlineData("2001:db8::/32", "[2001:db8::1]:443", true, 200)]
    public async Task Only_admitted_networks_pass_and_only_a_trusted_proxy_may_say_who_it_is(string allow, string? forwardedFor, bool trusted, int status)
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { TrustedPeers = trusted ? [IPNetwork.Parse("127.0.0.0/8")] : [] });
        house.Router.Assign("k", [new RouteWish("k.test", new RouteRules { Allow = [IPNetwork.Parse(allow)] })], [await house.NamedAsync("application")]);
        var header = forwardedFor is null ? "" : $"X-Forwarded-For: {forwardedFor}\r\n";

        Assert.StartsWith($"HTTP/1.1 {status} ", await house.TellAsync($"GET / HTTP/1.1\r\nHost: k.test\r\n{header}Connection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sticky_visitor_comes_back_to_the_same_instance_until_it_is_gone()
    {
        await using var house = await RoutingHouse.OpenAsync();
        Backend[] all = [await house.NamedAsync("0"), await house.NamedAsync("1"), await house.NamedAsync("2")];
        RouteWish[] sticky = [new("k.test", new RouteRules { Sticky = true })];
        house.Router.Assign("k", sticky, all);
        var first = await house.SendAsync(HttpMethod.Get, "k.test");
        var (mine, cookie) = (await first.Content.ReadAsStringAsync(), first.Headers.GetValues("Set-Cookie").Single());
        Assert.DoesNotContain($"{all[int.Parse(mine)].Port}", cookie, StringComparison.Ordinal);

        for (var i = 0; i < 20; i++)
        {
            var again = await WithCookieAsync();
            Assert.Equal(mine, await again.Content.ReadAsStringAsync());
            Assert.False(again.Headers.Contains("Set-Cookie"));
        }

        house.Router.Assign("k", sticky, [.. all.Where((_, i) => $"{i}" != mine)]);
        var moved = await WithCookieAsync();
        Assert.NotEqual(mine, await moved.Content.ReadAsStringAsync());
        Assert.True(moved.Headers.Contains("Set-Cookie"));

        Task<HttpResponseMessage> WithCookieAsync()
        {
            var message = new HttpRequestMessage(HttpMethod.Get, "/");
            message.Headers.Host = "k.test";
            message.Headers.Add("Cookie", cookie.Split(';')[0]);
            return house.Client.SendAsync(message);
        }
    }

    [Fact]
    public async Task A_body_that_comes_by_the_byte_is_408_and_frees_the_application()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { SlowestBody = new MinDataRate(bytesPerSecond: 10_000, gracePeriod: TimeSpan.FromSeconds(1.1)) });
        var ended = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.ReadToEndAsync();
            ended.SetResult();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);

        var answer = await house.TellAsync("POST / HTTP/1.1\r\nHost: k.test\r\nContent-Length: 100000\r\n\r\na");

        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task What_went_through_is_counted_by_class_with_its_time()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var application = await house.ApplicationAsync(context =>
        {
            context.Response.StatusCode = context.Request.Path == "/missing" ? 404 : 200;
            return Task.CompletedTask;
        });
        house.Router.Assign("k", ["k.test"], [application]);
        for (var i = 0; i < 10; i++)
        {
            await house.GetAsync("k.test", i < 3 ? "/missing" : "/");
        }

        await RouterTests.UntilAsync(() => house.Router.TrafficOf("k")!.Requests == 10);
        Assert.Equal([0, 7, 0, 3, 0], house.Router.TrafficOf("k")!.Classes);
        Assert.InRange(house.Router.TrafficOf("k")!.Percentile(99), TimeSpan.FromMicroseconds(1), TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(1_000)]
    [InlineData(123_456)]
    [InlineData(60_000_000)]
    public void A_percentile_is_right_to_an_eighth(int microseconds)
    {
        var traffic = new Traffic();
        traffic.Count(200, TimeSpan.FromMicroseconds(microseconds));

        Assert.InRange(traffic.Percentile(50).TotalMicroseconds, microseconds, (microseconds * 1.13) + 1);
    }

    [Fact]
    public async Task A_path_of_the_control_plane_by_any_of_its_names_may_lead_to_an_application()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", [$"{Router.AnyControlHost}/local-hello"], [await house.ApplicationAsync(context => context.Response.WriteAsync(context.Request.Path))]);

        Assert.Equal("/local-hello/a", await house.GetAsync("control.test", "/local-hello/a"));
        Assert.Equal("/local-hello", await house.GetAsync("127.0.0.1", "/local-hello"));
        Assert.Equal("control plane", await house.GetAsync("127.0.0.1", "/local-hello2"));
    }

    [Fact]
    public async Task An_address_somebody_else_has_stays_theirs_and_the_rest_is_assigned()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["one.test"], [await house.NamedAsync("first")]);

        var taken = house.Router.Assign("two", [new RouteWish("one.test", RouteRules.None), new RouteWish("two.test", RouteRules.None)], [await house.NamedAsync("second")]);

        Assert.Equal([("one.test", "one")], taken);
        Assert.Equal("first", await house.GetAsync("one.test"));
        Assert.Equal("second", await house.GetAsync("two.test"));
    }

    static Pages PagesOf(params IEnumerable<(string Name, string Text)> pages) => new(pages.ToDictionary(page => page.Name, page => Encoding.UTF8.GetBytes(page.Text)));
}

static class Seeing
{
    public static async Task<(HttpStatusCode Status, string Text)> SeeAsync(this RoutingHouse house, string host, string path = "/")
    {
        var answer = await house.SendAsync(HttpMethod.Get, host, path);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
