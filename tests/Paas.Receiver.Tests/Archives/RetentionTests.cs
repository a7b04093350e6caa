using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

public class RetentionTests
{
    static readonly ReleaseId[] Ids = [.. Enumerable.Range(0, 10).Select(i => ReleaseId.TryParse($"2024010{i}T000000Z-{Guid.NewGuid()}")!)];

    [Fact]
    public void The_newest_releases_and_the_live_one_are_kept()
    {
        Assert.Equal([Ids[4], Ids[3], Ids[1]], Retention.Keep(Live(0, 1, 2, 3, 4), 2, Ids[1]));
        Assert.Equal([Ids[1], Ids[4]], Retention.Keep([.. Live(0, 1, 4), new WentLive(Ids[5], Ids[1])], 2, Ids[1])); // rolled back to 1
        Assert.Equal([Ids[0]], Retention.Keep(Live(0), 0, null));
        Assert.Empty(Retention.Keep([], 3, null));
    }

    [Fact]
    public void A_release_directory_goes_when_its_release_is_neither_kept_nor_being_made()
    {
        var present = Ids[..5].Select(i => i.Value).Append("current").Append("lost+found");
        Assert.Equal([Ids[0], Ids[1]], Retention.ReleasesToRemove(present, [Ids[2], Ids[3]], [Ids[4]]));
    }

    [Fact]
    public void The_data_of_a_kept_release_is_in_its_successors_archive_and_stays()
    {
        // 0, 2, 3 and 5 went live, 1 and 4 failed; only 2 and 5 are kept: the way back to 2 with its data is the archive of 3.
        var gone = Retention.ArchivesToRemove(Ids[..6].Select(i => i.Value), Live(0, 2, 3, 5), [Ids[2], Ids[5]], [], failed: 0);
        Assert.Equal([Ids[0], Ids[1], Ids[4]], gone);
    }

    [Fact]
    public void The_newest_failures_are_kept_to_be_looked_at()
    {
        var gone = Retention.ArchivesToRemove(Ids[..6].Select(i => i.Value), Live(0, 5), [Ids[5]], [], failed: 2);
        Assert.Equal([Ids[0], Ids[1], Ids[2]], gone);
    }

    [Fact]
    public void Nothing_of_a_deployment_in_progress_or_of_other_peoples_names_goes()
    {
        var present = Ids[..3].Select(i => i.Value).Concat([".lease", "notes", Ids[3].Value + ".bak"]);
        Assert.Equal([Ids[0]], Retention.ArchivesToRemove(present, Live(0, 1), [Ids[1]], [Ids[2]], failed: 0));
    }

    [Fact]
    public void After_a_rollback_the_way_forward_again_is_kept_too()
    {
        // 0 and 1 went live, then deployment 2 rolled back to 0: the data of 1 is in the archive of deployment 2.
        var gone = Retention.ArchivesToRemove(Ids[..4].Select(i => i.Value), [.. Live(0, 1), new WentLive(Ids[2], Ids[0])], [Ids[0], Ids[1]], [], failed: 0);
        Assert.Equal([Ids[3]], gone);
    }

    [Fact]
    public void After_any_history_every_kept_release_can_be_gone_back_to_with_its_data()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var live = Ids.Where(_ => random.Next(3) > 0).ToList();
            var history = new List<WentLive>();
            foreach (var id in live)
            {
                history.Add(random.Next(3) > 0 || history.Count == 0 ? new WentLive(id) : new WentLive(id, history[random.Next(history.Count)].Release));
            }

            var kept = Retention.Keep(history, random.Next(1, 5), history.LastOrDefault()?.Release);
            var gone = Retention.ArchivesToRemove(Ids.Select(i => i.Value), history, kept, [], random.Next(3)).ToHashSet();

            Assert.All(history.Zip(history.Skip(1)), pair => Assert.False(kept.Contains(pair.First.Release) && gone.Contains(pair.Second.Deployment)));
        }
    }

    static IReadOnlyList<WentLive> Live(params int[] ids) => [.. ids.Select(i => new WentLive(Ids[i]))];
}
