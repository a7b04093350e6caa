using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Paas.Receiver.Routing;

/// <summary>
/// The head of an application's answer: status, headers and how long the body is (RFC 9112, 6.3). Used again for every answer of a connection;
/// lines that were in the last answer too are recognised by their bytes and cost no new strings.
/// </summary>
sealed class ResponseHead
{
    const int MostHeaders = 256;
    const int LongestRemembered = 256;

    static readonly SearchValues<byte> NameBytes =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    readonly List<Line> lines = [];
    int count;

    public int Status { get; private set; }

    /// <summary>The words after the status.</summary>
    public string Reason { get; private set; } = "";

    public ReadOnlySpan<Line> Lines => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(lines)[..count];

    /// <summary>The declared length in bytes, or null.</summary>
    public long? ContentLength { get; private set; }

    public bool IsChunked { get; private set; }

    /// <summary>The application keeps the connection open after this answer.</summary>
    public bool KeepsAlive { get; private set; }

    /// <summary>The <c>Connection</c> header.</summary>
    public string? Connection { get; private set; }

    public bool HasTrailer { get; private set; }

    public bool IsInterim => Status is >= 100 and < 200 and not 101;

    /// <summary>How many bytes the first complete head has, its blank line included; 0 when it is not complete. What was searched is not searched again.</summary>
    public static int LengthOf(ReadOnlySpan<byte> data, ref int searched)
    {
        while (searched < data.Length)
        {
            var feed = data[searched..].IndexOf((byte)'\n');
            if (feed < 0)
            {
                searched = data.Length;
                return 0;
            }

            var next = searched + feed + 1;
            if (next < data.Length && data[next] == '\n')
            {
                return next + 1;
            }

            if (next + 1 < data.Length && data[next] == '\r' && data[next + 1] == '\n')
            {
                return next + 2;
            }

            if (next + 1 >= data.Length)
            {
                return 0; // the line after this one has not come yet
            }

            searched = next;
        }

        return 0;
    }

    /// <summary>Reads a complete head.</summary>
    /// <exception cref="BadAnswerException">It breaks a rule that keeps two programs agreed on where an answer ends.</exception>
    public void Read(ReadOnlySpan<byte> head)
    {
        count = 0;
        ContentLength = null;
        IsChunked = false;
        Connection = null;
        HasTrailer = false;
        var rest = head;
        var minor = ReadStatus(NextLine(ref rest));
        for (var line = NextLine(ref rest); line.Length > 0; line = NextLine(ref rest))
        {
            Understand(Remember(line));
        }

        if (IsChunked && ContentLength is not null)
        {
            throw new BadAnswerException("both Content-Length and Transfer-Encoding");
        }

        KeepsAlive = minor == 1
            ? !HeaderRules.Lists(Connection, "close")
            : HeaderRules.Lists(Connection, "keep-alive") && !IsChunked;
    }

    static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> rest)
    {
        var feed = rest.IndexOf((byte)'\n');
        var line = rest[..feed];
        rest = rest[(feed + 1)..];
        return line.Length > 0 && line[^1] == '\r' ? line[..^1] : line;
    }

    int ReadStatus(ReadOnlySpan<byte> line)
    {
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' '
            || !Utf8Parser.TryParse(line[9..12], out int status, out var digits) || digits != 3 || status < 100
            || (line.Length > 12 && line[12] != ' '))
        {
            throw new BadAnswerException("the answer does not begin with an HTTP/1.1 status line");
        }

        Status = status;
        var reason = line.Length > 13 ? line[13..] : default;
        if (!Ascii.Equals(reason, Reason))
        {
            Reason = reason.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? "" : Encoding.ASCII.GetString(reason);
        }

        return line[7] - '0';
    }

    Line Remember(ReadOnlySpan<byte> raw)
    {
        if (count == MostHeaders)
        {
            throw new BadAnswerException($"more than {MostHeaders} header lines");
        }

        if (count < lines.Count && raw.SequenceEqual(lines[count].Raw))
        {
            return lines[count++];
        }

        var line = Parse(raw);
        if (count < lines.Count)
        {
            lines[count++] = line;
        }
        else
        {
            lines.Add(line);
            count++;
        }

        return line;
    }

    static Line Parse(ReadOnlySpan<byte> raw)
    {
        var colon = raw.IndexOf((byte)':');
        if (colon <= 0 || raw[..colon].ContainsAnyExcept(NameBytes))
        {
            throw new BadAnswerException("a header line without a proper name");
        }

        var value = raw[(colon + 1)..].Trim(" \t"u8);
        if (value.IndexOfAnyInRange((byte)0, (byte)0x1f) >= 0 && HasControl(value))
        {
            throw new BadAnswerException("a control character in a header");
        }

        var name = Encoding.ASCII.GetString(raw[..colon]);
        return new Line(raw.Length <= LongestRemembered ? raw.ToArray() : [], name, Encoding.Latin1.GetString(value), HeaderRules.OfResponse(name));
    }

    static bool HasControl(ReadOnlySpan<byte> value)
    {
        foreach (var b in value)
        {
            if (b < 0x20 && b != '\t')
            {
                return true;
            }
        }

        return false;
    }

    void Understand(Line line)
    {
        switch (line.Rule)
        {
            case HeaderRule.Connection:
                Connection = Connection is null ? line.Value : $"{Connection},{line.Value}";
                break;
            case HeaderRule.Framing when line.Name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase):
                var length = LengthIn(line.Value);
                if (ContentLength is not null && ContentLength != length)
                {
                    throw new BadAnswerException("two different Content-Length");
                }

                ContentLength = length;
                break;
            case HeaderRule.Framing:
                if (IsChunked || !line.Value.Equals("chunked", StringComparison.OrdinalIgnoreCase))
                {
                    throw new BadAnswerException($"Transfer-Encoding '{line.Value}'");
                }

                IsChunked = true;
                break;
            default:
                HasTrailer |= line.Name.Equals("Trailer", StringComparison.OrdinalIgnoreCase);
                break;
        }
    }

    static long LengthIn(string value)
    {
        long? length = null;
        foreach (var range in value.AsSpan().Split(','))
        {
            var part = value.AsSpan(range).Trim(" \t");
            if (part.Length is 0 or > 18 || part.ContainsAnyExceptInRange('0', '9') || (length is not null && length != long.Parse(part)))
            {
                throw new BadAnswerException($"Content-Length '{value}'");
            }

            length = long.Parse(part);
        }

        return length ?? throw new BadAnswerException("an empty Content-Length");
    }

    /// <summary>One header line; its bytes, to know it again.</summary>
    internal sealed record Line(byte[] Raw, string Name, string Value, HeaderRule Rule);
}
