using System.Diagnostics;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Routing;

public class RouteTableTests
{
    [Theory]
    [InlineData("a.example.org", "/", "exact")]
    [InlineData("A.Example.ORG", "/", "exact")]
    [InlineData("a.example.org:8080", "/", "exact")]
    [InlineData("a.example.org.", "/", "exact")]
    [InlineData("a.example.org.:80", "/", "exact")]
    [InlineData("b.example.org", "/", "wide")]
    [InlineData("x.b.example.org", "/", "wide")]
    [InlineData("x.deep.example.org", "/", "deep")]
    [InlineData("example.org", "/", null)]
    [InlineData("elsewhere.net", "/", null)]
    [InlineData("", "/", null)]
    [InlineData("notexample.org", "/", null)]
    [InlineData("a.example.org", "/api", "api")]
    [InlineData("a.example.org", "/api/", "api")]
    [InlineData("a.example.org", "/api/v1", "v1")]
    [InlineData("a.example.org", "/api/v1x", "api")]
    [InlineData("a.example.org", "/apis", "exact")]
    [InlineData("a.example.org", "/API", "exact")]
    public void Exact_names_come_first_then_suffixes_then_nothing_and_prefixes_match_whole_segments(string host, string path, string? expected)
    {
        var table = Table(("exact", "a.example.org"), ("wide", "*.example.org"), ("deep", "*.deep.example.org"), ("api", "a.example.org/api"), ("v1", "a.example.org/api/v1/"));

        Assert.Equal(expected, table.Find(Route.BareHost(host), path)?.Destination.Key);
    }

    [Fact]
    public void A_star_takes_what_nobody_else_does()
    {
        var table = Table(("all", "*"), ("one", "one.test"));

        Assert.Equal("one", table.Find("one.test", "/")?.Destination.Key);
        Assert.Equal("all", table.Find("two.test", "/")?.Destination.Key);
        Assert.Equal("all", table.Find("localhost", "/")?.Destination.Key);
        Assert.Null(table.Find("", "/"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("*.")]
    [InlineData("a..b")]
    [InlineData("a.*.b")]
    [InlineData("-a.test")]
    [InlineData("a-.test")]
    [InlineData("a b.test")]
    [InlineData("a\r\nb.test")]
    [InlineData("a:80")]
    [InlineData("127.0.0.1")]
    [InlineData("bücher.test")]
    [InlineData("a.test/../x")]
    [InlineData("a.test/a//b")]
    [InlineData("a.test/%2e")]
    [InlineData("a.test/a?b")]
    public void What_is_no_host_is_refused(string text) =>
        Assert.Throws<Refusal>(() => Route.Parse(text, new Destination("k")));

    [Fact]
    public void A_name_longer_than_names_are_is_refused()
    {
        Assert.Throws<Refusal>(() => Route.Parse(string.Join('.', Enumerable.Repeat("abcdefgh", 40)), new Destination("k")));
        Assert.Throws<Refusal>(() => Route.Parse(new string('a', 64) + ".test", new Destination("k")));
    }

    [Fact]
    public void A_host_that_leads_to_somebody_is_not_taken_over()
    {
        var table = Table(("one", "a.test"));

        var refusal = Assert.Throws<Refusal>(() => table.With("two", [Route.Parse("a.test", new Destination("two"))]));

        Assert.Contains("one", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("one", table.Find("a.test", "/")?.Destination.Key);
    }

    [Fact]
    public void Giving_a_key_other_hosts_takes_its_former_ones_away()
    {
        var table = Table(("one", "a.test"), ("two", "a.test/two"));
        var changed = table.With("one", [Route.Parse("b.test", new Destination("one"))]);

        Assert.Null(changed.Find("a.test", "/"));
        Assert.Equal("two", changed.Find("a.test", "/two")?.Destination.Key);
        Assert.Equal("one", changed.Find("b.test", "/")?.Destination.Key);
        Assert.Equal("one", table.Find("a.test", "/")?.Destination.Key);
        Assert.Null(changed.Without("two").Find("a.test", "/two"));
        Assert.False(changed.Without("two").Knows("a.test"));
    }

    [Fact]
    public void A_hostile_host_name_costs_nothing_much()
    {
        var table = Table(("wide", "*.example.org"));
        var host = string.Concat(Enumerable.Repeat("a.", 4000)) + "example.net";

        var watch = Stopwatch.StartNew();
        Assert.Null(table.Find(host, "/"));

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(1), $"{watch.Elapsed}");
    }

    static RouteTable Table(params (string Key, string Host)[] routes) =>
        routes.Aggregate(RouteTable.Empty, (table, route) => table.With(route.Key, [Route.Parse(route.Host, new Destination(route.Key))]));
}
