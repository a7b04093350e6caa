using System.Text;

namespace Paas.Receiver.ServerBackups;

/// <summary>One entry of a tar stream.</summary>
/// <param name="Kind">The type flag: <c>0</c> file, <c>1</c> hard link, <c>2</c> symbolic link, <c>5</c> directory, <c>6</c> pipe; others as they are.</param>
/// <param name="Name">Its bytes as Latin 1: two names are the same exactly when their bytes are.</param>
sealed record TarHeader(char Kind, string Name, string Target, long Size);

/// <summary>
/// The headers of a tar stream in POSIX's format, read as strictly as can be: whatever another program might read differently is refused. The framework's reader takes a line break
/// in a name, or a byte in an attribute, for the end of a record.
/// </summary>
/// <exception cref="InvalidDataException">It is no such stream.</exception>
sealed class TarHeaders(Stream stream)
{
    const int Block = 512;
    const int LargestExtension = 1 << 20;

    readonly byte[] block = new byte[Block];
    long left;

    /// <summary>Skips to the next entry; null at the end.</summary>
    public async Task<TarHeader?> NextAsync(CancellationToken ct)
    {
        await SkipAsync(ct);
        var extension = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await stream.ReadAtLeastAsync(block, Block, throwOnEndOfStream: false, ct) == Block)
        {
            if (!block.AsSpan().ContainsAnyExcept((byte)0))
            {
                await RefuseMoreAsync(ct);
                return null;
            }

            var size = Number(124, 12);
            if (size < 0 || Number(148, 8) != block.Sum(one => (long)one) - block.AsSpan(148, 8).ToArray().Sum(one => (long)one) + (8 * ' ') || !block.AsSpan(257, 6).SequenceEqual("ustar\0"u8))
            {
                throw new InvalidDataException("a header of it is damaged");
            }

            var kind = block[156] == 0 ? '0' : (char)block[156];
            if (kind == 'x')
            {
                Extend(extension, await ContentAsync(size, ct));
                continue;
            }

            var (prefix, name) = (Text(345, 155), Text(0, 100));
            var header = new TarHeader(
                kind,
                extension.GetValueOrDefault("path") ?? (prefix.Length > 0 ? $"{prefix}/{name}" : name),
                extension.GetValueOrDefault("linkpath") ?? Text(157, 100),
                extension.TryGetValue("size", out var large) ? long.TryParse(large, System.Globalization.CultureInfo.InvariantCulture, out var bytes) && bytes >= 0 ? bytes : throw new InvalidDataException("a size in it is none") : size);
            left = kind == '0' ? Padded(header.Size) : 0;
            return kind == '0' || header.Size == 0 ? header : throw new InvalidDataException("an entry that is no file has content");
        }

        throw new InvalidDataException("it has no end");
    }

    /// <summary>The content of the entry that was read last.</summary>
    public async Task<byte[]> ContentAsync(TarHeader header, CancellationToken ct)
    {
        left = 0;
        return await ContentAsync(header.Size, ct);
    }

    async Task<byte[]> ContentAsync(long size, CancellationToken ct)
    {
        if (size > LargestExtension)
        {
            throw new InvalidDataException("an extension in it is too large");
        }

        var content = new byte[Padded(size)];
        await stream.ReadExactlyAsync(content, ct);
        return content[..(int)size];
    }

    async Task SkipAsync(CancellationToken ct)
    {
        var buffer = new byte[1 << 16];
        while (left > 0)
        {
            var count = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), ct);
            left -= count > 0 ? count : throw new InvalidDataException("it is cut off");
        }
    }

    // Other programs go on behind an empty block.
    async Task RefuseMoreAsync(CancellationToken ct)
    {
        var buffer = new byte[1 << 16];
        for (var count = await stream.ReadAsync(buffer, ct); count > 0; count = await stream.ReadAsync(buffer, ct))
        {
            if (buffer.AsSpan(0, count).ContainsAnyExcept((byte)0))
            {
                throw new InvalidDataException("something follows its end");
            }
        }
    }

    // "LENGTH NAME=VALUE\n", LENGTH of all of it: the value may hold any byte (POSIX, pax).
    static void Extend(Dictionary<string, string> extension, byte[] content)
    {
        for (var rest = content.AsSpan(); rest.Length > 0;)
        {
            var blank = rest.IndexOf((byte)' ');
            if (blank <= 0 || !int.TryParse(rest[..blank], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var length)
                || length <= blank + 1 || length > rest.Length || rest[length - 1] != '\n' || rest[(blank + 1)..length].IndexOf((byte)'=') is not (> 0 and var equals))
            {
                throw new InvalidDataException("an extension in it is damaged");
            }

            var record = rest[(blank + 1)..(length - 1)];
            var name = Encoding.Latin1.GetString(record[..equals]);
            if (name.StartsWith("GNU.sparse", StringComparison.Ordinal))
            {
                throw new InvalidDataException("it has files with holes, which no backup has");
            }

            extension[name] = Encoding.Latin1.GetString(record[(equals + 1)..]);
            rest = rest[length..];
        }
    }

    string Text(int at, int length)
    {
        var field = block.AsSpan(at, length);
        var end = field.IndexOf((byte)0);
        return Encoding.Latin1.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>Octal digits, or binary with the first bit set; -1 for neither.</summary>
    long Number(int at, int length)
    {
        var field = block.AsSpan(at, length);
        var number = 0L;
        if (field[0] == 0x80)
        {
            foreach (var one in field[(length - 8)..])
            {
                number = (number << 8) | one;
            }

            return number;
        }

        foreach (var one in field.Trim(" \0"u8))
        {
            if (one is < (byte)'0' or > (byte)'7')
            {
                return -1;
            }

            number = (number << 3) | (uint)(one - '0');
        }

        return number;
    }

    static long Padded(long size) => (size + Block - 1) / Block * Block;
}
