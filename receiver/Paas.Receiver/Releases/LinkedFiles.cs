using System.Text;
using Paas.Receiver.Git;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>A directory tree of which every file is a further name of a checkout's file.</summary>
sealed class LinkedFiles(string checkout, string tree)
{
    static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(1);

    const UnixFileMode Plain = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    const UnixFileMode Executable = Plain | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>
    /// Afterwards the tree has exactly these files, whatever it had before. A name that leads to the checkout's own file already is left alone, which its
    /// directory tells without a look at the file; so a tree that was right for an earlier commit costs what changed since.
    /// </summary>
    /// <exception cref="OperationCanceledException">Half done; to be matched again or thrown away.</exception>
    public void Match(IReadOnlyList<TreeEntry> entries, CancellationToken ct)
    {
        var directories = new Dictionary<string, List<TreeEntry>>(StringComparer.Ordinal) { [""] = [] };
        var inner = new Dictionary<string, List<string>>(StringComparer.Ordinal) { [""] = [] };
        foreach (var entry in entries)
        {
            Add(entry.IsSubmodule ? entry.Path : Parent(entry.Path)).AddRange(entry.IsSubmodule ? [] : [entry]);
        }

        // From the top down, one after the other: whatever else has a directory's name goes first.
        Directory.CreateDirectory(tree);
        var missing = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in inner.Keys.Order(StringComparer.Ordinal))
        {
            ct.ThrowIfCancellationRequested();
            if (path.Length > 0 && (missing.Contains(Parent(path)) || !Directory.Exists(Path.Combine(tree, path)) || new DirectoryInfo(Path.Combine(tree, path)).LinkTarget is not null))
            {
                DirectoryHandle.Delete(Path.Combine(tree, path));
                Directory.CreateDirectory(Path.Combine(tree, path));
                missing.Add(path);
            }
        }

        // One directory at a time each: within one the kernel lets in one of us at a time anyway.
        Parallel.ForEach(
            inner.Keys, new ParallelOptions { CancellationToken = ct, MaxDegreeOfParallelism = System.Environment.ProcessorCount },
            path => Match(path, directories[path], inner[path], isNew: missing.Contains(path)));

        List<TreeEntry> Add(string path)
        {
            if (!directories.TryGetValue(path, out var files))
            {
                directories[path] = files = [];
                inner[path] = [];
                Add(Parent(path));
                inner[Parent(path)].Add(Path.GetFileName(path));
            }

            return files;
        }
    }

    /// <summary>
    /// Links files as they appear, while somebody writes the checkout in this order: a name can be had before its content is whole. Ends with the writing;
    /// what was missed, or has been replaced since, is for <see cref="Match(IReadOnlyList{TreeEntry}, CancellationToken)"/>.
    /// </summary>
    /// <param name="digests">Gets those of the files that are whole, as far as there is time for it: a file is, once there is one behind it.</param>
    /// <remarks>Nobody tells when git has made a file, so the next name is looked for again and again, a millisecond apart.</remarks>
    public async Task FollowAsync(IReadOnlyList<TreeEntry> entries, Task writing, FileDigests digests, CancellationToken ct)
    {
        await Task.Yield();
        var unread = new Queue<(int Order, string Path)>();
        var last = -1;
        foreach (var directory in entries.Select((entry, order) => (Entry: entry, Order: order)).Where(file => !file.Entry.IsSubmodule).GroupBy(file => Parent(file.Entry.Path)))
        {
            Directory.CreateDirectory(Path.Combine(tree, directory.Key));
            using var to = DirectoryHandle.Open(Path.Combine(tree, directory.Key));
            DirectoryHandle? from;
            while ((from = DirectoryHandle.TryOpen(Path.Combine(checkout, directory.Key))) is null)
            {
                if (!await WaitAsync())
                {
                    return;
                }
            }

            using (from)
            {
                foreach (var (entry, order) in directory)
                {
                    var name = Kernel.Name(Path.GetFileName(entry.Path));
                    while (!from.TryLink(name, to, name))
                    {
                        if (!await WaitAsync())
                        {
                            return;
                        }
                    }

                    last = Math.Max(last, order);
                    if (!entry.IsSymbolicLink)
                    {
                        unread.Enqueue((order, entry.Path));
                    }
                }
            }
        }

        // False when there is nothing to wait for any more.
        async Task<bool> WaitAsync()
        {
            if (writing.IsCompleted)
            {
                return false;
            }

            if (unread.TryPeek(out var next) && next.Order < last)
            {
                digests.Take(Path.Combine(tree, unread.Dequeue().Path));
            }
            else
            {
                await Task.Delay(Glance, ct);
            }

            return true;
        }
    }

    static string Parent(string path) => Path.GetDirectoryName(path) ?? "";

    void Match(string path, List<TreeEntry> files, List<string> directories, bool isNew)
    {
        using var from = DirectoryHandle.Open(Path.Combine(checkout, path));
        using var to = DirectoryHandle.Open(Path.Combine(tree, path));
        var right = isNew ? [] : WhatIsRight(from, to, [.. files.Where(file => file.Elsewhere is null).Select(file => Path.GetFileName(file.Path))], [.. directories]);
        foreach (var file in files)
        {
            var name = Path.GetFileName(file.Path);
            if (!right.Contains(name))
            {
                Link(from, to, Kernel.Name(name), file);
            }
        }
    }

    /// <summary>The files that need nothing done; everything that is neither one of them nor a wanted directory is gone.</summary>
    static HashSet<string> WhatIsRight(DirectoryHandle from, DirectoryHandle to, HashSet<string> files, HashSet<string> directories)
    {
        var right = new HashSet<string>(StringComparer.Ordinal);
        var listing = new Listing();
        from.List(listing);
        var theirs = new Dictionary<string, ulong>(StringComparer.Ordinal);
        for (var i = 0; i < listing.Count; i++)
        {
            theirs[Encoding.UTF8.GetString(listing[i][..^1])] = listing.InodeOf(i);
        }

        to.List(listing);
        for (var i = 0; i < listing.Count; i++)
        {
            var name = Encoding.UTF8.GetString(listing[i][..^1]);
            if (files.Contains(name) && theirs.TryGetValue(name, out var inode) && inode == listing.InodeOf(i))
            {
                right.Add(name);
            }
            else if (!directories.Contains(name))
            {
                to.DeleteTree(listing[i]);
            }
        }

        return right;
    }

    void Link(DirectoryHandle from, DirectoryHandle to, byte[] name, TreeEntry file)
    {
        if (file.Elsewhere is not null)
        {
            LinkElsewhere(file.Elsewhere, to, name, file);
            return;
        }

        if (from.TryLink(name, to, name))
        {
            return;
        }

        // As many names as a file can have, or a file system without links.
        if (file.IsSymbolicLink)
        {
            to.MakeSymbolicLink(name, from.ReadLink(name));
        }
        else
        {
            File.Copy(Path.Combine(checkout, file.Path), Path.Combine(tree, file.Path));
        }
    }

    void LinkElsewhere(string content, DirectoryHandle to, byte[] name, TreeEntry file)
    {
        using var from = DirectoryHandle.Open(Path.GetDirectoryName(content)!);

        // One file has one mode, so a program gets a content of its own.
        if (file.IsExecutable || !from.TryLink(Kernel.Name(Path.GetFileName(content)), to, name))
        {
            var target = Path.Combine(tree, file.Path);
            File.Copy(content, target);
            File.SetUnixFileMode(target, file.IsExecutable ? Executable : Plain);
        }
    }
}
