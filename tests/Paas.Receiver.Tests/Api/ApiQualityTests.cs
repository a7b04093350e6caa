using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>What every route of the API has in common.</summary>
public sealed class ApiQualityTests : IAsyncLifetime
{
    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task What_was_read_has_a_tag_and_is_not_sent_twice()
    {
        using var client = stage.Client(stage.Admin);
        using var first = await client.GetAsync(new Uri("api/v1/users/admin", UriKind.Relative));
        var tag = first.Headers.ETag!;
        using var again = await SendAsync(stage.Admin, "GET", "users/admin", null, ("If-None-Match", tag.ToString()));
        Assert.Equal((HttpStatusCode.NotModified, ""), (again.StatusCode, await again.Content.ReadAsStringAsync()));
        using var other = await SendAsync(stage.Admin, "GET", "users/admin", null, ("If-None-Match", "\"other\""));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Fact]
    public async Task A_change_of_what_has_changed_meanwhile_is_refused()
    {
        stage.Access.Users.Add("alice");
        using var read = await SendAsync(stage.Admin, "GET", "users/alice", null);
        var tag = read.Headers.ETag!.ToString();

        using var mine = await SendAsync(stage.Admin, "PATCH", "users/alice", """{"fullName":"Alice"}""", ("If-Match", tag));
        Assert.Equal(HttpStatusCode.OK, mine.StatusCode);
        using var late = await SendAsync(stage.Admin, "PATCH", "users/alice", """{"fullName":"Alicia"}""", ("If-Match", tag));
        Assert.Equal(HttpStatusCode.PreconditionFailed, late.StatusCode);
        Assert.Equal("application/problem+json", late.Content.Headers.ContentType?.MediaType);
        Assert.Equal("Alice", stage.Access.Users.Find("alice")!.FullName);

        var now = (await SendAsync(stage.Admin, "GET", "users/alice", null)).Headers.ETag!.ToString();
        var ends = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => SendAsync(stage.Admin, "PATCH", "users/alice", $"{{\"fullName\":\"A{i}\"}}", ("If-Match", now))));
        Assert.Equal(1, ends.Count(end => end.StatusCode == HttpStatusCode.OK));
        Assert.Equal(9, ends.Count(end => end.StatusCode == HttpStatusCode.PreconditionFailed));
        var role = (await SendAsync(stage.Admin, "GET", "roles/viewer", null)).Headers.ETag!.ToString();
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(stage.Admin, "PUT", "roles/viewer", """{"permissions":["WORKSPACE_VIEW"]}""", ("If-Match", role))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(stage.Admin, "PUT", "roles/viewer", """{"permissions":["JOB_ABORT"]}""", ("If-Match", role))).StatusCode);
        using var missing = await SendAsync(stage.Admin, "DELETE", "users/nobody", null, ("If-Match", "*"));
        Assert.Equal(HttpStatusCode.PreconditionFailed, missing.StatusCode);
    }

    [Fact]
    public async Task An_order_with_a_key_is_carried_out_once_however_often_it_is_sent()
    {
        using var first = await SendAsync(stage.Admin, "POST", "projects/local/hello/redeploy", "{}", ("Idempotency-Key", "k1"));
        using var second = await SendAsync(stage.Admin, "POST", "projects/local/hello/redeploy", "{}", ("Idempotency-Key", "k1"));
        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted), (first.StatusCode, second.StatusCode));
        Assert.Equal(await first.Content.ReadAsStringAsync(), await second.Content.ReadAsStringAsync());
        Assert.Equal("true", second.Headers.GetValues("Idempotent-Replayed").Single());
        Assert.Single(stage.The<Journal>().Of(stage.Hello));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await SendAsync(stage.Admin, "POST", "projects/local/hello/redeploy", """{"rebuild":true}""", ("Idempotency-Key", "k1"))).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(stage.Admin, "POST", "projects/local/hello/redeploy", "{}", ("Idempotency-Key", new string('k', 201)))).StatusCode);

        // Somebody else's key of the same name is another one, and what was refused may be tried again.
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(stage.OnlyOther, "POST", "projects/local/hello/redeploy", "{}", ("Idempotency-Key", "k1"))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(stage.OnlyOther, "POST", "projects/local/hello/redeploy", "{}", ("Idempotency-Key", "k1"))).StatusCode);
        var ends = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => SendAsync(stage.Admin, "POST", "projects/local/other/redeploy", "{}", ("Idempotency-Key", "k2"))));
        Assert.All(ends, end => Assert.Contains(end.StatusCode, new[] { HttpStatusCode.Accepted, HttpStatusCode.Conflict }));
        Assert.Single(stage.The<Journal>().Of(stage.Other));

        foreach (var verb in (string[])["backup", "restore", "rollback", "restart"])
        {
            var before = stage.The<Journal>().Of(stage.Other).Count;
            using var once = await SendAsync(stage.Admin, "POST", $"projects/local/other/{verb}", "{}", ("Idempotency-Key", verb));
            using var twice = await SendAsync(stage.Admin, "POST", $"projects/local/other/{verb}", "{}", ("Idempotency-Key", verb));
            Assert.Equal((verb, HttpStatusCode.Accepted, await once.Content.ReadAsStringAsync()), (verb, twice.StatusCode, await twice.Content.ReadAsStringAsync()));
            Assert.Equal((verb, before + 1), (verb, stage.The<Journal>().Of(stage.Other).Count));
        }
    }

    [Theory]
    [InlineData(400, "POST", "projects/local/hello/rollback", "{", null)]
    [InlineData(400, "GET", "projects/local/hello/logs?n=x", null, null)]
    [InlineData(403, "POST", "users", "{}", null)]
    [InlineData(404, "GET", "projects/local/nosuch", null, null)]
    [InlineData(404, "GET", "nosuch", null, null)]
    [InlineData(405, "PATCH", "whoami", "{}", null)]
    [InlineData(409, "POST", "projects/local/hello/enlarge", "{\"size\":\"7gb\"}", null)]
    [InlineData(412, "PUT", "projects/local/hello/maintenance", "{\"on\":true}", "If-Match: \"other\"")]
    [InlineData(413, "POST", "projects/local/hello/rollback", "large", null)]
    [InlineData(415, "POST", "projects/local/hello/rollback", "text", null)]
    [InlineData(500, "POST", "projects/local/hello/redeploy", "{}", "Idempotency-Key: k")]
    public async Task Whatever_goes_wrong_is_a_problem_document(int status, string method, string path, string? body, string? header)
    {
        if (status == 500)
        {
            stage.The<Storage.Database>().Write("DROP TABLE idempotency", new { });
        }

        using var client = stage.Client(status == 403 ? OfRole("viewer") : stage.Admin);
        using var request = new HttpRequestMessage(new HttpMethod(method), "api/v1/" + path);
        request.Content = body is null ? null : new StringContent(body == "large" ? $"{{\"release\":{new string('1', 100_000)}}}" : body, Encoding.UTF8, body == "text" ? "text/plain" : "application/json");
        request.Headers.ExpectContinue = body == "large";
        if (header?.Split(": ") is [var name, var value])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await client.SendAsync(request);

        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(status == (int)answer.StatusCode, $"{answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(text);
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.NotEqual("", problem.RootElement.GetProperty("title").GetString());
        Assert.DoesNotContain("idempotency", text, StringComparison.Ordinal); // ours stays with us
    }

    [Fact]
    public async Task Every_route_gives_every_role_what_was_approved()
    {
        var deployed = stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.Live));
        await deployed.Finished;
        var roles = new List<(string Name, string? Token)> { ("nobody", null), ("foreign", stage.OnlyOther), ("reader", OfRole("viewer")), ("deployer", OfRole("deployer")), ("developer", OfRole("developer")), ("administrator", OfRole("administrator")) };
        var routes = stage.The<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.RawText!.StartsWith("/api/v1/", StringComparison.Ordinal))
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Select(method => (Method: method, Path: endpoint.RoutePattern.RawText!)))
            .Distinct().OrderBy(route => route.Method == "DELETE").ThenBy(route => route.Path.Count(c => c == '/') * (route.Method == "DELETE" ? -1 : 1)).ThenBy(route => route.Path, StringComparer.Ordinal).ThenBy(route => route.Method, StringComparer.Ordinal).ToList();
        var lines = new List<string> { $"{"",-75}{string.Concat(roles.Select(role => $"{role.Name,-14}"))}".TrimEnd() };
        foreach (var (method, path) in routes)
        {
            var filled = path["/api/v1/".Length..].Replace("{environment}", "local", StringComparison.Ordinal).Replace("{project}", "hello", StringComparison.Ordinal)
                .Replace("{id:long}", "999", StringComparison.Ordinal).Replace("{id}", deployed.Id, StringComparison.Ordinal)
                .Replace("{name}", "somebody", StringComparison.Ordinal).Replace("{role}", "viewer", StringComparison.Ordinal);
            filled = System.Text.RegularExpressions.Regex.Replace(filled, "\\{[^}]*\\}", "x", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
            var cells = new List<string>();
            foreach (var (_, token) in roles)
            {
                using var answer = await SendAsync(token, method, filled, method is "GET" or "DELETE" ? null : "{}");
                cells.Add((int)answer.StatusCode is 401 or 403 or 404 ? $"{(int)answer.StatusCode}" : "passes");
                stage.Time.Advance(Failures.Window);
            }

            lines.Add($"{method,-7}{path,-68}{string.Concat(cells.Select(cell => $"{cell,-14}"))}".TrimEnd());
        }

        Approve("roles.txt", string.Join('\n', lines) + "\n");
    }

    [Fact]
    public async Task The_description_of_the_API_is_as_it_was_approved()
    {
        using var client = stage.Client(null);
        var text = await client.GetStringAsync(new Uri("openapi/v1.json", UriKind.Relative));
        using var json = JsonDocument.Parse(text);
        Assert.StartsWith("3.", json.RootElement.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        Assert.True(json.RootElement.GetProperty("paths").EnumerateObject().Count() > 20);
        Approve("openapi.json", JsonSerializer.Serialize(json.RootElement, Indented).Replace(stage.Url.ToString(), "http://receiver/", StringComparison.Ordinal) + "\n");
    }

    string OfRole(string role)
    {
        var name = $"the-{role}";
        stage.Access.Users.Add(name);
        stage.Access.Users.Give(name, role, null);
        return stage.Access.Tokens.Create(role, isAdmin: false, user: name).Secret;
    }

    /// <summary>Holds a text against the approved one; with <c>PAAS_APPROVE=1</c> it becomes that.</summary>
    static void Approve(string name, string text)
    {
        var approved = Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "approved", name);
        if (System.Environment.GetEnvironmentVariable("PAAS_APPROVE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(approved)!);
            File.WriteAllText(approved, text);
        }

        Assert.Equal(File.ReadAllText(approved), text);
    }

    async Task<HttpResponseMessage> SendAsync(string? token, string method, string path, string? body, params (string Name, string Value)[] headers)
    {
        using var client = stage.Client(token);
        using var request = new HttpRequestMessage(new HttpMethod(method), "api/v1/" + path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await client.SendAsync(request);
    }
}
