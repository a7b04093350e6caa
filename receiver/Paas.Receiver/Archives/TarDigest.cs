using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>The content digest of a tar stream that <see cref="TarSink"/> wrote, without unpacking it. Of anybody else's it may be refused, or be another digest than that of what it unpacks to.</summary>
static class TarDigest
{
    const int Block = 512;
    const int LongestHeader = 1 << 20;
    const int ReadAtOnce = 1 << 20;

    /// <exception cref="Refusal">It is cut off, or not as <see cref="TarSink"/> writes.</exception>
    public static string Read(Stream tar, CancellationToken ct)
    {
        using var buffered = new BufferedStream(tar, ReadAtOnce);
        using var digest = new ContentDigest();
        var (header, buffer) = (new byte[Block], new byte[ReadAtOnce]);
        var extended = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            Fill(buffered, header);
            if (!header.AsSpan().ContainsAnyExcept((byte)0))
            {
                ReadOut(buffered, buffer);
                return digest.Finish();
            }

            var size = extended.TryGetValue("size", out var written) ? Number(written, 10) : Number(Text(header.AsSpan(124, 12)), 8);
            if (header[156] == (byte)'x')
            {
                extended = Records(Content(buffered, size));
                continue;
            }

            var path = extended.GetValueOrDefault("path") ?? PathOf(header);
            digest.Add(header[156] switch
            {
                (byte)'5' => ContentDigest.Entry(ContentDigest.Directory, path, 0, []),
                (byte)'2' => ContentDigest.Entry(ContentDigest.Link, path, 0, extended.GetValueOrDefault("linkpath") ?? Text(header.AsSpan(157, 100)).ToArray()),
                (byte)'0' => ContentDigest.Entry(IsExecutable(header) ? ContentDigest.Executable : ContentDigest.File, path, size, HashOf(buffered, size, buffer)),
                _ => throw NotOurs(),
            });
            extended = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        }
    }

    static bool IsExecutable(byte[] header) => (Number(Text(header.AsSpan(100, 8)), 8) & 0x40) != 0;

    static byte[] HashOf(BufferedStream tar, long size, byte[] buffer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var left = size; left > 0;)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
            Fill(tar, part);
            hash.AppendData(part);
            left -= part.Length;
        }

        Fill(tar, buffer.AsSpan(0, (int)(-size & (Block - 1))));
        return hash.GetHashAndReset();
    }

    static byte[] Content(BufferedStream tar, long size)
    {
        if (size > LongestHeader)
        {
            throw NotOurs();
        }

        var content = new byte[size + (-size & (Block - 1))];
        Fill(tar, content);
        return content[..(int)size];
    }

    static Dictionary<string, byte[]> Records(ReadOnlySpan<byte> records)
    {
        var found = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        while (!records.IsEmpty)
        {
            var (space, equals) = (records.IndexOf((byte)' '), records.IndexOf((byte)'='));
            var length = space > 0 ? Number(records[..space], 10) : 0;
            if (equals <= space || length <= equals + 1 || length > records.Length)
            {
                throw NotOurs();
            }

            found[Encoding.ASCII.GetString(records[(space + 1)..equals])] = records[(equals + 1)..((int)length - 1)].ToArray();
            records = records[(int)length..];
        }

        return found;
    }

    static byte[] PathOf(ReadOnlySpan<byte> header)
    {
        var name = Text(header[..100]);
        var prefix = Text(header.Slice(345, 155));
        return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
    }

    static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> field) => field.IndexOf((byte)0) is >= 0 and var end ? field[..end] : field;

    static long Number(ReadOnlySpan<byte> digits, int system)
    {
        var value = 0L;
        foreach (var digit in digits)
        {
            value = digit - '0' is >= 0 and var d && d < system && value < long.MaxValue / 16 ? (value * system) + d : throw NotOurs();
        }

        return value;
    }

    static void ReadOut(BufferedStream tar, byte[] buffer)
    {
        for (int count; (count = tar.Read(buffer)) > 0;)
        {
            if (buffer.AsSpan(0, count).ContainsAnyExcept((byte)0))
            {
                throw NotOurs();
            }
        }
    }

    static void Fill(BufferedStream tar, Span<byte> bytes)
    {
        if (tar.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new Refusal(Unpacking.CutOff);
        }
    }

    static Refusal NotOurs() => new("The archive is not as this receiver writes them.");
}
