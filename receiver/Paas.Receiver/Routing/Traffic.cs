using System.Numerics;

namespace Paas.Receiver.Routing;

/// <summary>
/// What went through a destination since the receiver started: answers by class, and how long they took. Counting takes no lock.
/// Times are kept in buckets an eighth of a power of two wide, so a percentile is right to about a tenth.
/// </summary>
sealed class Traffic
{
    const int PerOctave = 8;
    const int Octaves = 36; // microseconds to nineteen hours

    readonly long[] classes = new long[6];
    readonly long[] buckets = new long[PerOctave * Octaves];
    long upgrades;

    public long Requests => classes.Sum();

    public long Upgrades => Volatile.Read(ref upgrades);

    /// <summary>How many answers of 100–199, 200–299 … 500–599.</summary>
    public IReadOnlyList<long> Classes => classes[1..];

    public void Count(int status, TimeSpan took)
    {
        Interlocked.Increment(ref classes[status is >= 100 and < 600 ? status / 100 : 0]);
        Interlocked.Increment(ref buckets[BucketOf((long)took.TotalMicroseconds)]);
    }

    /// <summary>An upgraded connection: it lasted as long as both sides liked, which is no latency.</summary>
    public void CountUpgrade()
    {
        Interlocked.Increment(ref classes[1]);
        Interlocked.Increment(ref upgrades);
    }

    /// <summary>So many of a hundred answers took no longer; zero when there were none.</summary>
    public TimeSpan Percentile(double percent)
    {
        var snapshot = (long[])buckets.Clone();
        var left = (long)Math.Ceiling(snapshot.Sum() * percent / 100);
        for (var i = 0; i < snapshot.Length && left > 0; i++)
        {
            left -= snapshot[i];
            if (left <= 0)
            {
                return TimeSpan.FromMicroseconds(UpperEdge(i));
            }
        }

        return TimeSpan.Zero;
    }

    static int BucketOf(long microseconds)
    {
        if (microseconds < PerOctave)
        {
            return (int)Math.Max(0, microseconds);
        }

        var octave = BitOperations.Log2((ulong)microseconds);
        var within = (int)(microseconds >> (octave - 3)) & (PerOctave - 1);
        return Math.Min(((octave - 2) * PerOctave) + within, (PerOctave * Octaves) - 1);
    }

    static double UpperEdge(int bucket)
    {
        if (bucket < PerOctave)
        {
            return bucket + 1;
        }

        var (octave, within) = ((bucket / PerOctave) + 2, bucket % PerOctave);
        return (PerOctave + within + 1) * Math.Pow(2, octave - 3);
    }
}
