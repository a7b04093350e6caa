using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>An image as a file (R5.15).</summary>
/// <param name="Digest">SHA-256 of the file, lower-case hexadecimal.</param>
/// <param name="Bytes">Length of the file.</param>
/// <param name="Content">SHA-256 of what the engine handed over.</param>
sealed record ImageBundle(string Digest, long Bytes, string Content = "");

/// <summary>
/// Saves an image as what its engine exports (an OCI layout from Docker 25 on), compressed on the way, and loads one. It is saved by its id and so without a name: loading one
/// never takes a name from another image.
/// </summary>
sealed class ImageBundler(Engine engine)
{
    const int LargestIndex = 4 << 20;

    /// <summary>The file appears whole and durable or not at all.</summary>
    /// <exception cref="IOException">The engine does not hand it over, the disk is full, zstd failed: nothing is left.</exception>
    public async Task<ImageBundle> PackAsync(string image, string file, CancellationToken ct)
    {
        var temporary = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            var bundle = await CompressAsync(image, temporary, ct);
            AtomicFile.Rename(temporary, file);
            AtomicFile.FlushDirectory(Path.GetDirectoryName(file)!);
            return bundle;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The engine has exactly this image when this returns, and no name of its own leads elsewhere.</summary>
    /// <param name="digest">Of the file.</param>
    /// <exception cref="Refusal">The file is not the one that was asked for, or holds something else.</exception>
    public async Task LoadAsync(string image, string file, string digest, CancellationToken ct)
    {
        await using (var archive = File.OpenRead(file))
        {
            if (!string.Equals(Convert.ToHexStringLower(await SHA256.HashDataAsync(archive, ct)), digest, StringComparison.OrdinalIgnoreCase))
            {
                throw new Refusal($"{Path.GetFileName(file)} is not the image that was asked for: its SHA-256 is not {digest}. Nothing was loaded.");
            }
        }

        await DecompressAsync(file, RefuseUnlessNamelessAsync, ct);
        await DecompressAsync(file, (tar, token) => engine.LoadImageAsync((to, cancel) => tar.CopyToAsync(to, 1 << 20, cancel), token), ct);
        if (await engine.FindImageAsync(image, ct) is null)
        {
            throw new Refusal($"{Path.GetFileName(file)} holds another image than {image}, which its release runs as");
        }
    }

    async Task<ImageBundle> CompressAsync(string image, string temporary, CancellationToken ct)
    {
        await using var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        // Behind everybody else: the release is starting beside it.
        await using var zstd = new Command("nice", "-n", "10", "zstd", "-q", "-T0", "-3", "-c").Start();
        await using var stop = ct.Register(() => zstd.Signal(PosixSignals.Kill));
        var said = zstd.ReadAllAsync(zstd.Error);
        var stored = StoreAsync(zstd, file);
        try
        {
            using var content = SHA256.Create();
            await using (var both = new CryptoStream(zstd.Input, content, CryptoStreamMode.Write))
            {
                await engine.SaveImageAsync(image, both, ct);
            }

            var bundle = await stored;
            if (await zstd.WaitAsync(CancellationToken.None) is not 0 and var code)
            {
                throw new IOException($"zstd ended with {code}: {(await said).Trim()}");
            }

            file.Flush(flushToDisk: true);
            return bundle with { Content = Convert.ToHexStringLower(content.Hash!) };
        }
        catch (IOException) when (stored.IsFaulted)
        {
            await stored; // a full disk breaks the pipe: the first is the one to tell
            throw;
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(ct);
        }
        finally
        {
            zstd.Signal(PosixSignals.Kill);
            await Task.WhenAny(Task.WhenAll(stored, said));
        }
    }

    static async Task<ImageBundle> StoreAsync(ChildProcess zstd, FileStream file)
    {
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[1 << 18];
            for (var bytes = 0L; ;)
            {
                var count = await zstd.Output.ReadAsync(buffer);
                if (count == 0)
                {
                    return new ImageBundle(Convert.ToHexStringLower(hash.GetHashAndReset()), bytes);
                }

                hash.AppendData(buffer, 0, count);
                await file.WriteAsync(buffer.AsMemory(0, count));
                bytes += count;
            }
        }
        catch
        {
            zstd.Signal(PosixSignals.Kill);
            throw;
        }
    }

    static async Task DecompressAsync(string file, Func<Stream, CancellationToken, Task> read, CancellationToken ct)
    {
        await using var zstd = new Command("zstd", "-q", "-dc", "--memory=256MB", file).Start();
        zstd.Input.Close();
        await using var stop = ct.Register(() => zstd.Signal(PosixSignals.Kill));
        var said = zstd.ReadAllAsync(zstd.Error);
        try
        {
            await read(zstd.Output, ct);
            if (await zstd.WaitAsync(CancellationToken.None) != 0)
            {
                throw new Refusal($"{Path.GetFileName(file)} is damaged or cut off: {(await said).Trim()}");
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or JsonException)
        {
            throw new Refusal($"{Path.GetFileName(file)} is no image: {e.Message}");
        }
        finally
        {
            zstd.Signal(PosixSignals.Kill);
            await zstd.WaitAsync(CancellationToken.None);
        }
    }

    /// <summary>The engine would give every name that an archive lists to what is in it, also a name that others' containers start by.</summary>
    static async Task RefuseUnlessNamelessAsync(Stream tar, CancellationToken ct)
    {
        var lists = false;
        await using var reader = new TarReader(tar, leaveOpen: true);
        while (await reader.GetNextEntryAsync(copyData: false, ct) is { } entry)
        {
            switch (entry.Name.TrimStart('.', '/'))
            {
                case "manifest.json":
                    lists = !lists && (await JsonOfAsync(entry, ct)) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() == 1
                        && (!list[0].TryGetProperty("RepoTags", out var names) || names.ValueKind == JsonValueKind.Null || names.GetArrayLength() == 0)
                        ? true : throw new InvalidDataException("it names images, or holds several");
                    break;
                case "index.json" when (await JsonOfAsync(entry, ct)).GetRawText().Contains("image.name", StringComparison.Ordinal):
                case "repositories":
                    throw new InvalidDataException("it names images");
                default:
                    break;
            }
        }

        if (!lists)
        {
            throw new InvalidDataException("it has no manifest.json");
        }

        // Behind the end of a tar there is padding, and zstd must not find its reader gone.
        await tar.CopyToAsync(Stream.Null, ct);
    }

    static async Task<JsonElement> JsonOfAsync(TarEntry entry, CancellationToken ct)
    {
        if (entry is not { DataStream: { } data, Length: <= LargestIndex })
        {
            throw new InvalidDataException($"{entry.Name} is not a file of a reasonable size");
        }

        using var document = await JsonDocument.ParseAsync(data, cancellationToken: ct);
        return document.RootElement.Clone();
    }
}
