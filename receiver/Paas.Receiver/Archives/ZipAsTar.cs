using System.IO.Compression;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>
/// A zip archive read as the tar stream that holds the same, so that one gate (<see cref="Unpacking"/>) judges every path, mode, link and size, whichever format they come in.
/// What only zip can get wrong is refused here and in <see cref="ZipDirectory"/>: an entry that is longer or shorter than it says, or is not what its check sum says.
/// </summary>
/// <param name="archive">Read at places; its position does not matter.</param>
sealed class ZipAsTar(FileStream archive, UnpackLimits limits) : ReadingStream
{
    const int Block = 512;
    const int Name = 100;
    const int LongestTarget = 4095;
    const uint TypeMask = 0xF000;
    const uint PermissionMask = 0xFFF;
    const uint Plain = 0x1A4;

    static readonly uint[] Table = MakeTable();

    IEnumerator<byte[]>? parts;
    byte[] part = [];
    int at;
    Stream? content;
    ZipEntry? current;
    long left;
    uint crc;

    public override int Read(Span<byte> buffer)
    {
        parts ??= Parts().GetEnumerator();
        while (true)
        {
            if (at < part.Length)
            {
                var count = Math.Min(part.Length - at, buffer.Length);
                part.AsSpan(at, count).CopyTo(buffer);
                at += count;
                return count;
            }

            if (content is not null)
            {
                if (left > 0)
                {
                    return Content(buffer[..(int)Math.Min(left, buffer.Length)]);
                }

                EndContent();
            }

            if (!parts.MoveNext())
            {
                return 0;
            }

            (part, at) = (parts.Current, 0);
        }
    }

    protected override void Dispose(bool disposing)
    {
        content?.Dispose();
        parts?.Dispose();
        base.Dispose(disposing);
    }

    IEnumerable<byte[]> Parts()
    {
        foreach (var entry in new ZipDirectory(archive, limits).Read())
        {
            if (entry.IsDirectory)
            {
                yield return Header(entry, (byte)'5', [], 0);
            }
            else if ((entry.Mode & TypeMask) == 0xA000)
            {
                yield return Header(entry, (byte)'2', Target(entry), 0);
            }
            else
            {
                // Of whatever is neither file, link nor directory the tar gate says what it says of every such entry.
                yield return Header(entry, (entry.Mode & TypeMask) switch { 0 or 0x8000 => (byte)'0', 0x2000 => (byte)'3', 0x6000 => (byte)'4', 0x1000 => (byte)'6', _ => (byte)'s' }, [], entry.Size);
                Begin(entry);
                yield return [];
                yield return new byte[(int)(-entry.Size & (Block - 1))];
            }
        }

        yield return new byte[2 * Block];
    }

    void Begin(ZipEntry entry)
    {
        var packed = new Section(archive, entry.At, entry.Packed);
        (content, current, left, crc) = (entry.IsDeflated ? new DeflateStream(packed, CompressionMode.Decompress) : packed, entry, entry.Size, uint.MaxValue);
    }

    int Content(Span<byte> buffer)
    {
        int count;
        try
        {
            count = content!.Read(buffer);
        }
        catch (InvalidDataException)
        {
            throw Damaged();
        }

        if (count == 0)
        {
            throw new Refusal($"{Kernel.Show(current!.Path)} in the archive is shorter than it says.");
        }

        left -= count;
        foreach (var b in buffer[..count])
        {
            crc = Table[(byte)(crc ^ b)] ^ (crc >> 8);
        }

        return count;
    }

    void EndContent()
    {
        Span<byte> more = stackalloc byte[1];
        try
        {
            if (content!.Read(more) > 0)
            {
                throw new Refusal($"{Kernel.Show(current!.Path)} in the archive is longer than it says.");
            }
        }
        catch (InvalidDataException)
        {
            throw Damaged();
        }

        if (~crc != current!.Crc)
        {
            throw Damaged();
        }

        content.Dispose();
        content = null;
    }

    Refusal Damaged() => new($"{Kernel.Show(current!.Path)} in the archive is damaged: it is not what its check sum says.");

    byte[] Target(ZipEntry entry)
    {
        if (entry.Size > LongestTarget)
        {
            throw new Refusal($"The link {Kernel.Show(entry.Path)} in the archive points nowhere.");
        }

        Begin(entry);
        var target = new byte[entry.Size];
        for (var filled = 0; filled < target.Length;)
        {
            filled += Content(target.AsSpan(filled));
        }

        EndContent();
        return target;
    }

    // GNU's long names where they do not fit.
    static byte[] Header(ZipEntry entry, byte type, byte[] target, long size)
    {
        var mode = entry.Mode == 0 ? Plain : entry.Mode & PermissionMask;
        return
        [
            .. entry.Path.Length > Name ? Long((byte)'L', entry.Path) : [], .. target.Length > Name ? Long((byte)'K', target) : [],
            .. Head(type, entry.Path, target, mode, size, entry.Time),
        ];
    }

    static byte[] Long(byte type, byte[] text) => [.. Head(type, [], [], Plain, text.Length, 0), .. text, .. new byte[-text.Length & (Block - 1)]];

    static byte[] Head(byte type, ReadOnlySpan<byte> path, ReadOnlySpan<byte> target, uint mode, long size, long time)
    {
        var header = new byte[Block];
        path[..Math.Min(path.Length, Name)].CopyTo(header);
        target[..Math.Min(target.Length, Name)].CopyTo(header.AsSpan(157));
        Number(header.AsSpan(100, 8), mode);
        Number(header.AsSpan(124, 12), size);
        Number(header.AsSpan(136, 12), time);
        header[156] = type;
        var sum = 8 * ' ';
        foreach (var b in header)
        {
            sum += b;
        }

        Number(header.AsSpan(148, 8), sum);
        return header;
    }

    // GNU's binary form.
    static void Number(Span<byte> field, long value)
    {
        for (var i = field.Length - 1; i > 0; i--, value >>= 8)
        {
            field[i] = (byte)value;
        }

        field[0] = 0x80;
    }

    static uint[] MakeTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < table.Length; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }

    /// <summary>A stretch of a file.</summary>
    sealed class Section(FileStream file, long at, long length) : ReadingStream
    {
        long place = at;
        long left = length;

        public override int Read(Span<byte> buffer)
        {
            var count = (int)Math.Min(buffer.Length, left);
            var read = count == 0 ? 0 : RandomAccess.Read(file.SafeFileHandle, buffer[..count], place);
            place += read;
            left -= read;
            return read;
        }
    }
}

/// <summary>A stream that is read once, from its beginning to its end.</summary>
abstract class ReadingStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
