using Xunit;

namespace Paas.Receiver.Runtimes;

/// <summary>Not beside others: what the process allocates is measured.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;

[Collection(nameof(Alone))]
public class LoudInstanceTests
{
    [Fact]
    public async Task Two_hundred_megabytes_of_output_stay_in_a_bounded_log_and_out_of_our_memory()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunch("shout 200") with { StartTimeout = TimeSpan.FromSeconds(120) };
        var before = GC.GetTotalAllocatedBytes(precise: true);

        await fleet.StartAsync(launch, default);
        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        var allocated = (GC.GetTotalAllocatedBytes(precise: true) - before) / 1_000_000;
        Assert.Equal(Verdict.Healthy, verdict);
        Assert.InRange(SizeOf(yard.Settings.Logs), 1, (InstanceLogs.Files + 2) * InstanceLogs.FileSize);
        Assert.True(allocated < 100, $"{allocated} MB allocated");
        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, "web", 2).LastOrDefault()?.StartsWith("listening on") == true, "the last line");
        Assert.StartsWith("0019999 the quick", fleet.LastLines(launch.Project, launch.Release, "web", 2).First());
    }

    static long SizeOf(string directory) => Directory.GetFiles(directory, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
}
