using System.Net;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Api;

public sealed class ApiTests : IAsyncLifetime
{
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task Every_route_answers_every_kind_of_caller_as_it_should()
    {
        var deployed = stage.Deploy(stage.Hello, deployment =>
        {
            deployment.Log.Title("Something");
            return Task.FromResult(Outcome.Live);
        });
        await deployed.Finished;
        var token = stage.The<Tokens>().Create("to revoke", isAdmin: false).Token;

        // Route; what the administrator, any developer, the project's own token and another project's token get.
        (string Method, string Path, string? Body, int Admin, int Developer, int Own, int Foreign)[] routes =
        [
            ("GET", "api/v1/projects", null, 200, 200, 200, 200),
            ("GET", "api/v1/projects/local/hello", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/-/hello", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/local/hello/releases", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/local/hello/releases?commit=x", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/local/hello/releases/99", null, 404, 404, 404, 404),
            ("GET", "api/v1/projects/local/hello/releases/99/archive", null, 404, 404, 404, 404),
            ("GET", "api/v1/signing-key", null, 200, 200, 200, 200),
            ("POST", "api/v1/projects/local/hello/promote", "{\"from\":\"local\",\"release\":7}", 202, 202, 202, 404),
            ("POST", "api/v1/projects/local/hello/promote", "{\"from\":\"nosuch\"}", 404, 404, 404, 404),
            ("POST", "api/v1/projects/local/hello/promote", "{\"commit\":\"--upload-pack\"}", 400, 400, 400, 404),
            ("GET", "api/v1/projects/local/hello/deployments", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/local/hello/config", null, 200, 200, 200, 404),
            ("GET", "api/v1/projects/local/hello/logs", null, 200, 200, 200, 404),
            ("GET", $"api/v1/deployments/{deployed.Id}", null, 200, 200, 200, 404),
            ("GET", $"api/v1/deployments/{deployed.Id}/log", null, 200, 200, 200, 404),
            ("POST", "api/v1/projects/local/hello/rollback", "{\"release\":7}", 202, 202, 202, 404),
            ("POST", "api/v1/projects/local/hello/redeploy", null, 202, 202, 202, 404),
            ("POST", $"api/v1/projects/local/hello/deployments/{deployed.Id}/cancel", null, 409, 409, 409, 404),
            ("GET", "api/v1/tokens", null, 200, 403, 403, 403),
            ("POST", "api/v1/tokens", "{\"name\":\"x\"}", 200, 403, 403, 403),
            ("DELETE", "api/v1/tokens/99999", null, 404, 403, 403, 403),
            ("DELETE", $"api/v1/tokens/{token.Id}", null, 204, 403, 403, 403),
            ("GET", "api/v1/nosuch", null, 404, 404, 404, 404),
            ("GET", "api/v1/hosts", null, 200, 200, 200, 200),
            ("GET", "api/v1/environments", null, 200, 200, 200, 200),
            ("GET", "api/v1/environments/local", null, 200, 200, 200, 200),
            ("GET", "api/v1/environments/nosuch", null, 404, 404, 404, 404),
            ("POST", "api/v1/environments", "{\"type\":\"qa\",\"name\":\"qa\"}", 201, 403, 403, 403),
            ("PATCH", "api/v1/environments/qa", "{\"quotaGigabytes\":5}", 200, 403, 404, 404),
            ("DELETE", "api/v1/environments/local", null, 409, 403, 403, 403),
            ("PUT", "api/v1/projects/-/made", null, 200, 201, 404, 404),
            ("PUT", "api/v1/projects/-/extra", null, 200, 201, 404, 404),
            ("DELETE", "api/v1/projects/local/hello/releases", null, 405, 405, 405, 405),
            ("DELETE", "api/v1/projects/local/extra", null, 404, 204, 404, 404),
            ("DELETE", "api/v1/projects/local/hello", null, 404, 204, 403, 404),
        ];
        foreach (var (method, path, body, admin, developer, own, foreign) in routes)
        {
            await Assert(null, 401);
            await Assert("wrong", 401);
            stage.Time.Advance(Failures.Window);
            await Assert(stage.OnlyOther, foreign);
            await Assert(stage.OnlyHello, own);
            await Assert(stage.Developer, developer);
            await Assert(stage.Admin, admin);

            async Task Assert(string? token, int expected)
            {
                using var client = stage.Client(token);
                using var answer = await SendAsync(client, method, path, body);
                Xunit.Assert.True(expected == (int)answer.StatusCode, $"{method} {path} as {(token is null ? "nobody" : token[..Math.Min(8, token.Length)])}: {(int)answer.StatusCode} instead of {expected}");
                Xunit.Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
                if (expected >= 400)
                {
                    Xunit.Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
                    var problem = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ContractJson.Default.Problem)!;
                    Xunit.Assert.Equal(expected, problem.Status);
                }

                Xunit.Assert.Equal(expected == 401, answer.Headers.WwwAuthenticate.Any(scheme => scheme.Scheme == "Bearer"));
            }
        }
    }

    [Fact]
    public async Task Health_is_for_everybody()
    {
        using var client = stage.Client(null);

        Assert.Equal("ok\n", await client.GetStringAsync(new Uri("healthz", UriKind.Relative)));
    }

    [Fact]
    public async Task What_is_hidden_answers_exactly_as_what_is_missing()
    {
        using var client = stage.Client(stage.OnlyOther);
        foreach (var rest in (string[])["", "/releases", "/deployments", "/config", "/logs"])
        {
            var hidden = await client.GetAsync(new Uri($"api/v1/projects/local/hello{rest}", UriKind.Relative));
            var missing = await client.GetAsync(new Uri($"api/v1/projects/local/nosuch{rest}", UriKind.Relative));
            var nowhere = await client.GetAsync(new Uri($"api/v1/projects/nosuch/hello{rest}", UriKind.Relative));

            Assert.Equal(await missing.Content.ReadAsStringAsync(), await hidden.Content.ReadAsStringAsync());
            Assert.Equal(await missing.Content.ReadAsStringAsync(), await nowhere.Content.ReadAsStringAsync());
            Assert.Equal(missing.StatusCode, hidden.StatusCode);
        }

        var secret = await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.Live)).Finished;
        Assert.Equal(Outcome.Live, secret);
        var id = stage.The<Journal>().Of(stage.Hello)[0].Id;
        Assert.Equal(
            await (await client.GetAsync(new Uri($"api/v1/deployments/{ReleaseId.New(TimeProvider.System)}", UriKind.Relative))).Content.ReadAsStringAsync(),
            await (await client.GetAsync(new Uri($"api/v1/deployments/{id}", UriKind.Relative))).Content.ReadAsStringAsync());
        using var own = stage.Client(stage.OnlyOther);
        using var cancel = await own.PostAsync(new Uri($"api/v1/projects/local/other/deployments/{id}/cancel", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.NotFound, cancel.StatusCode);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("%2e%2e")]
    [InlineData("HELLO")]
    [InlineData("hello%00")]
    [InlineData("hello%2f..%2fother")]
    [InlineData("hello.")]
    [InlineData("-")]
    [InlineData("hello%0a")]
    public async Task A_name_that_is_none_is_missing(string name)
    {
        using var client = stage.Client(stage.Admin);

        Assert.Contains((await client.GetAsync(new Uri($"api/v1/projects/local/{name}/releases", UriKind.Relative))).StatusCode, (HttpStatusCode[])[HttpStatusCode.NotFound, HttpStatusCode.BadRequest]);
        Assert.Equal(2, stage.The<ProjectStore>().List().Count);
    }

    [Fact]
    public async Task Only_visible_projects_are_listed()
    {
        foreach (var (token, names) in ((string, string[])[])[(stage.Admin, ["hello", "other"]), (stage.Developer, ["hello", "other"]), (stage.OnlyOther, ["other"])])
        {
            var page = await GetAsync(token, "api/v1/projects", ContractJson.Default.PageProjectSummary);
            Assert.Equal(names, page.Items.Select(project => project.Name));
            Assert.Equal("http://other.localhost:8080", page.Items[^1].Url);
        }
    }

    [Fact]
    public async Task Status_shows_the_live_release_what_runs_and_what_waits()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;
        var gate = new TaskCompletionSource<Outcome>();
        var started = new TaskCompletionSource();
        var running = stage.Deploy(stage.Hello, _ =>
        {
            started.SetResult();
            return gate.Task;
        });
        await started.Task;
        var waiting = stage.The<DeploymentQueue>().Submit(new DeploymentRequest { Project = stage.Hello, Kind = DeploymentKind.Redeploy, By = "later", From = "here" });

        var status = await GetAsync(stage.OnlyHello, "api/v1/projects/-/hello", ContractJson.Default.ProjectStatus);

        Assert.Equal(("local", "hello", "cooking", "http://hello.localhost:8080"), (status.Environment, status.Name, status.Mode, status.Url));
        Assert.Equal((release.Number, release.Commit, true), (status.Current!.Number, status.Current.Commit, status.Current.IsCurrent));
        Assert.Equal((running.Id, "running", "push", "tester"), (status.Running!.Id, status.Running.State, status.Running.Kind, status.Running.By));
        Assert.Equal((waiting.Id, "waiting", "redeploy"), (Assert.Single(status.Waiting).Id, status.Waiting[0].State, status.Waiting[0].Kind));
        Assert.Equal(("rolledBack", "it did not start"), (status.Last!.Outcome, status.Last.Failure));

        using var client = stage.Client(stage.OnlyHello);
        using var cancelled = await client.PostAsync(new Uri($"api/v1/projects/local/hello/deployments/{waiting.Id}/cancel", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
        Assert.Equal(Outcome.Cancelled, await waiting.Finished);
        using var running2 = await client.PostAsync(new Uri($"api/v1/projects/local/hello/deployments/{running.Id}/cancel", UriKind.Relative), null);
        Assert.Equal("hello-ci", running.CancelledBy);
        gate.SetResult(Outcome.Cancelled);
        await running.Finished;
    }

    [Fact]
    public async Task A_log_is_replayed_followed_and_ends_with_its_outcome()
    {
        var gate = new TaskCompletionSource<Outcome>();
        var deployment = stage.Deploy(stage.Hello, self =>
        {
            self.Log.Title("First");
            return gate.Task;
        });
        using var client = stage.Client(stage.Developer);
        using var answer = await client.GetAsync(new Uri($"api/v1/deployments/{deployment.Id}/log", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType?.MediaType);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.Equal("id: 1|data: -----> First|", string.Join('|', await ReadAsync(reader, 3)));

        deployment.Log.Append("two\nthree: \e[31mred");
        Assert.Equal("id: 2|data: two||id: 3|data: three: ␛[31mred|", string.Join('|', await ReadAsync(reader, 6)));
        gate.SetResult(Outcome.LiveButUntidy);

        Assert.Equal("event: outcome\ndata: {\"outcome\":\"liveButUntidy\",\"succeeded\":true}\n\n", await reader.ReadToEndAsync());
    }

    [Fact]
    public async Task A_log_is_taken_up_after_the_last_line_seen_also_when_the_receiver_has_forgotten_the_deployment()
    {
        var deployment = stage.Deploy(stage.Hello, self =>
        {
            self.Log.Append("one\ntwo\nthree");
            return Task.FromResult(Outcome.RolledBack);
        });
        await deployment.Finished;
        var forgotten = ReleaseId.New(TimeProvider.System);
        stage.The<Journal>().Add(forgotten, deployment.Request, Mode.Cooking);
        stage.The<Journal>().Finish(forgotten, Outcome.RolledBack, null, null);
        File.Copy(deployment.Log.Path, stage.The<DeploymentLogs>().PathOf(stage.Hello, forgotten));
        foreach (var id in (string[])[deployment.Id, forgotten.Value])
        {
            foreach (var (last, expected) in ((string?, string)[])[
                ("2", "id: 3\ndata: three\n\n"), ("3", ""), ("99", ""), (null, "id: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 3\ndata: three\n\n"), ("nonsense", "id: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 3\ndata: three\n\n")])
            {
                using var client = stage.Client(stage.Admin);
                client.DefaultRequestHeaders.TryAddWithoutValidation("Last-Event-ID", last);
                Assert.Equal(
                    expected + "event: outcome\ndata: {\"outcome\":\"rolledBack\",\"succeeded\":false}\n\n",
                    await client.GetStringAsync(new Uri($"api/v1/deployments/{id}/log", UriKind.Relative)));
            }
        }
    }

    [Fact]
    public async Task Whoever_hangs_up_stops_nothing()
    {
        var gate = new TaskCompletionSource<Outcome>();
        var deployment = stage.Deploy(stage.Hello, self =>
        {
            self.Log.Append("one");
            return gate.Task;
        });
        for (var i = 0; i < 20; i++)
        {
            using var client = stage.Client(stage.Admin);
            using var answer = await client.GetAsync(new Uri($"api/v1/deployments/{deployment.Id}/log", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
            await (await answer.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[5]);
        }

        deployment.Log.Append("two");
        gate.SetResult(Outcome.Live);
        Assert.Equal(Outcome.Live, await deployment.Finished);
    }

    [Fact]
    public async Task A_rollback_and_a_redeploy_are_accepted_and_can_be_watched()
    {
        using var client = stage.Client(stage.OnlyHello);
        foreach (var (verb, body) in ((string, string?)[])[("rollback", "{\"release\":7,\"codeOnly\":true}"), ("rollback", null), ("redeploy", null), ("redeploy", "{\"rebuild\":true}")])
        {
            using var answer = await SendAsync(client, "POST", $"api/v1/projects/local/hello/{verb}", body);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            var accepted = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ContractJson.Default.AcceptedWork)!;
            Assert.Equal(accepted.Url, answer.Headers.Location!.ToString());

            // Nothing was ever pushed, so the conductor cannot; it says so in the log.
            Assert.Contains("\"succeeded\":false}", await client.GetStringAsync(new Uri(accepted.Log, UriKind.Relative)), StringComparison.Ordinal);
            var summary = await GetAsync(stage.OnlyHello, accepted.Url[1..], ContractJson.Default.DeploymentSummary);
            Assert.Equal((verb, "finished", "hello-ci", "127.0.0.1"), (summary.Kind, summary.State, summary.By, summary.From));
            Assert.NotNull(summary.Steps);
        }

        var asked = stage.The<Journal>().Of(stage.Hello)[^1];
        Assert.Equal((7, true), (asked.TargetRelease, asked.CodeOnly));
    }

    [Theory]
    [InlineData("{", 400)]
    [InlineData("[]", 400)]
    [InlineData("{\"release\":\"7\"}", 400)]
    [InlineData("{\"release\":0}", 400)]
    [InlineData("{\"release\":99999999999}", 400)]
    [InlineData("{\"release\":1,\"release\":2}", 400)]
    [InlineData("null", 202)]
    [InlineData("{\"unknown\":1}", 202)]
    public async Task A_bad_order_is_a_problem_and_submits_nothing(string body, int expected)
    {
        using var client = stage.Client(stage.Admin);

        using var answer = await SendAsync(client, "POST", "api/v1/projects/local/hello/rollback", body);

        Assert.True(expected == (int)answer.StatusCode, $"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        Assert.Equal(expected == 202 ? 1 : 0, stage.The<Journal>().Of(stage.Hello).Count);
    }

    [Fact]
    public async Task A_body_of_the_wrong_kind_or_size_is_refused()
    {
        using var client = stage.Client(stage.Admin);
        using var text = await client.PostAsync(new Uri("api/v1/tokens", UriKind.Relative), new StringContent("name=x"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, text.StatusCode);
        // Asked first: a body that nobody reads ends in a broken pipe as often as in an answer.
        using var order = new HttpRequestMessage(HttpMethod.Post, "api/v1/tokens") { Content = new StringContent($"{{\"name\":\"{new string('x', 1_000_000)}\"}}", Encoding.UTF8, "application/json") };
        order.Headers.ExpectContinue = true;
        using var large = await client.SendAsync(order);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using var deep = await SendAsync(client, "POST", "api/v1/tokens", new string('[', 60_000));
        Assert.Equal(HttpStatusCode.BadRequest, deep.StatusCode);
        using var none = await SendAsync(client, "POST", "api/v1/tokens", null);
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);
    }

    [Fact]
    public async Task A_stranger_is_turned_away_before_the_body_is_looked_at()
    {
        using var client = stage.Client(null);

        Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(client, "POST", "api/v1/tokens", "{")).StatusCode);
    }

    [Theory]
    [InlineData("Basic YTpi!")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("nonsense")]
    public async Task A_header_that_holds_no_token_is_a_401_and_no_failed_try(string header)
    {
        using var client = stage.Client(null);
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);
        for (var i = 0; i < Failures.Allowed + 1; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync(new Uri("api/v1/projects", UriKind.Relative))).StatusCode);
        }
    }

    [Fact]
    public async Task Too_many_wrong_tokens_are_answered_with_Retry_After()
    {
        using var wrong = stage.Client("wrong");
        for (var i = 0; i < Failures.Allowed; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await wrong.GetAsync(new Uri("api/v1/projects", UriKind.Relative))).StatusCode);
        }

        using var throttled = await wrong.GetAsync(new Uri("api/v1/projects", UriKind.Relative));
        Assert.Equal(HttpStatusCode.TooManyRequests, throttled.StatusCode);
        Assert.Equal(60, throttled.Headers.RetryAfter!.Delta!.Value.TotalSeconds);

        stage.Time.Advance(Failures.Window);
        Assert.Equal(HttpStatusCode.OK, (await stage.Client(stage.Admin).GetAsync(new Uri("api/v1/projects", UriKind.Relative))).StatusCode);
    }

    [Fact]
    public async Task Configuration_is_shown_masked()
    {
        Assert.Empty((await GetAsync(stage.OnlyHello, "api/v1/projects/local/hello/config", ContractJson.Default.PageConfigEntry)).Items);
        await stage.ConfigureAsync(stage.Hello, "env:\n  B_TOKEN: very-secret\n  A: plain\n");

        var page = await GetAsync(stage.OnlyHello, "api/v1/projects/local/hello/config", ContractJson.Default.PageConfigEntry);

        Assert.Equal([new ConfigEntry("A", "plain", false, "pillar"), new ConfigEntry("B_TOKEN", "********", true, "pillar")], page.Items);

        await stage.ConfigureAsync(stage.Hello, "env: [very-secret]");
        using var client = stage.Client(stage.OnlyHello);
        using var broken = await client.GetAsync(new Uri("api/v1/projects/local/hello/config", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Conflict, broken.StatusCode);
        Assert.DoesNotContain("very-secret", await broken.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Releases_are_listed_newest_first()
    {
        stage.Release(stage.Hello, new string('a', 40));
        stage.Release(stage.Hello, new string('b', 40));

        var page = await GetAsync(stage.OnlyHello, "api/v1/projects/local/hello/releases", ContractJson.Default.PageReleaseSummary);

        Assert.Equal([(2, true), (1, false)], page.Items.Select(release => (release.Number, release.IsCurrent)));
    }

    [Fact]
    public async Task Application_logs_are_lines_of_text_and_can_be_followed()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        stage.Print(release, "web", "one", "two \e[31m", "three");
        var file = stage.Print(release, "worker", "four");
        using var client = stage.Client(stage.OnlyHello);

        var all = await client.GetStringAsync(new Uri("api/v1/projects/local/hello/logs?n=2&type=web", UriKind.Relative));
        Assert.Matches("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z web\\.1 two ␛\\[31m\n.*Z web\\.1 three\n$", all);

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var answer = await client.GetAsync(new Uri("api/v1/projects/local/hello/logs?n=1&type=worker&follow=true", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, limit.Token);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(limit.Token));
        Assert.EndsWith("four", await reader.ReadLineAsync(limit.Token), StringComparison.Ordinal);
        stage.Print(release, "worker", "five");
        Assert.EndsWith("five", await reader.ReadLineAsync(limit.Token), StringComparison.Ordinal);

        foreach (var bad in (string[])["n=-1", "n=x", "n=100001", "follow=maybe"])
        {
            using var refused = await client.GetAsync(new Uri($"api/v1/projects/local/hello/logs?{bad}", UriKind.Relative));
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
        }
    }

    [Fact]
    public async Task A_token_is_made_shown_once_listed_and_revoked()
    {
        using var client = stage.Client(stage.Admin);
        using var answer = await SendAsync(client, "POST", "api/v1/tokens", "{\"name\":\"ci\",\"project\":\"-/hello\"}");
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(client, "POST", "api/v1/tokens", "{\"name\":\"ci\",\"project\":\"nosuch/hello\"}")).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(client, "POST", "api/v1/tokens", "{\"name\":\"ci\",\"project\":\"../x\"}")).StatusCode);
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(client, "POST", "api/v1/tokens", "{\"name\":\"\"}")).StatusCode);
        var made = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ContractJson.Default.TokenMade)!;
        Assert.Equal("local/hello", made.Token.Project);
        using var own = stage.Client(made.Secret);
        Assert.Equal(HttpStatusCode.OK, (await own.GetAsync(new Uri("api/v1/projects/local/hello", UriKind.Relative))).StatusCode);

        var list = await client.GetStringAsync(new Uri("api/v1/tokens", UriKind.Relative));
        Assert.DoesNotContain(made.Secret, list, StringComparison.Ordinal);
        Assert.Contains("\"name\":\"ci\"", list, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync(new Uri($"api/v1/tokens/{made.Token.Id}", UriKind.Relative))).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await own.GetAsync(new Uri("api/v1/projects/local/hello", UriKind.Relative))).StatusCode);
    }

    [Fact]
    public async Task A_users_password_lets_in_as_a_token_does_but_not_from_another_site()
    {
        stage.Access.Users.Add("alice");
        stage.Access.Users.Give("alice", "viewer", null);
        stage.Access.Users.SetPassword("alice", "correct horse battery");
        foreach (var (user, password, site, expected) in ((string, string, string?, HttpStatusCode)[])[
            ("alice", "correct horse battery", null, HttpStatusCode.OK), ("alice", "correct horse battery", "same-origin", HttpStatusCode.OK), ("whoever", stage.OnlyHello, null, HttpStatusCode.OK),
            ("alice", "wrong", null, HttpStatusCode.Unauthorized), ("bob", "correct horse battery", null, HttpStatusCode.Unauthorized),
            ("alice", "correct horse battery", "cross-site", HttpStatusCode.Unauthorized), ("alice", "correct horse battery", "same-site", HttpStatusCode.Unauthorized)])
        {
            using var client = stage.Client(null);
            using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/whoami");
            request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
            if (site is not null)
            {
                request.Headers.TryAddWithoutValidation("Sec-Fetch-Site", site);
            }

            using var answer = await client.SendAsync(request);
            Assert.Equal((user, password, site, expected), (user, password, site, answer.StatusCode));
            Assert.DoesNotContain(answer.Headers.WwwAuthenticate, challenge => challenge.Scheme == "Basic"); // no browser is to ask for a password here
        }
    }

    async Task<T> GetAsync<T>(string token, string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var client = stage.Client(token);
        return JsonSerializer.Deserialize(await client.GetStringAsync(new Uri(path, UriKind.Relative)), type)!;
    }

    static async Task<HttpResponseMessage> SendAsync(HttpClient client, string method, string path, string? body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await client.SendAsync(request);
    }

    static async Task<List<string?>> ReadAsync(StreamReader reader, int lines)
    {
        var read = new List<string?>();
        while (read.Count < lines)
        {
            read.Add(await reader.ReadLineAsync());
        }

        return read;
    }
}
