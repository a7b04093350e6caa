namespace Paas.Receiver.Deployments;

/// <summary>Whether deployments may go on. While somebody copies what they change they wait before they begin; those under way are waited for. Thread-safe.</summary>
sealed class Standstill : IDisposable
{
    readonly Lock gate = new();
    readonly SemaphoreSlim one = new(1);
    int under;
    TaskCompletionSource? open;
    TaskCompletionSource? quiet;

    /// <summary>True while whoever wants to begin has to wait.</summary>
    public bool IsCalled
    {
        get
        {
            lock (gate)
            {
                return open is not null;
            }
        }
    }

    /// <summary>Before something changes what is on disk; dispose behind it. Cancelling stops the waiting only, and goes on.</summary>
    public async Task<IDisposable> BeginAsync(CancellationToken ct = default)
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (open is null || ct.IsCancellationRequested)
                {
                    under++;
                    return new Turn(this);
                }

                wait = open.Task;
            }

            await Task.WhenAny(wait, Task.Delay(Timeout.Infinite, ct));
        }
    }

    /// <summary>Returns when nothing is under way; nothing begins until what it returns is disposed. One at a time.</summary>
    public async Task<IDisposable> CallAsync(CancellationToken ct)
    {
        await one.WaitAsync(ct);
        Task wait;
        lock (gate)
        {
            open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            quiet = under > 0 ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : null;
            wait = quiet?.Task ?? Task.CompletedTask;
        }

        try
        {
            await wait.WaitAsync(ct);
        }
        catch
        {
            End();
            throw;
        }

        return new Call(this);
    }

    public void Dispose() => one.Dispose();

    void End()
    {
        lock (gate)
        {
            open?.SetResult();
            (open, quiet) = (null, null);
        }

        one.Release();
    }

    void Leave()
    {
        lock (gate)
        {
            if (--under == 0)
            {
                quiet?.TrySetResult();
            }
        }
    }

    sealed class Turn(Standstill of) : IDisposable
    {
        int gone;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref gone, 1) == 0)
            {
                of.Leave();
            }
        }
    }

    sealed class Call(Standstill of) : IDisposable
    {
        int gone;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref gone, 1) == 0)
            {
                of.End();
            }
        }
    }
}
