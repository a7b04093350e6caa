namespace Paas.Receiver.Archives;

/// <summary>Runs long file work on a thread of its own: the pool stays free for requests, and its stack is deep enough for the deepest tree we take.</summary>
static class OwnThread
{
    const int Stack = 16 << 20;

    public static Task<T> RunAsync<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => Run(work, done), Stack) { IsBackground = true, Name = "archive" }.Start();
        return done.Task;
    }

    static void Run<T>(Func<T> work, TaskCompletionSource<T> done)
    {
        try
        {
            done.SetResult(work());
        }
        catch (OperationCanceledException e)
        {
            done.SetCanceled(e.CancellationToken);
        }
        catch (Exception e)
        {
            done.SetException(e); // whoever awaits gets it
        }
    }
}
