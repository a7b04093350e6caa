using System.Diagnostics;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Between deployments: what running applications write is counted now and then, and told once a project passes nine tenths of its quota, and once it passes all of it (R9.3). Only projects
/// with a quota are counted, one after the other, and the count takes a tenth of one core at most.
/// </summary>
sealed partial class SpaceWatch(Space space, ProjectStore projects, Announcing announcing, TimeProvider time, ILogger<SpaceWatch> logger) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromMinutes(10);

    /// <summary>A project's rest, in times of what its count took.</summary>
    const int Rest = 9;

    /// <summary>Looks once at every project.</summary>
    public async Task LookAsync(CancellationToken ct)
    {
        foreach (var project in projects.List().Where(project => space.QuotaOf(project) is not null))
        {
            var clock = Stopwatch.StartNew();
            try
            {
                if (space.Look(project) is { } passed)
                {
                    await announcing.TellAsync(passed);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Files come and go while they are counted, and a project may go altogether.
                Log.NotCounted(logger, e, project.Key);
            }

            await Task.Delay(clock.Elapsed * Rest, time, ct);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Often, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await LookAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: what it takes could not be counted")]
        public static partial void NotCounted(ILogger logger, Exception exception, string project);
    }
}
