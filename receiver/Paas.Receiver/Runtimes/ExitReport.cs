using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Runtimes;

/// <summary>How an instance ended, as its supervisor tells: once, by whoever has the key (RT-17). There before the supervisor is, for it may be quicker than who started it.</summary>
sealed class ExitReport(string expected)
{
    readonly TaskCompletionSource<int> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    string? key = expected;

    /// <summary>The exit code; never completes when nobody reports.</summary>
    public Task<int> Code => told.Task;

    /// <summary>True once, for the right key, whoever asks how often.</summary>
    public bool Take(string given, int code)
    {
        var right = Volatile.Read(ref key);
        return right is not null
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(right), Encoding.UTF8.GetBytes(given))
            && Interlocked.CompareExchange(ref key, null, right) == right
            && told.TrySetResult(code);
    }
}
