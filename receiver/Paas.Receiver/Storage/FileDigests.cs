using System.Security.Cryptography;

namespace Paas.Receiver.Storage;

/// <summary>
/// SHA-256 of files that were read before, found again by the file itself: its number, length and time. Only for files that nobody writes into, as long as they have a name.
/// Not for several threads at once.
/// </summary>
sealed class FileDigests
{
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
        var digest = SHA256.HashData(file);
        if (file.Position == inode.Size)
        {
            known[(inode.Device, inode.Number)] = (inode.Size, inode.ModifiedNs, digest);
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
