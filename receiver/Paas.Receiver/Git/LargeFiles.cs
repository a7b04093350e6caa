using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Git;

/// <summary>What stands in a repository for a file of git LFS (its specification, version 1).</summary>
/// <param name="ObjectId">SHA-256 of the content, 64 lower-case hexadecimal digits.</param>
sealed record LargeFile(string ObjectId, long Size);

/// <summary>The contents that git LFS keeps beside a repository, each in a file of its own, named by its digest. Whole or not there.</summary>
sealed class LargeFiles(string repository)
{
    /// <summary>Bytes; the specification's bound.</summary>
    public const int LargestPointer = 1024;

    string Directory => Path.Combine(repository, "lfs", "objects");

    /// <summary>True once something was sent.</summary>
    public bool Any => System.IO.Directory.Exists(Directory);

    public static bool IsObjectId(string text) => text.Length == 64 && text.All(c => c is (>= '0' and <= '9') or (>= 'a' and <= 'f'));

    /// <summary>Null when the file is no pointer.</summary>
    public static LargeFile? ReadPointer(string file)
    {
        using var stream = File.OpenRead(file);
        var bytes = new byte[LargestPointer + 1];
        var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > LargestPointer || !bytes.AsSpan().StartsWith("version https://git-lfs.github.com/spec/v1\n"u8))
        {
            return null;
        }

        var lines = Encoding.UTF8.GetString(bytes, 0, length).Split('\n');
        var id = lines.FirstOrDefault(line => line.StartsWith("oid sha256:", StringComparison.Ordinal))?["oid sha256:".Length..];
        var size = lines.FirstOrDefault(line => line.StartsWith("size ", StringComparison.Ordinal))?["size ".Length..];
        return id is not null && IsObjectId(id) && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new LargeFile(id, number) : null;
    }

    /// <summary>The file that holds it; null when it is not here.</summary>
    public string? Find(LargeFile file) => FileOf(file.ObjectId) is var path && new FileInfo(path) is { Exists: true } info && info.Length == file.Size ? path : null;

    /// <summary>The same by its name alone.</summary>
    public string? Find(string objectId) => FileOf(objectId) is var path && File.Exists(path) ? path : null;

    /// <summary>Takes a content in, whatever its size, and keeps it when it is what its name says.</summary>
    /// <exception cref="Refusal">It is something else.</exception>
    public async Task StoreAsync(string objectId, Stream content, CancellationToken ct)
    {
        var path = FileOf(objectId);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
            await using (var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 }))
            {
                while (await content.ReadAsync(buffer, ct) is > 0 and var read)
                {
                    digest.AppendData(buffer, 0, read);
                    await file.WriteAsync(buffer.AsMemory(0, read), ct);
                }

                file.Flush(flushToDisk: true);
            }

            ArrayPool<byte>.Shared.Return(buffer);
            if (Convert.ToHexStringLower(digest.GetHashAndReset()) != objectId)
            {
                throw new Refusal($"what was sent is not {objectId}");
            }

            AtomicFile.Rename(temporary, path);
            AtomicFile.FlushDirectory(Path.GetDirectoryName(path)!);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    string FileOf(string objectId) => Path.Combine(Directory, objectId[..2], objectId[2..4], objectId);
}
