using System.Security.Cryptography;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>Walks a release's tree in the order of <see cref="ContentDigest"/>, reading every file once.</summary>
/// <param name="sink">Gets what is read; null when only the digest is wanted.</param>
/// <param name="known">Files that were digested before.</param>
sealed class ReleaseTree(ReleaseTree.ISink? sink, FileDigests? known, CancellationToken ct) : IDisposable
{
    readonly ContentDigest digest = new();
    readonly Stack<(Listing Names, Listing Sorted)> listings = new();
    readonly IncrementalHash large = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    readonly byte[] own = sink is null ? new byte[1 << 20] : [];
    readonly byte[] path = new byte[1 << 16];

    readonly List<int> ways = [];

    public long Entries { get; private set; }

    /// <summary>Of the tree only what these patterns name, and the directories that lead there; null for all.</summary>
    public DataPatterns? Only { get; init; }

    /// <summary>Where the walk puts what it meets.</summary>
    public interface ISink
    {
        /// <summary>Room to read into; at least one byte. What was filled is told by <see cref="Filled"/>.</summary>
        Span<byte> Room();

        void Filled(int count);

        void Begin(byte kind, ReadOnlySpan<byte> path, long size, ReadOnlySpan<byte> target);

        void End(long size);
    }

    /// <exception cref="Refusal">The tree holds what a release cannot: a socket, a pipe or a device.</exception>
    /// <exception cref="IOException">A file changed while it was read, or cannot be read.</exception>
    public string Walk(string tree)
    {
        using var root = DirectoryHandle.Open(tree);
        Walk(root, 0, 0);
        return digest.Finish();
    }

    public void Dispose()
    {
        digest.Dispose();
        large.Dispose();
    }

    void Walk(DirectoryHandle directory, int prefix, int depth)
    {
        if (depth > TreeCopy.Deepest)
        {
            throw new IOException($"{directory.Shown} is nested deeper than {TreeCopy.Deepest} directories");
        }

        var (names, sorted) = listings.TryPop(out var used) ? used : (new Listing(), new Listing());
        directory.List(names);
        SortAsPaths(directory, names, sorted);
        for (var i = 0; i < sorted.Count; i++)
        {
            ct.ThrowIfCancellationRequested();
            var name = sorted[i];
            var end = Append(prefix, name[..^1]);
            var isNamed = Only?.Names(path.AsSpan(0, end)) ?? true;
            if (name[^2] == '/')
            {
                using var inner = directory.OpenChild((byte[])[.. name[..^2], 0]);
                Enter(end, isNamed);
                Walk(inner, end, depth + 1);
                ways.Remove(end);
            }
            else if (!isNamed)
            {
                // nobody wants it
            }
            else if (sorted.TypeOf(i) == LinkType)
            {
                Put(ContentDigest.Link, end, 0, directory.ReadLink(name).AsSpan()[..^1]);
            }
            else
            {
                ReadFile(directory, name, end);
            }
        }

        listings.Push((names, sorted));
    }

    // A directory that is only on the way is put down once something below it is.
    void Enter(int end, bool isNamed)
    {
        ways.Add(end);
        if (isNamed)
        {
            PutWays();
        }
    }

    void PutWays()
    {
        foreach (var end in ways)
        {
            PutEntry(ContentDigest.Directory, end, 0, []);
        }

        ways.Clear();
    }

    const byte DirectoryType = 4;
    const byte FileType = 8;
    const byte LinkType = 10;

    // As paths, a/b comes after a-b: a directory is compared with the '/' that its content has.
    static void SortAsPaths(DirectoryHandle directory, Listing names, Listing sorted)
    {
        sorted.Clear();
        Span<byte> asPath = stackalloc byte[258];
        for (var i = 0; i < names.Count; i++)
        {
            var name = names[i];
            var type = names.TypeOf(i);
            if (type is not (DirectoryType or FileType or LinkType))
            {
                type = directory.Stat(name) switch
                {
                    { IsDirectory: true } => DirectoryType,
                    { IsFile: true } => FileType,
                    { IsSymbolicLink: true } => LinkType,
                    _ => throw new Refusal($"{directory.Show(name)} is a socket, a pipe or a device: a release holds only files, directories and links."),
                };
            }

            if (type != DirectoryType)
            {
                sorted.Add(name, type);
                continue;
            }

            name.CopyTo(asPath);
            asPath[name.Length - 1] = (byte)'/';
            asPath[name.Length] = 0;
            sorted.Add(asPath[..(name.Length + 1)], type);
        }

        sorted.Sort();
    }

    int Append(int prefix, ReadOnlySpan<byte> name)
    {
        if (prefix + name.Length > path.Length)
        {
            throw new IOException($"A path is longer than {path.Length} bytes: {Kernel.Show(path.AsSpan(0, 200))}…");
        }

        name.CopyTo(path.AsSpan(prefix));
        return prefix + name.Length;
    }

    void Put(byte kind, int end, long size, ReadOnlySpan<byte> target)
    {
        PutWays();
        PutEntry(kind, end, size, target);
    }

    void PutEntry(byte kind, int end, long size, ReadOnlySpan<byte> target)
    {
        Entries++;
        sink?.Begin(kind, path.AsSpan(0, end), size, target);
        digest.Add(ContentDigest.Entry(kind, path.AsSpan(0, end), size, target));
    }

    void ReadFile(DirectoryHandle directory, ReadOnlySpan<byte> name, int end)
    {
        using var file = directory.OpenFile(name);
        var inode = file.Inode;
        if (!inode.IsFile)
        {
            throw new IOException($"{directory.Show(name)} became something else while it was read");
        }

        var kind = (inode.Permissions & 0x40) != 0 ? ContentDigest.Executable : ContentDigest.File;
        PutWays();
        Entries++;
        sink?.Begin(kind, path.AsSpan(0, end), inode.Size, []);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        var isKnown = known?.TryGet(inode, hash) ?? false;
        long read = 0;
        while (read < inode.Size || inode.Size == 0)
        {
            var room = sink is null ? own : sink.Room();
            var chunk = room[..(int)Math.Min(room.Length, inode.Size - read)];
            Fill(file, chunk, directory, name);
            var whole = chunk.Length == inode.Size;
            if (isKnown)
            {
                // only the sink wants it
            }
            else if (whole)
            {
                _ = SHA256.HashData(chunk, hash);
            }
            else
            {
                large.AppendData(chunk);
            }

            read += chunk.Length;
            sink?.Filled(chunk.Length);
            if (whole)
            {
                break;
            }

            ct.ThrowIfCancellationRequested();
            if (read == inode.Size && !isKnown)
            {
                _ = large.GetHashAndReset(hash);
            }
        }

        sink?.End(inode.Size);
        digest.Add(ContentDigest.Entry(kind, path.AsSpan(0, end), inode.Size, hash));
    }

    static void Fill(FileHandle file, Span<byte> chunk, DirectoryHandle directory, ReadOnlySpan<byte> name)
    {
        while (chunk.Length > 0)
        {
            var count = file.Read(chunk);
            if (count == 0)
            {
                throw new IOException($"{directory.Show(name)} became shorter while it was read");
            }

            chunk = chunk[count..];
        }
    }
}
