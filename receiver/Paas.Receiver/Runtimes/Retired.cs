using System.Collections.Concurrent;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>What has been told to end and that nobody waits for: one release of a project at most.</summary>
sealed class Retired
{
    readonly ConcurrentDictionary<string, (Slot[] Slots, Task Ending)> leavers = new();

    public void Add(Project project, Slot[] slots, Task ending)
    {
        leavers[project.Key] = (slots, ending);
        _ = ending.ContinueWith(_ => leavers.TryRemove(KeyValuePair.Create(project.Key, (slots, ending))), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Returns when nothing of the project is left here.</summary>
    public Task GoneAsync(Project project) => leavers.TryGetValue(project.Key, out var one) ? one.Ending : Task.CompletedTask;

    /// <summary>The receiver ends: the next start finishes it.</summary>
    public async Task AbandonAsync()
    {
        foreach (var (slots, ending) in leavers.Values)
        {
            await Task.WhenAll(slots.Select(slot => slot.AbandonAsync()));
            await ending;
        }
    }
}
