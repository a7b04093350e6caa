using Paas.Receiver.Access;
using Paas.Receiver.Api;
using Paas.Receiver.Deployments;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Corpus;

public sealed class CorpusTests : CorpusAtAStage
{
    private protected override string TokenAt(ApiStage stage) => stage.OnlyHello;

    [Fact]
    public async Task Status_tells_what_a_project_is_doing()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;

        var (code, output, error) = await RunAsync("status", "hello");

        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith($"local/hello (cooking)\n  http://hello.localhost:8080\n  v{release.Number} is live since ", output, StringComparison.Ordinal);
        Assert.Contains("rolledBack: it did not start", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_without_a_project_lists_what_may_be_seen()
    {
        var (code, output, _) = await RunAsync("status");

        Assert.Equal((0, "PROJECT      RELEASE  URL\nlocal/hello  -        http://hello.localhost:8080\n"), (code, output));
    }

    [Fact]
    public async Task Every_reading_verb_speaks_json()
    {
        await stage.ConfigureAsync(stage.Hello, "env: {A: b, SECRET: hidden-value}");
        stage.Release(stage.Hello, new string('a', 40));
        foreach (var verb in (string[])["status", "releases", "config", "ps"])
        {
            var (code, output, error) = await RunAsync(verb, "local/hello", "--json");

            Assert.Equal((0, ""), (code, error));
            using var json = System.Text.Json.JsonDocument.Parse(output);
            Assert.DoesNotContain("hidden-value", output, StringComparison.Ordinal);
        }

        Assert.Equal((0, "A=b\nSECRET=********\n", ""), await RunAsync("config", "hello"));
        Assert.Equal("TYPE  STATE  PORT  RELEASE  INSTANCE\n", (await RunAsync("ps", "hello")).Output);
        Assert.Contains("*  v1       ", (await RunAsync("releases", "hello")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Long_work_is_followed_to_its_end_and_its_outcome_is_the_exit_code()
    {
        var (code, output, error) = await RunAsync("redeploy", "hello");
        Assert.Equal(1, code);
        Assert.Contains("nothing", output, StringComparison.Ordinal);
        Assert.Contains("ended as", error, StringComparison.Ordinal);

        (code, output, _) = await RunAsync("rollback", "hello", "v7", "--code-only");
        Assert.Equal(1, code);
        var asked = stage.The<Journal>().Of(stage.Hello)[0];
        Assert.Equal(("Rollback", 7, true), (asked.Kind, asked.TargetRelease, asked.CodeOnly));
    }

    [Fact]
    public async Task Cancel_stops_what_runs_and_says_when_nothing_does()
    {
        Assert.Equal((1, "", "corpus: nothing is being deployed to local/hello.\n        next: corpus status hello\n"), await RunAsync("cancel", "hello"));
        var started = new TaskCompletionSource();
        var running = stage.Deploy(stage.Hello, async self =>
        {
            started.SetResult();
            await Task.WhenAny(Task.Delay(Timeout.Infinite, self.Cancellation));
            return Outcome.Cancelled;
        });
        await started.Task;

        Assert.Equal((0, $"{running.Id} is being cancelled.\n", ""), await RunAsync("cancel", "hello"));

        Assert.Equal(Outcome.Cancelled, await running.Finished);
        Assert.Equal("hello-ci", running.CancelledBy);
    }

    [Fact]
    public async Task Logs_are_printed_and_followed_until_somebody_stops()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        stage.Print(release, "web", "one", "two");
        stage.Print(release, "worker", "three");

        var (code, output, _) = await RunAsync("logs", "hello", "-n", "1", "-t", "web");
        Assert.Equal(0, code);
        Assert.EndsWith("web.1 two\n", output, StringComparison.Ordinal);
        Assert.Single(output.TrimEnd('\n').Split('\n'));

        using var stop = new CancellationTokenSource();
        var seen = new ExpectingWriter("web.1 four");
        var following = CommandLine.RunAsync(["logs", "hello", "-f", "-n", "0"], Around(seen, TextWriter.Null), stop.Token);
        for (var i = 0; !seen.Seen.IsCompleted && i < 100; i++)
        {
            stage.Print(release, "web", "four");
            await Task.WhenAny(seen.Seen, Task.Delay(100));
        }

        await stop.CancelAsync();
        Assert.Equal(1, await following);
        Assert.True(seen.Seen.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Every_exit_code_of_the_contract()
    {
        Assert.Equal(0, (await RunAsync("status", "hello")).Code);
        Assert.Equal(0, (await RunAsync("--help")).Code);
        Assert.Equal(1, (await RunAsync("status", "nosuch")).Code);
        Assert.Equal("corpus: There is no such project.\n        next: corpus status\n", (await RunAsync("status", "other")).Error);
        foreach (var usage in (string[][])[[], ["nosuch"], ["status", "a", "b"], ["logs", "hello", "-n", "x"], ["logs", "hello", "-n", "-5"], ["status", "--nosuch"], ["help", "nosuch"], ["rollback", "hello", "seven"], ["--endpoint", "nickname", "status"], ["--endpoint", "http://", "status"]])
        {
            var (code, output, error) = await RunAsync(usage);
            Assert.True(code == 2, string.Join(' ', usage) + ": " + code);
            Assert.Equal("", output);
            Assert.NotEqual("", error);
        }

        variables["PAAS_TOKEN"] = "wrong";
        Assert.Equal((4, "", $"corpus: This token is not known, or has expired.\n        next: corpus login {stage.Url.ToString().TrimEnd('/')}\n"), await RunAsync("status", "hello"));
        variables["PAAS_TOKEN"] = "with\nline feed";
        Assert.Equal(4, (await RunAsync("status", "hello")).Code);
        variables.Remove("PAAS_TOKEN");
        Assert.Equal(4, (await RunAsync("status", "hello")).Code);
        variables["PAAS_TOKEN"] = stage.OnlyHello;
        variables["PAAS_URL"] = "http://127.0.0.1:1";
        Assert.Equal(3, (await RunAsync("status", "hello")).Code);
        variables["PAAS_URL"] = "http://nosuch.invalid";
        Assert.Equal(3, (await RunAsync("status", "hello")).Code);
    }

    [Fact]
    public async Task A_throttled_caller_is_told_to_wait()
    {
        variables["PAAS_TOKEN"] = "wrong";
        for (var i = 0; i < Failures.Allowed; i++)
        {
            await RunAsync("status", "hello");
        }

        Assert.Equal((4, "", "corpus: Too many failed tries. Try again in 60 seconds.\n"), await RunAsync("status", "hello"));
    }

    [Fact]
    public async Task The_settings_file_knows_endpoints_by_nickname()
    {
        variables.Clear();
        Assert.Equal(2, (await RunAsync("status", "hello")).Code);
        var path = Path.Combine(home, SettingsFile.Name);
        File.WriteAllText(path, $"here:\n   url: {stage.Url}\n   id: me\n   password {stage.OnlyHello}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.Equal((0, ""), (await RunAsync("status", "hello")) is var alone ? (alone.Code, alone.Error) : default);
        Assert.Equal(0, (await RunAsync("--endpoint", "here", "status", "hello")).Code);
        Assert.Equal(0, (await RunAsync("status", "hello", "--endpoint", stage.Url.ToString())).Code);

        File.AppendAllText(path, "there:\n  url: example.invalid\n  password: x\n");
        var (code, _, error) = await RunAsync("status", "hello");
        Assert.Equal((2, true), (code, error.Contains("here, there", StringComparison.Ordinal)));

        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        var warned = await RunAsync("--endpoint", "here", "status", "hello");
        Assert.Equal(0, warned.Code);
        Assert.Contains($"chmod 600 {path}", warned.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_project_and_its_receiver_are_found_through_the_git_remote()
    {
        variables.Clear();
        await GitAsync("init", "-q");
        await GitAsync("remote", "add", "origin", "https://forge.example/team/hello.git");
        await GitAsync("remote", "add", "paas", $"http://any:{stage.OnlyHello}@{stage.Url.Authority}/git/hello.git");

        var (code, output, error) = await RunAsync("status");
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith("local/hello (cooking)", output, StringComparison.Ordinal);

        await GitAsync("remote", "set-url", "paas", $"http://{stage.Url.Authority}/git/local/hello.git");
        variables["PAAS_TOKEN"] = stage.OnlyHello;
        Assert.StartsWith("local/hello (cooking)", (await RunAsync("status")).Output, StringComparison.Ordinal);
        var (_, _, none) = await RunAsync("rollback", "v3");
        Assert.Contains("ended as", none, StringComparison.Ordinal);
        Assert.Equal(3, stage.The<Journal>().Of(stage.Hello)[0].TargetRelease);
    }

    [Fact]
    public async Task An_environment_can_be_named_in_every_way()
    {
        foreach (var arguments in (string[][])[["status", "local/hello"], ["-e", "local", "status", "hello"], ["status", "hello", "-e", "local"], ["status", "--environment", "local", "hello"]])
        {
            Assert.Equal(0, (await RunAsync(arguments)).Code);
        }

        Assert.Equal(1, (await RunAsync("status", "nosuch/hello")).Code);
        Assert.Equal(1, (await RunAsync("status", "../../etc")).Code);
    }

    async Task GitAsync(params string[] arguments) => await new Command("git", arguments) { Directory = home }.With([new("HOME", home)]).OutputAsync();
}
