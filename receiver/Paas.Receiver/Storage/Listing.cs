using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>The names in one directory, as bytes ending in NUL, sorted by bytes. Made to be used again.</summary>
sealed class Listing : IComparer<Listing.Entry>
{
    byte[] names = new byte[4096];
    Entry[] entries = new Entry[64];
    int used;

    public int Count { get; private set; }

    /// <summary>Valid until the listing is used again.</summary>
    public ReadOnlySpan<byte> this[int index] => names.AsSpan(entries[index].Start, entries[index].Length);

    /// <summary>What the directory says the name is (DT_DIR = 4, DT_REG = 8, DT_LNK = 10); 0 when it does not say.</summary>
    public byte TypeOf(int index) => entries[index].Type;

    /// <summary>The number of the file behind the name, as the directory says: equal numbers in one file system are one file. A mount point has that of what it covers.</summary>
    public ulong InodeOf(int index) => entries[index].Inode;

    public void Clear() => (Count, used) = (0, 0);

    /// <param name="name">Ending in NUL.</param>
    public void Add(ReadOnlySpan<byte> name, byte type = 0, ulong inode = 0)
    {
        if (used + name.Length > names.Length)
        {
            Array.Resize(ref names, Math.Max(names.Length * 2, used + name.Length));
        }

        if (Count == entries.Length)
        {
            Array.Resize(ref entries, Count * 2);
        }

        name.CopyTo(names.AsSpan(used));
        entries[Count++] = new Entry(used, name.Length, Head(name), type, inode);
        used += name.Length;
    }

    public void Sort() => Array.Sort(entries, 0, Count, this);

    int IComparer<Entry>.Compare(Entry x, Entry y) =>
        x.Head != y.Head ? x.Head.CompareTo(y.Head)
        : names.AsSpan(x.Start, x.Length).SequenceCompareTo(names.AsSpan(y.Start, y.Length));

    // The first eight bytes as a number: most comparisons need no more.
    static ulong Head(ReadOnlySpan<byte> name)
    {
        if (name.Length >= 8)
        {
            return BinaryPrimitives.ReadUInt64BigEndian(name);
        }

        Span<byte> padded = stackalloc byte[8];
        padded.Clear();
        name.CopyTo(padded);
        return BinaryPrimitives.ReadUInt64BigEndian(padded);
    }

    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Entry(int Start, int Length, ulong Head, byte Type, ulong Inode);
}
