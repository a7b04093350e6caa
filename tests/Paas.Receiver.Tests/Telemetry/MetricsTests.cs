using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Paas.Receiver.Access;
using Paas.Receiver.Api;
using Paas.Receiver.Deployments;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Telemetry;

public sealed partial class MetricsTests : IAsyncLifetime
{
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task The_page_is_what_Prometheus_reads_and_says_how_deployments_ended()
    {
        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;
        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;
        stage.The<Database>().Write("INSERT INTO steps (deployment, number, name, started_at, finished_at) SELECT id, 1, 'build', '2026-01-01T00:00:00.0000000+00:00', '2026-01-01T00:00:01.5000000+00:00' FROM deployments");
        using var client = stage.Client(stage.Admin);

        using var answer = await client.GetAsync("metrics");
        var samples = Parse(await answer.Content.ReadAsStringAsync());

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal(2, samples["paas_deployments_total{kind=\"Push\",outcome=\"RolledBack\"}"]);
        Assert.Equal(3, samples["paas_step_duration_seconds_sum{step=\"build\"}"], 0.01);
        Assert.Equal(2, samples["paas_step_duration_seconds_count{step=\"build\"}"]);
        Assert.Equal(0, samples["paas_deployment_queue_length{state=\"waiting\"}"]);
        Assert.Equal(2, samples["paas_projects"]);
        Assert.True(samples["paas_disk_free_bytes"] > 0);
        Assert.True(samples["paas_disk_free_bytes"] <= samples["paas_disk_size_bytes"]);
    }

    [Fact]
    public async Task Only_who_may_oversee_the_receiver_reads_it()
    {
        stage.Access.Users.Add("prometheus");
        stage.Access.Users.PutRole("overseer", PermissionSet.Of(Permission.SystemOverview));
        stage.Access.Users.Give("prometheus", "overseer", null);
        var overseer = stage.Access.Tokens.Create("scrape", isAdmin: false, user: "prometheus").Secret;
        foreach (var (token, status) in new[] { (null, HttpStatusCode.Unauthorized), (stage.OnlyHello, HttpStatusCode.Forbidden), (stage.Developer, HttpStatusCode.Forbidden), (overseer, HttpStatusCode.OK), (stage.Admin, HttpStatusCode.OK) })
        {
            using var client = stage.Client(token);
            Assert.Equal(status, (await client.GetAsync("metrics")).StatusCode);
        }
    }

    [Fact]
    public void Labels_and_help_are_escaped_and_numbers_are_Prometheuss()
    {
        var text = Exposition.Of([new Family("a_b", "gauge", "one\\two\nthree", [new Sample(0.5, [("x", "q\"b\\n\n")]), new Sample(double.NaN, []), new Sample(1e21, [("y", "")], "_sum")])]);

        Assert.Equal("# HELP a_b one\\\\two\\nthree\n# TYPE a_b gauge\na_b{x=\"q\\\"b\\\\n\\n\"} 0.5\na_b NaN\na_b_sum{y=\"\"} 1E+21\n", text);
    }

    [Fact]
    public async Task It_is_ready_from_the_end_of_its_start_to_the_beginning_of_its_end()
    {
        using var client = stage.Client(null);
        Assert.Equal("ok\n", await client.GetStringAsync("healthz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "starting"), await AskAsync());

        stage.The<Readiness>().Open();
        Assert.Equal((HttpStatusCode.OK, "ready"), await AskAsync());

        stage.The<Readiness>().Close();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "stopping"), await AskAsync());
        Assert.Equal("ok\n", await client.GetStringAsync("healthz"));

        async Task<(HttpStatusCode, string)> AskAsync()
        {
            using var answer = await client.GetAsync("readyz");
            return (answer.StatusCode, (await answer.Content.ReadAsStringAsync()).Trim().Split(':')[0]);
        }
    }

    [Fact]
    public void A_database_that_takes_no_writes_is_not_ready()
    {
        var directory = Directory.CreateTempSubdirectory("readiness").FullName;
        var database = Database.OpenOrCreate(Path.Combine(directory, "receiver.db"));
        var readiness = new Readiness(directory, database, TimeProvider.System);
        readiness.Open();
        database.Dispose();

        Assert.StartsWith("the database takes no writes", readiness.WhyNot(), StringComparison.Ordinal);
        Directory.Delete(directory, recursive: true);
        Assert.StartsWith("the database takes no writes", readiness.WhyNot(), StringComparison.Ordinal); // once a second
    }

    /// <summary>Strictly: every line, HELP and TYPE before their family, no family twice, no sample twice.</summary>
    static Dictionary<string, double> Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var (samples, seen, family, type) = (new Dictionary<string, double>(), new HashSet<string>(), "", "");
        foreach (var line in text[..^1].Split('\n'))
        {
            if (Help().Match(line) is { Success: true } help)
            {
                family = help.Groups["name"].Value;
                Assert.True(seen.Add(family), line);
            }
            else if (TypeLine().Match(line) is { Success: true } kind)
            {
                Assert.Equal(family, kind.Groups["name"].Value);
                type = kind.Groups["type"].Value;
                Assert.True(type != "counter" || family.EndsWith("_total", StringComparison.Ordinal), line);
            }
            else
            {
                var sample = SampleLine().Match(line);
                Assert.True(sample.Success, line);
                var name = sample.Groups["name"].Value;
                Assert.True(name == family || (type == "summary" && (name == family + "_sum" || name == family + "_count")), line);
                Assert.True(samples.TryAdd(name + sample.Groups["labels"].Value, double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture)), line);
            }
        }

        return samples;
    }

    [GeneratedRegex(@"^# HELP (?<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\\n]|\\\\|\\n)*$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Help();

    [GeneratedRegex(@"^# TYPE (?<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?<type>counter|gauge|summary|histogram|untyped)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*")*\})? (?<value>-?[0-9.]+(?:[eE][+-]?[0-9]+)?|NaN|[+-]Inf)$""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex SampleLine();
}
