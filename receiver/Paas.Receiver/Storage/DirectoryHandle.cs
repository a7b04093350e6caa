using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>
/// An open directory. Every name is one component relative to it and no call follows a symbolic link, so a component that is swapped
/// for a link while we walk cannot lead outside. Names are bytes ending in NUL and survive whatever they are; depth and path length have no limit but open files.
/// </summary>
sealed unsafe class DirectoryHandle : IDisposable
{
    readonly DirectoryHandle? parent;
    readonly byte[] name;
    int descriptor;

    DirectoryHandle(int descriptor, DirectoryHandle? parent, byte[] name)
    {
        this.descriptor = descriptor;
        this.parent = parent;
        this.name = name;
    }

    public int Descriptor => descriptor;

    public Inode Inode => Inode.Of(descriptor);

    /// <summary>Null when it does not exist.</summary>
    /// <exception cref="IOException">It is no directory, a link to one included, or may not be opened.</exception>
    public static DirectoryHandle? TryOpen(string path)
    {
        var bytes = Kernel.Name(path);
        var opened = OpenAt(-100, bytes, out var error);
        return opened >= 0 ? new DirectoryHandle(opened, null, bytes)
            : error == Kernel.NoEntry ? null : throw Kernel.Failed("open the directory", path, error);
    }

    public static DirectoryHandle Open(string path) => TryOpen(path) ?? throw Kernel.Failed("open the directory", path, Kernel.NoEntry);

    /// <summary>Opens a directory, making it and what is above it where they are missing.</summary>
    public static DirectoryHandle OpenOrCreate(string path)
    {
        Directory.CreateDirectory(path);
        return Open(path);
    }

    /// <summary>Removes a file, a link or a whole directory, names that .NET cannot spell included. What is not there is no error.</summary>
    public static void Delete(string path)
    {
        using var above = TryOpen(Path.GetDirectoryName(path)!);
        above?.DeleteTree(Kernel.Name(Path.GetFileName(path)));
    }

    /// <summary>Path of a name in here, for messages.</summary>
    public string Show(ReadOnlySpan<byte> child) => $"{Shown}/{Kernel.Show(child)}";

    public string Shown => parent is null ? Kernel.Show(name) : parent.Show(name);

    public DirectoryHandle OpenChild(ReadOnlySpan<byte> child) =>
        TryOpenChild(child) ?? throw Kernel.Failed("open the directory", Show(child), Kernel.NoEntry);

    /// <summary>Null when nothing has that name. A symbolic link is an error: it is never followed.</summary>
    public DirectoryHandle? TryOpenChild(ReadOnlySpan<byte> child)
    {
        var opened = OpenAt(descriptor, child, out var error);
        return opened >= 0 ? new DirectoryHandle(opened, this, child.ToArray())
            : error == Kernel.NoEntry ? null : throw Kernel.Failed("open the directory", Show(child), error);
    }

    /// <summary>Null when nothing of that name is a directory, whatever else it may be.</summary>
    public DirectoryHandle? TryOpenIfDirectory(ReadOnlySpan<byte> child)
    {
        var opened = OpenAt(descriptor, child, out var error);
        return opened >= 0 ? new DirectoryHandle(opened, this, child.ToArray())
            : error is Kernel.NoEntry or Kernel.NotADirectory or Kernel.TooManySymbolicLinks ? null
            : throw Kernel.Failed("open the directory", Show(child), error);
    }

    /// <summary>A new directory (0700 until somebody sets more), opened.</summary>
    public DirectoryHandle CreateChild(ReadOnlySpan<byte> child)
    {
        MakeDirectory(child);
        return OpenChild(child);
    }

    public DirectoryHandle OpenOrCreateChild(ReadOnlySpan<byte> child) => TryOpenChild(child) ?? CreateChild(child);

    public void MakeDirectory(ReadOnlySpan<byte> child, uint mode = 0x1C0)
    {
        Kernel.Check(child);
        fixed (byte* c = child)
        {
            Expect(Kernel.MakeDirectoryAt(descriptor, c, mode), "make the directory", child);
        }
    }

    /// <summary>Replaces the listing's content with the names in here, <c>.</c> and <c>..</c> left out, sorted by bytes.</summary>
    public void List(Listing into)
    {
        into.Clear();
        var buffer = stackalloc byte[32768];
        if (Kernel.Seek(descriptor, 0, 0) < 0)
        {
            throw Kernel.Failed("read the directory", Shown);
        }

        while (true)
        {
            var length = (int)Kernel.ReadDirectory(descriptor, buffer, 32768);
            if (length == 0)
            {
                break;
            }

            if (length < 0)
            {
                throw Kernel.Failed("read the directory", Shown);
            }

            for (var at = 0; at < length;)
            {
                var record = BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(buffer + at + 16, 2));
                var text = buffer + at + 19;
                var entry = new ReadOnlySpan<byte>(text, MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text).Length + 1);
                if (!entry.SequenceEqual(".\0"u8) && !entry.SequenceEqual("..\0"u8))
                {
                    into.Add(entry, buffer[at + 18], BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(buffer + at, 8)));
                }

                at += record;
            }
        }

        into.Sort();
    }

    /// <summary>What lstat says. Null when nothing has that name.</summary>
    public Inode? Stat(ReadOnlySpan<byte> child)
    {
        Kernel.Check(child);
        fixed (byte* c = child)
        {
            return Inode.TryAt(descriptor, c, out var inode, out var error) ? inode
                : error == 0 ? null : throw Kernel.Failed("stat", Show(child), error);
        }
    }

    /// <summary>Opens a file for reading; never a link, and never waits for whoever should write into a pipe.</summary>
    public FileHandle OpenFile(ReadOnlySpan<byte> child) => OpenFile(child, Kernel.ReadOnly | Kernel.NonBlocking, 0);

    /// <summary>A new file for writing (0600 until somebody sets more). One that is there already is an error.</summary>
    public FileHandle CreateFile(ReadOnlySpan<byte> child, uint mode = 0x180) =>
        OpenFile(child, Kernel.ReadWrite | Kernel.Create | Kernel.Exclusive, mode);

    public void MakeSymbolicLink(ReadOnlySpan<byte> child, ReadOnlySpan<byte> target)
    {
        Kernel.Check(child);
        Kernel.Check(target);
        fixed (byte* c = child, t = target)
        {
            Expect(Kernel.SymbolicLinkAt(t, descriptor, c), "make the link", child);
        }
    }

    /// <summary>Where a link points, ending in NUL.</summary>
    public byte[] ReadLink(ReadOnlySpan<byte> child)
    {
        Kernel.Check(child);
        var buffer = stackalloc byte[4097];
        fixed (byte* c = child)
        {
            var length = (int)Kernel.ReadLinkAt(descriptor, c, buffer, 4096);
            Expect(length, "read the link", child);
            buffer[length] = 0;
            return new ReadOnlySpan<byte>(buffer, length + 1).ToArray();
        }
    }

    public void MakePipe(ReadOnlySpan<byte> child)
    {
        Kernel.Check(child);
        fixed (byte* c = child)
        {
            Expect(Kernel.MakeNodeAt(descriptor, c, 0x1180, 0), "make the pipe", child);
        }
    }

    /// <summary>A second name for the same file. False when the file can have no more names or <paramref name="to"/> is another device.</summary>
    public bool TryLink(ReadOnlySpan<byte> child, DirectoryHandle to, ReadOnlySpan<byte> newName)
    {
        Kernel.Check(child);
        Kernel.Check(newName);
        fixed (byte* c = child, t = newName)
        {
            if (Kernel.LinkAt(descriptor, c, to.descriptor, t, 0) == 0)
            {
                return true;
            }

            var error = Marshal.GetLastPInvokeError();
            return error is Kernel.TooManyLinks or Kernel.OtherDevice or Kernel.NoEntry or Kernel.NotPermitted or Kernel.NotSupported
                ? false : throw Kernel.Failed("link", to.Show(newName), error);
        }
    }

    public void Rename(ReadOnlySpan<byte> child, DirectoryHandle to, ReadOnlySpan<byte> newName)
    {
        if (!TryRename(child, to, newName))
        {
            throw Kernel.Failed("rename", Show(child), Kernel.OtherDevice);
        }
    }

    /// <summary>rename(2). False when <paramref name="to"/> is on another device or mount.</summary>
    public bool TryRename(ReadOnlySpan<byte> child, DirectoryHandle to, ReadOnlySpan<byte> newName)
    {
        Kernel.Check(child);
        Kernel.Check(newName);
        fixed (byte* c = child, t = newName)
        {
            if (Kernel.RenameAt(descriptor, c, to.descriptor, t) == 0)
            {
                return true;
            }

            var error = Marshal.GetLastPInvokeError();
            return error == Kernel.OtherDevice ? false : throw Kernel.Failed("rename", $"{Show(child)} → {to.Show(newName)}", error);
        }
    }

    /// <summary>Removes a file, a link or a whole directory. What is not there is no error.</summary>
    /// <remarks>Without recursion: a tree of hostile depth costs open files, not our stack.</remarks>
    public void DeleteTree(ReadOnlySpan<byte> child)
    {
        if (TryUnlink(child))
        {
            return;
        }

        var pending = new Stack<DirectoryHandle>();
        try
        {
            pending.Push(OpenForDeletion(this, child));
            var listing = new Listing();
            while (pending.TryPeek(out var inner))
            {
                inner.List(listing);
                DirectoryHandle? deeper = null;
                for (var i = 0; i < listing.Count && deeper is null; i++)
                {
                    deeper = inner.TryUnlink(listing[i]) ? null : OpenForDeletion(inner, listing[i]);
                }

                if (deeper is not null)
                {
                    pending.Push(deeper);
                    continue;
                }

                _ = pending.Pop();
                inner.RemoveFrom(pending.TryPeek(out var outer) ? outer : this);
                inner.Dispose();
            }
        }
        finally
        {
            while (pending.TryPop(out var left))
            {
                left.Dispose();
            }
        }
    }

    /// <summary>Makes the names in here durable.</summary>
    public void Flush()
    {
        if (Kernel.Flush(descriptor) != 0)
        {
            throw Kernel.Failed("flush", Shown);
        }
    }

    /// <summary>Makes everything on this directory's file system durable.</summary>
    public void FlushFileSystem()
    {
        if (Kernel.FlushFileSystem(descriptor) != 0)
        {
            throw Kernel.Failed("flush", Shown);
        }
    }

    public void Dispose()
    {
        var open = Interlocked.Exchange(ref descriptor, -1);
        if (open >= 0)
        {
            _ = Kernel.Close(open);
        }
    }

    static int OpenAt(int directory, ReadOnlySpan<byte> name, out int error)
    {
        Kernel.Check(name);
        fixed (byte* n = name)
        {
            var opened = Kernel.OpenAt(directory, n, Kernel.ReadOnly | Kernel.OnlyDirectory | Kernel.NoFollow | Kernel.CloseOnExec, 0);
            error = opened < 0 ? Marshal.GetLastPInvokeError() : 0;
            return opened;
        }
    }

    // A directory its owner made unreadable must not stop its owner from removing it.
    static DirectoryHandle OpenForDeletion(DirectoryHandle above, ReadOnlySpan<byte> child)
    {
        var opened = OpenAt(above.descriptor, child, out var error);
        if (opened < 0 && error == Kernel.NoAccess)
        {
            fixed (byte* c = child)
            {
                _ = Kernel.ChangeModeAt(above.descriptor, c, 0x1C0, 0);
            }

            opened = OpenAt(above.descriptor, child, out error);
        }

        if (opened < 0)
        {
            throw Kernel.Failed("remove", above.Show(child), error);
        }

        if (!Kernel.IsRoot)
        {
            _ = Kernel.ChangeMode(opened, 0x1C0);
        }

        return new DirectoryHandle(opened, above, child.ToArray());
    }

    // True when it is gone; false when it is a directory.
    bool TryUnlink(ReadOnlySpan<byte> child)
    {
        Kernel.Check(child);
        fixed (byte* c = child)
        {
            if (Kernel.UnlinkAt(descriptor, c, 0) == 0)
            {
                return true;
            }

            var error = Marshal.GetLastPInvokeError();
            return error switch
            {
                Kernel.NoEntry => true,
                Kernel.IsADirectory => false,
                _ => throw Kernel.Failed("remove", Show(child), error),
            };
        }
    }

    void RemoveFrom(DirectoryHandle above)
    {
        fixed (byte* c = name)
        {
            if (Kernel.UnlinkAt(above.descriptor, c, 0x200 /* AT_REMOVEDIR */) != 0)
            {
                throw Kernel.Failed("remove", Shown);
            }
        }
    }

    FileHandle OpenFile(ReadOnlySpan<byte> child, int flags, uint mode)
    {
        Kernel.Check(child);
        fixed (byte* c = child)
        {
            while (true)
            {
                var opened = Kernel.OpenAt(descriptor, c, flags | Kernel.NoFollow | Kernel.CloseOnExec, mode);
                if (opened >= 0)
                {
                    return new FileHandle(opened, this, child.ToArray());
                }

                var error = Marshal.GetLastPInvokeError();
                if (error != Kernel.Interrupted)
                {
                    throw Kernel.Failed((flags & Kernel.Create) == 0 ? "open" : "make", Show(child), error);
                }
            }
        }
    }

    void Expect(int result, string what, ReadOnlySpan<byte> child)
    {
        if (result < 0)
        {
            throw Kernel.Failed(what, Show(child));
        }
    }
}
