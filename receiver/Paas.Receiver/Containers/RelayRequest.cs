using System.Globalization;
using System.Net;
using System.Text;

namespace Paas.Receiver.Containers;

/// <summary>One request to an engine as a client sent it, read distrustfully: its head is bounded, and its body is exactly as long as it says of itself.</summary>
/// <param name="Segments">Of the path, without the version, percent-encoding resolved. None is empty, '.' or '..'.</param>
/// <param name="Version"><c>v1.41</c>; null for none.</param>
/// <param name="Upgrades">It asks for the connection itself: attach and exec.</param>
/// <param name="Type">The body's type.</param>
sealed record RelayRequest(
    string Method, string[] Segments, string? Version, IReadOnlyList<(string Name, string Value)> Query, bool Upgrades, string? Type, Stream Body)
{
    const int LongestHead = 64 * 1024;
    const int LongestDocument = 1 << 20;

    /// <summary>The last value of a name, as the engine reads it; null where there is none.</summary>
    public string? this[string name] => Query.LastOrDefault(one => one.Name == name).Value;

    /// <summary>All of a body that is a document.</summary>
    /// <exception cref="RelayRefusedException">It is too long.</exception>
    public async Task<byte[]> DocumentAsync(CancellationToken ct)
    {
        var document = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await Body.ReadAsync(buffer, ct) is > 0 and var read)
        {
            document.Write(buffer, 0, read);
            if (document.Length > LongestDocument)
            {
                throw new RelayRefusedException("the request is too long", HttpStatusCode.RequestEntityTooLarge);
            }
        }

        return document.ToArray();
    }

    /// <summary>Null where the client went away before it asked for anything.</summary>
    /// <exception cref="RelayRefusedException">It is no request that could be read.</exception>
    public static async Task<RelayRequest?> ReadAsync(Stream from, CancellationToken ct)
    {
        var buffer = new byte[LongestHead];
        var have = 0;
        int end;
        while ((end = buffer.AsSpan(0, have).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (have == buffer.Length)
            {
                throw new RelayRefusedException("the head of the request is too long", HttpStatusCode.RequestHeaderFieldsTooLarge);
            }

            var read = await from.ReadAsync(buffer.AsMemory(have), ct);
            if (read == 0)
            {
                return have == 0 ? null : throw Unreadable();
            }

            have += read;
        }

        var lines = Encoding.Latin1.GetString(buffer, 0, end).Split("\r\n");
        if (lines[0].Split(' ') is not [{ Length: > 0 } method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"] || lines.Any(line => line.Contains('\n', StringComparison.Ordinal) || line.Contains('\0', StringComparison.Ordinal)))
        {
            throw Unreadable();
        }

        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in lines.Skip(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);

            // What is there twice could be read in two ways, and a body's length in none.
            if (colon <= 0 || line[0] is ' ' or '\t' || line[colon - 1] is ' ' or '\t' || !headers.TryAdd(line[..colon], line[(colon + 1)..].Trim()))
            {
                throw Unreadable();
            }
        }

        var rest = buffer.AsMemory(end + 4, have - end - 4);
        var (version, segments) = Path(target.Split('?')[0]);
        return new RelayRequest(method, segments, version, QueryOf(target), headers.ContainsKey("Upgrade"), headers.GetValueOrDefault("Content-Type"), BodyOf(headers, rest, from));
    }

    static Stream BodyOf(Dictionary<string, string> headers, ReadOnlyMemory<byte> rest, Stream from) =>
        (headers.GetValueOrDefault("Transfer-Encoding"), headers.GetValueOrDefault("Content-Length")) switch
        {
            (null, null) => Stream.Null,
            (null, { } digits) => long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var length) ? new RelayBody(rest, from, length) : throw Unreadable(),
            ({ } coding, null) => coding.Equals("chunked", StringComparison.OrdinalIgnoreCase) ? new RelayBody(rest, from, null) : throw Unreadable(),
            _ => throw Unreadable(),
        };

    static (string? Version, string[] Segments) Path(string path)
    {
        var segments = path[1..].Split('/').Select(Uri.UnescapeDataString).ToArray();
        if (Array.Exists(segments, segment => segment is "" or "." or ".." || segment.Any(char.IsControl)))
        {
            throw Unreadable();
        }

        var version = segments[0] is ['v', '1', '.', .. { Length: > 0 and < 4 } minor] && minor.All(char.IsAsciiDigit) ? segments[0] : null;
        return (version, version is null ? segments : segments[1..]);
    }

    static List<(string, string)> QueryOf(string target)
    {
        var at = target.IndexOf('?', StringComparison.Ordinal);
        return at < 0 ? []
            : [.. target[(at + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2)).Select(pair => (Plain(pair[0]), pair.Length == 2 ? Plain(pair[1]) : ""))];

        static string Plain(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
    }

    static RelayRefusedException Unreadable() => new("this is no request that the relay can read", HttpStatusCode.BadRequest);
}

/// <summary>Why a build does not get what it asked the engine for.</summary>
sealed class RelayRefusedException(string message, HttpStatusCode status = HttpStatusCode.Forbidden) : Exception(message)
{
    public HttpStatusCode Status => status;
}

/// <summary>The body of a request: so many bytes, or chunks up to the last one. Never reads behind its end.</summary>
/// <param name="begun">What was read along with the head.</param>
/// <param name="length">Null for chunks.</param>
sealed class RelayBody(ReadOnlyMemory<byte> begun, Stream from, long? length) : Stream
{
    const int LongestLine = 1024;

    ReadOnlyMemory<byte> ahead = begun;
    long left = length ?? 0;
    bool isOver = length == 0;
    bool hasBegun;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (left == 0 && !isOver)
        {
            await NextAsync(cancellationToken);
        }

        if (isOver || buffer.Length == 0)
        {
            return 0;
        }

        var read = await SomeAsync(buffer[..(int)Math.Min(buffer.Length, left)], cancellationToken);
        left -= read;
        isOver = left == 0 && length is not null;
        return read > 0 ? read : throw new IOException("the client went away in the middle of a request");
    }

    /// <summary>The head of the next chunk, or the end of all of them.</summary>
    async Task NextAsync(CancellationToken ct)
    {
        if (hasBegun && (await LineAsync(ct)).Length > 0)
        {
            throw new IOException("a chunk of the request is longer than it said");
        }

        hasBegun = true;
        var size = (await LineAsync(ct)).Split(';')[0].Trim();
        if (size.Length > 15 || !long.TryParse(size, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out left))
        {
            throw new IOException("a chunk of the request does not say how long it is");
        }

        while (left == 0 && !isOver)
        {
            isOver = (await LineAsync(ct)).Length == 0; // trailers are nobody's
        }
    }

    async Task<string> LineAsync(CancellationToken ct)
    {
        var line = new StringBuilder();
        var one = new byte[1];
        while (await SomeAsync(one, ct) == 1 && one[0] != '\n')
        {
            if (line.Append((char)one[0]).Length > LongestLine)
            {
                throw new IOException("a line of the request is too long");
            }
        }

        return one[0] == '\n' ? line.ToString().TrimEnd('\r') : throw new IOException("the client went away in the middle of a request");
    }

    async ValueTask<int> SomeAsync(Memory<byte> buffer, CancellationToken ct)
    {
        if (ahead.Length == 0)
        {
            return await from.ReadAsync(buffer, ct);
        }

        var taken = Math.Min(ahead.Length, buffer.Length);
        ahead[..taken].CopyTo(buffer);
        ahead = ahead[taken..];
        return taken;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
