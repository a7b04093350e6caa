using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>Whether an instance listens: found by connecting, and then by whose socket it is, for another program may have taken the port.</summary>
static class Listening
{
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(2);
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(20);

    static readonly IPAddress[] Loopbacks = [IPAddress.Loopback, IPAddress.IPv6Loopback];

    /// <summary>Returns the address as soon as somebody answers there. Ends only with the token.</summary>
    public static async Task<IPEndPoint> AnswersAsync(int port, TimeProvider time, CancellationToken ct)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            foreach (var address in Loopbacks)
            {
                var endpoint = new IPEndPoint(address, port);
                if (await ConnectsAsync(endpoint, ct))
                {
                    return endpoint;
                }
            }

            // A tenth of the time waited so far: never found much later than it took, never asked much oftener than it is worth.
            await Task.Delay(TimeSpan.FromTicks(Math.Clamp(time.GetElapsedTime(begun).Ticks / 10, ShortestPause.Ticks, LongestPause.Ticks)), time, ct);
        }
    }

    /// <summary>True when any program of this machine listens on the port, on whatever address.</summary>
    public static bool Anybody(int port) => ListeningSockets.On(port).Count > 0;

    /// <summary>True when the socket that listens on the port belongs to a process of this start, or when the system does not say whose it is.</summary>
    public static bool Belongs(int port, Instance instance)
    {
        var sockets = ListeningSockets.On(port).Select(socket => socket.Number).ToHashSet();

        // Mostly it is the first process's own; only else are all others looked through.
        return sockets.Count == 0 || SocketsOf(instance.Process).Any(sockets.Contains) || SocketsOf(instance.Id).Any(sockets.Contains);
    }

    /// <summary>The same for one process of whatever kind.</summary>
    public static bool Belongs(int port, int process)
    {
        var sockets = ListeningSockets.On(port).Select(socket => socket.Number).ToHashSet();
        return sockets.Count == 0 || SocketsOf(process).Any(sockets.Contains);
    }

    /// <summary>The processes of a program that hold any of these sockets.</summary>
    public static IReadOnlyList<int> Holders(IReadOnlySet<ulong> sockets, string program) =>
        [.. from directory in Directory.EnumerateDirectories("/proc")
            let id = int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out var number) ? number : 0
            where id > 0 && NameOf(id) == program && SocketsOf(id).Any(sockets.Contains)
            select id];

    /// <summary>The ports that processes of this start listen on.</summary>
    public static IReadOnlyList<int> PortsOf(string marker)
    {
        var held = SocketsOf(marker).ToHashSet();
        return ListeningSockets.On(0).Where(socket => held.Contains(socket.Number)).Select(socket => socket.Port).Distinct().Order().ToList();
    }

    static async Task<bool> ConnectsAsync(IPEndPoint endpoint, CancellationToken ct)
    {
        try
        {
            using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endpoint, ct);

            // Loopback can connect a socket to itself when source and destination port happen to be the same.
            return !endpoint.Equals(socket.LocalEndPoint);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    static string? NameOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").Trim();
        }
        catch (IOException)
        {
            return null;
        }
    }

    static IEnumerable<ulong> SocketsOf(string marker) => Stragglers.Find(marker).SelectMany(SocketsOf);

    static List<ulong> SocketsOf(int process)
    {
        var numbers = new List<ulong>();
        try
        {
            foreach (var descriptor in Directory.EnumerateFileSystemEntries($"/proc/{process}/fd"))
            {
                if (new FileInfo(descriptor).LinkTarget is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
                {
                    numbers.Add(ulong.Parse(target.AsSpan("socket:[".Length)[..^1], CultureInfo.InvariantCulture));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The process ended meanwhile, or is not ours to look into.
        }

        return numbers;
    }
}
