using System.Threading.RateLimiting;
using Paas.Receiver.Access;

namespace Paas.Receiver.Api;

/// <summary>How often one credential may ask: 300 times at once, 20 times a second in the long run. A script that runs away must not be the others' trouble.</summary>
sealed class Pace : IDisposable
{
    const int AtOnce = 300;
    const int PerSecond = 20;

    readonly PartitionedRateLimiter<Caller> limiter = PartitionedRateLimiter.Create<Caller, string>(caller =>
        RateLimitPartition.GetTokenBucketLimiter($"{caller.Name} {caller.Credential}", _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = AtOnce,
            TokensPerPeriod = PerSecond,
            ReplenishmentPeriod = TimeSpan.FromSeconds(1),
            QueueLimit = 0,
        }));

    /// <exception cref="ThrottledException">Too often.</exception>
    public void Take(Caller caller)
    {
        using var lease = limiter.AttemptAcquire(caller);
        if (!lease.IsAcquired)
        {
            throw new ThrottledException(TimeSpan.FromSeconds(1), $"These are more than {PerSecond} requests a second with one credential.");
        }
    }

    public void Dispose() => limiter.Dispose();
}
