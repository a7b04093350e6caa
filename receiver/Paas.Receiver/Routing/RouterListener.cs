using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Paas.Receiver.Certificates;

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

    /// <summary>Visitors who come here speak TLS, HTTP/2 or HTTP/1.1; the name they ask for chooses the certificate.</summary>
    public static void Secure(ListenOptions listen, CertificateStore certificates)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = hello => ValueTask.FromResult(certificates.For(hello.ClientHelloInfo.ServerName)),
            HandshakeTimeout = TimeSpan.FromSeconds(10),
        });
    }

    /// <summary>Visitors who come here in plain HTTP are served on the thread that hears them. Not for TLS: a handshake computes, and all others would wait for it.</summary>
    public static ListenOptions Prepare(ListenOptions listen)
    {
        listen.Use(next => connection =>
        {
            if (connection.Features.Get<IConnectionSocketFeature>() is { } visitor)
            {
                InlineCompletions.Prefer(visitor.Socket);
            }

            return next(connection);
        });
        return listen;
    }
}
