using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Releases with several instances change over as reference 3.9 says of each strategy, while visitors come; the calculation itself is in <c>BounceTests</c>.</summary>
public sealed class InstanceByInstance(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    // Each instance of a later release waits for its turn: the story says when which one becomes healthy, and which does not.
    const string Start = """
        n=1
        until mkdir "$PAAS_DATA_DIR/$PAAS_RELEASE.$n" 2>/dev/null; do n=$((n + 1)); done
        until [ "$PAAS_RELEASE" = v1 ] || [ -e "$PAAS_DATA_DIR/$PAAS_RELEASE.go" ] || [ -e "$PAAS_DATA_DIR/$PAAS_RELEASE.go-$n" ]; do sleep 0.02; done
        [ ! -e "$PAAS_DATA_DIR/$PAAS_RELEASE.fail-$n" ] || exit 7
        exec /usr/bin/python3 app.py
        """;

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task An_old_instance_goes_for_each_new_one_that_is_healthy_and_all_come_back_when_one_is_not()
    {
        await using var git = await FourAsync("four", """{"strategy": "crossover"}""");
        await using var visitor = Visitor.Start(receiver, "four.localhost", abreast: 4);

        var push = PushVersionAsync(git, 2);
        await HasAsync("four", old: (1, 4), next: (2, 0));
        for (var healthy = 1; healthy <= 3; healthy++)
        {
            await TurnAsync("four", $"v2.go-{healthy}");
            await HasAsync("four", old: (1, 4 - healthy), next: (2, healthy));
            await visitor.OneMoreAsync();
        }

        Assert.Equal(2, visitor.Answers.Count); // visitors meet both
        await TurnAsync("four", "v2.go-4");
        Assert.True((await push).Accepted, (await push).Text);
        await HasAsync("four", old: (1, 0), next: (2, 4));

        var failing = PushVersionAsync(git, 3);
        await TurnAsync("four", "v3.go-1");
        await TurnAsync("four", "v3.go-2");
        await HasAsync("four", old: (2, 2), next: (3, 2));
        var stayed = (await StatusAsync("four")).Instances.Where(instance => instance.Release == 2).Select(instance => instance.Id).ToList();
        await TurnAsync("four", "v2.go");
        await TurnAsync("four", "v3.fail-3");
        await TurnAsync("four", "v3.go-3");
        var failed = await failing;
        Assert.False(failed.Accepted);
        Assert.Contains(failed.Remote, line => line.Contains("exited with code 7", StringComparison.Ordinal));
        Assert.Contains(failed.Remote, line => line.Contains("v2 runs with all its instances again", StringComparison.Ordinal));
        await HasAsync("four", old: (3, 0), next: (2, 4));
        Assert.Empty(stayed.Except((await StatusAsync("four")).Instances.Select(instance => instance.Id)));

        await visitor.OneMoreAsync();
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
    }

    [Fact]
    public async Task A_margin_below_one_gives_up_old_instances_before_the_first_new_one_is_healthy_and_one_stays()
    {
        await using var git = await FourAsync("half", """{"strategy": "crossover", "bounce_margin_factor": 0.5}""");
        await using var visitor = Visitor.Start(receiver, "half.localhost", abreast: 4);

        var push = PushVersionAsync(git, 2);
        await TurnAsync("half", "v2.go-1");
        await HasAsync("half", old: (1, 1), next: (2, 1));
        await TurnAsync("half", "v2.go-2");
        await HasAsync("half", old: (1, 1), next: (2, 2));
        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        Assert.False((await push).Accepted);

        // Killed in the middle: all of the old release, and nothing of the new one.
        await HasAsync("half", old: (2, 0), next: (1, 4));
        await visitor.StopAsync();
    }

    [Fact]
    public async Task Upthendown_keeps_every_old_instance_until_every_new_one_is_healthy()
    {
        await using var git = await FourAsync("whole", """{"strategy": "upthendown", "bounce_margin_factor": 0.5}""");
        await using var visitor = Visitor.Start(receiver, "whole.localhost", abreast: 4);

        var push = PushVersionAsync(git, 2);
        await TurnAsync("whole", "v2.go-1");
        await TurnAsync("whole", "v2.go-2");
        await TurnAsync("whole", "v2.go-3");
        await HasAsync("whole", old: (1, 4), next: (2, 3));
        Assert.Single(visitor.Answers);
        await TurnAsync("whole", "v2.go-4");
        Assert.True((await push).Accepted, (await push).Text);
        await HasAsync("whole", old: (1, 0), next: (2, 4));
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
    }

    [Fact]
    public async Task Brutal_kills_the_old_ones_before_a_new_one_is_healthy_and_brings_them_back_when_none_will_be()
    {
        await using var git = await FourAsync("brutal", """{"strategy": "brutal"}""", data: false);
        await git.WriteAsync("Procfile", "web: [ \"$PAAS_RELEASE\" != v2 ] || exit 7; exec /usr/bin/python3 app.py\n");
        var failing = await PushVersionAsync(git, 2);
        Assert.False(failing.Accepted);
        Assert.Contains(failing.Remote, line => line.Contains("v1 runs again", StringComparison.Ordinal));
        await HasAsync("brutal", old: (2, 0), next: (1, 4));

        var push = await PushVersionAsync(git, 3);
        Assert.True(push.Accepted, push.Text);
        await HasAsync("brutal", old: (1, 0), next: (3, 4));
        var steps = push.Remote.Single(line => line.Contains("start ", StringComparison.Ordinal) && line.Contains(" · ", StringComparison.Ordinal));
        var (start, stop, healthy) = (steps.IndexOf("start ", StringComparison.Ordinal), steps.IndexOf("stop ", StringComparison.Ordinal), steps.IndexOf("healthy ", StringComparison.Ordinal));
        Assert.True(start < stop && (healthy < 0 || stop < healthy), steps); // who was healthy before the old ones had ended is not told of: it took no time
    }

    async Task<GitClient> FourAsync(string project, string paas, bool data = true)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        if (data)
        {
            await git.WriteAsync("start.sh", Start);
            await git.WriteAsync("Procfile", "web: /bin/sh start.sh\n");
        }

        await git.WriteAsync("app.json", $$$"""{"formation": {"web": {"quantity": 4}}, "paas": {{{paas}}}}""");
        var push = await PushVersionAsync(git, 1);
        Assert.True(push.Accepted, push.Text);
        return git;
    }

    static async Task<PushResult> PushVersionAsync(GitClient git, int version)
    {
        await git.CommitFileAsync("VERSION", $"{version}\n");
        return await git.PushAsync();
    }

    Task TurnAsync(string project, string file) => File.WriteAllTextAsync(Path.Combine(receiver.Project(project), "data", file), "");

    async Task<ProjectStatus> StatusAsync(string project) =>
        JsonSerializer.Deserialize((await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/-/{project}")).Body, ContractJson.Default.ProjectStatus)!;

    /// <summary>Waits until so many of the one release are there at all, and so many of the other healthy; and that stays so.</summary>
    async Task HasAsync(string project, (int Release, int There) old, (int Release, int Healthy) next)
    {
        for (var (tries, well) = (0, 0); well < 3; tries++)
        {
            var instances = (await StatusAsync(project)).Instances;
            well = instances.Count(instance => instance.Release == old.Release) == old.There
                && instances.Count(instance => instance.Release == next.Release && instance.State == "healthy") == next.Healthy ? well + 1 : 0;
            Assert.True(tries < 600, $"{project} has {string.Join(", ", instances.Select(instance => $"v{instance.Release} {instance.State}"))}\n{receiver.Output}");
            await Task.Delay(TimeSpan.FromMilliseconds(30));
        }
    }
}
