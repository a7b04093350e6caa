using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace Paas.Receiver.Processes;

/// <summary>Reads what a program prints line by line in bounded memory: a line that never ends is cut into pieces. Bytes that are no UTF-8 become U+FFFD.</summary>
static class LineReader
{
    /// <summary>Bytes of a line that are kept together.</summary>
    public const int Longest = 16 * 1024;

    public static async IAsyncEnumerable<string> ReadAsync(Stream output, [EnumeratorCancellation] CancellationToken ct = default)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Longest);
        try
        {
            var held = 0;
            while (await output.ReadAsync(buffer.AsMemory(held, Longest - held), ct) is > 0 and var read)
            {
                held += read;
                var begin = 0;
                while (buffer.AsSpan(begin, held - begin).IndexOf((byte)'\n') is >= 0 and var length)
                {
                    yield return Text(buffer.AsSpan(begin, length));
                    begin += length + 1;
                }

                if (begin == 0 && held == Longest)
                {
                    yield return Text(buffer.AsSpan(0, held));
                    begin = held;
                }

                held -= begin;
                buffer.AsSpan(begin, held).CopyTo(buffer);
            }

            if (held > 0)
            {
                yield return Text(buffer.AsSpan(0, held));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static string Text(ReadOnlySpan<byte> line) => Encoding.UTF8.GetString(line.EndsWith("\r"u8) ? line[..^1] : line);
}
