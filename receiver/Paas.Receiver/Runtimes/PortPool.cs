using System.Net;
using System.Net.Sockets;

namespace Paas.Receiver.Runtimes;

/// <summary>Hands out free TCP ports, never one to two instances, and not the last ones again soon.</summary>
/// <remarks>From below the range the kernel takes for outgoing connections: one of those may hold any port of that range at any moment.</remarks>
sealed class PortPool
{
    const int Lowest = 20_000;
    const int Highest = 32_000;

    readonly Lock gate = new();
    readonly HashSet<int> given = [];
    int next = Random.Shared.Next(Lowest, Highest);

    /// <exception cref="IOException">Every port is in use.</exception>
    public int Take()
    {
        lock (gate)
        {
            for (var tries = Lowest; tries < Highest; tries++)
            {
                next = next + 1 < Highest ? next + 1 : Lowest;
                if (!given.Contains(next) && IsFree(next))
                {
                    given.Add(next);
                    return next;
                }
            }
        }

        throw new IOException($"No TCP port from {Lowest} to {Highest - 1} is free.");
    }

    /// <summary>Remembers the port of an instance that was adopted.</summary>
    public void Keep(int port)
    {
        lock (gate)
        {
            given.Add(port);
        }
    }

    public void Return(int port)
    {
        lock (gate)
        {
            given.Remove(port);
        }
    }

    /// <summary>True when nobody listens on it, on any address, right now.</summary>
    static bool IsFree(int port)
    {
        try
        {
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(IPAddress.Any, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
