using Paas.Receiver.Storage;

namespace Paas.Receiver.Telemetry;

/// <summary>
/// Whether pushes and visitors should be sent here now: what the last run left is taken up, the doors are open, and the database takes writes. Not ready while starting and stopping.
/// Asked as often as anybody likes: it looks once a second.
/// </summary>
/// <param name="state">The receiver's own directory.</param>
sealed class Readiness(string state, Database database, TimeProvider time)
{
    const long LeastFree = 32L << 20; // as a deployment wants it

    static readonly TimeSpan Once = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    long? looked;
    string? found;
    volatile string? phase = "starting: what the last run left is being taken up";

    /// <summary>Start-up is over: recovery has queued what it has to do, and the doors are open.</summary>
    public void Open() => phase = null;

    public void Close() => phase = "stopping";

    /// <summary>Null when it is ready.</summary>
    public string? WhyNot()
    {
        if (phase is { } early)
        {
            return early;
        }

        lock (gate)
        {
            if (looked is null || time.GetElapsedTime(looked.Value) >= Once)
            {
                (looked, found) = (time.GetTimestamp(), Look());
            }

            return found;
        }
    }

    string? Look()
    {
        try
        {
            if (AtomicFile.WhyNotWritable(state) is { } why)
            {
                return $"the state cannot be written: {why}";
            }

            database.Write(_ => 0); // takes the write lock, writes nothing
            return new DriveInfo(state).AvailableFreeSpace < LeastFree ? "the disk is full" : null;
        }
        catch (Exception e)
        {
            // Whatever it is: that is the answer.
            return $"the database takes no writes: {e.Message}";
        }
    }
}
