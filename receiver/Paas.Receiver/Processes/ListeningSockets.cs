using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Processes;

/// <summary>A TCP socket that listens on this machine, by the number under which a process's descriptors show it (<c>socket:[…]</c>).</summary>
readonly record struct ListeningSocket(int Port, ulong Number);

/// <summary>All of them, on IPv4 and IPv6.</summary>
/// <remarks>Asked through the kernel's socket diagnosis: <c>/proc/net/tcp</c> walks every bucket of all connections, milliseconds on an idle machine.</remarks>
static partial class ListeningSockets
{
    const int RequestLength = 16 + 56;
    const byte Listen = 10;
    static readonly string[] Tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    static readonly byte[] Families = [2 /* AF_INET */, 10 /* AF_INET6 */];

    /// <param name="port">Only sockets on this one; 0 for all.</param>
    public static IReadOnlyList<ListeningSocket> On(int port) =>
        Asked(port) ?? [.. Tabled().Where(socket => port == 0 || socket.Port == port)];

    /// <summary>Null when this kernel does not answer such questions.</summary>
    static List<ListeningSocket>? Asked(int port)
    {
        var kernel = SocketNative(16 /* AF_NETLINK */, 0x80003 /* SOCK_RAW | SOCK_CLOEXEC */, 4 /* NETLINK_SOCK_DIAG */);
        if (kernel < 0)
        {
            return null;
        }

        try
        {
            var found = new List<ListeningSocket>();
            return Array.TrueForAll(Families, family => Ask(kernel, family, port, found)) ? found : null;
        }
        finally
        {
            _ = CloseNative(kernel);
        }
    }

    static bool Ask(int kernel, byte family, int port, List<ListeningSocket> found)
    {
        Span<byte> request = stackalloc byte[RequestLength];
        request.Clear();
        MemoryMarshal.Write(request, RequestLength);
        MemoryMarshal.Write(request[4..], (short)20 /* SOCK_DIAG_BY_FAMILY */);
        MemoryMarshal.Write(request[6..], (short)0x301 /* NLM_F_REQUEST | NLM_F_DUMP */);
        request[16] = family;
        request[17] = 6; // TCP
        MemoryMarshal.Write(request[20..], 1 << Listen);
        BinaryPrimitives.WriteUInt16BigEndian(request[24..], (ushort)port);
        if (SendNative(kernel, request, request.Length, 0) != request.Length)
        {
            return false;
        }

        var buffer = new byte[32 * 1024];
        while ((int)ReceiveNative(kernel, buffer, buffer.Length, 0) is > 0 and var length)
        {
            for (var rest = buffer.AsSpan(0, length); rest.Length >= 16;)
            {
                var size = MemoryMarshal.Read<int>(rest);
                switch (MemoryMarshal.Read<short>(rest[4..]))
                {
                    case 3: // NLMSG_DONE
                        return true;
                    case 2: // NLMSG_ERROR
                        return false;
                }

                found.Add(new ListeningSocket(BinaryPrimitives.ReadUInt16BigEndian(rest[20..]), MemoryMarshal.Read<uint>(rest[(16 + 68)..])));
                rest = rest[Math.Min((size + 3) & ~3, rest.Length)..];
            }
        }

        return false;
    }

    static IEnumerable<ListeningSocket> Tabled() =>
        from table in Tables
        where File.Exists(table)
        from line in File.ReadLines(table).Skip(1)
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 9 && fields[3] == "0A" // LISTEN
        select new ListeningSocket(
            int.Parse(fields[1].AsSpan(fields[1].LastIndexOf(':') + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            ulong.Parse(fields[9], CultureInfo.InvariantCulture));

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int SocketNative(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint SendNative(int socket, ReadOnlySpan<byte> data, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint ReceiveNative(int socket, [Out] byte[] buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseNative(int descriptor);
}
