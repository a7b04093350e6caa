using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Paas.Receiver.Routing;

/// <summary>What Kestrel must be told for the router to do its job: once, where the server is built.</summary>
static class RouterListener
{
    /// <summary>Headers pass as the bytes they are, and nothing is added to an application's own.</summary>
    public static void Prepare(KestrelServerOptions server)
    {
        server.AddServerHeader = false;
        server.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
        server.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;
    }

    /// <summary>A request is handled on the pool's thread that received it, not handed on to a second and a third.</summary>
    public static void Prepare(SocketTransportOptions sockets) => sockets.UnsafePreferInlineScheduling = true;
}
