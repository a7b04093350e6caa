using System.Net;
using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Several releases of a project side by side, made current, stopped, started and scaled while visitors come (PM-62 to PM-69, AMB-17 to AMB-22).</summary>
public sealed class ManyReleasesAtOnce(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    // What it prints is kept with its time: a deployment that fails takes back whatever it would write into data.
    const string Worker = """
        echo "$PAAS_RELEASE begins"
        [ ! -e broken ] || exit 7
        trap 'echo "$PAAS_RELEASE ends"; kill $! 2>/dev/null; exit 0' TERM
        sleep 1000 &
        wait
        """;

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_release_runs_beside_the_live_one_is_made_current_and_the_old_one_runs_on_until_it_is_stopped()
    {
        await using var git = await HelloAsync("beside", versions: 2);
        await using var visitor = Visitor.Start(receiver, "beside.localhost");
        await visitor.OneMoreAsync();

        await DoAsync("start", "beside", "v1");
        Assert.Contains("version 1 release v1", (await receiver.AskAsync("v1.beside.local.localhost")).Body);
        Assert.Contains("version 2 release v2", (await receiver.AskAsync("beside.localhost")).Body);

        await DoAsync("current", "beside", "v1");
        Assert.Contains("version 1 release v1", (await receiver.AskAsync("beside.localhost")).Body);
        Assert.Contains("version 2 release v2", (await receiver.AskAsync("v2.beside.local.localhost")).Body);
        Assert.Equal(["v1", "v2"], (await StatusAsync("beside")).Instances.Select(instance => $"v{instance.Release}"));

        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        await AnswersAsync("v2.beside.local.localhost", "version 2");
        await AnswersAsync("beside.localhost", "version 1");

        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "stop", "beside", "v9")).Code);
        await DoAsync("stop", "beside", "v2");
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("v2.beside.local.localhost")).Status);
        var (_, releases) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/-/beside/releases");
        var v2 = JsonSerializer.Deserialize(releases, ContractJson.Default.PageReleaseSummary)!.Items.Single(release => release.Number == 2);
        Assert.True(Directory.Exists(Path.Combine(receiver.Project("beside"), "deploy", v2.Id)));
        Assert.Equal(HttpStatusCode.Conflict, (await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/-/beside/releases/1")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/-/beside/releases/2")).Status);
        Assert.False(Directory.Exists(Path.Combine(receiver.Project("beside"), "deploy", v2.Id)));
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "start", "beside", "v2")).Code);
    }

    [Fact]
    public async Task Requests_never_fail_while_releases_are_made_current_back_and_forth()
    {
        await using var git = await HelloAsync("to-and-fro", versions: 2);
        await DoAsync("start", "to-and-fro", "v1");
        await using var visitor = Visitor.Start(receiver, "to-and-fro.localhost", abreast: 4);

        for (var turn = 0; turn < Turns; turn++)
        {
            await DoAsync("current", "to-and-fro", turn % 2 == 0 ? "v1" : "v2");
            await visitor.OneMoreAsync();
        }

        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
        Assert.Equal(2, visitor.Answers.Count);
        Console.WriteLine($"{Turns} switches, {visitor.Answered} requests, {visitor.Failures.Count} failed, longest gap {visitor.LongestGap.TotalMilliseconds:0} ms");
    }

    [Fact]
    public async Task What_may_run_once_only_changes_over_by_break_before_make_and_comes_back_when_the_new_one_fails()
    {
        await using var git = await HelloAsync("exclusive", versions: 0);
        await git.WriteAsync("worker.sh", Worker);
        await git.WriteAsync("manifest.yml", ManifestWith("formerly"));
        await git.CommitAsync("One worker at a time");
        Assert.True((await git.PushAsync()).Accepted);
        await git.WriteAsync("manifest.yml", ManifestWith("nowadays"));
        await git.CommitFileAsync("VERSION", "2\n");
        var second = await git.PushAsync();
        Assert.True(second.Accepted, second.Text);
        Assert.Equal(["v1 begins", "v1 ends", "v2 begins"], await WorkAsync(3));
        Assert.Equal(["v2 nowadays", "v2 web", "v2 worker"], (await StatusAsync("exclusive")).Instances.Select(instance => $"v{instance.Release} {instance.Type}").Order()); // all of them, AMB-18 and AMB-19

        await git.CommitFileAsync("broken", "");
        var third = await git.PushAsync();
        Assert.False(third.Accepted);
        Assert.Contains(third.Remote, line => line.Contains("exclusive failed: worker.1 exited with code 7", StringComparison.Ordinal));
        var work = await WorkAsync(6);
        Assert.Equal("v2 ends", work[3]);
        Assert.Equal("v3 begins", work[4]);
        Assert.Equal("v2 begins", work[^1]);
        Assert.Contains("release v2", (await receiver.AskAsync("exclusive.localhost")).Body);

        await DoAsync("start", "exclusive", "v1");
        Assert.DoesNotContain((await StatusAsync("exclusive")).Instances, instance => instance is { Type: "worker", Release: 1 });
        await DoAsync("current", "exclusive", "v1");
        Assert.Equal(["v2 ends", "v1 begins"], (await WorkAsync(work.Count + 2)).TakeLast(2));
        Assert.DoesNotContain((await StatusAsync("exclusive")).Instances, instance => instance is { Type: "worker", Release: 2 });

        static string ManifestWith(string another) => $$"""
            manifest: {format: 1}
            application: {name: exclusive}
            paas: {strategy: crossover}
            instances:
              - name: web
                runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/usr/bin/python3 app.py"} }
              - name: worker
                runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/bin/sh worker.sh"} }
                standalone: true
                exclusive: true
              - name: {{another}}
                runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/bin/sleep 1000"} }
                standalone: true
                exclusive: true
            """;

        async Task<List<string>> WorkAsync(int lines)
        {
            for (var tries = 0; ; tries++)
            {
                var (_, text) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/-/exclusive/logs?type=worker&n=1000");
                var said = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[(line.IndexOf(".1 ", StringComparison.Ordinal) + 3)..]).ToList();
                if (said.Count >= lines)
                {
                    return said;
                }

                Assert.True(tries < 500, $"so far: {text}");
                await Task.Delay(TimeSpan.FromMilliseconds(20));
            }
        }
    }

    [Fact]
    public async Task A_scale_holds_at_once_for_releases_to_come_and_after_a_restart_and_costs_no_request()
    {
        await using var git = await HelloAsync("scaled", versions: 1);
        await using var visitor = Visitor.Start(receiver, "scaled.localhost", abreast: 4);

        Assert.Equal((0, "web=3\n", ""), await CorpusCommand.RunAsync(receiver, "scale", "scaled", "web=3"));
        await RunsAsync("scaled", 3);
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(3, (await StatusAsync("scaled")).Instances.Count);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "scale", "scaled", "web=1")).Code);
        Assert.Equal(1, Assert.Single((await StatusAsync("scaled")).Instances).Number);
        Assert.Equal((0, "web=2\n", ""), await CorpusCommand.RunAsync(receiver, "scale", "scaled", "web=2"));
        await RunsAsync("scaled", 2);
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);

        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        await RunsAsync("scaled", 2);
        var (code, _, error) = await CorpusCommand.RunAsync(receiver, "scale", "scaled", "wbe=2", "web=99999");
        Assert.Equal(1, code);
        Assert.Contains("no process type 'wbe': it has web", error);
        Assert.Contains("99999 is not a number from 0 to 1000", error);
    }

    [Fact]
    public async Task Scales_at_the_same_time_end_with_what_was_wanted_last()
    {
        await using var git = await HelloAsync("scaled-at-once", versions: 1);

        var quantities = Enumerable.Range(0, 12).Select(n => 1 + (n * 5 % 4)).ToList();
        var answers = await Task.WhenAll(quantities.Select(quantity =>
            receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/scaled-at-once/scale", $"{{\"types\": {{\"web\": {quantity}}}}}")));
        Assert.All(answers, answer => Assert.True((int)answer.Status < 300, answer.Body));
        var runs = (await StatusAsync("scaled-at-once")).Instances.Count;

        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        await RunsAsync("scaled-at-once", runs);
    }

    [Fact]
    public async Task A_stopped_release_stays_stopped_until_it_is_started_and_a_restart_replaces_every_instance_without_a_lost_request()
    {
        await using var git = await HelloAsync("stopped", versions: 1);
        await DoAsync("stop", "stopped");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await receiver.AskAsync("stopped.localhost")).Status);

        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        Assert.Empty((await StatusAsync("stopped")).Instances);
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "restart", "stopped")).Code);

        await DoAsync("start", "stopped");
        var before = Assert.Single((await StatusAsync("stopped")).Instances).Id;
        await using var visitor = Visitor.Start(receiver, "stopped.localhost", abreast: 4);
        await visitor.OneMoreAsync();
        await DoAsync("restart", "stopped");
        await visitor.OneMoreAsync();
        await visitor.StopAsync();
        Assert.NotEqual(before, Assert.Single((await StatusAsync("stopped")).Instances).Id);
        Assert.Empty(visitor.Failures);
    }

    [Fact]
    public async Task After_the_machine_went_down_everything_that_should_run_runs_again()
    {
        await using var one = await HelloAsync("reboot-one", versions: 2);
        await using var two = await HelloAsync("reboot-two", versions: 1);
        await using var three = await HelloAsync("reboot-three", versions: 1);
        await DoAsync("start", "reboot-one", "v1");
        await DoAsync("stop", "reboot-three");

        // As a power cut leaves it: nothing runs, and files of what ran are there.
        await receiver.KillAsync();
        await Leftovers.EndAllAsync(receiver.Root);
        await receiver.StartAgainAsync();

        await AnswersAsync("reboot-one.localhost", "version 2");
        await AnswersAsync("v1.reboot-one.local.localhost", "version 1");
        await AnswersAsync("reboot-two.localhost", "version 1");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await receiver.AskAsync("reboot-three.localhost")).Status);
    }

    /// <summary>PAAS_STORY_SWITCHES sets another number: the issue's thousand takes minutes.</summary>
    static int Turns => int.TryParse(System.Environment.GetEnvironmentVariable("PAAS_STORY_SWITCHES"), out var turns) ? turns : 12;

    async Task<GitClient> HelloAsync(string project, int versions)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.CommitSampleAsync("hello");
        for (var version = 1; version <= versions; version++)
        {
            await git.CommitFileAsync("VERSION", $"{version}\n");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        return git;
    }

    async Task DoAsync(params string[] words)
    {
        var (code, output, error) = await CorpusCommand.RunAsync(receiver, words);
        Assert.True(code == 0, $"corpus {string.Join(' ', words)}: {code}\n{output}{error}");
    }

    async Task<ProjectStatus> StatusAsync(string project) =>
        JsonSerializer.Deserialize((await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/-/{project}")).Body, ContractJson.Default.ProjectStatus)!;

    async Task RunsAsync(string project, int healthy)
    {
        for (var tries = 0; ; tries++)
        {
            var instances = (await StatusAsync(project)).Instances;
            if (instances.Count == healthy && instances.All(instance => instance.State == "healthy"))
            {
                return;
            }

            Assert.True(tries < 1000, $"{project} has {string.Join(", ", instances.Select(instance => instance.State))}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    async Task AnswersAsync(string host, string words)
    {
        for (var tries = 0; ; tries++)
        {
            var (status, body) = await receiver.AskAsync(host);
            if (status == HttpStatusCode.OK && body.Contains(words, StringComparison.Ordinal))
            {
                return;
            }

            Assert.True(tries < 1000, $"{host}: {status} {body}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }
}
