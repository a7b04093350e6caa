using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections.Features;

namespace Paas.Receiver.Routing;

/// <summary>
/// What arrives on a socket goes on being handled on the thread that learned of its arrival, instead of being handed to another: measured, 18 instead of 33 µs of
/// processor time a request (decision 0022). The runtime offers this only for the whole process (DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS), where a blocking call
/// elsewhere could stall it; this reaches the same switch for the router's own sockets, and takes it back from a visitor who turns to the control plane.
/// Where the runtime has it no more, nothing but speed is lost.
/// </summary>
static class InlineCompletions
{
    const string ThreadCount = "DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT";

    // A few threads learn of all arrivals; where there are many processors they would be the narrow place.
    static bool unwanted = System.Environment.ProcessorCount > 4;

    /// <summary>Before the first socket: as many threads wait for arrivals as there are processors, so that one visitor's work does not wait for another's.</summary>
    public static void PrepareProcess()
    {
        if (unwanted || System.Environment.GetEnvironmentVariable(ThreadCount) is not null)
        {
            return;
        }

#pragma warning disable RS0030 // The runtime asks for it nowhere else. It is read by the first socket that waits and is gone before anything is started that could inherit it.
        System.Environment.SetEnvironmentVariable(ThreadCount, System.Environment.ProcessorCount.ToString());
        using (var first = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
        {
            first.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
            _ = first.ReceiveAsync(new byte[1], SocketFlags.None);
        }

        System.Environment.SetEnvironmentVariable(ThreadCount, null);
#pragma warning restore RS0030
    }

    public static void Prefer(Socket socket) => Set(socket, value: true);

    /// <summary>This visitor's next bytes are handled on the pool: what handles them may block, and must not block everybody.</summary>
    public static void Leave(HttpContext context)
    {
        if (context.Features.Get<IConnectionSocketFeature>() is { } connection)
        {
            Set(connection.Socket, value: false);
        }
    }

    static void Set(Socket socket, bool value)
    {
        if (unwanted)
        {
            return;
        }

        try
        {
            SetPreferInlineCompletions(socket.SafeHandle, value);
        }
        catch (MissingMethodException)
        {
            unwanted = true;
        }
        catch (ObjectDisposedException)
        {
            // gone already
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_PreferInlineCompletions")]
    static extern void SetPreferInlineCompletions(SafeSocketHandle handle, bool value);
}
