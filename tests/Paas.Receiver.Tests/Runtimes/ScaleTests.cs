using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Runtimes;

/// <summary>More and fewer instances of a release that runs, and all of them anew.</summary>
public sealed class ScaleTests
{
    [Fact]
    public async Task More_are_started_beside_those_that_run_and_the_highest_go_first()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("serve");
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var first = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;

        await fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["web"] = 3, ["no-such-type"] = 2 });
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        Assert.Equal([1, 2, 3], fleet.Status(launch.Project, launch.Release).Select(instance => instance.Number));

        var drained = new List<string>();
        await fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["web"] = 1 }, (type, leavers) =>
        {
            // Nobody new comes to them any more, and they still answer whoever is there.
            Assert.Equal([first], fleet.Backends(launch.Project, launch.Release, "web").Select(backend => backend.Instance));
            Assert.All(leavers, leaver => Assert.NotEmpty(Stragglers.Find(leaver.Instance)));
            drained.AddRange(leavers.Select(leaver => leaver.Instance));
            return Task.CompletedTask;
        });

        Assert.Equal(2, drained.Count);
        Assert.All(drained, instance => Assert.Empty(Stragglers.Find(instance)));
        Assert.Equal(first, Assert.Single(fleet.Backends(launch.Project, launch.Release, "web")).Instance);
        await fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["web"] = 0 });
        Assert.Empty(fleet.Status(launch.Project, launch.Release));
        await fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["web"] = 1 });
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        await fleet.ScaleAsync(launch.Project, ReleaseId.New(TimeProvider.System), new Dictionary<string, int> { ["web"] = 1 });
    }

    [Fact]
    public async Task Scaling_from_many_sides_at_once_ends_with_one_of_each_number()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]);
        await fleet.StartAsync(launch, default);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["worker"] = 1 + (n % 4) })));
        await fleet.ScaleAsync(launch.Project, launch.Release, new Dictionary<string, int> { ["worker"] = 3 });

        Assert.Equal([1, 2, 3], fleet.Status(launch.Project, launch.Release).Select(instance => instance.Number).Order());
        await fleet.StopAsync(launch.Project, launch.Release);
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
    }

    [Fact]
    public async Task A_renewal_that_does_not_come_up_leaves_everything_as_it_was()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("serve");
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var before = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;

        var broken = launch with { Types = [launch.Types[0] with { Command = "exit 3" }] };
        Assert.Equal(Health.Exited, (await fleet.RenewAsync(broken, (_, _) => Task.CompletedTask, default)).Health);
        Assert.Equal(before, Assert.Single(fleet.Backends(launch.Project, launch.Release, "web")).Instance);

        Assert.Equal(Verdict.Healthy, await fleet.RenewAsync(launch, (_, _) => Task.CompletedTask, default));
        var after = Assert.Single(fleet.Backends(launch.Project, launch.Release, "web"));
        Assert.NotEqual(before, after.Instance);
        Assert.StartsWith(after.Instance, await Yard.AskAsync(after));
        Assert.Empty(Stragglers.Find(before));
    }
}
