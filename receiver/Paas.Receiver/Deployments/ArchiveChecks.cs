using System.Threading.Channels;
using Paas.Receiver.Archives;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What runs is what was bundled, and is what others will unpack: every archive that was made here is read again from the disk, and the tree it holds is held against the one that was sealed.
/// A small one before its deployment is called complete; a large one behind it, one after the other, behind everybody else on the machine (decision 42).
/// </summary>
sealed partial class ArchiveChecks(ReleaseStore releases, ProjectStore projects, Bundler bundler, ILogger<ArchiveChecks> logger) : BackgroundService
{
    /// <summary>Bytes packed. Below it the check ends before an application has started.</summary>
    public const long SmallArchive = 16 << 20;

    readonly Channel<bool> bell = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>A release's archive has just been recorded.</summary>
    /// <exception cref="IOException">It is not what was sealed.</exception>
    public async Task LookAsync(Release release, CancellationToken ct)
    {
        if (release.ArchiveBytes > SmallArchive)
        {
            bell.Writer.TryWrite(true);
        }
        else if (await CheckAsync(release, ct) is { } trouble)
        {
            throw new IOException(trouble);
        }
    }

    /// <summary>Reads it and keeps what came of it; returns what is wrong with it, null when nothing is.</summary>
    public async Task<string?> CheckAsync(Release release, CancellationToken ct)
    {
        string? trouble;
        try
        {
            var (archive, content) = await bundler.InspectAsync(release.ArchiveFile, ct);
            trouble = archive != release.ArchiveDigest ? $"its SHA-256 is {archive} on the disk, and was {release.ArchiveDigest} when it was written"
                : content != release.ContentDigest ? $"the tree in it has the digest {content}, the sealed one {release.ContentDigest}" : null;
        }
        catch (Refusal refusal)
        {
            trouble = refusal.Message;
        }

        trouble = trouble is null ? null : $"the archive of {release} is not what was sealed: {trouble}";
        releases.RecordCheck(release.Id, trouble);
        if (trouble is not null)
        {
            Log.Differs(logger, release.Project.Key, trouble);
        }

        return trouble;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        bell.Writer.TryWrite(true); // what a former run left
        await foreach (var _ in bell.Reader.ReadAllAsync(stoppingToken))
        {
            foreach (var release in projects.List().SelectMany(project => releases.Unchecked(project)))
            {
                await TryCheckAsync(release, stoppingToken);
            }
        }
    }

    async Task TryCheckAsync(Release release, CancellationToken ct)
    {
        try
        {
            await (File.Exists(release.ArchiveFile) ? CheckAsync(release, ct) : Task.CompletedTask);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Pruned meanwhile, or the disk's trouble: looked at again with the next one.
            Log.NotLookedAt(logger, e, release.Project.Key, release.Number);
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: {trouble}")]
        public static partial void Differs(ILogger logger, string project, string trouble);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: the archive of v{number} could not be read again")]
        public static partial void NotLookedAt(ILogger logger, Exception exception, string project, int number);
    }
}
