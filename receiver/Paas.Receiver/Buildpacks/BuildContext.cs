using System.Formats.Tar;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// A draft as an engine takes it: a tar stream without what <c>.dockerignore</c> leaves out. Owners and times are the same for the same tree, so that an engine knows
/// again what has not changed.
/// </summary>
/// <param name="text">Of a Dockerfile that is not in the tree; null for one that is.</param>
sealed class BuildContext(string directory, DockerIgnore ignore, string dockerfile, string? text = null)
{
    static readonly DateTimeOffset Time = DateTimeOffset.UnixEpoch;

    /// <summary>Made while it is sent: however large the tree, little of it is in memory.</summary>
    public async Task WriteAsync(Stream to, CancellationToken ct)
    {
        await using var tar = new TarWriter(to, TarEntryFormat.Pax, leaveOpen: true);
        await WriteAsync(tar, "", ct);
        if (text is not null)
        {
            // The project brings none.
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, dockerfile) { ModificationTime = Time, DataStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)) }, ct);
        }
    }

    async Task WriteAsync(TarWriter tar, string below, CancellationToken ct)
    {
        foreach (var name in new DirectoryInfo(Path.Combine(directory, below)).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = FileAttributes.None })
            .Select(entry => entry.Name).Order(StringComparer.Ordinal))
        {
            ct.ThrowIfCancellationRequested();
            var path = below.Length == 0 ? name : $"{below}/{name}";
            var full = Path.Combine(directory, path);
            if (path is ".git" or ".paas/built.json" || Inode.Of(full) is not { } inode)
            {
                continue;
            }

            // The engine itself reads these two, whatever they say of themselves.
            var leftOut = ignore.LeavesOut(path) && path != dockerfile && path != ".dockerignore";
            if (inode.IsDirectory)
            {
                if (!leftOut)
                {
                    await tar.WriteEntryAsync(Entry(TarEntryType.Directory, path + "/", inode), ct);
                }

                if (!leftOut || ignore.TakesBackIn || dockerfile.StartsWith(path + "/", StringComparison.Ordinal))
                {
                    await WriteAsync(tar, path, ct);
                }
            }
            else if (!leftOut && inode.IsSymbolicLink)
            {
                var link = Entry(TarEntryType.SymbolicLink, path, inode);
                link.LinkName = new FileInfo(full).LinkTarget!;
                await tar.WriteEntryAsync(link, ct);
            }
            else if (!leftOut && inode.IsFile)
            {
                await using var file = new FileStream(full, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: false);
                var entry = Entry(TarEntryType.RegularFile, path, inode);
                entry.DataStream = file;
                await tar.WriteEntryAsync(entry, ct);
            }
        }
    }

    static PaxTarEntry Entry(TarEntryType type, string path, Inode inode) => new(type, path)
    {
        ModificationTime = Time,
        Uid = 0,
        Gid = 0,
        // Of a link the mode means nothing, and differs from system to system.
        Mode = type == TarEntryType.SymbolicLink ? (UnixFileMode)0x1FF : (UnixFileMode)inode.Permissions,
    };
}
