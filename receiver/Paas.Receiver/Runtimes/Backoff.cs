namespace Paas.Receiver.Runtimes;

/// <summary>How long to wait before the next copy of an instance that ended: 0.1 s, doubled each time up to 60 s, from the beginning once one stayed up.</summary>
sealed class Backoff
{
    static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    /// <summary>An instance that was healthy this long has stayed up.</summary>
    public static readonly TimeSpan StayedUp = TimeSpan.FromSeconds(60);

    /// <summary>So many ends in a row are a crash loop.</summary>
    public const int Loop = 5;

    /// <summary>Ends in a row.</summary>
    public int Crashes { get; private set; }

    public TimeSpan After(TimeSpan healthyFor)
    {
        Crashes = healthyFor >= StayedUp ? 1 : Crashes + 1;
        return Crashes > 10 ? Longest : TimeSpan.FromTicks(Math.Min(First.Ticks << (Crashes - 1), Longest.Ticks));
    }
}
