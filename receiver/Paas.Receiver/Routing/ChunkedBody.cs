using System.Buffers;
using System.Text;

namespace Paas.Receiver.Routing;

/// <summary>
/// Takes chunked framing (RFC 9112, 7.1) off a stream of bytes that may be cut anywhere. The payload is moved to the front of what is handed in,
/// so that any number of small chunks leave as one piece.
/// </summary>
sealed class ChunkedBody
{
    const int LongestLine = 16 * 1024;
    const int LongestTrailers = 32 * 1024;

    readonly ArrayBufferWriter<byte> trailers = new(256);
    Expecting expecting = Expecting.Size;
    long left;
    int digits;
    int line;
    bool lineHasText;

    enum Expecting
    {
        Size, Extension, SizeFeed, Data, DataReturn, DataFeed, Trailer, TrailerFeed, Nothing,
    }

    public bool IsComplete => expecting == Expecting.Nothing;

    /// <summary>The trailer lines, once complete.</summary>
    public IEnumerable<(string Name, string Value)> Trailers
    {
        get
        {
            foreach (var text in Encoding.Latin1.GetString(trailers.WrittenSpan).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var colon = text.IndexOf(':', StringComparison.Ordinal);
                if (colon > 0)
                {
                    yield return (text[..colon], text[(colon + 1)..].Trim(' ', '\t', '\r'));
                }
            }
        }
    }

    /// <summary>Returns how many bytes of payload now stand at the front, and how many bytes of the input were used; the rest lies after the end of the body.</summary>
    /// <exception cref="BadAnswerException">It is not chunked framing.</exception>
    public int Take(Span<byte> data, out int used)
    {
        var payload = 0;
        used = 0;
        while (used < data.Length && expecting != Expecting.Nothing)
        {
            if (expecting == Expecting.Data)
            {
                var count = (int)Math.Min(left, data.Length - used);
                if (payload != used)
                {
                    data.Slice(used, count).CopyTo(data[payload..]);
                }

                payload += count;
                used += count;
                left -= count;
                expecting = left == 0 ? Expecting.DataReturn : Expecting.Data;
            }
            else
            {
                Step(data[used++]);
            }
        }

        return payload;
    }

    void Step(byte b)
    {
        switch (expecting)
        {
            case Expecting.Size:
                Size(b);
                break;
            case Expecting.Extension:
                if (b == '\r')
                {
                    expecting = Expecting.SizeFeed;
                }
                else if (b == '\n' || ++line > LongestLine)
                {
                    throw new BadAnswerException("a chunk's size line");
                }

                break;
            case Expecting.SizeFeed:
                Must(b == '\n');
                expecting = left == 0 ? Expecting.Trailer : Expecting.Data;
                (digits, line, lineHasText) = (0, 0, false);
                break;
            case Expecting.DataReturn:
                Must(b == '\r');
                expecting = Expecting.DataFeed;
                break;
            case Expecting.DataFeed:
                Must(b == '\n');
                expecting = Expecting.Size;
                break;
            case Expecting.Trailer:
                Trailer(b);
                break;
            case Expecting.TrailerFeed:
                Must(b == '\n');
                trailers.Write("\n"u8);
                expecting = lineHasText ? Expecting.Trailer : Expecting.Nothing;
                lineHasText = false;
                break;
        }
    }

    void Size(byte b)
    {
        if (char.IsAsciiHexDigit((char)b) && digits < 15)
        {
            left = (left << 4) | (b <= '9' ? b - (uint)'0' : (b | 0x20u) - 'a' + 10);
            digits++;
        }
        else
        {
            Must(digits > 0 && (b is (byte)'\r' or (byte)';' or (byte)' ' or (byte)'\t'));
            expecting = b == '\r' ? Expecting.SizeFeed : Expecting.Extension;
        }
    }

    void Trailer(byte b)
    {
        if (b == '\r')
        {
            expecting = Expecting.TrailerFeed;
            return;
        }

        Must((b is >= 0x20 or (byte)'\t') && trailers.WrittenCount < LongestTrailers);
        trailers.Write([b]);
        lineHasText = true;
    }

    static void Must(bool holds)
    {
        if (!holds)
        {
            throw new BadAnswerException("the chunked framing is broken");
        }
    }
}
