namespace Paas.Receiver.Storage;

/// <summary>What directories take on the disk. A file with several names, and a directory that was counted already, count once, where they are met first: the parts add up to the whole.</summary>
sealed class Usage
{
    const int Deepest = 500;

    readonly HashSet<(ulong Device, ulong Number)> seen = [];

    /// <summary>Bytes on the disk (blocks, not lengths) and files of a tree that were not counted before; nothing where it is missing. Never follows a link, never leaves the file system.</summary>
    public (long Bytes, long Files) Add(string directory)
    {
        var (bytes, files) = (0L, 0L);
        using var root = Inode.Of(directory) is { IsDirectory: true } ? DirectoryHandle.TryOpen(directory) : null;
        if (root is not null && seen.Add((root.Inode.Device, root.Inode.Number)))
        {
            Walk(root, root.Inode.Device, 0);
        }

        return (bytes, files);

        void Walk(DirectoryHandle at, ulong device, int depth)
        {
            bytes += at.Inode.Blocks * 512;
            if (depth == Deepest)
            {
                return;
            }

            var names = new Listing();
            at.List(names);
            for (var i = 0; i < names.Count; i++)
            {
                if (at.Stat(names[i]) is not { } inode)
                {
                    continue; // gone since it was listed
                }

                if (inode.IsDirectory)
                {
                    if (inode.Device == device && seen.Add((inode.Device, inode.Number)) && at.TryOpenIfDirectory(names[i]) is { } inner)
                    {
                        using (inner)
                        {
                            Walk(inner, device, depth + 1);
                        }
                    }
                }
                else if (inode.Links < 2 || seen.Add((inode.Device, inode.Number)))
                {
                    bytes += inode.Blocks * 512;
                    files++;
                }
            }
        }
    }
}
