using System.Collections.Concurrent;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Releases;

/// <summary>
/// Links the next draft of a large project while nobody waits: thousands of names are most of a second, and the next push changes few of them.
/// </summary>
sealed partial class Spares(ILogger<Spares> logger)
{
    /// <summary>Files; for fewer it is not worth the directories.</summary>
    public const int Large = 1000;

    readonly ConcurrentDictionary<string, (CancellationTokenSource Stop, Task Linking)> open = new();

    /// <summary>Begins to link what was just deployed; nothing waits for it, and half of it is of use too.</summary>
    /// <param name="path">As for <see cref="Draft.Fill"/>.</param>
    public void Prepare(Project project, IReadOnlyList<TreeEntry> entries, string path)
    {
        if (entries.Count >= Large)
        {
            var stop = new CancellationTokenSource();
            open[project.Key] = (stop, Task.Run(() => Link(project, entries, path, stop.Token)));
        }
    }

    /// <summary>Nothing is linked for the project any more when this returns: the checkout may change.</summary>
    public async Task StopAsync(Project project)
    {
        if (open.TryRemove(project.Key, out var begun))
        {
            await begun.Stop.CancelAsync();
            await begun.Linking;
            begun.Stop.Dispose();
        }
    }

    void Link(Project project, IReadOnlyList<TreeEntry> entries, string path, CancellationToken ct)
    {
        try
        {
            new LinkedFiles(Path.Combine(project.Checkout, path), project.Spare).Match(entries, ct);
        }
        catch (OperationCanceledException)
        {
            // The next push has come: it goes on from here.
        }
        catch (Exception e)
        {
            // It only saves time; the next draft links what is missing.
            Log.NotLinked(logger, e, project.Key);
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: the next draft could not be linked beforehand")]
        public static partial void NotLinked(ILogger logger, Exception exception, string project);
    }
}
