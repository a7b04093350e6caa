using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>The names from a tree's root down to where a walk stands, as one path of bytes ending in NUL. The root itself is the NUL alone.</summary>
sealed class PathStack
{
    readonly List<byte> bytes = [];
    readonly Stack<int> lengths = new();

    public int Depth => lengths.Count;

    public byte[] Path => [.. bytes, 0];

    /// <param name="name">Ending in NUL.</param>
    public void Push(ReadOnlySpan<byte> name)
    {
        lengths.Push(bytes.Count);
        if (bytes.Count > 0)
        {
            bytes.Add((byte)'/');
        }

        bytes.AddRange(name[..^1]);
    }

    public void Pop() => bytes.RemoveRange(lengths.Peek(), bytes.Count - lengths.Pop());

    /// <summary>The path of a name in the directory the walk stands in.</summary>
    public byte[] With(ReadOnlySpan<byte> name) => bytes.Count == 0 ? name.ToArray() : [.. bytes, (byte)'/', .. name];
}

/// <summary>Goes from path to path in one tree, component by component without following links, and keeps open what the next path will need again.</summary>
sealed class PathWalk(DirectoryHandle root) : IDisposable
{
    readonly List<(byte[] Name, DirectoryHandle Handle)> open = [];

    public DirectoryHandle Root => root;

    /// <summary>The directory a path (ending in NUL) lies in, and its last name.</summary>
    public DirectoryHandle Above(byte[] path, out ReadOnlySpan<byte> name)
    {
        var names = Split(path);
        name = names[^1];
        return Go(names, names.Count - 1, null, static _ => { });
    }

    /// <summary>The same; directories that are missing are made to look like the ones in another tree.</summary>
    public DirectoryHandle AboveLike(byte[] path, PathWalk other, Action<string> note)
    {
        var names = Split(path);
        return Go(names, names.Count - 1, other, note);
    }

    /// <summary>The directory a path lies in, made where it is missing.</summary>
    public DirectoryHandle AboveMade(byte[] path, out ReadOnlySpan<byte> name)
    {
        var names = Split(path);
        name = names[^1];
        return Go(names, names.Count - 1, null, static _ => { }, make: true);
    }

    /// <summary>The directory that a path names; the NUL alone is the root.</summary>
    public DirectoryHandle Directory(byte[] path)
    {
        var names = Split(path);
        return Go(names, names.Count, null, static _ => { });
    }

    /// <summary>What a path names has been moved or made anew: nothing that was opened through it holds.</summary>
    public void Forget(byte[] path)
    {
        var names = Split(path);
        if (Common(names, names.Count) == names.Count)
        {
            Cut(names.Count - 1);
        }
    }

    public void Dispose() => Cut(0);

    static List<byte[]> Split(byte[] path)
    {
        var names = new List<byte[]>();
        for (var rest = path.AsSpan(0, path.Length - 1); !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)'/');
            names.Add([.. end < 0 ? rest : rest[..end], 0]);
            rest = end < 0 ? default : rest[(end + 1)..];
        }

        return names;
    }

    DirectoryHandle Go(List<byte[]> names, int depth, PathWalk? like, Action<string> note, bool make = false)
    {
        Cut(Common(names, depth));
        while (open.Count < depth)
        {
            var name = names[open.Count];
            var above = open.Count == 0 ? root : open[^1].Handle;
            var next = above.TryOpenChild(name);
            if (next is null && like is not null)
            {
                next = above.CreateChild(name);
                var model = like.Go(names, open.Count + 1, null, note);
                Metadata.Copy(model.Inode, model.Descriptor, next.Descriptor, next.Shown, note);
            }

            open.Add((name, next ?? (make ? above.CreateChild(name) : above.OpenChild(name))));
        }

        return depth == 0 ? root : open[^1].Handle;
    }

    int Common(List<byte[]> names, int depth)
    {
        var common = 0;
        while (common < depth && common < open.Count && open[common].Name.AsSpan().SequenceEqual(names[common]))
        {
            common++;
        }

        return common;
    }

    void Cut(int depth)
    {
        for (var i = open.Count - 1; i >= depth; i--)
        {
            open[i].Handle.Dispose();
            open.RemoveAt(i);
        }
    }
}
