using System.Buffers;
using System.Net.Sockets;

namespace Paas.Receiver.Routing;

/// <summary>
/// After 101: bytes both ways, nothing understood, until either side ends. A sleeping tunnel holds no buffer; ten thousand of them must fit into little memory.
/// </summary>
sealed class Tunnel(Stream visitor, UpstreamConnection application)
{
    const int Piece = 16 * 1024;

    public async Task RunAsync()
    {
        if (application.HasBuffered)
        {
            await visitor.WriteAsync(application.Buffered);
        }

        application.DropBuffer();
        using var stop = new CancellationTokenSource();
        var toApplication = ToApplicationAsync(stop.Token);
        try
        {
            await ToVisitorAsync();
        }
        finally
        {
            await stop.CancelAsync();
            application.Dispose();
            await toApplication;
        }
    }

    async Task ToVisitorAsync()
    {
        while (true)
        {
            await application.WaitForDataAsync();
            var buffer = ArrayPool<byte>.Shared.Rent(Piece);
            try
            {
                var count = await application.ReceiveAsync(buffer.AsMemory());
                if (count == 0)
                {
                    return;
                }

                await visitor.WriteAsync(buffer.AsMemory(0, count));
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    // The visitor's end is passed on as an end, not as a break: the application may still have something to say.
    async Task ToApplicationAsync(CancellationToken ct)
    {
        try
        {
            while (true)
            {
                _ = await visitor.ReadAsync(Memory<byte>.Empty, ct); // waits
                var buffer = ArrayPool<byte>.Shared.Rent(Piece);
                try
                {
                    var count = await visitor.ReadAsync(buffer, ct);
                    if (count == 0)
                    {
                        application.EndSending();
                        return;
                    }

                    await application.SendAsync(buffer.AsMemory(0, count));
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            application.Dispose(); // one side broke: so does the other
        }
    }
}
