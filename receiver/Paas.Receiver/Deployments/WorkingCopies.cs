using System.Collections.Concurrent;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// In final mode and for a release that is there already nothing is made from the working copies: they only show what is deployed (R5.3), so they are brought up to it
/// while nobody waits. A commit that this receiver was never given leaves them empty.
/// </summary>
sealed partial class WorkingCopies(GitProgram git, ILogger<WorkingCopies> logger)
{
    readonly ConcurrentDictionary<string, (CancellationTokenSource Stop, Task Showing)> open = new();

    public void Show(Release release, string? pillarBefore)
    {
        var stop = new CancellationTokenSource();
        open[release.Project.Key] = (stop, Task.Run(() => ShowAsync(release, pillarBefore, stop.Token)));
    }

    /// <summary>Nothing is written into the project's working copies any more when this returns.</summary>
    public async Task StopAsync(Project project)
    {
        if (open.TryRemove(project.Key, out var begun))
        {
            await begun.Stop.CancelAsync();
            await begun.Showing;
            begun.Stop.Dispose();
        }
    }

    async Task ShowAsync(Release release, string? pillarBefore, CancellationToken ct)
    {
        var project = release.Project;
        try
        {
            await new GitRepository(project.ProjectRepository, git).CheckOutIfThereAsync(release.Commit, project.Checkout, ct);
            if (release.PillarCommit is { } pillar && pillar != pillarBefore)
            {
                await new GitRepository(project.PillarRepository, git).CheckOutAsync(pillar, project.PillarCheckout, ct);
            }
        }
        catch (OperationCanceledException)
        {
            // The next deployment has come.
        }
        catch (Exception e)
        {
            // Nothing runs from it; the next deployment tries again.
            Log.NotShown(logger, e, project.Key);
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: the working copy could not be brought up to what is deployed")]
        public static partial void NotShown(ILogger logger, Exception exception, string project);
    }
}
