using System.Text;
using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>Users, roles, keys, tokens and the audit log through the API, as different people see them.</summary>
public sealed class UserApiTests : IAsyncLifetime
{
    const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9pzoZ3/8MfxmqMHjnSNBnPTl1eCZ1W1uBqQyZwGgd alice";

    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task An_administrator_makes_a_user_who_then_looks_after_her_own_credentials()
    {
        await Expect(201, stage.Admin, "POST", "users", """{"name":"alice","fullName":"Alice"}""");
        await Expect(409, stage.Admin, "POST", "users", """{"name":"alice"}""");
        await Expect(409, stage.Admin, "POST", "users", """{"name":"Not A Name"}""");
        await Expect(200, stage.Admin, "PUT", "users/alice/roles/developer?environment=local");
        var alice = Secret(await Expect(200, stage.Admin, "POST", "tokens", """{"name":"laptop","user":"alice"}"""));

        Assert.Contains("\"user\":\"alice\"", await Expect(200, alice, "GET", "whoami"), StringComparison.Ordinal);
        await Expect(200, alice, "GET", "projects/local/hello");
        await Expect(200, alice, "GET", "users/alice");
        await Expect(403, alice, "GET", "users/admin");
        await Expect(403, alice, "GET", "users");
        await Expect(403, alice, "GET", "audit");

        var second = Secret(await Expect(200, alice, "POST", "tokens", """{"name":"ci","project":"hello","user":"alice","permissions":["WORKSPACE_VIEW"]}"""));
        await Expect(200, second, "GET", "projects/local/hello");
        await Expect(404, second, "GET", "projects/local/other");
        await Expect(403, second, "POST", "projects/local/hello/redeploy");
        await Expect(403, second, "POST", "tokens", """{"name":"more"}"""); // a limited one makes none

        var key = await Expect(200, alice, "POST", "keys", $$"""{"key":"{{Key}}"}""");
        Assert.Contains("SHA256:", key, StringComparison.Ordinal);
        await Expect(409, stage.Admin, "POST", "keys", $$"""{"key":"{{Key}}","user":"admin"}""");
        await Expect(204, alice, "PUT", "users/alice/password", """{"password":"correct horse battery"}""");
        var own = JsonSerializer.Deserialize(await Expect(200, alice, "GET", "tokens"), ContractJson.Default.PageTokenSummary)!;
        Assert.Equal(["laptop", "ci"], own.Items.Select(token => token.Name));
        await Expect(204, alice, "DELETE", $"tokens/{own.Items[1].Id}");
        await Expect(401, second, "GET", "whoami");
        await Expect(404, alice, "DELETE", "tokens/1"); // the administrator's looks as if it were not there
        await Expect(404, alice, "DELETE", "keys/999");

        await Expect(200, stage.Admin, "PATCH", "users/alice", """{"disabled":true}""");
        await Expect(401, alice, "GET", "whoami");
        await Expect(204, stage.Admin, "DELETE", "users/alice");
        await Expect(404, stage.Admin, "GET", "users/alice");
    }

    [Fact]
    public async Task Nobody_climbs_higher_than_they_stand()
    {
        await Expect(200, stage.Admin, "PUT", "roles/helpdesk", """{"permissions":["USER_LIST","USER_EDIT","ROLE_LIST","ROLE_EDIT","ROLE_ASSIGN"]}""");
        await Expect(201, stage.Admin, "POST", "users", """{"name":"henry"}""");
        await Expect(200, stage.Admin, "PUT", "users/henry/roles/helpdesk");
        await Expect(201, stage.Admin, "POST", "users", """{"name":"dora"}""");
        await Expect(200, stage.Admin, "PUT", "users/dora/roles/developer");
        var henry = Secret(await Expect(200, stage.Admin, "POST", "tokens", """{"name":"henry","user":"henry"}"""));

        await Expect(200, henry, "GET", "users");
        await Expect(201, henry, "POST", "users", """{"name":"new"}""");
        await Expect(403, henry, "PUT", "users/henry/roles/administrator");
        await Expect(403, henry, "PUT", "users/new/roles/developer");
        await Expect(200, henry, "PUT", "users/new/roles/helpdesk");
        await Expect(403, henry, "PUT", "roles/helpdesk", """{"permissions":["SYSTEM_ADMINISTRATION"]}""");
        await Expect(403, henry, "DELETE", "roles/developer");
        await Expect(403, henry, "POST", "tokens", """{"name":"x","user":"admin"}""");
        await Expect(403, henry, "POST", "tokens", """{"name":"x","user":"dora"}""");
        await Expect(403, henry, "POST", "tokens", """{"name":"x","admin":true}""");
        await Expect(403, henry, "POST", "tokens", """{"name":"x","project":"hello"}""");
        await Expect(403, henry, "POST", "keys", $$"""{"key":"{{Key}}","user":"admin"}""");
        await Expect(403, henry, "POST", "keys", $$"""{"key":"{{Key}}","project":"hello","push":true}""");
        await Expect(403, henry, "PUT", "users/admin/password", """{"password":"correct horse battery"}""");
        await Expect(403, henry, "DELETE", "users/dora");
        await Expect(200, henry, "POST", "tokens", """{"name":"x","user":"new"}""");
        Assert.Equal("[]", JsonDocument.Parse(await Expect(200, henry, "GET", "keys")).RootElement.GetProperty("items").GetRawText());
        await Expect(409, stage.Admin, "DELETE", "users/admin");
    }

    [Fact]
    public async Task Every_change_and_every_deployment_is_in_the_audit_log()
    {
        await Expect(201, stage.Admin, "POST", "users", """{"name":"alice"}""");
        await Expect(403, stage.Developer, "POST", "users", """{"name":"bob"}""");
        await Expect(200, stage.Admin, "GET", "users");
        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;

        var lines = JsonSerializer.Deserialize(await Expect(200, stage.Admin, "GET", "audit?limit=3"), ContractJson.Default.PageAuditRecord)!;

        Assert.Equal(
            [("tester", "deployment", "local/hello", "RolledBack"), ("dev", "users.add", "v1/users", "403"), ("admin", "users.add", "v1/users", "201")],
            lines.Items.Select(line => (line.Who, line.Action, line.Subject, line.Result)));
        Assert.Equal("alice", lines.Items[2].Detail);
        Assert.Equal("127.0.0.1", lines.Items[2].From);
        Assert.StartsWith("token 1", lines.Items[2].Credential, StringComparison.Ordinal);
        var export = await Expect(200, stage.Admin, "GET", "audit/export");
        Assert.Equal(["1", "2", "3"], export.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("number").GetRawText()));
        Assert.Equal("{}", await Expect(200, stage.Admin, "GET", "audit/check"));
    }

    async Task<string> Expect(int status, string token, string method, string path, string? body = null)
    {
        using var client = stage.Client(token);
        using var request = new HttpRequestMessage(new HttpMethod(method), "api/v1/" + path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(status == (int)answer.StatusCode, $"{method} {path}: {(int)answer.StatusCode} instead of {status}: {text}");
        return text;
    }

    static string Secret(string made) => JsonSerializer.Deserialize(made, ContractJson.Default.TokenMade)!.Secret;
}
