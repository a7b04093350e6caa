using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>
/// What somebody changed in a sealed tree: its files before, its files after, by path. A path that is in both has another content, target or right to be run.
/// Directories are not counted, nor times, owners and other rights: no patch could hold them.
/// </summary>
sealed class TreeChanges
{
    /// <summary>Of all changed files together: a patch is text, made in memory.</summary>
    public const long MostBytes = 256L << 20;

    const uint SetsUserOrGroup = 0xC00;
    const uint OwnerMayRun = 0x40;

    static readonly EnumerationOptions Everything = new() { AttributesToSkip = FileAttributes.None };

    readonly SortedSet<string> before = new(StringComparer.Ordinal);
    readonly SortedSet<string> after = new(StringComparer.Ordinal);
    readonly List<string> leftOut = [];
    readonly string sealedTree;
    readonly CancellationToken ct;
    long bytes;

    TreeChanges(string sealedTree, string changed, CancellationToken ct)
    {
        this.sealedTree = sealedTree;
        Changed = changed;
        this.ct = ct;
    }

    /// <summary>Where the files of <see cref="After"/> are.</summary>
    public string Changed { get; }

    public string Sealed => sealedTree;

    /// <summary>Files and links of the sealed tree that are other ones or gone.</summary>
    public IReadOnlyCollection<string> Before => before;

    /// <summary>Files and links that are new or other ones.</summary>
    public IReadOnlyCollection<string> After => after;

    /// <summary>All of them, once, in order.</summary>
    public IReadOnlyList<string> Paths => [.. before.Union(after).Order(StringComparer.Ordinal)];

    /// <summary>What is not taken, and why, in words.</summary>
    public IReadOnlyList<string> LeftOut => leftOut;

    /// <summary>By the upper layer of an overlay above the sealed tree. Costs what was changed.</summary>
    /// <exception cref="Refusal">It is more than a patch can hold, or a name is not UTF-8.</exception>
    public static TreeChanges InLayer(string sealedTree, string upper, CancellationToken ct)
    {
        var changes = new TreeChanges(sealedTree, upper, ct);
        changes.LookAtLayer("");
        return changes;
    }

    /// <summary>By comparing two whole trees.</summary>
    /// <inheritdoc cref="InLayer"/>
    public static TreeChanges InCopy(string sealedTree, string copy, CancellationToken ct)
    {
        var changes = new TreeChanges(sealedTree, copy, ct);
        changes.LookAtCopy("");
        return changes;
    }

    void LookAtLayer(string directory)
    {
        foreach (var path in NamesIn(Changed, directory))
        {
            var above = At(Changed, path);
            var below = Inode.Of(Path.Combine(sealedTree, path));
            if (above.IsCharacterDevice)
            {
                Gone(path, below);
            }
            else if (!above.IsDirectory)
            {
                Put(path, above, below);
            }
            else if (below is not { IsDirectory: true } || Overlay.IsOpaque(Path.Combine(Changed, path)))
            {
                var was = before.ToHashSet(StringComparer.Ordinal);
                Gone(path, below);
                AllNew(path);
                DropSame(path, was);
            }
            else
            {
                LookAtLayer(path);
            }
        }
    }

    void LookAtCopy(string directory)
    {
        var names = NamesIn(Changed, directory);
        foreach (var path in names)
        {
            var (now, then) = (At(Changed, path), Inode.Of(Path.Combine(sealedTree, path)));
            if (!now.IsDirectory)
            {
                Put(path, now, then);
            }
            else if (then is { IsDirectory: true })
            {
                LookAtCopy(path);
            }
            else
            {
                Gone(path, then);
                AllNew(path);
            }
        }

        foreach (var path in NamesIn(sealedTree, directory).Except(names, StringComparer.Ordinal))
        {
            Gone(path, Inode.Of(Path.Combine(sealedTree, path)));
        }
    }

    void Put(string path, Inode now, Inode? then)
    {
        if (now is { IsFile: false, IsSymbolicLink: false })
        {
            leftOut.Add($"{Shown(path)} is a socket, a pipe or a device: a release holds files, directories and links");
            return;
        }

        if (now.IsFile && (now.Permissions & SetsUserOrGroup) != 0)
        {
            leftOut.Add($"{Shown(path)}: its setuid or setgid bit is refused");
        }

        if (then is { IsDirectory: true })
        {
            Gone(path, then);
        }
        else if (then is { } old)
        {
            if (IsSame(path, now, old))
            {
                return;
            }

            Add(before, path, old);
        }

        Add(after, path, now);
    }

    void Gone(string path, Inode? then)
    {
        if (then is { IsDirectory: true })
        {
            foreach (var inner in NamesIn(sealedTree, path))
            {
                Gone(inner, Inode.Of(Path.Combine(sealedTree, inner)));
            }
        }
        else if (then is { } old)
        {
            Add(before, path, old);
        }
    }

    void AllNew(string directory)
    {
        foreach (var path in NamesIn(Changed, directory))
        {
            var now = At(Changed, path);
            if (now.IsDirectory)
            {
                AllNew(path);
            }
            else if (!now.IsCharacterDevice)
            {
                Put(path, now, null);
            }
        }
    }

    /// <summary>A directory that was made anew mostly holds what the old one held.</summary>
    void DropSame(string directory, HashSet<string> was)
    {
        foreach (var path in before.Where(path => !was.Contains(path) && path.StartsWith(directory + "/", StringComparison.Ordinal) && after.Contains(path)).ToList())
        {
            if (IsSame(path, At(Changed, path), At(sealedTree, path)))
            {
                before.Remove(path);
                after.Remove(path);
            }
        }
    }

    void Add(SortedSet<string> side, string path, Inode inode)
    {
        ct.ThrowIfCancellationRequested();
        bytes += inode.IsFile ? inode.Size : 0;
        if (bytes > MostBytes)
        {
            throw new Refusal($"the changed files are larger than {MostBytes >> 20} MB together: too much for a patch. Push them instead");
        }

        side.Add(path);
    }

    bool IsSame(string path, Inode now, Inode then)
    {
        if (now.IsSymbolicLink || then.IsSymbolicLink)
        {
            return now.IsSymbolicLink && then.IsSymbolicLink
                && new FileInfo(Path.Combine(Changed, path)).LinkTarget == new FileInfo(Path.Combine(sealedTree, path)).LinkTarget;
        }

        if (!then.IsFile || now.Size != then.Size || ((now.Permissions ^ then.Permissions) & OwnerMayRun) != 0)
        {
            return false;
        }

        return (now.Device == then.Device && now.Number == then.Number) || HaveSameContent(Path.Combine(Changed, path), Path.Combine(sealedTree, path));
    }

    static bool HaveSameContent(string one, string other)
    {
        using var first = new FileStream(one, new FileStreamOptions { BufferSize = 0 });
        using var second = new FileStream(other, new FileStreamOptions { BufferSize = 0 });
        var (here, there) = (new byte[64 * 1024], new byte[64 * 1024]);
        while (true)
        {
            var read = first.ReadAtLeast(here, here.Length, throwOnEndOfStream: false);
            if (second.ReadAtLeast(there, there.Length, throwOnEndOfStream: false) != read || !here.AsSpan(0, read).SequenceEqual(there.AsSpan(0, read)))
            {
                return false;
            }

            if (read < here.Length)
            {
                return true;
            }
        }
    }

    /// <summary>Paths of what is in a directory. What git keeps for itself is no part of a patch.</summary>
    List<string> NamesIn(string tree, string directory)
    {
        var paths = new List<string>();
        foreach (var entry in new DirectoryInfo(Path.Combine(tree, directory)).EnumerateFileSystemInfos("*", Everything))
        {
            var path = directory.Length == 0 ? entry.Name : directory + "/" + entry.Name;
            if (entry.Name.Equals(".git", StringComparison.OrdinalIgnoreCase))
            {
                if (tree == Changed)
                {
                    leftOut.Add($"{Shown(path)} belongs to git: a patch cannot hold it");
                }
            }
            else
            {
                paths.Add(path);
            }
        }

        return paths;
    }

    // A name that is not UTF-8 is not found by the name that it is read as.
    static Inode At(string tree, string path) =>
        Inode.Of(Path.Combine(tree, path)) ?? throw new Refusal($"the name {Shown(path)} is not UTF-8: rename it");

    static string Shown(string path) => Logs.LogStream.Harmless(path.Replace('\n', '?'));
}
