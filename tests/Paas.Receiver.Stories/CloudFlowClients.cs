using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Reference 3.2: the raw requests of CloudFlow's clients, as far as they need no image.</summary>
public sealed class CloudFlowClients(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Without_a_good_token_every_call_answers_as_the_clients_expect()
    {
        var calls = new (HttpMethod, string, string?)[]
        {
            (HttpMethod.Get, "services", null), (HttpMethod.Post, "services", """{"name":"x"}"""), (HttpMethod.Get, "services/x", null), (HttpMethod.Get, "services/x?view=logs&tail=20&streams=1", null),
            (HttpMethod.Get, "services/x?view=docker", null), (HttpMethod.Put, "services/x", "{}"), (HttpMethod.Delete, "services/x", null),
        };
        foreach (var (method, path, body) in calls)
        {
            foreach (var prefix in (string[])["", "v0/"])
            {
                var (without, text) = await AskAsync(null, method, prefix + path, body);
                Assert.Equal(HttpStatusCode.BadRequest, without);
                Assert.True(text.TryGetProperty("Error", out _));
                Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync("flow_" + new string('0', 48), method, prefix + path, body)).Status);

                // An API token is no session.
                Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(receiver.Token, method, prefix + path, body)).Status);
            }
        }
    }

    [Fact]
    public async Task A_service_is_made_listed_shown_and_deleted_in_its_own_environment_only()
    {
        var (one, other) = (await SessionAsync("flow-a"), await SessionAsync("flow-b"));
        Assert.Equal("[]", (await AskAsync(one, HttpMethod.Get, "services")).Body.GetRawText());
        Assert.Equal("[]", (await AskAsync(one, HttpMethod.Get, "services/")).Body.GetRawText());

        var (made, body) = await AskAsync(one, HttpMethod.Post, "services", """{"name":"svc1","health_check":{"rel_path":"/up?x","status_codes":"200,201","interval":5}}""");
        Assert.Equal(HttpStatusCode.Created, made);
        Assert.Equal("svc1", body.GetProperty("name").GetString());
        Assert.Equal(["self /services/svc1", $"deployment http://127.0.0.1:{receiver.Port}/flow-a-svc1"], LinksOf(body));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await AskAsync(one, HttpMethod.Post, "services", """{"name":"svc1"}""")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(other, HttpMethod.Post, "v0/services", """{"name":"svc1"}""")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(one, HttpMethod.Post, "services", """{"name":"a"}""")).Status);
        Assert.Equal(["a", "svc1"], (await AskAsync(one, HttpMethod.Get, "services")).Body.EnumerateArray().Select(service => service.GetProperty("name").GetString()));
        Assert.Equal("self /v0/services/svc1", LinksOf((await AskAsync(other, HttpMethod.Get, "v0/services/svc1")).Body)[0]);

        var status = (await AskAsync(one, HttpMethod.Get, "services/svc1")).Body.GetProperty("status");
        Assert.All((string[])["service_status", "count_desired", "count_running", "count_pending"], key => Assert.Equal("unknown", status.GetProperty(key).GetString()));
        Assert.Equal(("[]", "[]"), (status.GetProperty("tasks").GetRawText(), status.GetProperty("events").GetRawText()));
        var health = status.GetProperty("target_health");
        Assert.Equal(($"http://127.0.0.1:{receiver.Port}/flow-a-svc1/up?x", "200,201", 5, "[]"), (
            health.GetProperty("health_check_path").GetString(), health.GetProperty("status_codes").GetString(), health.GetProperty("interval").GetInt32(), health.GetProperty("targets").GetRawText()));
        Assert.Equal("[]", (await AskAsync(one, HttpMethod.Get, "services/svc1?view=logs&tail=20&streams=1")).Body.GetProperty("logs").GetRawText());
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync(one, HttpMethod.Get, "services/svc1?view=nothing")).Status);

        var (deleted, said) = await AskAsync(one, HttpMethod.Delete, "services/svc1");
        Assert.Equal(HttpStatusCode.OK, deleted);
        Assert.True(said.TryGetProperty("Success", out _));
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(one, HttpMethod.Get, "services/svc1")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(one, HttpMethod.Delete, "services/svc1")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(other, HttpMethod.Get, "services/svc1")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(one, HttpMethod.Post, "services", """{"name":"svc1"}""")).Status);
        Assert.Equal("200-499", (await AskAsync(one, HttpMethod.Get, "services/svc1")).Body.GetProperty("status").GetProperty("target_health").GetProperty("status_codes").GetString());
    }

    [Theory]
    [InlineData("""{"name":"Bad"}""")]
    [InlineData("""{"name":"a_"}""")]
    [InlineData("""{"name":"a-"}""")]
    [InlineData("""{"name":"1a"}""")]
    [InlineData("""{"name":""}""")]
    [InlineData("""{"name":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}""")]
    [InlineData("""{"name":7}""")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("""{"name":"ok","health_check":{"status_codes":200}}""")]
    [InlineData("""{"name":"ok","health_check":{"status_codes":"2xx"}}""")]
    [InlineData("""{"name":"ok","health_check":{"interval":0}}""")]
    [InlineData("""{"name":"ok","health_check":{"interval":true}}""")]
    public async Task What_cannot_be_made_is_a_400_with_the_word_Error(string body)
    {
        var token = await SessionAsync("flow-c");

        var (status, answer) = await AskAsync(token, HttpMethod.Post, "services", body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.NotEmpty(answer.GetProperty("Error").GetString()!);
    }

    [Fact]
    public async Task An_update_that_cannot_be_is_refused_and_the_status_shows_it()
    {
        var token = await SessionAsync("flow-d");
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, HttpMethod.Post, "services", """{"name":"svc"}""")).Status);

        foreach (var (body, expected) in ((string, string)[])[
            ("""{"container-tag":"latest","memory-reservation":50,"memory-limit":75,"container-port":80,"environment":[{"name":"A=b","value":123}]}""", "no image with the tag latest"),
            ("""{"container-tag":"latest","memory-reservation":50,"memory-limit":5,"container-port":80,"environment":[]}""", "memory-limit"),
            ("""{"container-tag":"latest","memory-reservation":50,"memory-limit":40,"container-port":80,"environment":[]}""", "memory-limit"),
            ("""{"container-tag":"a b","memory-reservation":true,"memory-limit":75,"container-port":65536}""", "container-port"),
            ("""{}""", "container-tag"),
            ("", "JSON")])
        {
            var (status, answer) = await AskAsync(token, HttpMethod.Put, "services/svc", body);
            Assert.Equal(HttpStatusCode.BadRequest, status);
            Assert.Contains(expected, answer.GetProperty("Error").GetString(), StringComparison.Ordinal);
        }

        var events = (await AskAsync(token, HttpMethod.Get, "services/svc")).Body.GetProperty("status").GetProperty("events");
        Assert.StartsWith("(service flow-d-svc) was not updated: ", events[0].GetProperty("message").GetString(), StringComparison.Ordinal);
        var hasRegistry = File.Exists("/usr/bin/docker-registry");
        Assert.Equal(hasRegistry ? HttpStatusCode.OK : HttpStatusCode.NotFound, (await AskAsync(token, HttpMethod.Get, "services/svc?view=docker")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(token, HttpMethod.Put, "services/other", "{}")).Status);
    }

    [Fact]
    public async Task What_is_destroyed_by_others_leaves_nothing_for_the_next_of_its_name_and_no_session()
    {
        var token = await SessionAsync("flow-g");
        await AskAsync(token, HttpMethod.Post, "services", """{"name":"svc","health_check":{"rel_path":"up","status_codes":"200","interval":7}}""");
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync(token, HttpMethod.Put, "services/svc", "{}")).Status);
        Assert.Equal((1, 7), await SeenAsync());

        await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/flow-g/svc");
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(token, HttpMethod.Get, "services/svc")).Status);
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/flow-g/svc")).Status);
        Assert.Equal((0, 30), await SeenAsync());

        await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/environments/flow-g");
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(token, HttpMethod.Get, "services")).Status);
        await SessionAsync("flow-g");
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(token, HttpMethod.Get, "services")).Status);

        async Task<(int Events, int Interval)> SeenAsync()
        {
            var status = (await AskAsync(token, HttpMethod.Get, "services/svc")).Body.GetProperty("status");
            return (status.GetProperty("events").GetArrayLength(), status.GetProperty("target_health").GetProperty("interval").GetInt32());
        }
    }

    [Fact]
    public async Task A_project_that_was_pushed_shows_its_tasks_and_logs()
    {
        var token = await SessionAsync("flow-e");
        await using var git = await GitClient.NewAsync(receiver, "flow-e/pushed", "hello");
        var procfile = await File.ReadAllTextAsync(Path.Combine(git.Directory, "Procfile"));
        await git.CommitFileAsync("Procfile", procfile.Replace("web: ", "web: for line in one two three; do echo $line; done; ", StringComparison.Ordinal));
        Assert.True((await git.PushAsync()).Accepted);

        var status = (await AskAsync(token, HttpMethod.Get, "services/pushed")).Body.GetProperty("status");
        Assert.Equal(("ACTIVE", 1), (status.GetProperty("service_status").GetString(), status.GetProperty("count_running").GetInt32()));
        var definition = status.GetProperty("tasks")[0].GetProperty("task_definition");
        Assert.Equal(("flow-e-pushed", 1), (definition.GetProperty("name").GetString(), definition.GetProperty("revision").GetInt32()));
        Assert.Equal("(service flow-e-pushed) has reached a steady state.", status.GetProperty("events")[0].GetProperty("message").GetString());
        Assert.Equal("healthy", status.GetProperty("target_health").GetProperty("targets")[0].GetProperty("health").GetString());
        var stream = (await AskAsync(token, HttpMethod.Get, "services/pushed?view=logs&tail=20&streams=1")).Body.GetProperty("logs")[0];
        Assert.StartsWith("flow-e-pushed/flow-e-pushed/", stream.GetProperty("stream_name").GetString(), StringComparison.Ordinal);
        await Patience.UntilAsync(async () => MessagesOf(await LogsAsync(20)).Count >= 3, "it has said all it says");
        Assert.Equal(["one", "two", "three"], MessagesOf(await LogsAsync(20)).Take(3));

        // At most so many, the newest of them, the oldest first.
        Assert.Equal(MessagesOf(await LogsAsync(20)).TakeLast(2), MessagesOf(await LogsAsync(2)));

        async Task<JsonElement> LogsAsync(int tail) => (await AskAsync(token, HttpMethod.Get, $"services/pushed?view=logs&tail={tail}")).Body.GetProperty("logs")[0];

        static List<string?> MessagesOf(JsonElement stream) => [.. stream.GetProperty("log_events").EnumerateArray().Select(line => line.GetProperty("message").GetString())];
    }

    async Task<string> SessionAsync(string environment)
    {
        await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", $$"""{"type":"qa","name":"{{environment}}"}""");
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/environments/{environment}/sessions");
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonDocument.Parse(body).RootElement.GetProperty("token").GetString()!;
    }

    async Task<(HttpStatusCode Status, JsonElement Body)> AskAsync(string? token, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(receiver.Address, "servicectl-1/" + path)) { Content = body is null ? null : new StringContent(body, null, "application/json") };
        if (token is not null)
        {
            request.Headers.Add("X-Auth-Token", token);
        }

        using var answer = await receiver.Http.SendAsync(request);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }

    static IReadOnlyList<string> LinksOf(JsonElement service) =>
        [.. service.GetProperty("links").EnumerateArray().Select(link => $"{link.GetProperty("rel").GetString()} {link.GetProperty("href").GetString()}")];
}
