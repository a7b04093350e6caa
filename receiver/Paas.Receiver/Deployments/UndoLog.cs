using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>All of one deployment's ways back, on disk. Walked newest first; one that is blocked does not close the others.</summary>
sealed class UndoLog(Journal journal, ReleaseId id)
{
    /// <summary>The new release serves: from here on nothing is taken back.</summary>
    public bool Kept { get; private set; }

    public void Keep()
    {
        journal.Keep(id);
        Kept = true;
    }

    /// <summary>Walks every way back. False when at least one was blocked: it stays in the journal and its words are in <paramref name="blocked"/>.</summary>
    public async Task<bool> UnwindAsync(WayBack way, List<Exception> blocked)
    {
        var dataIsBack = true;
        foreach (var (number, wayBack) in journal.WaysBack(id))
        {
            if (wayBack is StartAgain && !dataIsBack)
            {
                // The old code on the new code's data could ruin what is left to save: both copies stay, somebody decides.
                way.Log.Trouble("the old release is not started: its data could not be brought back; both copies are kept");
                continue;
            }

            try
            {
                Faults.At("undo", "before", id.Value);
                Faults.At(wayBack.GetType().Name, "before", id.Value);
                await wayBack.TakeBackAsync(way);
                Faults.At(wayBack.GetType().Name, "after", id.Value);
                Faults.At("undo", "after", id.Value);
                journal.Walked(id, number);
            }
            catch (Exception e)
            {
                // One that is blocked must not close the others: visitors are let in even when a tree could not be moved.
                blocked.Add(e);
                dataIsBack &= wayBack is not (RestoreData or ReloadDumps);
                way.Log.Trouble($"{wayBack.GetType().Name} failed: {e.Message}");
            }
        }

        return blocked.Count == 0;
    }
}
