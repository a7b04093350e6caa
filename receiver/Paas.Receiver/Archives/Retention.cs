using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>One deployment that made a release live. Its own id names the archive with the data it found; a rollback's differs from its release's.</summary>
sealed record WentLive(ReleaseId Deployment, ReleaseId Release)
{
    public WentLive(ReleaseId id)
        : this(id, id)
    {
    }
}

/// <summary>What may be removed from a project's <c>releases/</c>, <c>deploy/</c> and <c>archives/</c>. Pure: it looks at names only, and removes nothing.</summary>
static class Retention
{
    /// <summary>
    /// The releases to keep: the newest <paramref name="count"/> that went live, and always the one that is live.
    /// </summary>
    /// <param name="wentLive">On record, oldest first.</param>
    public static IReadOnlyList<ReleaseId> Keep(IReadOnlyList<WentLive> wentLive, int count, ReleaseId? live)
    {
        var newest = wentLive.Reverse().Select(w => w.Release).Distinct().Take(Math.Max(count, 1));
        return [.. live is null ? newest : newest.Append(live).Distinct()];
    }

    /// <summary>Deliverables and release directories that may go: those of no kept release and of none that is still being made.</summary>
    /// <param name="present">Names in the directory. Whatever is no release's name is not ours to remove.</param>
    public static IReadOnlyList<ReleaseId> ReleasesToRemove(IEnumerable<string> present, IEnumerable<ReleaseId> kept, IEnumerable<ReleaseId> inProgress)
    {
        var needed = kept.Concat(inProgress).ToHashSet();
        return [.. Ids(present).Where(id => !needed.Contains(id))];
    }

    /// <summary>
    /// Archives that may go. A deployment's archive holds the data as it was when that deployment took over, so the way back to a kept release with its data
    /// needs the archive of the deployment that went live <em>after</em> it, even when what that one made live is no longer kept. Kept as well: the archives of kept
    /// releases and of deployments in progress, and of the newest <paramref name="failed"/> deployments that did not go live (what failed is there to be looked at).
    /// </summary>
    public static IReadOnlyList<ReleaseId> ArchivesToRemove(
        IEnumerable<string> present, IReadOnlyList<WentLive> wentLive, IEnumerable<ReleaseId> kept, IEnumerable<ReleaseId> inProgress, int failed)
    {
        var keptReleases = kept.ToHashSet();
        var needed = keptReleases.Concat(inProgress).ToHashSet();
        for (var i = 0; i + 1 < wentLive.Count; i++)
        {
            if (keptReleases.Contains(wentLive[i].Release))
            {
                _ = needed.Add(wentLive[i + 1].Deployment);
            }
        }

        var everLive = wentLive.Select(w => w.Deployment).ToHashSet();
        var archives = Ids(present).OrderByDescending(id => id.Value, StringComparer.Ordinal).ToList();
        needed.UnionWith(archives.Where(id => !everLive.Contains(id)).Take(failed));
        return [.. archives.Where(id => !needed.Contains(id)).Reverse()];
    }

    static IEnumerable<ReleaseId> Ids(IEnumerable<string> names) => names.Select(ReleaseId.TryParse).OfType<ReleaseId>();
}
