using System.Security.Cryptography;

namespace Paas.Receiver.Storage;

/// <summary>
/// SHA-256 of files that were read before, found again by the file itself: its number, length and time. Only for files that nobody writes into, as long as they have a name.
/// Not for several threads at once.
/// </summary>
sealed class FileDigests
{
    const int ReadAtOnce = 1 << 20;

    readonly Dictionary<(ulong Device, ulong Number), (long Size, long ModifiedNs, byte[] Digest)> known = [];

    public int Count => known.Count;

    /// <summary>Reads the file and keeps its digest.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Take(string path)
    {
        // Looked at before it is read: whoever writes into it behind that has made another length or time of it.
        if (Inode.Of(path) is not { IsFile: true } inode)
        {
            return;
        }

        using var file = new FileStream(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[(int)Math.Clamp(inode.Size, 1, ReadAtOnce)];
        var read = 0L;
        for (var count = file.Read(buffer); count > 0; count = file.Read(buffer))
        {
            hash.AppendData(buffer, 0, count);
            read += count;
        }

        if (read == inode.Size)
        {
            known[(inode.Device, inode.Number)] = (inode.Size, inode.ModifiedNs, hash.GetHashAndReset());
        }
    }

    /// <param name="digest">32 bytes.</param>
    public bool TryGet(in Inode inode, Span<byte> digest)
    {
        if (known.TryGetValue((inode.Device, inode.Number), out var was) && was.Size == inode.Size && was.ModifiedNs == inode.ModifiedNs)
        {
            was.Digest.CopyTo(digest);
            return true;
        }

        return false;
    }
}
