using System.Net;
using System.Text.Json;
using Paas.Receiver.Containers;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Reference 3.2 to 3.6 and its acceptance list 5 to 8, 9, 10 and 12: images that are pushed with the real docker command and run by an update.</summary>
public sealed class CloudFlowContainers(ContainingReceiver shared) : IClassFixture<ContainingReceiver>
{
    /// <summary>Listens, and wants more memory than there is once it was asked to.</summary>
    const string Start = "#!/bin/sh\necho \"listening for $GREETING\"\nnc -ll -p $PORT -e /app/answer &\nuntil [ -e /tmp/eat ]; do sleep 0.1; done\nexec tail /dev/zero\n";

    /// <summary>One request: the path that it sees, and what it was configured with; not well after it was asked to be sick.</summary>
    const string Answer = """
        #!/bin/sh
        read -r method path version
        while read -r line && [ "${#line}" -gt 1 ]; do :; done
        code="200 OK"
        case $path in
        */up) [ -e /tmp/sick ] && code="500 Sick"; body=up ;;
        */sick) touch /tmp/sick; body=sick ;;
        */eat) touch /tmp/eat; body=eating ;;
        *) body="$GREETING $path $LINE" ;;
        esac
        printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s\n' "$code" $((${#body} + 1)) "$body"

        """;

    readonly ReceiverProcess receiver = shared.Receiver;

    [RegistryFact]
    public async Task A_service_is_pushed_updated_watched_and_deleted_as_the_vendors_clients_do_it()
    {
        var token = await SessionAsync("flow-x");
        using var docker = new DockerClient(shared.Docker);
        await docker.BuildAsync("flowing", Start, 8080, ("answer", Answer));
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, HttpMethod.Post, "services", """{"name":"svc","health_check":{"rel_path":"up","status_codes":"200","interval":1}}""")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, HttpMethod.Post, "services", """{"name":"other"}""")).Status);

        // 5. The credentials of one service open its own repository and no other.
        var view = (await AskAsync(token, HttpMethod.Get, "services/svc?view=docker")).Body;
        var (place, repository) = (view.GetProperty("proxy_endpoint").GetString()!, view.GetProperty("repo_uri").GetString()!);
        Assert.Equal($"127.0.0.1:{receiver.Port}/flow-x-svc", repository);
        await docker.DoAsync("login", "-u", view.GetProperty("user").GetString()!, "-p", view.GetProperty("password").GetString()!, place);
        await docker.DoAsync("tag", "flowing", $"{repository}:latest");
        await docker.DoAsync("tag", "flowing", $"127.0.0.1:{receiver.Port}/flow-x-other:latest");
        await docker.DoAsync("push", $"{repository}:latest");
        Assert.NotEqual(0, (await docker.RunAsync("push", $"127.0.0.1:{receiver.Port}/flow-x-other:latest")).Code);
        await docker.DoAsync("logout", place);

        // 6. and 7.
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("nonesuch", "first"))).Status);
        var (status, said) = await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("latest", "first"));
        Assert.True(status == HttpStatusCode.OK, said.GetRawText());
        Assert.True(said.TryGetProperty("Success", out _));
        var first = await SteadyAsync(token, revision: 1);
        Assert.Equal("RUNNING", first.GetProperty("tasks")[0].GetProperty("last_status").GetString());
        var definition = first.GetProperty("tasks")[0].GetProperty("task_definition");
        Assert.Equal((50, 75, 8080, $"{repository}:latest"), (
            definition.GetProperty("container_memory_reservation").GetInt32(), definition.GetProperty("container_memory_limit").GetInt32(), definition.GetProperty("container_port").GetInt32(),
            definition.GetProperty("container_image").GetString()));
        Assert.Equal("healthy", first.GetProperty("target_health").GetProperty("targets")[0].GetProperty("health").GetString());
        Assert.Equal("first /flow-x-svc/say?x=1 b=c\n", await SayAsync("/flow-x-svc/say?x=1"));
        Assert.Equal(HttpStatusCode.NotFound, await CodeAsync("/flow-x-svcx/say"));

        // 8. A second update while somebody goes on asking: no request fails.
        await using var visitor = Visitor.Start(receiver, $"127.0.0.1:{receiver.Port}", "/flow-x-svc/say", pause: TimeSpan.FromMilliseconds(10));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("latest", "second"))).Status);
        var second = await SteadyAsync(token, revision: 2);
        await visitor.OneMoreAsync();
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
        Assert.Equal(["first /flow-x-svc/say b=c\n", "second /flow-x-svc/say b=c\n"], visitor.Answers.Keys.Order());
        Assert.StartsWith("second ", await SayAsync("/flow-x-svc/say"), StringComparison.Ordinal);
        Assert.NotEqual(first.GetProperty("tasks")[0].GetProperty("task_name").GetString(), second.GetProperty("tasks")[0].GetProperty("task_name").GetString());
        Assert.Equal(1, second.GetProperty("tasks").GetArrayLength());
        var messages = MessagesOf(second);
        Assert.Contains("has reached a steady state", messages[0], StringComparison.Ordinal);
        Assert.Contains(messages, message => message.Contains("has begun draining connections on 1 tasks.", StringComparison.Ordinal));
        Assert.Contains(messages, message => message.Contains("has stopped 1 running tasks: (task ", StringComparison.Ordinal));
        var streams = (await AskAsync(token, HttpMethod.Get, "services/svc?view=logs&tail=20&streams=2")).Body.GetProperty("logs");
        Assert.Equal(["listening for second", "listening for first"], streams.EnumerateArray().Select(stream => stream.GetProperty("log_events")[0].GetProperty("message").GetString()));

        // 9.
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("latest", "third").Replace("8080", "8081", StringComparison.Ordinal))).Status);

        // 10. One that is not well any more is replaced, and the events say why.
        Assert.Equal("sick\n", await SayAsync("/flow-x-svc/sick"));
        await EventAsync(token, "up answered 500");
        await Patience.UntilAsync(async () => await CodeAsync("/flow-x-svc/up") == HttpStatusCode.OK, "it is well again");
    }

    [RegistryFact]
    public async Task One_that_wants_more_memory_than_it_may_have_is_killed_and_restarted_and_a_deleted_one_leaves_nothing()
    {
        var token = await SessionAsync("flow-y");
        using var docker = new DockerClient(shared.Docker);
        await docker.BuildAsync("flowing", Start, 8080, ("answer", Answer));
        await AskAsync(token, HttpMethod.Post, "services", """{"name":"svc"}""");
        var view = (await AskAsync(token, HttpMethod.Get, "services/svc?view=docker")).Body;
        await docker.DoAsync("login", "-u", "x", "-p", view.GetProperty("password").GetString()!, view.GetProperty("proxy_endpoint").GetString()!);
        await docker.DoAsync("tag", "flowing", view.GetProperty("repo_uri").GetString() + ":1");
        await docker.DoAsync("push", view.GetProperty("repo_uri").GetString() + ":1");
        var (status, said) = await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("1", "x"));
        Assert.True(status == HttpStatusCode.OK, said.GetRawText());

        await SteadyAsync(token, revision: 1);
        Assert.Equal("eating\n", await SayAsync("/flow-y-svc/eat"));
        await EventAsync(token, "its memory limit was reached");
        await Patience.UntilAsync(async () => await CodeAsync("/flow-y-svc/") == HttpStatusCode.OK, "it answers again");

        // 12. What is somebody else's stays: the engine still has the image under the name that its maker gave it.
        var labels = new Dictionary<string, string> { [OwnThings.ProjectLabel] = "flow-y/svc" };
        Assert.NotEmpty(await shared.Docker.Engine.ContainersAsync(labels));
        var pinned = new OwnThings(receiver.Root).PinsOf("flow-y/svc");
        Assert.NotEmpty(await shared.Docker.Engine.ImagesAsync(pinned));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(token, HttpMethod.Delete, "services/svc")).Status);
        Assert.Empty(await shared.Docker.Engine.ContainersAsync(labels));
        Assert.Empty(await shared.Docker.Engine.ImagesAsync(pinned));
        Assert.NotNull(await shared.Docker.Engine.FindImageAsync("flowing"));
        Assert.Equal(HttpStatusCode.NotFound, await CodeAsync("/flow-y-svc/"));
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(token, HttpMethod.Get, "services/svc")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, HttpMethod.Post, "services", """{"name":"svc"}""")).Status);
        var again = (await AskAsync(token, HttpMethod.Get, "services/svc")).Body.GetProperty("status");
        Assert.Equal(("unknown", "[]", "[]"), (again.GetProperty("service_status").GetString(), again.GetProperty("events").GetRawText(), again.GetProperty("tasks").GetRawText()));
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync(token, HttpMethod.Put, "services/svc", Wanted("1", "x"))).Status);
    }

    static string Wanted(string tag, string greeting) =>
        $$"""{"container-tag":"{{tag}}","memory-reservation":50,"memory-limit":75,"container-port":8080,"environment":[{"name":"GREETING","value":"{{greeting}}"},{"name":"LINE=b","value":"c"}]}""";

    async Task<JsonElement> SteadyAsync(string token, int revision)
    {
        var status = default(JsonElement);
        await Patience.UntilAsync(
            async () =>
            {
                status = (await AskAsync(token, HttpMethod.Get, "services/svc")).Body.GetProperty("status");
                return MessagesOf(status).FirstOrDefault() is { } newest && (newest.Contains("steady state", StringComparison.Ordinal)
                    ? status.GetProperty("tasks").EnumerateArray().Select(task => task.GetProperty("task_definition").GetProperty("revision").GetInt32()).SequenceEqual([revision])
                        && MessagesOf(status).Count(message => message.Contains("has started 1 tasks: ", StringComparison.Ordinal)) == revision
                    : !newest.Contains("was not updated", StringComparison.Ordinal) || newest.Contains("nonesuch", StringComparison.Ordinal) ? false : throw new Xunit.Sdk.XunitException($"{status}\n{receiver.Output}"));
            },
            "a steady state");
        return status;
    }

    Task EventAsync(string token, string text) => Patience.UntilAsync(
        async () => MessagesOf((await AskAsync(token, HttpMethod.Get, "services/svc")).Body.GetProperty("status")) is var messages && messages.Any(message => message.Contains(text, StringComparison.Ordinal))
            || (messages.Any(message => message.Contains("was not updated", StringComparison.Ordinal) && !message.Contains("tag", StringComparison.Ordinal) && !message.Contains("container-port", StringComparison.Ordinal)) ? throw new Xunit.Sdk.XunitException(string.Join('\n', messages) + receiver.Output) : false), text);

    static List<string> MessagesOf(JsonElement status) => [.. status.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("message").GetString()!)];

    async Task<string> SayAsync(string path)
    {
        using var answer = await receiver.Http.GetAsync(new Uri(receiver.Address, path));
        return await answer.Content.ReadAsStringAsync();
    }

    async Task<HttpStatusCode> CodeAsync(string path)
    {
        using var answer = await receiver.Http.GetAsync(new Uri(receiver.Address, path));
        return answer.StatusCode;
    }

    async Task<string> SessionAsync(string environment)
    {
        await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", $$"""{"type":"qa","name":"{{environment}}"}""");
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/environments/{environment}/sessions");
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonDocument.Parse(body).RootElement.GetProperty("token").GetString()!;
    }

    async Task<(HttpStatusCode Status, JsonElement Body)> AskAsync(string token, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(receiver.Address, "servicectl-1/" + path)) { Content = body is null ? null : new StringContent(body, null, "application/json") };
        request.Headers.Add("X-Auth-Token", token);
        using var answer = await receiver.Http.SendAsync(request);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }
}
