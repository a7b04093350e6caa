using System.Net;
using System.Net.Sockets;

namespace Paas.Receiver.Access;

/// <summary>
/// Wrong tries per address over the last minute. Memory is bounded: when too many addresses try at once, those with the fewest tries are
/// forgotten. An IPv6 caller owns a /64 and counts as one address.
/// </summary>
sealed class Failures(TimeProvider time)
{
    public const int Allowed = 10;
    public const int MostAddresses = 4096;
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    readonly Lock gate = new();
    readonly Dictionary<UInt128, Queue<long>> tries = [];

    /// <summary>How long this address has to wait; null when it may try.</summary>
    public TimeSpan? Wait(IPAddress from)
    {
        lock (gate)
        {
            if (!tries.TryGetValue(Key(from), out var recent))
            {
                return null;
            }

            Forget(recent);
            return recent.Count < Allowed ? null : Window - time.GetElapsedTime(recent.Peek());
        }
    }

    public void Add(IPAddress from)
    {
        lock (gate)
        {
            var key = Key(from);
            if (!tries.TryGetValue(key, out var recent))
            {
                MakeRoom();
                tries[key] = recent = new Queue<long>(Allowed);
            }

            Forget(recent);
            if (recent.Count == Allowed)
            {
                recent.Dequeue(); // several tries that were under way at once
            }

            recent.Enqueue(time.GetTimestamp());
        }
    }

    /// <summary>The newest try was none: it turned out right.</summary>
    public void Forgive(IPAddress from)
    {
        lock (gate)
        {
            if (tries.TryGetValue(Key(from), out var recent) && recent.Count > 0)
            {
                var others = recent.SkipLast(1).ToList();
                recent.Clear();
                others.ForEach(recent.Enqueue);
            }
        }
    }

    /// <summary>Addresses remembered just now.</summary>
    public int Count
    {
        get
        {
            lock (gate)
            {
                return tries.Count;
            }
        }
    }

    static UInt128 Key(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        plain.TryWriteBytes(bytes, out _);
        var key = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
        // The lower half of an IPv6 address is the caller's to choose; setting a bit there keeps the two families apart.
        return plain.AddressFamily == AddressFamily.InterNetworkV6 ? (key >> 64 << 64) | 1 : key;
    }

    void Forget(Queue<long> recent)
    {
        while (recent.TryPeek(out var oldest) && time.GetElapsedTime(oldest) >= Window)
        {
            recent.Dequeue();
        }
    }

    void MakeRoom()
    {
        if (tries.Count < MostAddresses)
        {
            return;
        }

        foreach (var recent in tries.Values)
        {
            Forget(recent);
        }

        // A quarter at once, so that a flood of addresses pays for this once in a thousand tries.
        foreach (var (key, _) in tries.OrderBy(pair => pair.Value.Count).ThenBy(pair => pair.Value.LastOrDefault()).Take(MostAddresses / 4).ToList())
        {
            tries.Remove(key);
        }
    }
}
