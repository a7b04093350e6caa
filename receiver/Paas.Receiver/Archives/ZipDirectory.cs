using System.Buffers.Binary;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>One entry of a zip archive, as its central directory has it and its own header confirms.</summary>
/// <param name="Path">As it is in the archive: bytes, not yet looked at by anybody.</param>
/// <param name="Mode">Type and permissions as in <c>st_mode</c>; 0 where it was not made on Unix.</param>
/// <param name="Time">Seconds since 1970, the archive's own local time taken for UTC.</param>
/// <param name="At">Where its packed bytes begin.</param>
sealed record ZipEntry(byte[] Path, uint Mode, bool IsDirectory, long Time, bool IsDeflated, uint Crc, long Packed, long Size, long At);

/// <summary>
/// Reads what a zip archive says it holds (APPNOTE 6.3, with zip64) as if an enemy had made it: the central directory counts, each entry's own header must agree with it, and no two entries
/// share a byte, so that what is unpacked is what any other program would unpack. Encrypted entries, other methods than deflate and store, and archives in several parts are refused.
/// </summary>
sealed class ZipDirectory(FileStream file, UnpackLimits limits)
{
    const int EndLength = 22;
    const int LongestComment = ushort.MaxValue;
    const int LocatorLength = 20;
    const int End64Length = 56;
    const int EntryLength = 46;
    const int LocalLength = 30;
    const int MostHeader = EntryLength + (3 * ushort.MaxValue);

    const uint EndMark = 0x06054B50;
    const uint End64Mark = 0x06064B50;
    const uint LocatorMark = 0x07064B50;
    const uint EntryMark = 0x02014B50;
    const uint LocalMark = 0x04034B50;

    const ushort Zip64Field = 1;
    const ushort Encrypted = 0x2041; // traditional, strong, masked headers
    const ushort SizesFollow = 8;
    const byte MadeOnUnix = 3;
    const byte MadeOnMac = 19;
    const uint DosDirectory = 0x10;
    const uint TypeMask = 0xF000;
    const uint TypeDirectory = 0x4000;

    /// <summary>In the order in which they are in the file.</summary>
    /// <exception cref="Refusal">It is no whole zip archive, or one that nobody should unpack.</exception>
    public IReadOnlyList<ZipEntry> Read()
    {
        var (count, at, length) = End();
        if (count > limits.Entries)
        {
            throw new Refusal($"The archive has more than {limits.Entries} entries.");
        }

        if (length > count * MostHeader || length < count * EntryLength)
        {
            throw new Refusal("The archive is damaged: its directory's length is wrong.");
        }

        var found = new List<(ZipEntry Entry, long Header)>();
        for (var (place, left) = (at, length); found.Count < count;)
        {
            var head = Bytes(place, (int)Math.Min(left, MostHeader));
            var (entry, header, used) = Entry(head);
            found.Add((entry, header));
            (place, left) = (place + used, left - used);
            if (found.Count == count && left != 0)
            {
                throw new Refusal("The archive is damaged: its directory's length is wrong.");
            }
        }

        found.Sort((a, b) => a.Header.CompareTo(b.Header));
        var entries = new List<ZipEntry>(found.Count);
        var free = 0L;
        foreach (var (entry, header) in found)
        {
            if (header < free)
            {
                throw new Refusal($"{Kernel.Show(entry.Path)} in the archive overlaps another entry.");
            }

            var begin = Confirm(entry, header);
            free = begin + entry.Packed;
            if (free > at || free < begin)
            {
                throw new Refusal($"{Kernel.Show(entry.Path)} in the archive overlaps its directory.");
            }

            entries.Add(entry with { At = begin });
        }

        return entries;
    }

    (long Count, long At, long Length) End()
    {
        var length = (int)Math.Min(file.Length, EndLength + LongestComment);
        var tail = Bytes(file.Length - length, length);
        for (var i = length - EndLength; i >= 0; i--)
        {
            var end = tail.AsSpan(i);
            if (U32(end) == EndMark && U16(end[20..]) == end.Length - EndLength)
            {
                return Directory(end, file.Length - length + i);
            }
        }

        throw new Refusal($"{Unpacking.CutOff} It is a zip archive without its directory.");
    }

    (long Count, long At, long Length) Directory(ReadOnlySpan<byte> end, long place)
    {
        var (disk, first, here, count) = (U16(end[4..]), U16(end[6..]), U16(end[8..]), U16(end[10..]));
        var (length, at) = (U32(end[12..]), U32(end[16..]));
        var locator = place >= LocatorLength ? Bytes(place - LocatorLength, LocatorLength) : [];
        if (locator.Length > 0 && U32(locator) == LocatorMark)
        {
            return Directory64(locator, place - LocatorLength);
        }

        // What is in front of the first entry (a program that unpacks itself) shifts every offset; such an archive means different things to different readers.
        return disk != 0 || first != 0 || here != count ? throw new Refusal("The archive is one part of several.")
            : at + (long)length != place ? throw new Refusal("The archive is damaged, or has something in front of it: its directory is not where it says.")
            : (count, at, length);
    }

    (long Count, long At, long Length) Directory64(byte[] locator, long place)
    {
        var where = I64(locator.AsSpan(8));
        if (U32(locator.AsSpan(4)) != 0 || U32(locator.AsSpan(16)) > 1)
        {
            throw new Refusal("The archive is one part of several.");
        }

        if (where > place - End64Length)
        {
            throw new Refusal("The archive is damaged, or has something in front of it: its directory is not where it says.");
        }

        var end = Bytes(where, End64Length).AsSpan();
        var (here, count, length, at) = (I64(end[24..]), I64(end[32..]), I64(end[40..]), I64(end[48..]));
        return U32(end) != End64Mark || I64(end[4..]) + 12 != place - where || at > where || length != where - at
                ? throw new Refusal("The archive is damaged, or has something in front of it: its directory is not where it says.")
            : here != count || U32(end[16..]) != 0 || U32(end[20..]) != 0 ? throw new Refusal("The archive is one part of several.")
            : (count, at, length);
    }

    static (ZipEntry Entry, long Header, int Used) Entry(byte[] bytes)
    {
        var head = bytes.AsSpan();
        if (head.Length < EntryLength || U32(head) != EntryMark)
        {
            throw new Refusal("The archive is damaged: its directory has something else than entries.");
        }

        var (names, extras, comments) = (U16(head[28..]), U16(head[30..]), U16(head[32..]));
        var used = EntryLength + names + extras + comments;
        if (used > head.Length)
        {
            throw new Refusal("The archive is damaged: an entry of its directory goes on behind it.");
        }

        var path = head.Slice(EntryLength, names).ToArray();
        long packed = U32(head[20..]), size = U32(head[24..]), header = U32(head[42..]);
        Widen(head.Slice(EntryLength + names, extras), ref size, ref packed, ref header, path);
        var (flags, method) = (U16(head[8..]), U16(head[10..]));
        if ((flags & Encrypted) != 0)
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is encrypted.");
        }

        if (method is not (0 or 8))
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is packed by method {method}; what can be read is deflate (8), or not packed at all (0).");
        }

        if (method == 0 && packed != size)
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive has two sizes.");
        }

        if (path.Contains((byte)'\\'))
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive has a backslash in its path: separators are slashes (APPNOTE 4.4.17).");
        }

        if (path.Contains((byte)0))
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is no path.");
        }

        var attributes = U32(head[38..]);
        var mode = head[5] is MadeOnUnix or MadeOnMac ? attributes >> 16 : 0;
        var isDirectory = path is [.., (byte)'/'] || (mode & TypeMask) == TypeDirectory || ((mode & TypeMask) == 0 && (attributes & DosDirectory) != 0);
        if (isDirectory && size != 0)
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is a directory with content.");
        }

        return (new ZipEntry(path, mode, isDirectory, TimeOf(U16(head[14..]), U16(head[12..])), method == 8, U32(head[16..]), packed, size, 0), header, used);
    }

    // Zip64: what does not fit is all ones, and follows in an extra field, in this order.
    static void Widen(ReadOnlySpan<byte> extras, ref long size, ref long packed, ref long header, byte[] path)
    {
        while (extras.Length >= 4)
        {
            var (id, length) = (U16(extras), U16(extras[2..]));
            if (length > extras.Length - 4)
            {
                break;
            }

            var field = extras.Slice(4, length);
            if (id == Zip64Field)
            {
                Next(ref size, ref field, path);
                Next(ref packed, ref field, path);
                Next(ref header, ref field, path);
                return;
            }

            extras = extras[(4 + length)..];
        }

        static void Next(ref long value, ref ReadOnlySpan<byte> field, byte[] path)
        {
            if (value == uint.MaxValue)
            {
                value = field.Length >= 8 ? I64(field) : throw new Refusal($"{Kernel.Show(path)} in the archive has a size that cannot be read.");
                field = field[8..];
            }
        }
    }

    // Where its bytes begin. What its own header says must be what the directory says.
    long Confirm(ZipEntry entry, long header)
    {
        var head = Bytes(header, LocalLength).AsSpan();
        var names = U16(head[26..]);
        if (U32(head) != LocalMark)
        {
            throw new Refusal($"The archive is damaged: {Kernel.Show(entry.Path)} is not where its directory says.");
        }

        var flags = U16(head[6..]);
        long packed = U32(head[18..]), size = U32(head[22..]), none = 0;
        var rest = Bytes(header + LocalLength, names + U16(head[28..])).AsSpan();
        Widen(rest[names..], ref size, ref packed, ref none, entry.Path);
        return !rest[..names].SequenceEqual(entry.Path) || (flags & Encrypted) != 0 || (U16(head[8..]) == 8) != entry.IsDeflated
            || ((flags & SizesFollow) == 0 && (packed != entry.Packed || size != entry.Size || U32(head[14..]) != entry.Crc))
            ? throw new Refusal($"{Kernel.Show(entry.Path)} in the archive is something else by its own header than by the archive's directory.")
            : header + LocalLength + names + U16(head[28..]);
    }

    byte[] Bytes(long at, int length)
    {
        var bytes = new byte[length];
        return at >= 0 && at <= file.Length - length && RandomAccess.Read(file.SafeFileHandle, bytes, at) == length ? bytes : throw new Refusal(Unpacking.CutOff);
    }

    static long TimeOf(ushort date, ushort time)
    {
        var (year, month, day) = (1980 + (date >> 9), (date >> 5) & 15, date & 31);
        return month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth(year, month)
            ? new DateTimeOffset(year, month, day, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds() + ((time >> 11) * 3600) + (((time >> 5) & 63) * 60) + ((time & 31) * 2) : 0;
    }

    static ushort U16(ReadOnlySpan<byte> from) => BinaryPrimitives.ReadUInt16LittleEndian(from);

    static uint U32(ReadOnlySpan<byte> from) => BinaryPrimitives.ReadUInt32LittleEndian(from);

    static long I64(ReadOnlySpan<byte> from) => BinaryPrimitives.ReadInt64LittleEndian(from) is >= 0 and var value ? value : throw new Refusal("The archive has a size that cannot be read.");
}
