using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Processes;

/// <summary>
/// Listening sockets that a service manager opened and hands over (systemd's <c>LISTEN_FDS</c>): they stay open while one receiver ends and the next one starts,
/// so visitors who come in between wait in the kernel's queue instead of being refused.
/// </summary>
static partial class ActivationSockets
{
    const int FirstDescriptor = 3;
    const int SetDescriptorFlags = 2;
    const int CloseOnExec = 1;

    /// <summary>The descriptors by the address they listen at; none when they are meant for another process, or there are none.</summary>
    public static IReadOnlyDictionary<IPEndPoint, int> Take()
    {
        var sockets = new Dictionary<IPEndPoint, int>();
        if (System.Environment.GetEnvironmentVariable("LISTEN_PID") != System.Environment.ProcessId.ToString(CultureInfo.InvariantCulture)
            || !int.TryParse(System.Environment.GetEnvironmentVariable("LISTEN_FDS"), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            return sockets;
        }

        for (var descriptor = FirstDescriptor; descriptor < FirstDescriptor + Math.Min(count, 100); descriptor++)
        {
            // Applications outlive us; one that inherited a listening socket would keep it from everybody.
            if (Control(descriptor, SetDescriptorFlags, CloseOnExec) != 0)
            {
                continue;
            }

            // Not disposed: that would close what is the service manager's.
            var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: false));
            if (socket.LocalEndPoint is IPEndPoint place)
            {
                sockets[place] = descriptor;
            }
        }

        return sockets;
    }

    /// <summary>The descriptor for an address; one that listens at every address of the machine will do. Null when there is none.</summary>
    public static int? For(this IReadOnlyDictionary<IPEndPoint, int> sockets, IPEndPoint place) =>
        sockets.TryGetValue(place, out var exact) ? exact
        : sockets.Where(one => one.Key.Port == place.Port && (one.Key.Address.Equals(IPAddress.Any) || one.Key.Address.Equals(IPAddress.IPv6Any))).Select(one => (int?)one.Value).FirstOrDefault();

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, int argument);
}
