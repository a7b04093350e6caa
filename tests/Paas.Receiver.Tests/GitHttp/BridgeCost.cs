using System.Diagnostics;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.GitHttp;

/// <summary>What the three hooks cost a push. Figures to read, not to assert; asked for with PAAS_MEASURE=1.</summary>
public class BridgeCost(ITestOutputHelper output)
{
    [Fact]
    public async Task The_hooks_cost_a_push_at_most_ten_milliseconds()
    {
        if (System.Environment.GetEnvironmentVariable("PAAS_MEASURE") is null)
        {
            output.WriteLine("Skipped: it measures, and is asked for with PAAS_MEASURE=1.");
            return;
        }

        await using var with = await PushingReceiver.StartAsync();
        await using var without = await PushingReceiver.StartAsync(hooksDirectory: "/dev/null");
        var (one, other) = (await with.NewWorkTreeAsync("shop.git"), await without.NewWorkTreeAsync("shop.git"));
        var (hooked, bare) = (new List<double>(), new List<double>());
        for (var i = 0; i < 45; i++)
        {
            // Turn about, so that whatever else the machine does falls on both.
            hooked.Add(await TimeAsync(one, i));
            bare.Add(await TimeAsync(other, i));
        }

        var (a, b) = (Median(hooked), Median(bare));
        output.WriteLine($"with hooks {a:0.0} ms (best {hooked.Min():0.0}), without {b:0.0} ms (best {bare.Min():0.0}), difference {a - b:0.0} ms (best {hooked.Min() - bare.Min():0.0})");
    }

    static double Median(List<double> values) => values.Skip(5).Order().ElementAt((values.Count - 5) / 2);

    static async Task<double> TimeAsync(WorkTree tree, int round)
    {
        await tree.CommitAsync("file", $"{round}");
        var watch = Stopwatch.StartNew();
        await tree.GitAsync("push", "--quiet", "origin", "main");
        return watch.Elapsed.TotalMilliseconds;
    }
}
