namespace Paas.Receiver.Routing;

/// <summary>What a key stands for: the instances visitors are sent to at this moment, or the room they wait in. Outlives every switch.</summary>
sealed class Destination(string key)
{
    Standing standing = Standing.Nothing;
    int turn;

    public string Key => key;

    public Traffic Traffic { get; } = new();

    public Standing Standing => Volatile.Read(ref standing);

    /// <summary>Replaces the whole standing at once and returns the former one. A request either sees the new one or is already counted at its target.</summary>
    public Standing Replace(Standing by) => Interlocked.Exchange(ref standing, by);

    /// <summary>The least loaded target that was not tried yet; one that lately refused a connection only when no other is left. Null when all were tried.</summary>
    public Target? Choose(Standing among, List<Target>? tried, long now)
    {
        var targets = among.Targets;
        if (targets.Length == 1)
        {
            return tried is not null && tried.Contains(targets[0]) ? null : targets[0];
        }

        Target? best = null;
        var bestLoad = long.MaxValue;
        var first = targets.Length == 0 ? 0 : (int)((uint)Interlocked.Increment(ref turn) % (uint)targets.Length);
        for (var i = 0; i < targets.Length; i++)
        {
            var target = targets[(first + i) % targets.Length];
            var load = target.InFlight + (target.IsInTrouble(now) ? int.MaxValue : 0L);
            if (load < bestLoad && tried?.Contains(target) != true)
            {
                (best, bestLoad) = (target, load);
            }
        }

        return best;
    }
}

/// <summary>Where requests of one destination go. Immutable, replaced whole.</summary>
sealed record Standing(Target[] Targets, WaitingRoom? Room)
{
    public static readonly Standing Nothing = new([], Room: null);
}

/// <summary>Where visitors are held, not failed: for a bounded time and in bounded number, until the door opens.</summary>
sealed class WaitingRoom(TimeSpan longest, int mostWaiting, TimeProvider time)
{
    readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int waiting;

    public int Waiting => Volatile.Read(ref waiting);

    public void Open() => opened.TrySetResult();

    /// <summary>True once the door is open; false when the room is full or the wait too long.</summary>
    /// <exception cref="OperationCanceledException">The visitor has gone.</exception>
    public async Task<bool> WaitAsync(CancellationToken ct)
    {
        try
        {
            if (Interlocked.Increment(ref waiting) > mostWaiting && !opened.Task.IsCompleted)
            {
                return false;
            }

            await opened.Task.WaitAsync(longest, time, ct);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }
}
