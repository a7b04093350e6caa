using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>What an entry of a backup's index is. <see cref="Leave"/> closes a directory, <see cref="End"/> the index.</summary>
enum EntryKind
{
    End,
    Directory,
    Leave,
    File,
    Link,
    Pipe,
}

/// <summary>By what a live file is recognised as the one that was backed up. A write, and a change of mode, owner, attribute or name, changes the kernel's ctime, which no program can set back.</summary>
[StructLayout(LayoutKind.Auto)]
readonly record struct Identity(ulong Device, ulong Number, uint Links, long Size, long ModifiedNs, long ChangedNs)
{
    /// <summary>Is never recognised again.</summary>
    public static readonly Identity Unknown;

    public static Identity Of(Inode inode) => new(inode.Device, inode.Number, inode.Links, inode.Size, inode.ModifiedNs, inode.ChangedNs);

    /// <summary>Never recognised again when the file changed in the very tick of <paramref name="clock"/>, taken before it was looked at: a second change in that tick would leave no trace.</summary>
    public static Identity Of(Inode inode, long clock) => inode.ChangedNs >= clock || inode.ModifiedNs >= clock ? Of(inode) with { ChangedNs = 0 } : Of(inode);

    public bool IsStill(Inode inode) => ChangedNs != 0 && this == Of(inode);
}

/// <summary>
/// The index beside a backup: depth first, names sorted by bytes, so that it and a live tree are compared in one walk of both without holding either in memory.
/// A SHA-256 of everything before it ends the file.
/// </summary>
static class BackupIndex
{
    public const string FileName = "data.index";

    public static ReadOnlySpan<byte> Magic => "paas-data-index 1\n"u8;
}

/// <summary>Writes an index; <see cref="Finish"/> makes it durable.</summary>
sealed class BackupIndexWriter : IDisposable
{
    readonly FileStream file;
    readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    readonly byte[] buffer = new byte[1 << 16];
    int used;

    public BackupIndexWriter(string path)
    {
        file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        Append(BackupIndex.Magic);
    }

    /// <param name="name">Ending in NUL.</param>
    public void Enter(ReadOnlySpan<byte> name, Identity identity) => Write(EntryKind.Directory, name, identity);

    public void Leave() => Append([(byte)EntryKind.Leave]);

    public void Write(EntryKind kind, ReadOnlySpan<byte> name, Identity identity)
    {
        Span<byte> fixedPart = stackalloc byte[1 + 2 + 8 + 8 + 4 + 8 + 8 + 8];
        fixedPart[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16LittleEndian(fixedPart[1..], (ushort)name.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(fixedPart[3..], identity.Device);
        BinaryPrimitives.WriteUInt64LittleEndian(fixedPart[11..], identity.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(fixedPart[19..], identity.Links);
        BinaryPrimitives.WriteInt64LittleEndian(fixedPart[23..], identity.Size);
        BinaryPrimitives.WriteInt64LittleEndian(fixedPart[31..], identity.ModifiedNs);
        BinaryPrimitives.WriteInt64LittleEndian(fixedPart[39..], identity.ChangedNs);
        Append(fixedPart);
        Append(name);
    }

    /// <summary>Ends the index with what the backup counted, and waits for the disk.</summary>
    public void Finish(BackupCounts counts)
    {
        Span<byte> end = stackalloc byte[1 + (8 * BackupCounts.Numbers)];
        end[0] = (byte)EntryKind.End;
        counts.Write(end[1..]);
        Append(end);
        Spill();
        file.Write(hash.GetHashAndReset());
        file.Flush(flushToDisk: true);
    }

    public void Dispose()
    {
        hash.Dispose();
        file.Dispose();
    }

    void Append(ReadOnlySpan<byte> bytes)
    {
        if (used + bytes.Length > buffer.Length)
        {
            Spill();
        }

        bytes.CopyTo(buffer.AsSpan(used));
        used += bytes.Length;
    }

    void Spill()
    {
        hash.AppendData(buffer, 0, used);
        file.Write(buffer, 0, used);
        used = 0;
    }
}

/// <summary>Reads an index from its beginning; the entry it stands on is <see cref="Kind"/>, <see cref="Name"/> and <see cref="Identity"/>.</summary>
sealed class BackupIndexReader : IDisposable
{
    const int FixedPart = 46;

    readonly FileStream file;
    readonly byte[] buffer = new byte[1 << 16];
    long left;
    int at;
    int filled;
    int nameAt;
    int nameLength;

    BackupIndexReader(FileStream file)
    {
        this.file = file;
        left = file.Length - SHA256.HashSizeInBytes;
    }

    public EntryKind Kind { get; private set; }

    /// <summary>Ending in NUL; valid until the next entry is read.</summary>
    public ReadOnlySpan<byte> Name => buffer.AsSpan(nameAt, nameLength);

    public Identity Identity { get; private set; }

    /// <summary>Once <see cref="Kind"/> is <see cref="EntryKind.End"/>.</summary>
    public BackupCounts Counts { get; private set; }

    /// <summary>Stands on the first entry: the data directory itself, or the end where there was none.</summary>
    /// <exception cref="InvalidDataException">The file is cut off or was changed. Nothing of it is used then.</exception>
    public static BackupIndexReader Open(string path)
    {
        var reader = new BackupIndexReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0));
        try
        {
            reader.Verify(path);
            reader.Next();
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    public void Next()
    {
        Kind = (EntryKind)Need(1)[0];
        at++;
        switch (Kind)
        {
            case EntryKind.Leave:
                return;
            case EntryKind.End:
                Counts = BackupCounts.Read(Need(8 * BackupCounts.Numbers));
                return;
        }

        var fields = Need(FixedPart);
        nameLength = BinaryPrimitives.ReadUInt16LittleEndian(fields);
        Identity = new Identity(
            BinaryPrimitives.ReadUInt64LittleEndian(fields[2..]),
            BinaryPrimitives.ReadUInt64LittleEndian(fields[10..]),
            BinaryPrimitives.ReadUInt32LittleEndian(fields[18..]),
            BinaryPrimitives.ReadInt64LittleEndian(fields[22..]),
            BinaryPrimitives.ReadInt64LittleEndian(fields[30..]),
            BinaryPrimitives.ReadInt64LittleEndian(fields[38..]));
        at += FixedPart;
        _ = Need(nameLength);
        nameAt = at;
        at += nameLength;
    }

    /// <summary>Goes past the entry, with everything in it where it is a directory.</summary>
    public void Skip()
    {
        var depth = 0;
        do
        {
            depth += Kind switch { EntryKind.Directory => 1, EntryKind.Leave => -1, _ => 0 };
            Next();
        }
        while (depth > 0);
    }

    public void Dispose() => file.Dispose();

    void Verify(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var rest = left;
        var first = true;
        while (rest > 0)
        {
            var read = file.Read(buffer, 0, (int)Math.Min(buffer.Length, rest));
            if (read == 0 || (first && !buffer.AsSpan(0, read).StartsWith(BackupIndex.Magic)))
            {
                break;
            }

            first = false;
            hash.AppendData(buffer, 0, read);
            rest -= read;
        }

        Span<byte> recorded = stackalloc byte[SHA256.HashSizeInBytes];
        if (first || rest > 0 || file.ReadAtLeast(recorded, recorded.Length, throwOnEndOfStream: false) < recorded.Length
            || !recorded.SequenceEqual(hash.GetHashAndReset()))
        {
            throw new InvalidDataException($"The backup's index {path} is cut off or was changed.");
        }

        file.Position = BackupIndex.Magic.Length;
        left -= BackupIndex.Magic.Length;
    }

    // The name of the entry before may be overwritten from here on.
    ReadOnlySpan<byte> Need(int count)
    {
        if (filled - at < count)
        {
            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
            at = 0;
            while (filled < count)
            {
                var read = file.Read(buffer, filled, (int)Math.Min(buffer.Length - filled, left));
                if (read == 0)
                {
                    throw new InvalidDataException($"The backup's index {file.Name} ends too early.");
                }

                left -= read;
                filled += read;
            }
        }

        return buffer.AsSpan(at, count);
    }
}
