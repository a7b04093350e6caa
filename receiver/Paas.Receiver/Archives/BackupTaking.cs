using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>One backup being taken: live data, the backup before and its index are walked side by side, once.</summary>
sealed class BackupTaking(BackupIndexWriter index, DirectoryHandle root, DataPatterns patterns, Action<string> note, CancellationToken ct) : IDisposable
{
    readonly TreeCopy copies = new(note, ct);
    readonly Stack<Listing> listings = new();
    readonly Dictionary<(ulong Device, ulong Number), byte[]> linked = []; // paths in the backup being made: only our own directories lie on them
    readonly PathStack path = new();
    long files;
    long bytes;
    long shared;

    /// <summary>Returns once everything is on the disk but the index and the backup's name.</summary>
    /// <param name="earlier">A backup to share unchanged files with, and its index standing on its first entry.</param>
    public BackupCounts Run(DirectoryHandle data, DirectoryHandle? earlier, BackupIndexReader? earlierIndex)
    {
        var known = earlier is not null && earlierIndex?.Kind == EntryKind.Directory ? earlierIndex : null;
        known?.Next();
        index.Enter("\0"u8, Identity.Of(data.Inode, Kernel.FileClock()));
        Walk(data, root, earlier, known, 0);
        copies.Flush(root);
        return new BackupCounts(files, bytes, copies.Files, copies.Bytes, shared, copies.Reflinked);
    }

    public void Dispose() => copies.Dispose();

    // known stands behind the directory's entry, and on return behind the entry that closes it.
    void Walk(DirectoryHandle live, DirectoryHandle copy, DirectoryHandle? earlier, BackupIndexReader? known, int depth)
    {
        ct.ThrowIfCancellationRequested();
        if (depth > TreeCopy.Deepest)
        {
            throw new IOException($"{live.Shown} is nested deeper than {TreeCopy.Deepest} directories");
        }

        var clock = Kernel.FileClock();
        var looks = live.Inode;
        var names = listings.TryPop(out var used) ? used : new Listing();
        live.List(names);
        for (var i = 0; i < names.Count; i++)
        {
            var name = names[i];
            if (depth == 0 && name.SequenceEqual(Restoring.InsideData))
            {
                continue;
            }

            if (!patterns.TakesAll && patterns.Excludes(path.With(name)))
            {
                continue;
            }

            while (known is { Kind: not EntryKind.Leave } && known.Name.SequenceCompareTo(name) < 0)
            {
                known.Skip();
            }

            if (live.Stat(name) is not { } inode)
            {
                continue; // gone since it was listed
            }

            var met = known is { Kind: not EntryKind.Leave } && known.Name.SequenceEqual(name) ? known : null;
            if (inode.IsDirectory)
            {
                Descend(live, copy, earlier, met, name, inode, clock, depth);
                continue;
            }

            if (!patterns.TakesAll && !patterns.Takes(path.With(name)))
            {
                continue;
            }

            var identity = Identity.Of(inode, clock);
            var unchanged = earlier is not null && met is { Kind: not EntryKind.Directory } && met.Identity.IsStill(inode);
            Keep(live, copy, unchanged ? earlier : null, name, inode, identity);
            met?.Skip();
        }

        while (known is { Kind: not EntryKind.Leave })
        {
            known.Skip();
        }

        known?.Next();
        index.Leave();
        Metadata.Copy(looks, live.Descriptor, copy.Descriptor, live.Shown, note);
        listings.Push(names);
    }

    void Descend(DirectoryHandle live, DirectoryHandle copy, DirectoryHandle? earlier, BackupIndexReader? met, ReadOnlySpan<byte> name, Inode inode, long clock, int depth)
    {
        using var inner = live.OpenChild(name);
        using var made = copy.CreateChild(name);
        using var before = met is { Kind: EntryKind.Directory } ? earlier?.OpenChild(name) : null;
        var isKnown = before is not null;
        if (!isKnown)
        {
            met?.Skip();
        }
        else
        {
            met!.Next();
        }

        index.Enter(name, Identity.Of(inode, clock));
        path.Push(name);
        Walk(inner, made, before, isKnown ? met : null, depth + 1);
        path.Pop();
    }

    void Keep(DirectoryHandle live, DirectoryHandle copy, DirectoryHandle? earlier, ReadOnlySpan<byte> name, Inode inode, Identity identity)
    {
        var (done, isShared) = (false, false);
        var key = (inode.Device, inode.Number);
        if (inode.Links > 1 && linked.TryGetValue(key, out var first))
        {
            done = root.TryLink(first, copy, name);
            isShared = done;
        }

        if (!done && earlier is not null)
        {
            done = earlier.TryLink(name, copy, name);
            isShared = done;
        }

        if (!done)
        {
            if (!copies.TryCopy(live, name, inode, copy, name, out var steady))
            {
                return;
            }

            identity = steady is { } s && Identity.Of(s) == Identity.Of(inode) ? identity : identity with { ChangedNs = 0 };
        }

        if (inode.Links > 1)
        {
            linked[key] = path.With(name);
        }

        shared += isShared ? 1 : 0;
        files++;
        bytes += inode.IsFile ? inode.Size : 0;
        index.Write(inode.IsFile ? EntryKind.File : inode.IsSymbolicLink ? EntryKind.Link : EntryKind.Pipe, name, identity);
    }
}
