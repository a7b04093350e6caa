using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Runtimes;

public sealed class InstanceLogsTests
{
    [Fact]
    public async Task The_last_lines_of_all_processes_come_in_the_order_they_were_printed()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        const string Say = "n=0; while [ $n -lt 5 ]; do n=$((n+1)); echo $PAAS_RELEASE $n; sleep 0.02; done; sleep 1000";
        var launch = yard.NewLaunchOf([new("one", Say, 1, false), new("two", Say, 1, false)]);
        await fleet.StartAsync(launch, default);
        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, null, null, 100).Count() == 10, "ten lines");

        var lines = fleet.LastLogLines(launch.Project, null, null, 100);

        Assert.Equal(lines.OrderBy(line => line.Time), lines);
        Assert.InRange(TimeProvider.System.GetUtcNow() - lines[^1].Time, TimeSpan.FromSeconds(-1), TimeSpan.FromMinutes(1));
        Assert.Equal(["v3 1", "v3 2", "v3 3", "v3 4", "v3 5"], fleet.LastLines(launch.Project, launch.Release, "two", 100));
        Assert.Equal(["v3 4", "v3 5"], fleet.LastLines(launch.Project, null, "one", 2));
        Assert.Empty(fleet.LastLines(launch.Project, ReleaseId.New(TimeProvider.System), null, 5));
        await fleet.StopAsync(launch.Project, launch.Release);
        Assert.Equal(10, fleet.LastLines(launch.Project, null, null, 100).Count()); // PM-68

        fleet.Forget(launch.Project, launch.Release);
        Assert.Empty(fleet.LastLines(launch.Project, null, null, 100));
    }

    [Fact]
    public async Task A_follower_gets_every_line_once_through_rotations_and_replacements_and_releases()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        // 60,000 lines of about 50 bytes: several files, more slowly than they are read.
        const string Say = "i=0; while [ $i -lt 60 ]; do seq -f '%06.0f ........................................' $((i*1000+1)) $((i*1000+1000)); i=$((i+1)); sleep 0.01; done; echo end; exit 1";
        var first = yard.NewLaunchOf([new("worker", Say, 1, false)]);
        await fleet.StartAsync(first, default);
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(60));

        var lines = new List<string>();
        var ends = 0;
        await foreach (var line in fleet.FollowAsync(first.Project, null, null, 1_000_000, enough.Token))
        {
            lines.Add(line.Text);
            if (line.Text == "end" && ++ends == 2)
            {
                break; // the first one and its replacement
            }
        }

        var numbers = lines.Where(line => line != "end").Select(line => int.Parse(line[..6])).ToList();
        var whole = Enumerable.Range(1, 60_000).ToList();
        Assert.Equal(whole.Concat(whole), numbers);

        var second = yard.NewLaunchOf([new("worker", "echo from the second; sleep 1000", 1, false)]);
        await fleet.StopAsync(first.Project, first.Release);
        var follow = fleet.FollowAsync(first.Project, null, "worker", 1, enough.Token).GetAsyncEnumerator();
        Assert.True(await follow.MoveNextAsync());
        await fleet.StartAsync(second, default);
        do
        {
            Assert.True(await follow.MoveNextAsync());
        }
        while (follow.Current.Release != second.Release);
        Assert.Equal("from the second", follow.Current.Text);
        await follow.DisposeAsync();
    }

    [Fact]
    public async Task A_follower_ends_with_its_token()
    {
        await using var yard = await Yard.NewAsync();
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in yard.NewFleet().FollowAsync(yard.Project, null, null, 10, stop.Token))
            {
                Assert.Fail("nothing printed anything");
            }
        });
    }
}
