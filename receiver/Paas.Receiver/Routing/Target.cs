using System.Collections.Concurrent;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>A backend as the router sees it: how many requests are at it, and the connections to it that can be used again.</summary>
sealed class Target(Backend backend, RouterOptions options, TimeProvider time)
{
    readonly ConcurrentStack<UpstreamConnection> idle = new();
    readonly ConcurrentDictionary<UpstreamConnection, bool> all = new();
    TaskCompletionSource? emptied;
    long troubleUntil;
    int inFlight;
    int idleCount;
    volatile bool closing;

    public Backend Backend => backend;

    public int InFlight => Volatile.Read(ref inFlight);

    /// <summary>How many destinations lead here. Changed under the router's gate.</summary>
    public int Uses { get; set; }

    public int Connections => all.Count;

    public bool IsInTrouble(long now) => Volatile.Read(ref troubleUntil) > now;

    public void Enter() => Interlocked.Increment(ref inFlight);

    public void Leave()
    {
        if (Interlocked.Decrement(ref inFlight) == 0)
        {
            Interlocked.Exchange(ref emptied, null)?.TrySetResult();
        }
    }

    /// <summary>Completes when no request is at this target. Those that send new ones elsewhere do so first.</summary>
    public Task WhenEmptyAsync()
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var shared = Interlocked.CompareExchange(ref emptied, mine, null) ?? mine;
        if (InFlight == 0)
        {
            Interlocked.Exchange(ref emptied, null)?.TrySetResult();
            shared.TrySetResult();
        }

        return shared.Task;
    }

    /// <summary>A connection that was used before and is still open, or null. One that lay longer than <paramref name="freshest"/> is left for a request that can be repeated.</summary>
    public UpstreamConnection? TakeIdle(TimeSpan freshest)
    {
        while (idle.TryPop(out var connection))
        {
            if (!connection.IsOpenStill)
            {
                Interlocked.Decrement(ref idleCount);
                connection.Dispose();
            }
            else if (time.GetElapsedTime(connection.IdleSince) > freshest)
            {
                idle.Push(connection);
                return null;
            }
            else
            {
                Interlocked.Decrement(ref idleCount);
                return connection;
            }
        }

        return null;
    }

    /// <summary>A new connection, or null when the backend cannot be reached.</summary>
    public async ValueTask<UpstreamConnection?> ConnectAsync(CancellationToken ct)
    {
        var connection = await UpstreamConnection.OpenAsync(this, options.ConnectTimeout, time, ct);
        if (connection is null)
        {
            Volatile.Write(ref troubleUntil, time.GetTimestamp() + (long)(options.TroubleTime.TotalSeconds * time.TimestampFrequency));
            return null;
        }

        Volatile.Write(ref troubleUntil, 0);
        all[connection] = true;
        return connection;
    }

    /// <summary>Keeps a connection whose answer is complete for the next request.</summary>
    public void GiveBack(UpstreamConnection connection)
    {
        if (closing)
        {
            connection.Dispose();
            return;
        }

        if (Interlocked.Increment(ref idleCount) > options.MostIdle || !connection.BecomeIdle(time.GetTimestamp()))
        {
            Interlocked.Decrement(ref idleCount);
            connection.Dispose();
            return;
        }

        idle.Push(connection);
        if (closing)
        {
            EndIdle();
        }
    }

    public void Forget(UpstreamConnection connection) => all.TryRemove(connection, out _);

    /// <summary>Keeps no connection from now on: an application that stops politely would otherwise wait for the idle ones.</summary>
    public void Close()
    {
        closing = true;
        EndIdle();
    }

    /// <summary>Keeps connections again.</summary>
    public void Open() => closing = false;

    /// <summary>Ends what is over its time: answers that do not come, connections nobody uses.</summary>
    public void Sweep(long now)
    {
        foreach (var (connection, _) in all)
        {
            connection.EndIfOverdue(now);
        }

        EndUnused(now);
    }

    /// <summary>Ends the connections nobody uses.</summary>
    public void EndIdle()
    {
        while (idle.TryPop(out var connection))
        {
            Interlocked.Decrement(ref idleCount);
            connection.Close();
        }
    }

    /// <summary>Ends every connection, in use or not.</summary>
    public void Abandon()
    {
        Close();
        foreach (var (connection, _) in all)
        {
            connection.Dispose();
        }
    }

    // Only who took a connection out of the pool may look at it, so all are taken out for a moment; a request in that moment opens a new one.
    void EndUnused(long now)
    {
        if (idle.IsEmpty)
        {
            return;
        }

        var alive = new Stack<UpstreamConnection>();
        while (idle.TryPop(out var connection))
        {
            if (connection.IsOpenStill && time.GetElapsedTime(connection.IdleSince, now) <= options.IdleTimeout)
            {
                alive.Push(connection);
            }
            else
            {
                Interlocked.Decrement(ref idleCount);
                connection.Close();
            }
        }

        foreach (var connection in alive)
        {
            idle.Push(connection);
        }

        if (closing)
        {
            EndIdle();
        }
    }
}
