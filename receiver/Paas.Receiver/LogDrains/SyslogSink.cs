using System.Net.Security;
using System.Net.Sockets;

namespace Paas.Receiver.LogDrains;

/// <summary>Syslog over TCP, or over TLS (RFC 5425).</summary>
sealed class SyslogSink : IDrainSink
{
    readonly Socket socket;
    readonly Stream stream;

    SyslogSink(Socket socket, Stream stream)
    {
        this.socket = socket;
        this.stream = stream;
    }

    public static async Task<SyslogSink> OpenAsync(DrainAddress address, CancellationToken ct)
    {
        var plain = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            plain.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            await plain.ConnectAsync(address.Url.IdnHost, address.Port, ct);
            Stream way = new NetworkStream(plain, ownsSocket: true);
            if (address.IsTls)
            {
                var secure = new SslStream(way);
                await secure.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = address.Url.IdnHost }, ct);
                way = secure;
            }

            return new SyslogSink(plain, way);
        }
        catch
        {
            plain.Dispose();
            throw;
        }
    }

    public async Task SendAsync(IReadOnlyList<byte[]> frames, CancellationToken ct)
    {
        // Syslog's other end never says a word. That it has gone shows only when asked; a write into a closed connection succeeds once.
        if (socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0)
        {
            throw new IOException("the other end has closed the connection");
        }

        await stream.WriteAsync(frames.SelectMany(frame => frame).ToArray(), ct);
        await stream.FlushAsync(ct);
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
