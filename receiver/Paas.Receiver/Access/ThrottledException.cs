namespace Paas.Receiver.Access;

/// <summary>Too many wrong credentials from one address: a door answers 429 with Retry-After.</summary>
sealed class ThrottledException(TimeSpan retryAfter)
    : Exception($"Too many failed tries. Try again in {Math.Ceiling(retryAfter.TotalSeconds):0} seconds.")
{
    public TimeSpan RetryAfter => retryAfter;

    /// <summary>Whole seconds, at least 1, as the header wants them.</summary>
    public int RetryAfterSeconds => Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds));
}
