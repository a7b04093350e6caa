using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Paas.Receiver.Api;

/// <summary>
/// The answer of a command that runs: frames of one byte that says what it is (1 output, 2 error output, 0 the end), four bytes of length (big endian) and the bytes; the end carries the exit
/// code as a decimal number. Any number of threads may send; once nobody listens any more what is sent goes nowhere.
/// </summary>
sealed class FrameStream : IDisposable
{
    public const string MediaType = "application/vnd.paas.run";

    readonly SemaphoreSlim turn = new(1);
    readonly HttpContext context;

    FrameStream(HttpContext context) => this.context = context;

    public static async Task<FrameStream> BeginAsync(HttpContext context)
    {
        context.Response.ContentType = MediaType;
        await context.Response.Body.FlushAsync(context.RequestAborted);
        return new FrameStream(context);
    }

    public Task SendAsync(bool error, ReadOnlyMemory<byte> bytes) => SendAsync(error ? (byte)2 : (byte)1, bytes);

    public Task SayAsync(string line) => SendAsync(1, Encoding.UTF8.GetBytes(line + "\n"));

    public Task EndAsync(int code) => SendAsync(0, Encoding.ASCII.GetBytes(code.ToString(CultureInfo.InvariantCulture)));

    public void Dispose() => turn.Dispose();

    async Task SendAsync(byte kind, ReadOnlyMemory<byte> bytes)
    {
        await turn.WaitAsync(CancellationToken.None);
        try
        {
            var head = new byte[5];
            head[0] = kind;
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), bytes.Length);
            await context.Response.Body.WriteAsync(head, context.RequestAborted);
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Nobody listens any more: what runs is being ended for it, or goes on for its own reasons.
        }
        finally
        {
            turn.Release();
        }
    }
}
