using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Addresses, passwords and pages that a repository brings along, by real pushes.</summary>
public sealed class OwnAddresses(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_push_brings_its_addresses_its_guard_and_its_pages_and_the_next_one_others()
    {
        await using var git = await GitClient.NewAsync(receiver, "addressed", "hello");
        await PushPillarAsync("addressed", "env: {DOOR: open sesame}\n");
        await git.WriteAsync("app.json", """{"paas": {"routes": [{"host": "shop.example.org"}, {"path": "/admin", "users": {"anna": "DOOR"}}]}}""");
        await git.WriteAsync(".paas/pages/maintenance.html", "we are painting the walls");
        await git.CommitAsync("Have an address");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);

        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("shop.example.org")).Status);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("1.web.addressed.local.localhost")).Status);
        foreach (var host in new[] { "shop.example.org", "addressed.localhost", "v1.addressed.local.localhost" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await receiver.AskAsync(host, "/admin/x")).Status);
            Assert.NotEqual(HttpStatusCode.Unauthorized, await AskAsAsync(host, "/admin/x", "anna:open sesame"));
        }

        // Known again after a restart; and what is switched on at the desk too.
        Assert.Equal(HttpStatusCode.NoContent, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/-/addressed/maintenance", """{"on": true}""")).Status);
        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        await Patience.UntilAsync(async () => (await receiver.AskAsync("shop.example.org")) is (HttpStatusCode.ServiceUnavailable, "we are painting the walls"), "its page is shown");
        Assert.Equal(HttpStatusCode.NoContent, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/-/addressed/maintenance", """{"on": false}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("shop.example.org")).Status);

        await git.WriteAsync("app.json", """{"paas": {"routes": [{"host": "store.example.org"}]}}""");
        await git.CommitAsync("Move");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("store.example.org")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("shop.example.org")).Status);
        Assert.NotEqual(HttpStatusCode.Unauthorized, (await receiver.AskAsync("store.example.org", "/admin/x")).Status);
    }

    [Fact]
    public async Task A_push_that_wants_anothers_address_is_refused_before_anything_is_touched()
    {
        await using var first = await GitClient.NewAsync(receiver, "owner", "hello");
        await first.WriteAsync("app.json", """{"paas": {"routes": [{"host": "mine.example.org"}]}}""");
        await first.CommitAsync("Mine");
        Assert.True((await first.PushAsync()).Accepted);
        await using var second = await GitClient.NewAsync(receiver, "thief", "hello");
        Assert.True((await second.PushAsync()).Accepted);
        await second.WriteAsync("app.json", """{"paas": {"routes": [{"host": "mine.example.org"}, {"host": "owner.localhost"}]}}""");
        await second.CommitAsync("Mine too");

        var push = await second.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("mine.example.org leads to another project already", push.Text, StringComparison.Ordinal);
        Assert.Contains("owner.localhost cannot be had", push.Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("thief.localhost")).Status);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("mine.example.org")).Status);
    }

    async Task<HttpStatusCode> AskAsAsync(string host, string path, string credentials)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(receiver.Address, path)) { Headers = { Host = host } };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)));
        using var answer = await receiver.Http.SendAsync(request);
        return answer.StatusCode;
    }

    async Task PushPillarAsync(string project, string text)
    {
        await using var pillar = await GitClient.NewAsync(receiver, $"{project}/pillar");
        await pillar.CommitFileAsync("init.sls", text);
        Assert.True((await pillar.PushAsync()).Accepted);
    }
}
