using System.Text;

namespace Paas.Receiver.Archives;

/// <summary>
/// Writes a tree as a tar stream (POSIX ustar; a pax header only where a path, a target or a size does not fit). The same tree and stamp give the same bytes:
/// owner and group are 0, modes 0644 or 0755, every time is the stamp.
/// </summary>
sealed class TarSink(Action<ReadOnlyMemory<byte>> output, long stamp) : ReleaseTree.ISink
{
    const int Block = 512;
    const long LargestInHeader = (1L << 33) - 1; // eleven octal digits

    // Large enough that a write fills the pipe, small enough to stay in the processor's cache between reading, hashing and writing.
    readonly byte[] buffer = new byte[1 << 20];
    int used;
    long written;

    public Span<byte> Room()
    {
        if (used == buffer.Length)
        {
            Spill();
        }

        return buffer.AsSpan(used);
    }

    public void Filled(int count) => used += count;

    public void Begin(byte kind, ReadOnlySpan<byte> path, long size, ReadOnlySpan<byte> target)
    {
        var split = SplitAt(path);
        if (split < 0 || target.Length > 100 || size > LargestInHeader)
        {
            Extend(split < 0 ? path : [], target.Length > 100 ? target : [], size > LargestInHeader ? size : -1);
        }

        Header(kind, split < 0 ? path[..100] : path, Math.Max(split, 0), size > LargestInHeader ? 0 : size, target.Length > 100 ? target[..100] : target);

        // A small file whose content would straddle the buffer's end is hashed in one call when it starts in a fresh one.
        if (size > buffer.Length - used && size <= buffer.Length / 2)
        {
            Spill();
        }
    }

    public void End(long size) => Zeros((int)(-size & (Block - 1)));

    /// <summary>Two empty blocks, and up to a whole record of twenty, as tar has it.</summary>
    public void Finish()
    {
        Zeros(2 * Block);
        Zeros((int)((20 * Block) - 1 - ((written + used + (20 * Block) - 1) % (20 * Block))));
        Spill();
    }

    // 0: the path fits the name field; n: it fits with the first n bytes in the prefix field; -1: neither.
    static int SplitAt(ReadOnlySpan<byte> path)
    {
        if (path.Length <= 100)
        {
            return 0;
        }

        if (path.Length > 256)
        {
            return -1;
        }

        for (var i = Math.Min(155, path.Length - 2); i >= path.Length - 101; i--)
        {
            if (i > 0 && path[i] == '/')
            {
                return i;
            }
        }

        return -1;
    }

    void Extend(ReadOnlySpan<byte> path, ReadOnlySpan<byte> target, long size)
    {
        byte[] records = [.. Record("linkpath", target), .. Record("path", path), .. Record("size", size < 0 ? [] : Encoding.ASCII.GetBytes($"{size}"))];
        Header((byte)'X', "././@PaxHeader"u8, 0, records.Length, []);
        Append(records);
        End(records.Length);
    }

    // "LENGTH key=value\n", where LENGTH counts itself.
    static byte[] Record(string key, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            return [];
        }

        var rest = key.Length + value.Length + 3;
        var length = rest + 1;
        while (length != rest + $"{length}".Length)
        {
            length = rest + $"{length}".Length;
        }

        return [.. Encoding.ASCII.GetBytes($"{length} {key}="), .. value, (byte)'\n'];
    }

    void Header(byte kind, ReadOnlySpan<byte> path, int split, long size, ReadOnlySpan<byte> target)
    {
        if (buffer.Length - used < Block)
        {
            Spill();
        }

        var header = buffer.AsSpan(used, Block);
        header.Clear();
        path[(split == 0 ? 0 : split + 1)..].CopyTo(header);
        path[..split].CopyTo(header[345..]);
        (kind is ContentDigest.Directory or ContentDigest.Executable ? "0000755\0"u8 : kind == ContentDigest.Link ? "0000777\0"u8 : "0000644\0"u8).CopyTo(header[100..]);
        "0000000\0"u8.CopyTo(header[108..]);
        "0000000\0"u8.CopyTo(header[116..]);
        Octal(header.Slice(124, 11), size);
        Octal(header.Slice(136, 11), stamp);
        header.Slice(148, 8).Fill((byte)' ');
        header[156] = (byte)(kind switch { ContentDigest.Directory => '5', ContentDigest.Link => '2', (byte)'X' => 'x', _ => '0' });
        target.CopyTo(header[157..]);
        "ustar\000"u8.CopyTo(header[257..]);
        var sum = 0;
        foreach (var b in header)
        {
            sum += b;
        }

        Octal(header.Slice(148, 6), sum);
        header[154] = 0;
        used += Block;
    }

    static void Octal(Span<byte> field, long value)
    {
        for (var i = field.Length - 1; i >= 0; i--, value >>= 3)
        {
            field[i] = (byte)('0' + (value & 7));
        }
    }

    void Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var room = Room();
            var part = Math.Min(room.Length, bytes.Length);
            bytes[..part].CopyTo(room);
            used += part;
            bytes = bytes[part..];
        }
    }

    void Zeros(int count)
    {
        while (count > 0)
        {
            var room = Room();
            var part = Math.Min(room.Length, count);
            room[..part].Clear();
            used += part;
            count -= part;
        }
    }

    void Spill()
    {
        output(buffer.AsMemory(0, used));
        written += used;
        used = 0;
    }
}
