using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>How much an archive may ask of us, and how strict we are with it.</summary>
/// <param name="Entries">Most entries.</param>
/// <param name="Bytes">Most bytes unpacked.</param>
/// <param name="Ratio">Most bytes unpacked for each packed one, once more than <paramref name="RatioFrom"/> are unpacked (a sparse file of ours may be small for long).</param>
/// <param name="CaseCollisions">Two names may differ in case only.</param>
sealed record UnpackLimits(long Entries, long Bytes, long Ratio, long RatioFrom, bool CaseCollisions)
{
    /// <summary>For archives whose digest we know: a release may hold what its repository holds.</summary>
    public static readonly UnpackLimits Own = new(5_000_000, 200L << 30, 5000, 1L << 30, true);

    /// <summary>For archives made elsewhere.</summary>
    public static readonly UnpackLimits Foreign = new(1_000_000, 20L << 30, 250, 256L << 20, false);
}

/// <summary>
/// One archive being unpacked: tar (ustar, pax, GNU long names) read as if by an enemy. Paths are taken apart into components; absolute ones and <c>..</c> are refused. A directory is opened component
/// by component without following links, so nothing is written through a link, whatever order the entries come in. Devices, pipes, setuid and setgid files, sparse files of GNU tar,
/// hard links to what is not a file unpacked before, and a name that comes twice are refused.
/// </summary>
/// <param name="packed">Length of the archive, for the ratio.</param>
sealed class Unpacking(Stream tar, string directory, long packed, UnpackLimits limits, CancellationToken ct) : IDisposable
{
    public const string CutOff = "The archive is cut off.";

    const int Block = 512;
    const int LongestHeader = 1 << 20;

    readonly byte[] buffer = new byte[1 << 20];
    readonly DirectoryHandle root = DirectoryHandle.Open(directory);
    readonly FileWriters writers = new();
    readonly Dictionary<string, Entered?> seen = new(StringComparer.Ordinal);
    readonly HashSet<string> folded = new(StringComparer.Ordinal);
    readonly List<Entered> entries = [];
    readonly List<(byte[] Path, long Time)> directories = [];
    readonly IncrementalHash large = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    int at;
    int filled;
    long unpacked;
    long headers;
    byte[]? nextPath;
    byte[]? nextTarget;
    long? nextSize;

    /// <summary>Returns the content digest of what was unpacked.</summary>
    public string Run()
    {
        using var walk = new PathWalk(root);
        while (Entry(walk))
        {
            ct.ThrowIfCancellationRequested();
        }

        ReadOutTheRest();
        writers.Finish();
        foreach (var (path, time) in Enumerable.Reverse(directories))
        {
            SetTime(walk.Directory(path).Descriptor, time);
        }

        return Digest();
    }

    public void Dispose()
    {
        writers.Dispose();
        root.Dispose();
        large.Dispose();
    }

    // False at the archive's end mark.
    bool Entry(PathWalk walk)
    {
        var header = Need(Block);
        if (!header.ContainsAnyExcept((byte)0))
        {
            return false;
        }

        CheckSum(header);
        if (++headers > limits.Entries * 2)
        {
            throw new Refusal($"The archive has more than {limits.Entries} entries.");
        }

        var type = header[156];
        var size = Number(header.Slice(124, 12), "size");
        switch (type)
        {
            case (byte)'x':
                Pax(Content(size));
                return true;
            case (byte)'g':
                _ = Content(size); // archive-wide comments; nothing in them is ours to obey
                return true;
            case (byte)'L':
                nextPath = [.. Content(size).TrimEnd((byte)0)];
                return true;
            case (byte)'K':
                nextTarget = [.. Content(size).TrimEnd((byte)0)];
                return true;
        }

        size = type is (byte)'1' or (byte)'2' or (byte)'5' ? 0 : nextSize ?? size;
        var path = nextPath ?? PathOf(header);
        var target = nextTarget ?? Text(header.Slice(157, 100));
        var mode = (uint)Number(header.Slice(100, 8), "mode");
        var time = Number(header.Slice(136, 12), "time");
        (nextPath, nextTarget, nextSize) = (null, null, null);
        at += Block;
        Make(walk, type, path, target, mode, time, size);
        return true;
    }

    void Make(PathWalk walk, byte type, byte[] rawPath, byte[] target, uint mode, long time, long size)
    {
        var isDirectory = type == (byte)'5' || (type is (byte)'0' or 0 && rawPath.Length > 0 && rawPath[^1] == '/');
        if (Clean(rawPath) is not { } path)
        {
            if (!isDirectory)
            {
                throw new Refusal("The archive has an entry without a name.");
            }

            return; // "./", the root itself
        }

        if (isDirectory)
        {
            MakeDirectory(walk, path, time);
            return;
        }

        Meet(path, isDirectory: false);
        var above = Above(walk, path, out var name);
        switch (type)
        {
            case (byte)'0' or 0 or (byte)'7':
                MakeFile(above, name, path, mode, time, size);
                break;
            case (byte)'2':
                if (target.Length == 0 || target.Length > 4095 || target.Contains((byte)0))
                {
                    throw new Refusal($"The link {Kernel.Show(path)} in the archive points nowhere.");
                }

                above.MakeSymbolicLink(name, [.. target, 0]);
                Remember(path, ContentDigest.Link).Value = ContentDigest.Entry(ContentDigest.Link, path.AsSpan(..^1), 0, target);
                break;
            case (byte)'1':
                MakeHardLink(walk, target, path);
                break;
            default:
                throw new Refusal($"{Kernel.Show(path)} in the archive is no file, directory or link (tar type '{(char)type}').");
        }
    }

    void MakeDirectory(PathWalk walk, byte[] path, long time)
    {
        Meet(path, isDirectory: true);
        var above = Above(walk, path, out var name);
        if (above.Stat(name) is { } there)
        {
            if (!there.IsDirectory)
            {
                throw new Refusal($"{Kernel.Show(path)} in the archive is a directory where it was something else before.");
            }
        }
        else
        {
            above.MakeDirectory(name, 0x1ED);
        }

        directories.Add((path, time));
    }

    void MakeFile(DirectoryHandle above, ReadOnlySpan<byte> name, byte[] path, uint mode, long time, long size)
    {
        if ((mode & 0xC00) != 0)
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is setuid or setgid.");
        }

        Count(size);
        var executable = (mode & 0x40) != 0;
        var kind = executable ? ContentDigest.Executable : ContentDigest.File;
        var permissions = executable ? 0x1EDu : 0x1A4u;
        var entered = Remember(path, kind);
        if (size <= FileWriters.LargestFile)
        {
            var content = Need((int)size);
            writers.Write(above.CreateFile(name, 0x180), content, permissions, time, hash => entered.Value = ContentDigest.Entry(kind, path.AsSpan(..^1), size, hash));
            at += (int)size;
            Pad(size);
            return;
        }

        using var file = above.CreateFile(name, 0x180);
        for (var left = size; left > 0;)
        {
            var part = Some((int)Math.Min(left, buffer.Length));
            file.Write(part);
            large.AppendData(part);
            at += part.Length;
            left -= part.Length;
        }

        Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
        _ = large.GetHashAndReset(whole);
        Pad(size);
        FileWriters.Finish(file.Descriptor, permissions, time);
        entered.Value = ContentDigest.Entry(kind, path.AsSpan(..^1), size, whole);
    }

    void MakeHardLink(PathWalk walk, byte[] rawTarget, byte[] path)
    {
        if (Clean(rawTarget) is not { } target || !seen.TryGetValue(Key(target), out var entry) || entry is not { Kind: ContentDigest.File or ContentDigest.Executable })
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive is a hard link to {Kernel.Show(rawTarget)}, which is no file of the archive.");
        }

        using var other = new PathWalk(root);
        var from = other.Above(target, out var existing);
        var above = walk.AboveMade(path, out var name);
        if (!from.TryLink(existing, above, name))
        {
            throw new IOException($"{Kernel.Show(path)} could not be linked to {Kernel.Show(target)}");
        }

        seen[Key(path)] = entry;
        entries.Add(new Entered(path[..^1], entry.Kind) { Same = entry });
    }

    Entered Remember(byte[] path, byte kind)
    {
        var entered = new Entered(path[..^1], kind);
        seen[Key(path)] = entered;
        entries.Add(entered);
        return entered;
    }

    // Every name once; its parents count as directories, whether the archive lists them or not.
    void Meet(byte[] path, bool isDirectory)
    {
        var key = Key(path);
        if (seen.TryGetValue(key, out var before) && !(isDirectory && before is null))
        {
            throw new Refusal($"{Kernel.Show(path)} is in the archive twice.");
        }

        for (var end = key.Length; end > 0; end = key.LastIndexOf('/', end - 1))
        {
            var part = key[..end];
            if (!seen.TryAdd(part, null))
            {
                break;
            }

            if (seen.Count > limits.Entries)
            {
                throw new Refusal($"The archive has more than {limits.Entries} entries.");
            }

            if (!limits.CaseCollisions && !folded.Add(Encoding.UTF8.GetString(path.AsSpan(0, end)).ToLowerInvariant()))
            {
                throw new Refusal($"{Kernel.Show(path.AsSpan(0, end))} is in the archive twice, in upper and lower case.");
            }

            if (part.Length < key.Length || isDirectory)
            {
                var asDirectory = path.AsSpan(0, end).ToArray();
                byte[] slashed = [.. asDirectory, (byte)'/'];
                entries.Add(new Entered(slashed, ContentDigest.Directory) { Value = ContentDigest.Entry(ContentDigest.Directory, slashed, 0, []) });
            }
        }
    }

    static DirectoryHandle Above(PathWalk walk, byte[] path, out ReadOnlySpan<byte> name)
    {
        try
        {
            return walk.AboveMade(path, out name);
        }
        catch (IOException e) when (e.HResult is Kernel.NotADirectory or Kernel.TooManySymbolicLinks)
        {
            throw new Refusal($"{Kernel.Show(path)} in the archive leads through something that is no directory.");
        }
    }

    // The path with single slashes and no ".", ending in NUL; null when nothing is left of it.
    static byte[]? Clean(byte[] raw)
    {
        if (raw.AsSpan().StartsWith("/"u8))
        {
            throw new Refusal($"{Kernel.Show(raw)} in the archive is an absolute path.");
        }

        if (raw.AsSpan().Contains((byte)0))
        {
            throw new Refusal($"{Kernel.Show(raw)} in the archive is no path.");
        }

        var clean = new List<byte>(raw.Length + 1);
        var depth = 0;
        foreach (var range in raw.AsSpan().Split((byte)'/'))
        {
            var part = raw.AsSpan(range);
            if (part.IsEmpty || part.SequenceEqual("."u8))
            {
                continue;
            }

            if (part.SequenceEqual(".."u8) || part.Length > 255 || ++depth > TreeCopy.Deepest)
            {
                throw new Refusal($"{Kernel.Show(raw)} in the archive is a path that leads elsewhere, or nowhere.");
            }

            if (clean.Count > 0)
            {
                clean.Add((byte)'/');
            }

            clean.AddRange(part);
        }

        if (clean.Count == 0)
        {
            return null;
        }

        clean.Add(0);
        return [.. clean];
    }

    static string Key(byte[] path) => Encoding.Latin1.GetString(path.AsSpan(..^1));

    static unsafe void SetTime(int descriptor, long seconds)
    {
        var time = new Kernel.Time { Seconds = Math.Clamp(seconds, 0, uint.MaxValue) };
        var times = stackalloc Kernel.Time[] { time, time };
        _ = Kernel.SetTimes(descriptor, times);
    }

    string Digest()
    {
        entries.Sort((a, b) => a.Path.AsSpan().SequenceCompareTo(b.Path));
        using var digest = new ContentDigest();
        foreach (var entry in entries)
        {
            digest.Add(entry.Form());
        }

        return digest.Finish();
    }

    void Count(long size)
    {
        unpacked += size;
        if (unpacked > limits.Bytes || size > limits.Bytes)
        {
            throw new Refusal($"The archive unpacks to more than {limits.Bytes} bytes.");
        }

        if (unpacked > limits.RatioFrom && unpacked / Math.Max(packed, 1) > limits.Ratio)
        {
            throw new Refusal($"The archive unpacks to more than {limits.Ratio} times its size.");
        }
    }

    // The content of a header entry: long names and pax records.
    ReadOnlySpan<byte> Content(long size)
    {
        if (size > LongestHeader - (4 * Block))
        {
            throw new Refusal("The archive has a header longer than a megabyte.");
        }

        at += Block;
        var content = Need((int)size).ToArray();
        at += (int)size;
        Pad(size);
        return content;
    }

    void Pax(ReadOnlySpan<byte> records)
    {
        while (!records.IsEmpty)
        {
            var space = records.IndexOf((byte)' ');
            if (space <= 0 || space > 7 || !int.TryParse(records[..space], out var length) || length <= space + 2 || length > records.Length || records[length - 1] != '\n')
            {
                throw new Refusal("The archive has a pax header that cannot be read.");
            }

            var record = records[(space + 1)..(length - 1)];
            var equals = record.IndexOf((byte)'=');
            var key = equals < 0 ? record : record[..equals];
            var value = equals < 0 ? default : record[(equals + 1)..];
            if (key.SequenceEqual("path"u8))
            {
                nextPath = value.ToArray();
            }
            else if (key.SequenceEqual("linkpath"u8))
            {
                nextTarget = value.ToArray();
            }
            else if (key.SequenceEqual("size"u8))
            {
                nextSize = long.TryParse(value, out var size) && size >= 0 ? size : throw new Refusal("The archive has a size that cannot be read.");
            }
            else if (key.StartsWith("GNU.sparse"u8))
            {
                throw new Refusal("The archive holds sparse files in GNU tar's form; make it without --sparse.");
            }

            records = records[length..];
        }
    }

    static byte[] PathOf(ReadOnlySpan<byte> header)
    {
        var name = Text(header[..100]);
        var prefix = header.Slice(257, 6).SequenceEqual("ustar\0"u8) ? Text(header.Slice(345, 155)) : [];
        return prefix.Length == 0 ? name : [.. prefix, (byte)'/', .. name];
    }

    static byte[] Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return (end < 0 ? field : field[..end]).ToArray();
    }

    // Octal, or GNU's binary form with the top bit set.
    static long Number(ReadOnlySpan<byte> field, string what)
    {
        long value = 0;
        if ((field[0] & 0x80) != 0)
        {
            value = (field[0] & 0x40) == 0 ? field[0] & 0x3F : throw new Refusal($"The archive has a negative {what}.");
            foreach (var b in field[1..])
            {
                value = value > long.MaxValue >> 8 ? throw new Refusal($"The archive has a {what} that cannot be read.") : (value << 8) | b;
            }

            return value;
        }

        foreach (var b in field.Trim(" \0"u8))
        {
            value = b is >= (byte)'0' and <= (byte)'7' ? (value << 3) | (uint)(b - '0') : throw new Refusal($"The archive has a {what} that cannot be read.");
        }

        return value;
    }

    static void CheckSum(ReadOnlySpan<byte> header)
    {
        var sum = 8 * ' ';
        for (var i = 0; i < Block; i++)
        {
            sum += i is >= 148 and < 156 ? 0 : header[i];
        }

        if (Number(header.Slice(148, 8), "check sum") != sum)
        {
            throw new Refusal("The archive is damaged, or no tar archive: a header's check sum is wrong.");
        }
    }

    void Pad(long size)
    {
        var padding = (int)(-size & (Block - 1));
        _ = Need(padding);
        at += padding;
    }

    // The decompressor must reach its end for its own check sums to be checked; and nothing may hide behind the end mark.
    void ReadOutTheRest()
    {
        while (true)
        {
            if (at == filled && !Fill())
            {
                return;
            }

            if (buffer.AsSpan(at, filled - at).ContainsAnyExcept((byte)0))
            {
                throw new Refusal("The archive goes on behind its end mark.");
            }

            Count(filled - at);
            at = filled;
        }
    }

    // Exactly so many bytes at 'at'; the caller moves on.
    ReadOnlySpan<byte> Need(int count)
    {
        while (filled - at < count)
        {
            if (!Fill())
            {
                throw new Refusal(CutOff);
            }
        }

        return buffer.AsSpan(at, count);
    }

    // Whole if it fits in what is read at once, else as much as is there: at least one byte.
    ReadOnlySpan<byte> Some(int atMost)
    {
        while (filled - at < atMost && (filled < buffer.Length || at > 0))
        {
            if (!Fill())
            {
                throw new Refusal(CutOff);
            }
        }

        return buffer.AsSpan(at, Math.Min(atMost, filled - at));
    }

    bool Fill()
    {
        if (at > 0)
        {
            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            (at, filled) = (0, filled - at);
        }

        var read = tar.Read(buffer, filled, buffer.Length - filled);
        filled += read;
        return read > 0;
    }

    /// <summary>What was made at a path. A file's form is known when it is written.</summary>
    sealed class Entered(byte[] path, byte kind)
    {
        public byte[] Path => path;

        public byte Kind => kind;

        public byte[]? Value { get; set; }

        /// <summary>The file that this is another name of.</summary>
        public Entered? Same { get; init; }

        public byte[] Form()
        {
            if (Same is null)
            {
                return Value!;
            }

            // As its target, under another path: kind, path, and the rest from the NUL behind the path.
            var (form, length) = (Same.Form(), 1 + Same.Path.Length);
            return [kind, .. path, .. form.AsSpan(length)];
        }
    }
}
