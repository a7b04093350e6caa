using System.Net;
using System.Net.Http.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;
using Xunit;

namespace Paas.Receiver.Api;

public class DomainTests
{
    [Fact]
    public async Task An_address_that_is_given_leads_to_the_project_at_once_and_is_taken_back_at_once()
    {
        await using var stage = await LiveAsync();
        using var client = stage.Client(stage.OnlyHello);
        var router = stage.The<Router>();

        Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsJsonAsync("api/v1/projects/-/hello/domains/shop.example.org", new DomainOrder())).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsJsonAsync("api/v1/projects/-/hello/domains/Shop.example.org?path=/admin/", new DomainOrder(Allow: ["10.0.0.0/8"], Users: new() { ["anna"] = "secret word" }))).StatusCode);

        Assert.Equal("local/hello/web", router.KeyOf("shop.example.org"));
        var text = await client.GetStringAsync("api/v1/projects/-/hello/domains");
        var list = (await client.GetFromJsonAsync("api/v1/projects/-/hello/domains", ContractJson.Default.DomainList))!;
        var guarded = list.Items.Single(one => one.Path == "/admin");
        Assert.Equal(("shop.example.org", "web", true, "10.0.0.0/8", "anna"), (guarded.Host, guarded.Type, guarded.Given, guarded.Allow!.Single(), guarded.Users!.Single()));
        Assert.Contains(list.Items, one => one is { Host: "hello.localhost", Given: false });
        Assert.DoesNotContain("secret word", text, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync("api/v1/projects/-/hello/domains/shop.example.org")).StatusCode);
        Assert.Null(router.KeyOf("shop.example.org"));
        Assert.Equal("local/hello/web", router.KeyOf("shop.example.org/admin"));
        Assert.Equal(HttpStatusCode.NotFound, (await client.DeleteAsync("api/v1/projects/-/hello/domains/shop.example.org")).StatusCode);
    }

    [Fact]
    public async Task What_was_given_is_there_after_a_restart()
    {
        await using var stage = await LiveAsync();
        using var client = stage.Client(stage.OnlyHello);
        await client.PutAsJsonAsync("api/v1/projects/-/hello/domains/a.example.org?path=/x", new DomainOrder(Type: "admin", Allow: ["192.0.2.1"], Users: new() { ["u"] = "p" }, Sticky: true));
        await client.PutAsJsonAsync("api/v1/projects/-/hello/maintenance", new MaintenanceOrder(true));

        var again = new Domains(stage.The<Storage.Database>(), TimeProvider.System);

        var address = again.Of(stage.Hello).Single();
        Assert.Equal(("a.example.org/x", "admin", true, "192.0.2.1/32"), (address.Name, address.Type, address.Sticky, address.Allow.Single().ToString()));
        Assert.True(await new DoorList(address.Users).AdmitAsync("Basic " + Convert.ToBase64String("u:p"u8), default));
        Assert.True(again.InMaintenance(stage.Hello));
        Assert.False(again.InMaintenance(stage.Other));
    }

    [Theory]
    [InlineData("other.localhost", 422)] // given out by the receiver
    [InlineData("localhost", 422)]
    [InlineData("not_a..host", 400)]
    [InlineData("127.0.0.1", 400)]
    [InlineData("taken.example.org", 422)]
    [InlineData("admin.hello.localhost", 204)] // below its own name
    public async Task Nobody_gets_what_is_not_theirs_to_have(string host, int status)
    {
        await using var stage = await LiveAsync();
        using (var others = stage.Client(stage.OnlyOther))
        {
            await others.PutAsJsonAsync("api/v1/projects/-/other/domains/taken.example.org", new DomainOrder());
        }

        using var client = stage.Client(stage.OnlyHello);

        var answer = await client.PutAsJsonAsync($"api/v1/projects/-/hello/domains/{host}", new DomainOrder());
        Assert.True(status == (int)answer.StatusCode || (status == 422 && (int)answer.StatusCode is 400 or 409 or 422), $"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
    }

    [Theory]
    [InlineData("""{"allow": ["nonsense"]}""")]
    [InlineData("""{"allow": [null]}""")]
    [InlineData("""{"users": {"a:b": "x"}}""")]
    [InlineData("""{"users": {"a": ""}}""")]
    [InlineData("""{"type": "../x"}""")]
    public async Task An_order_that_makes_no_sense_is_refused(string order)
    {
        await using var stage = await LiveAsync();
        using var client = stage.Client(stage.Admin);

        var answer = await client.PutAsync("api/v1/projects/-/hello/domains/a.example.org", new StringContent(order, null, "application/json"));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Maintenance_is_about_the_project_and_not_about_its_releases_own_addresses()
    {
        await using var stage = await LiveAsync();
        using var client = stage.Client(stage.OnlyHello);

        await client.PutAsJsonAsync("api/v1/projects/-/hello/maintenance", new MaintenanceOrder(true));

        Assert.True((await client.GetFromJsonAsync("api/v1/projects/-/hello/domains", ContractJson.Default.DomainList))!.Maintenance);
        Assert.All(stage.The<Visitors>().AddressesOf(stage.Hello), one => Assert.True(one.Wish.Rules.Maintenance));
        Assert.Equal("local/hello/web/v1", stage.The<Router>().KeyOf("v1.hello.local.localhost"));
        Assert.Equal("local/hello/web/v1", stage.The<Router>().KeyOf("1.web.hello.local.localhost"));
        using var other = stage.Client(stage.OnlyOther);
        Assert.Equal(HttpStatusCode.NotFound, (await other.PutAsJsonAsync("api/v1/projects/-/hello/maintenance", new MaintenanceOrder(false))).StatusCode);
    }

    [Fact]
    public async Task A_releases_own_routes_and_pages_come_and_go_with_it()
    {
        await using var stage = await ApiStage.OpenAsync();
        var (visitors, router) = (stage.The<Visitors>(), stage.The<Router>());
        var first = stage.Release(stage.Hello, new string('a', 40));
        var second = stage.Release(stage.Hello, new string('b', 40));
        visitors.Introduce(first, LaunchOf(stage, first, new Address { Host = "old.example.org" }, new Address { Path = "/admin", Users = new Dictionary<string, string> { ["anna"] = "DOOR" } }));
        visitors.Meet(first);
        Assert.Equal("local/hello/web", router.KeyOf("old.example.org"));
        Assert.NotNull(visitors.AddressesOf(stage.Hello).Single(one => one.Wish.Host == "hello.localhost/admin").Wish.Rules.DoorList);
        Assert.NotNull(visitors.AddressesOf(stage.Hello).Single(one => one.Wish.Host == "old.example.org/admin").Wish.Rules.DoorList);

        visitors.Introduce(second, LaunchOf(stage, second, new Address { Host = "new.example.org" }));
        visitors.Meet(second);
        Assert.Null(router.KeyOf("old.example.org"));
        Assert.Equal("local/hello/web", router.KeyOf("new.example.org"));
        Assert.DoesNotContain(visitors.AddressesOf(stage.Hello), one => one.Wish.Host.EndsWith("/admin", StringComparison.Ordinal));

        visitors.Meet(first);
        Assert.Equal("local/hello/web", router.KeyOf("old.example.org"));
        Assert.Null(router.KeyOf("new.example.org"));
        var refused = Assert.Throws<Refusal>(() => visitors.Introduce(second, LaunchOf(stage, second, new Address { Users = new Dictionary<string, string> { ["anna"] = "NOWHERE" } })));
        Assert.Contains("NOWHERE", refused.Message, StringComparison.Ordinal);
    }

    static async Task<ApiStage> LiveAsync()
    {
        var stage = await ApiStage.OpenAsync();
        var release = stage.Release(stage.Hello, new string('a', 40));
        stage.The<Visitors>().Introduce(release, LaunchOf(stage, release));
        stage.The<Visitors>().Meet(release);
        return stage;
    }

    static Launch LaunchOf(ApiStage stage, Releases.Release release, params IReadOnlyList<Address> addresses) => new()
    {
        Project = stage.Hello,
        Release = release.Id,
        Number = release.Number,
        Directory = release.Directory,
        Types = [new ProcessType("web", "x", 1, Web: true)],
        Addresses = addresses,
        Environment = new Dictionary<string, string> { ["DOOR"] = "open sesame" },
    };
}
