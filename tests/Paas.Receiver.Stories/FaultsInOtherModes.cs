using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Paas.Receiver.Deployments;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>The steps that production and editing in place have of their own, each killed and failed before and after it: exactly the old or the new state, and the same commit can be pushed again.</summary>
public sealed class FaultsInOtherModes(ITestOutputHelper output)
{
    static readonly string[] StepsOfFinal = [Step.Fetch, Step.CheckOut, Step.Seal, Step.Switch];
    static readonly string[] StepsToEditing = [Step.CheckOut, Step.BackUp, Step.Healthy, Step.Switch];
    static readonly string[] StepsInPlace = [Step.CheckOut, Step.Build, Step.Seal, Step.Switch];

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public async Task A_fault_in_production_leaves_the_old_or_the_new_release_with_its_data(string what)
    {
        await using var staging = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SETTLE"] = "0" });
        var keys = Places.NewScratch("keys");
        await File.WriteAllTextAsync(Path.Combine(keys, "staging.pem"), (await staging.AskApiAsync(HttpMethod.Get, "api/v1/signing-key")).Body);
        await using var production = await ReceiverProcess.StartAsync(
            new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "prod:prod", ["PAAS_TRUSTED_KEYS"] = keys, ["PAAS_SETTLE"] = "0" });
        Assert.Equal(HttpStatusCode.OK, (await production.AskApiAsync(HttpMethod.Patch, "api/v1/environments/prod", JsonSerializer.Serialize(new { releaseSource = staging.Root }))).Status);
        await using var subject = await Subject.NewAsync(production, "shop", keepsData: true);
        await subject.Git.GitAsync("remote", "add", "staging", $"http://pusher:{staging.Token}@127.0.0.1:{staging.Port}/git/shop.git");
        var version = 1;
        var commit = await CookAsync(subject, version);
        Assert.True((await subject.Git.PushAsync()).Accepted);
        subject.FillData();
        var old = subject.Now(version, commit);

        foreach (var fault in FaultsOf(what, StepsOfFinal))
        {
            var clock = Stopwatch.StartNew();
            commit = await CookAsync(subject, ++version);
            var @new = subject.After(old, version, commit);
            await using var visitor = Visitor.Start(production, subject.Host, abreast: 1, pause: TimeSpan.FromMilliseconds(4));
            await visitor.OneMoreAsync();

            _ = await MeetAsync(production, subject.Git, fault);

            var (moment, wrong) = await subject.SettleAsync(old, @new);
            Assert.True(wrong.Count == 0, $"{fault}: {string.Join('\n', wrong)}\n{production.Output}");
            var again = await subject.Git.PushAsync();
            Assert.True(again.Accepted, $"{fault}: {again.Text}");
            (_, wrong) = await subject.SettleAsync(@new, @new);
            Assert.True(wrong.Count == 0, $"{fault}, pushed again: {string.Join('\n', wrong)}\n{production.Output}");
            await visitor.OneMoreAsync().WaitAsync(TimeSpan.FromSeconds(20));
            await visitor.StopAsync();

            // Whatever does answer, answers well; while the receiver is away nobody does.
            Assert.DoesNotContain(visitor.Failures, failure => what == "fail" || failure.Split("ms: ")[^1] is [>= '0' and <= '9', _, _, ' ', ..]);
            old = subject.Now(version, commit);
            output.WriteLine($"{fault}: {(moment == @new ? "new" : "old")}, {clock.ElapsedMilliseconds} ms, {visitor.Answered} answers");
        }
    }

    [Fact]
    public async Task A_fault_while_instances_change_over_one_by_one_leaves_all_of_the_old_or_all_of_the_new()
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SETTLE"] = "0" });
        var round = new FaultRound(receiver, output);
        string[] steps = [Step.CrossOver, Step.Exclusive];
        await round.MeetAsync(number => SeveralAsync($"fails-{number}"), FaultsOf("fail", steps));
        await round.MeetAsync(number => SeveralAsync($"dies-{number}"), FaultsOf("kill", steps));
        await round.MeetAsync(number => SeveralAsync($"back-{number}"), FaultsOf("kill", [nameof(StartExclusiveAgain), nameof(FillUpAgain)]), all: "fail:switch:after");
        Assert.True(round.Failures.Count == 0, string.Join('\n', round.Failures));

        async Task<Subject> SeveralAsync(string name)
        {
            var subject = await Subject.NewAsync(receiver, name, keepsData: false);
            subject.Instances = 3;
            await subject.Git.WriteAsync("manifest.yml", $$$"""
                manifest: {format: 1}
                application: {name: {{{name}}}}
                paas: {strategy: crossover}
                instances:
                  - name: web
                    quantity: 2
                    runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/usr/bin/python3 app.py"}}
                  - name: only
                    runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/bin/sleep 1000"}}
                    standalone: true
                    exclusive: true
                """);
            return subject;
        }
    }

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public async Task A_fault_in_place_leaves_whole_files_every_edit_and_the_data(string what)
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "local:dev", ["PAAS_SETTLE"] = "0" });
        await using var git = await GitClient.NewAsync(receiver, "edits");
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.WriteAsync("other.txt", "committed");
        await git.WriteHookAsync("build", "cp page.txt built.txt");
        await git.CommitFileAsync("page.txt", "0");
        Assert.True((await git.PushAsync()).Accepted);
        var project = receiver.Project("edits");
        var kept = new Dictionary<string, string> { ["run/other.txt"] = "edited by hand", ["run/notes"] = "never tracked", ["data/precious"] = "precious" };
        foreach (var (name, content) in kept)
        {
            await File.WriteAllTextAsync(Path.Combine(project, name), content);
        }

        var version = 0;
        foreach (var fault in FaultsOf(what, StepsInPlace))
        {
            var clock = Stopwatch.StartNew();
            await git.CommitFileAsync("page.txt", $"{++version}");

            var accepted = await MeetAsync(receiver, git, fault);

            if (what == "kill" || accepted)
            {
                // A restart brings up what is there; a failure leaves it to be mended in place.
                var page = await PageAsync(receiver);
                Assert.True(page == $"{version}" || page == $"{version - 1}", $"{fault}: {page} is neither {version - 1} nor {version}\n{receiver.Output}");
            }

            LookAtWhatIsKept(fault);
            var again = await git.PushAsync();
            Assert.True(again.Accepted, $"{fault}: {again.Text}");
            Assert.Equal($"{version}", await PageAsync(receiver));
            Assert.Equal($"{version}", await File.ReadAllTextAsync(Path.Combine(project, "run", "built.txt")));
            LookAtWhatIsKept(fault);
            output.WriteLine($"{fault}: {clock.ElapsedMilliseconds} ms");
        }

        void LookAtWhatIsKept(string fault) => Assert.All(kept, file => Assert.True(File.ReadAllText(Path.Combine(project, file.Key)) == file.Value, $"{fault}: {file.Key}"));
    }

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public async Task A_fault_on_the_way_to_editing_leaves_the_sealed_release_with_its_data_or_the_edited_one(string what)
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SETTLE"] = "0" });
        await using var subject = await Subject.NewAsync(receiver, "turning", keepsData: true);
        var version = 0;
        foreach (var fault in StepsToEditing.Select(step => $"{what}:{step}:after").Prepend($"{what}:{Step.Switch}:before"))
        {
            var clock = Stopwatch.StartNew();
            var commit = await subject.CommitVersionAsync(++version);
            var cooked = await subject.Git.PushAsync("mode=cooking", "discard-edits");
            Assert.True(cooked.Accepted, $"{fault}: {cooked.Text}");
            if (version == 1)
            {
                subject.FillData();
            }

            // What the round before had edited is kept beside; it is no leftover of this one.
            foreach (var kept in Directory.GetDirectories(Path.Combine(subject.Directory, "archives"), "project.edited", SearchOption.AllDirectories))
            {
                Directory.Delete(kept, recursive: true);
            }

            var old = subject.Now(version, commit);
            var edited = await subject.CommitVersionAsync(++version);

            receiver.Arm(fault);
            var push = await subject.Git.PushAsync("mode=editable");
            if (what == "kill")
            {
                Assert.Equal(137, await receiver.ExitAsync());
            }

            receiver.Arm(null);
            if (!receiver.IsRunning)
            {
                await receiver.StartAgainAsync();
            }

            var served = "";
            await Patience.UntilAsync(
                async () => (served = (await receiver.AskAsync(subject.Host, "/plain")).Body).StartsWith("hello version ", StringComparison.Ordinal), "somebody answers");
            var isEdited = served.StartsWith($"hello version {version} ", StringComparison.Ordinal);
            Assert.True(what == "kill" || isEdited == push.Accepted, $"{fault}: {served} {push.Text}");
            if (!isEdited)
            {
                var (_, wrong) = await subject.SettleAsync(old, old);
                Assert.True(wrong.Count == 0, $"{fault}: {string.Join('\n', wrong)}\n{receiver.Output}");
            }

            var again = await subject.Git.PushAsync("mode=editable");
            Assert.True(again.Accepted, $"{fault}: {again.Text}");
            Assert.StartsWith($"hello version {version} ", (await receiver.AskAsync(subject.Host, "/plain")).Body, StringComparison.Ordinal);
            Assert.Equal(edited, await subject.Git.RemoteRefAsync());
            Assert.Equal($"{version} upgraded\n", await File.ReadAllTextAsync(Path.Combine(subject.DataDirectory, "schema")));
            output.WriteLine($"{fault}: {(isEdited ? "edited" : "sealed")}, {clock.ElapsedMilliseconds} ms");
        }
    }

    static IEnumerable<string> FaultsOf(string what, string[] steps) => steps.SelectMany(step => new[] { $"{what}:{step}:before", $"{what}:{step}:after" });

    static async Task<string> CookAsync(Subject subject, int version)
    {
        var commit = await subject.CommitVersionAsync(version);
        var cooked = await subject.Git.PushWithAsync("staging", "main");
        Assert.True(cooked.Accepted, cooked.Text);
        return commit;
    }

    /// <summary>Whether the push was accepted.</summary>
    static async Task<bool> MeetAsync(ReceiverProcess receiver, GitClient git, string fault)
    {
        receiver.Arm(fault);
        var push = await git.PushAsync();
        Assert.True(!push.Accepted || fault.Contains("switch", StringComparison.Ordinal), push.Text);
        if (fault.StartsWith("kill:", StringComparison.Ordinal))
        {
            Assert.Equal(137, await receiver.ExitAsync());
        }

        receiver.Arm(null);
        if (!receiver.IsRunning)
        {
            await receiver.StartAgainAsync();
        }

        return push.Accepted;
    }

    /// <summary>As soon as one is answered: behind a restart somebody may have to be waited for.</summary>
    static async Task<string> PageAsync(ReceiverProcess receiver)
    {
        var (page, clock) = ("", Stopwatch.StartNew());
        await Patience.UntilAsync(async () =>
        {
            var (status, body) = await receiver.AskAsync("edits.localhost", "/page.txt");
            page = $"{(int)status} {body}";
            return status == HttpStatusCode.OK || clock.Elapsed > TimeSpan.FromSeconds(30);
        }, "the application answers");
        Assert.True(page.StartsWith("200 ", StringComparison.Ordinal), $"{page}\n{receiver.Output}");
        page = page["200 ".Length..];
        return page;
    }
}
