namespace Paas.Receiver.Access;

/// <summary>Too much at once of one caller or address: a door answers 429 with Retry-After.</summary>
/// <param name="why">What there was too much of, as a sentence.</param>
sealed class ThrottledException(TimeSpan retryAfter, string why = "Too many failed tries.")
    : Exception($"{why} Try again in {(retryAfter.TotalSeconds <= 1 ? "a second" : $"{Math.Ceiling(retryAfter.TotalSeconds):0} seconds")}.")
{
    public TimeSpan RetryAfter => retryAfter;

    /// <summary>Whole seconds, at least 1, as the header wants them.</summary>
    public int RetryAfterSeconds => Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds));
}
