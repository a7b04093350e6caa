namespace Paas.Receiver.Storage;

/// <summary>
/// Copies files, links, pipes and whole directories with everything that <see cref="Metadata"/> keeps; blocks are shared where the file
/// system can (reflink), holes stay holes, hard links within one copied tree stay hard links. Sockets and devices are left out and noted.
/// </summary>
/// <param name="note">Told what could not be kept, and why.</param>
sealed class TreeCopy(Action<string> note, CancellationToken ct) : IDisposable
{
    /// <summary>Directories within directories: more than any path can name, fewer than would exhaust open files.</summary>
    public const int Deepest = 2000;

    const int FewFiles = 64;

    readonly HashSet<ulong> cannotShare = [];
    readonly List<FileHandle> written = [];
    bool many;

    public long Files { get; private set; }

    /// <summary>Content that was copied or whose blocks were shared.</summary>
    public long Bytes { get; private set; }

    /// <summary>Of <see cref="Files"/>, those whose blocks are shared.</summary>
    public long Reflinked { get; private set; }

    /// <summary>Copies what is no directory. False, and nothing made, when it is a socket or a device.</summary>
    /// <param name="steady">What the copy is a copy of; null when it kept changing while it was copied, which is noted.</param>
    public bool TryCopy(DirectoryHandle from, ReadOnlySpan<byte> name, Inode of, DirectoryHandle to, ReadOnlySpan<byte> newName, out Inode? steady)
    {
        steady = of;
        if (of.IsFile)
        {
            steady = CopyFile(from, name, to, newName);
        }
        else if (of.IsSymbolicLink)
        {
            to.MakeSymbolicLink(newName, from.ReadLink(name));
            Metadata.Copy(of, from, name, to, newName, note);
        }
        else if (of.IsPipe)
        {
            to.MakePipe(newName);
            Metadata.Copy(of, from, name, to, newName, note);
        }
        else
        {
            note($"{from.Show(name)}: {(of.RawMode >> 12 == 12 ? "a socket" : "a device")}, left out");
            return false;
        }

        return true;
    }

    /// <summary>Copies a file or a whole directory to a name that is free.</summary>
    public void Copy(DirectoryHandle from, ReadOnlySpan<byte> name, DirectoryHandle to, ReadOnlySpan<byte> newName) =>
        Copy(from, name, to, newName, new Dictionary<(ulong, ulong), byte[]>(), to, newName.ToArray(), 0);

    /// <summary>Waits until everything that was copied is on the disk; names in directories are the caller's.</summary>
    public void Flush(DirectoryHandle where)
    {
        if (many)
        {
            where.FlushFileSystem();
        }

        // All are set going first: then the file system brings them to the disk together, not one after the other.
        foreach (var file in written)
        {
            file.StartFlush();
        }

        foreach (var file in written)
        {
            file.Flush();
        }

        Dispose();
    }

    public void Dispose()
    {
        foreach (var file in written)
        {
            file.Dispose();
        }

        written.Clear();
    }

    // linked holds paths below top: only directories we made lie on them.
    void Copy(
        DirectoryHandle from, ReadOnlySpan<byte> name, DirectoryHandle to, ReadOnlySpan<byte> newName,
        Dictionary<(ulong Device, ulong Number), byte[]> linked, DirectoryHandle top, byte[] path, int depth)
    {
        ct.ThrowIfCancellationRequested();
        if (from.Stat(name) is not { } inode)
        {
            return;
        }

        if (!inode.IsDirectory)
        {
            var key = (inode.Device, inode.Number);
            if (inode.Links > 1 && linked.TryGetValue(key, out var first) && top.TryLink(first, to, newName))
            {
                return;
            }

            if (TryCopy(from, name, inode, to, newName, out _) && inode.Links > 1)
            {
                linked[key] = path;
            }

            return;
        }

        if (depth > Deepest)
        {
            throw new IOException($"{from.Shown} is nested deeper than {Deepest} directories");
        }

        using var source = from.OpenChild(name);
        using var made = to.CreateChild(newName);
        var listing = new Listing();
        source.List(listing);
        for (var i = 0; i < listing.Count; i++)
        {
            Copy(source, listing[i], made, listing[i], linked, top, [.. path.AsSpan(0, path.Length - 1), (byte)'/', .. listing[i]], depth + 1);
        }

        Metadata.Copy(inode, source.Descriptor, made.Descriptor, made.Shown, note);
    }

    Inode? CopyFile(DirectoryHandle from, ReadOnlySpan<byte> name, DirectoryHandle to, ReadOnlySpan<byte> newName)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var source = from.OpenFile(name);
            var before = source.Inode;
            if (!before.IsFile)
            {
                throw new IOException($"{from.Show(name)} became something else while it was copied");
            }

            var copy = to.CreateFile(newName);
            try
            {
                var shared = before.Size > 0 && !cannotShare.Contains(before.Device) && TryShare(copy, source, before.Device);
                var bytes = shared ? before.Size : copy.CopyFrom(source, before, ct);
                Metadata.Copy(before, source.Descriptor, copy.Descriptor, from.Show(name), note);
                var after = source.Inode;
                var changed = bytes != before.Size || (after.Size, after.ModifiedNs, after.ChangedNs) != (before.Size, before.ModifiedNs, before.ChangedNs);
                if (changed && attempt < 3)
                {
                    to.DeleteTree(newName);
                    continue;
                }

                Files++;
                Bytes += bytes;
                Reflinked += shared ? 1 : 0;
                if (changed)
                {
                    note($"{from.Show(name)}: kept changing while it was copied");
                }

                Remember(copy);
                copy = default;
                return changed ? null : before;
            }
            finally
            {
                if (copy.Descriptor > 0)
                {
                    copy.Dispose();
                }
            }
        }
    }

    bool TryShare(FileHandle copy, FileHandle source, ulong device)
    {
        if (copy.TryShareBlocksOf(source))
        {
            return true;
        }

        _ = cannotShare.Add(device);
        return false;
    }

    void Remember(FileHandle copy)
    {
        if (!many && written.Count < FewFiles)
        {
            written.Add(copy);
            return;
        }

        many = true;
        Dispose();
        copy.Dispose();
    }
}
