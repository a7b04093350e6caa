using System.Buffers.Binary;
using System.Net;
using System.Text;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Ssh;

/// <summary>What <c>hooks/ssh-relay</c> says of who has come and what for.</summary>
/// <param name="HasTerminal">sshd has made one.</param>
/// <param name="Command">The line that was typed after the host's name; empty for none.</param>
sealed record Visit(long Key, IPAddress From, bool HasTerminal, string Terminal, string Language, string? GitProtocol, string Command)
{
    const int Longest = 128 * 1024;

    /// <exception cref="InvalidDataException">It is none of ours.</exception>
    public static async Task<Visit> ReadAsync(Stream stream, CancellationToken ct)
    {
        var head = new byte[4];
        await stream.ReadExactlyAsync(head, ct);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head);
        if (length > Longest)
        {
            throw new InvalidDataException("The request is too long.");
        }

        var body = new byte[length];
        await stream.ReadExactlyAsync(body, ct);
        return Encoding.UTF8.GetString(body).Split('\0') is [var key, var address, var tty, var term, var lang, var protocol, var command, ""] && long.TryParse(key, out var id)
            ? new Visit(id, IPAddress.TryParse(address, out var from) ? from : IPAddress.None, tty == "tty", Plain(term), Plain(lang), protocol.Length == 0 ? null : protocol, command)
            : throw new InvalidDataException("The request is malformed.");
    }

    // They become variables of a shell's environment: a terminal's and a locale's name is all they may be.
    static string Plain(string text) => text.Length <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@' or '+') ? text : "";
}

/// <summary>The way back to a visitor, through <c>hooks/ssh-relay</c>. Any number of threads may speak.</summary>
sealed class VisitAnswer(Stream stream) : IDisposable
{
    readonly SemaphoreSlim oneAtATime = new(1);

    public Stream Output => new Part(this, 'o');

    public Stream Error => new Part(this, 'e');

    /// <summary>From here on the stream brings what the visitor sends.</summary>
    public Task BeginInputAsync(CancellationToken ct) => SendAsync('s', ReadOnlyMemory<byte>.Empty, ct);

    /// <summary>The relay becomes this command's parent and gives it the visitor's terminal; returns its exit code, 129 when the visitor went away.</summary>
    public Task<int> RunThereAsync(Command command, CancellationToken ct) => RunThereAsync('r', command, ct);

    /// <summary>The same, and the visit goes on behind it.</summary>
    public Task<int> RunThereAndStayAsync(Command command, CancellationToken ct) => RunThereAsync('R', command, ct);

    async Task<int> RunThereAsync(char kind, Command command, CancellationToken ct)
    {
        string[] words = [command.Directory ?? "/", command.Environment.Count.ToString(), .. command.Environment.Select(pair => $"{pair.Key}={pair.Value}"), command.Program, .. command.Arguments];
        await SendAsync(kind, Encoding.UTF8.GetBytes(string.Concat(words.Select(word => word + "\0"))), ct);
        using var reader = new StreamReader(stream, leaveOpen: true);
        return int.TryParse(await reader.ReadLineAsync(ct), out var code) ? code : 129;
    }

    public Task EndAsync(int code, CancellationToken ct) => SendAsync('x', Encoding.ASCII.GetBytes(code.ToString()), ct);

    public void Dispose() => oneAtATime.Dispose();

    async Task SendAsync(char kind, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        var frame = Frame(kind, bytes.Span);
        await oneAtATime.WaitAsync(ct);
        try
        {
            await stream.WriteAsync(frame, ct);
        }
        finally
        {
            oneAtATime.Release();
        }
    }

    void Send(char kind, ReadOnlySpan<byte> bytes)
    {
        var frame = Frame(kind, bytes);
        oneAtATime.Wait();
        try
        {
            stream.Write(frame);
        }
        finally
        {
            oneAtATime.Release();
        }
    }

    static byte[] Frame(char kind, ReadOnlySpan<byte> bytes)
    {
        var frame = new byte[5 + bytes.Length];
        frame[0] = (byte)kind;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)bytes.Length);
        bytes.CopyTo(frame.AsSpan(5));
        return frame;
    }

    /// <summary>One of the visitor's two outputs.</summary>
    sealed class Part(VisitAnswer answer, char kind) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Length > 0)
            {
                await answer.SendAsync(kind, buffer, cancellationToken);
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        // What prints help texts writes so.
        public override void Write(byte[] buffer, int offset, int count)
        {
            if (count > 0)
            {
                answer.Send(kind, buffer.AsSpan(offset, count));
            }
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
