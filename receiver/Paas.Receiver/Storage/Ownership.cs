using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>Whose files a tree's are. Never follows a link and never leaves the tree.</summary>
static unsafe class Ownership
{
    /// <summary>
    /// Gives everything in a tree that is not somebody's already to one user and group; the tree's own directory last, so that its owner says whether all of it
    /// was given. Costs a look at each name.
    /// </summary>
    /// <remarks>A change of owner takes setuid away: nobody gets a program that acts for another.</remarks>
    public static void Give(string tree, uint owner)
    {
        using var root = DirectoryHandle.Open(tree);
        GiveBelow(root, owner);
        GiveItself(root, owner);
    }

    /// <summary>Gives a directory alone, whatever is in it.</summary>
    public static void GiveDirectory(string directory, uint owner)
    {
        using var root = DirectoryHandle.Open(directory);
        GiveItself(root, owner);
    }

    /// <summary>Gives what is directly in a directory, not what is deeper.</summary>
    public static void GiveEntries(string directory, uint owner)
    {
        using var root = DirectoryHandle.Open(directory);
        var listing = new Listing();
        root.List(listing);
        for (var i = 0; i < listing.Count; i++)
        {
            if (root.Stat(listing[i]) is { IsMountPoint: false } inode && inode.Owner != owner)
            {
                GiveOne(root, listing[i], owner);
            }
        }
    }

    /// <summary>Who owns a directory; null when it is not there.</summary>
    public static uint? Of(string directory) => Inode.Of(directory)?.Owner;

    static void GiveItself(DirectoryHandle directory, uint owner)
    {
        if (directory.Inode.Owner != owner && Kernel.ChangeOwner(directory.Descriptor, owner, owner) != 0)
        {
            throw Kernel.Failed("change the owner of", directory.Shown);
        }
    }

    static void GiveBelow(DirectoryHandle root, uint owner)
    {
        var pending = new Stack<(DirectoryHandle Above, byte[] Name)>();
        var open = new Stack<DirectoryHandle>();
        var listing = new Listing();
        try
        {
            Visit(root);
            while (pending.TryPop(out var next))
            {
                // Depth first: whoever is not above the next one is done with.
                while (open.TryPeek(out var last) && last != next.Above)
                {
                    open.Pop().Dispose();
                }

                if (next.Above.TryOpenIfDirectory(next.Name) is { } directory)
                {
                    open.Push(directory);
                    Visit(directory);
                }
            }
        }
        finally
        {
            while (open.TryPop(out var left))
            {
                left.Dispose();
            }
        }

        void Visit(DirectoryHandle directory)
        {
            directory.List(listing);
            for (var i = 0; i < listing.Count; i++)
            {
                var name = listing[i];
                if (directory.Stat(name) is not { } inode)
                {
                    continue;
                }

                if (inode.Owner != owner && inode is { IsMountPoint: false })
                {
                    GiveOne(directory, name, owner);
                }

                if (inode is { IsDirectory: true, IsMountPoint: false })
                {
                    pending.Push((directory, name.ToArray()));
                }
            }
        }
    }

    static void GiveOne(DirectoryHandle directory, ReadOnlySpan<byte> name, uint owner)
    {
        fixed (byte* n = name)
        {
            if (Kernel.ChangeOwnerAt(directory.Descriptor, n, owner, owner, 0x100 /* AT_SYMLINK_NOFOLLOW */) != 0 && Marshal.GetLastPInvokeError() != Kernel.NoEntry)
            {
                throw Kernel.Failed("change the owner of", directory.Show(name));
            }
        }
    }
}
