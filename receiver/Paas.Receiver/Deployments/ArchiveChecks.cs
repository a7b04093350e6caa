using System.Threading.Channels;
using Paas.Receiver.Archives;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What runs is what was bundled, and is what others will unpack: every archive that was made here is read again from the disk, and what it holds is held against what was packed, be it the sealed
/// tree, a part of it or its image. A small one before its deployment is called complete; a large one behind it, one after the other, behind everybody else on the machine (decisions 42 and 54).
/// </summary>
sealed partial class ArchiveChecks(ReleaseStore releases, ProjectStore projects, ILogger<ArchiveChecks> logger) : BackgroundService
{
    /// <summary>Bytes packed. Below it the check ends before an application has started.</summary>
    public const long SmallArchive = 16 << 20;

    readonly Channel<bool> bell = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>There are archives that nobody has read again yet.</summary>
    public void Ring() => bell.Writer.TryWrite(true);

    /// <summary>A release's archives have just been recorded.</summary>
    /// <exception cref="IOException">One is not what was packed.</exception>
    public async Task LookAsync(Project project, ReleaseId id, CancellationToken ct)
    {
        var troubles = new List<string>();
        foreach (var archive in releases.Find(project, id) is { } release ? UncheckedOf(release) : [])
        {
            if (archive.Bytes > SmallArchive)
            {
                Ring();
            }
            else if (await CheckAsync(archive, ct) is { } trouble)
            {
                troubles.Add(trouble);
            }
        }

        if (troubles.Count > 0)
        {
            throw new IOException(string.Join("; ", troubles));
        }
    }

    /// <summary>Reads again what nobody has yet, oldest first.</summary>
    public async Task CatchUpAsync(CancellationToken ct)
    {
        foreach (var archive in projects.List().SelectMany(releases.Unchecked).SelectMany(UncheckedOf))
        {
            await TryCheckAsync(archive, ct);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Ring(); // what a former run left
        await foreach (var _ in bell.Reader.ReadAllAsync(stoppingToken))
        {
            await CatchUpAsync(stoppingToken);
        }
    }

    IEnumerable<Stored> UncheckedOf(Release release)
    {
        if (release is { ArchiveDigest: { } digest, CheckedAt: null })
        {
            yield return new Stored(
                release, $"the archive of {release}", release.ArchiveFile, digest, release.ContentDigest, release.ArchiveBytes ?? 0, Inspection.OfTreeAsync,
                trouble => releases.RecordCheck(release.Id, trouble));
        }

        if (release is { ImageDigest: { } image, ImageCheckedAt: null })
        {
            yield return new Stored(
                release, $"the archive of the image of {release}", release.ImageFile, image, release.ImageContent, release.ImageBytes ?? 0, Inspection.OfBytesAsync,
                trouble => releases.RecordImageCheck(release.Id, trouble));
        }

        foreach (var part in releases.PartsOf(release.Id).Where(part => !part.IsChecked))
        {
            yield return new Stored(
                release, $"the archive {part.Name} of {release}", Deliverable.PartFile(release.Project, release.Id, part.Name), part.Digest, part.Content, part.Bytes, Inspection.OfTreeAsync,
                trouble => releases.RecordPartCheck(release.Id, part.Name, trouble));
        }
    }

    /// <summary>Reads it and keeps what came of it; returns what is wrong with it, null when nothing is.</summary>
    async Task<string?> CheckAsync(Stored archive, CancellationToken ct)
    {
        string? trouble;
        try
        {
            var found = await archive.Inspect(archive.File, ct);
            trouble = found.Archive != archive.Digest ? $"its SHA-256 is {found.Archive} on the disk, and was {archive.Digest} when it was written"
                : archive.Content is { } content && found.Content != content ? $"what is in it has the digest {found.Content}, and what was packed {content}" : null;
        }
        catch (Refusal refusal)
        {
            trouble = refusal.Message;
        }

        trouble = trouble is null ? null : $"{archive.Title} is not what was packed: {trouble}";
        archive.Keep(trouble);
        if (trouble is not null)
        {
            Log.Differs(logger, archive.Release.Project.Key, trouble);
        }

        return trouble;
    }

    async Task TryCheckAsync(Stored archive, CancellationToken ct)
    {
        try
        {
            await (File.Exists(archive.File) ? CheckAsync(archive, ct) : Task.CompletedTask);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Pruned meanwhile, or the disk's trouble: looked at again with the next one.
            Log.NotLookedAt(logger, e, archive.Release.Project.Key, archive.Title);
        }
    }

    /// <param name="Content">Null where nobody has kept what was packed: then its bytes must be those that were written, and whole.</param>
    /// <param name="Keep">Records what is wrong with it, or that nothing is.</param>
    sealed record Stored(
        Release Release, string Title, string File, string Digest, string? Content, long Bytes, Func<string, CancellationToken, Task<Inspected>> Inspect, Action<string?> Keep);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: {trouble}")]
        public static partial void Differs(ILogger logger, string project, string trouble);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: {archive} could not be read again")]
        public static partial void NotLookedAt(ILogger logger, Exception exception, string project, string archive);
    }
}
