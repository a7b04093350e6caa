using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>A release's deliverable (R5.15, A3).</summary>
/// <param name="ArchiveDigest">SHA-256 of the file, lower-case hexadecimal, as <c>sha256sum</c> prints it.</param>
/// <param name="ContentDigest">Of the tree it holds; see <see cref="Archives.ContentDigest"/>.</param>
/// <param name="Bytes">Length of the file.</param>
sealed record Bundle(string File, string ArchiveDigest, string ContentDigest, long Bytes, long Entries);

/// <summary>
/// Packs a sealed release into a <c>.tar.zst</c> and unpacks one. Packing reads every file once, on its way through hashing and compression; the same tree and stamp
/// give the same bytes on any machine. Nothing of the tree is left out; owners, times, hard links among files and attributes are not part of a release.
/// </summary>
sealed class Bundler
{
    const int FlushEvery = 8 << 20;

    /// <summary>Compress and write behind everything else on the machine (nice, ionice).</summary>
    public bool Gently { get; init; }

    /// <inheritdoc cref="PackAsync(string, string, DateTimeOffset, FileDigests?, CancellationToken)"/>
    public Task<Bundle> PackAsync(string tree, string file, DateTimeOffset stamp, CancellationToken ct) => PackAsync(tree, file, stamp, known: null, ct);

    /// <summary>The same of a part of the tree.</summary>
    /// <param name="only">What its patterns name, with the directories that lead there.</param>
    public Task<Bundle> PackAsync(string tree, string file, DateTimeOffset stamp, DataPatterns only, CancellationToken ct) => PackAsync(tree, file, stamp, known: null, only, ct);

    /// <summary>Packs <paramref name="tree"/> into <paramref name="file"/>, which appears whole and durable or not at all.</summary>
    /// <param name="stamp">The time every entry in it gets.</param>
    /// <param name="known">Digests of files of the tree that were read before.</param>
    /// <exception cref="Refusal">The tree holds what a release cannot.</exception>
    /// <exception cref="IOException">The disk is full, a file cannot be read, zstd failed: nothing is left.</exception>
    public Task<Bundle> PackAsync(string tree, string file, DateTimeOffset stamp, FileDigests? known, CancellationToken ct) => PackAsync(tree, file, stamp, known, only: null, ct);

    async Task<Bundle> PackAsync(string tree, string file, DateTimeOffset stamp, FileDigests? known, DataPatterns? only, CancellationToken ct)
    {
        var temporary = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            var bundle = await CompressAsync(temporary, input => ReadTree(tree, input, stamp, known, only, ct), ct);
            AtomicFile.Rename(temporary, file);
            AtomicFile.FlushDirectory(Path.GetDirectoryName(file)!);
            return bundle with { File = file };
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The content digest of a tree on disk: what <see cref="PackAsync(string, string, DateTimeOffset, CancellationToken)"/> says of it, without packing.</summary>
    public Task<string> DigestAsync(string tree, CancellationToken ct) => OwnThread.RunAsync(() =>
    {
        using var walk = new ReleaseTree(null, null, ct);
        return walk.Walk(tree);
    });

    /// <summary>Unpacks what this receiver or one it trusts has packed. See the other one.</summary>
    public Task<string> UnpackAsync(string file, string directory, string archiveDigest, CancellationToken ct) =>
        UnpackAsync(file, directory, archiveDigest, null, UnpackLimits.Own, ct);

    /// <summary>
    /// Unpacks a <c>.tar.zst</c>, <c>.tar.gz</c>, <c>.tar.xz</c> or <c>.zip</c> into a directory that must not exist yet, and which appears whole or not at all (not flushed). Returns the content digest.
    /// The file's digest is checked before anything of it is read as an archive. Whatever an archive says, nothing is written outside the directory.
    /// </summary>
    /// <param name="archiveDigest">Null only for a file that nobody has vouched for.</param>
    /// <param name="contentDigest">What the tree must turn out to be; null to be told.</param>
    /// <exception cref="Refusal">The archive is not the one asked for, is damaged, or holds what no release may; nothing is left.</exception>
    /// <exception cref="IOException">Ours: the disk is full, a file cannot be made; nothing is left.</exception>
    public async Task<string> UnpackAsync(string file, string directory, string? archiveDigest, string? contentDigest, UnpackLimits limits, CancellationToken ct)
    {
        if (Inode.Of(directory) is not null)
        {
            throw new IOException($"{directory} exists already.");
        }

        await using var archive = new FileStream(file, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        if (archiveDigest is not null && !await HasDigestAsync(archive, archiveDigest, ct))
        {
            throw new Refusal($"{Path.GetFileName(file)} is not the archive that was asked for: its SHA-256 is not {archiveDigest}. Nothing was unpacked.");
        }

        var temporary = $"{directory}.{Guid.NewGuid():N}.tmp";
        try
        {
            _ = Directory.CreateDirectory(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var digest = await DecompressAsync(archive, temporary, limits, ct);
            if (contentDigest is not null && digest != contentDigest)
            {
                throw new Refusal($"{Path.GetFileName(file)} holds another tree than the release it is said to be: its content digest is {digest}, not {contentDigest}.");
            }

            File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
            AtomicFile.Rename(temporary, directory);
            return digest;
        }
        catch
        {
            DirectoryHandle.Delete(temporary);
            throw;
        }
    }

    static Task<bool> HasDigestAsync(FileStream archive, string expected, CancellationToken ct) => OwnThread.RunAsync(() =>
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        for (var count = archive.Read(buffer); count > 0; count = archive.Read(buffer))
        {
            ct.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, count);
        }

        archive.Position = 0;
        return string.Equals(Convert.ToHexStringLower(hash.GetHashAndReset()), expected, StringComparison.OrdinalIgnoreCase);
    });

    async Task<Bundle> CompressAsync(string temporary, Func<Stream, (string Digest, long Entries)> write, CancellationToken ct)
    {
        // 0644: a deliverable is served and copied by others; the pillar's secrets are not in it.
        await using var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        // On all cores, and behind everybody else: the release is starting beside it, and visitors wait for that.
        await using var zstd = Start(new Command("nice", "-n", "10", "zstd", "-q", "-T0", "-3", "-c"));
        Widen(zstd.Input);
        Widen(zstd.Output);
        await using var stop = ct.Register(() => zstd.Signal(PosixSignals.Kill));
        var said = zstd.ReadAllAsync(zstd.Error);
        var store = OwnThread.RunAsync(() => Store(zstd.Output, file));
        var read = OwnThread.RunAsync(() => write(zstd.Input));
        try
        {
            // Storing may end first only because it failed; then zstd is stopped, and reading ends on the broken pipe.
            _ = await Task.WhenAny(store, read);
            if (store.IsFaulted || read.IsFaulted)
            {
                zstd.Signal(PosixSignals.Kill);
            }

            var (content, entries) = await WithoutBrokenPipeAsync(read, store);
            var (digest, bytes) = await store;
            var code = await zstd.WaitAsync(CancellationToken.None);
            if (code != 0)
            {
                throw new IOException($"zstd ended with {code}: {(await said).Trim()}");
            }

            await OwnThread.RunAsync(() => { file.Flush(flushToDisk: true); return 0; });
            return new Bundle(temporary, digest, content, bytes, entries);
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(ct);
        }
        finally
        {
            zstd.Signal(PosixSignals.Kill); // also when it hangs or we failed; a child that is gone is no error
            _ = await zstd.WaitAsync(CancellationToken.None);
            await Task.WhenAny(Task.WhenAll(read, store, said)); // nothing uses the streams once this returns
        }
    }

    // When storing fails (a full disk), reading fails after it with a broken pipe: the first is the one to tell.
    static async Task<(string Digest, long Entries)> WithoutBrokenPipeAsync(Task<(string Digest, long Entries)> read, Task store)
    {
        try
        {
            return await read;
        }
        catch (IOException) when (store.IsFaulted)
        {
            await store;
            throw;
        }
    }

    static (string Digest, long Entries) ReadTree(string tree, Stream input, DateTimeOffset stamp, FileDigests? known, DataPatterns? only, CancellationToken ct)
    {
        try
        {
            var tar = new TarSink(block => input.Write(block.Span), stamp.ToUnixTimeSeconds());
            using var walk = new ReleaseTree(tar, known, ct) { Only = only };
            var digest = walk.Walk(tree);
            tar.Finish();
            return (digest, walk.Entries);
        }
        finally
        {
            Hush(input);
        }
    }

    // Closing flushes; on a pipe whose reader is gone that must not hide why it is gone.
    public static void Hush(Stream input)
    {
        try
        {
            input.Close();
        }
        catch (IOException)
        {
            // zstd's own exit code says it
        }
    }

    // Blocking reads of whole pipefuls on a thread of its own: a task that is put aside between small reads waits for its turn a thousand times on a busy machine.
    static (string Digest, long Bytes) Store(Stream output, FileStream file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        var (bytes, flushed) = (0L, 0L);
        while (true)
        {
            var count = output.Read(buffer);
            if (count == 0)
            {
                return (Convert.ToHexStringLower(hash.GetHashAndReset()), bytes);
            }

            hash.AppendData(buffer, 0, count);
            file.Write(buffer, 0, count);
            bytes += count;
            if (bytes - flushed >= FlushEvery)
            {
                _ = Kernel.StartFlush((int)file.SafeFileHandle.DangerousGetHandle(), flushed, bytes - flushed, 2); // the disk writes while we compress
                flushed = bytes;
            }
        }
    }

    async Task<string> DecompressAsync(FileStream archive, string directory, UnpackLimits limits, CancellationToken ct)
    {
        var magic = new byte[6];
        var known = await archive.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, ct);
        archive.Position = 0;
        if (IsZip(magic.AsSpan(0, known)))
        {
            return await OwnThread.RunAsync(() =>
            {
                using var tar = new ZipAsTar(archive, limits);
                using var unpacking = new Unpacking(tar, directory, archive.Length, limits, ct);
                return unpacking.Run();
            });
        }

        var command = Decompressor(magic.AsSpan(0, known));
        await using var child = Start(command);
        Widen(child.Input);
        Widen(child.Output);
        await using var stop = ct.Register(() => child.Signal(PosixSignals.Kill));
        var said = child.ReadAllAsync(child.Error);
        var feed = OwnThread.RunAsync(() => Feed(archive, child.Input));
        var unpack = OwnThread.RunAsync(() =>
        {
            using var unpacking = new Unpacking(child.Output, directory, archive.Length, limits, ct);
            return unpacking.Run();
        });
        try
        {
            var digest = await unpack;
            await feed;
            return await child.WaitAsync(CancellationToken.None) == 0
                ? digest : throw new Refusal($"The archive is damaged or cut off: {(await said).Trim()}");
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(ct);
        }
        catch (Refusal e) when (e.Message == Unpacking.CutOff)
        {
            throw new Refusal($"{e.Message} {(await said).Trim()}".Trim());
        }
        finally
        {
            child.Signal(PosixSignals.Kill);
            _ = await child.WaitAsync(CancellationToken.None);
            await Task.WhenAny(Task.WhenAll(feed, unpack, said));
        }
    }

    // A local header, or the end of an archive without any.
    static bool IsZip(ReadOnlySpan<byte> magic) => magic.StartsWith("PK\x03\x04"u8) || magic.StartsWith("PK\x05\x06"u8);

    static Command Decompressor(ReadOnlySpan<byte> magic) =>
        magic.StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD]) ? new Command("zstd", "-q", "-dc", "--memory=256MB")
        : magic.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]) ? new Command("gzip", "-dc")
        : magic.StartsWith((ReadOnlySpan<byte>)[0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) ? new Command("xz", "-dc", "--memlimit=256MiB")
        : throw new Refusal("The file is no .tar.zst, .tar.gz, .tar.xz or .zip archive.");

    static long Feed(FileStream archive, Stream input)
    {
        try
        {
            archive.CopyTo(input, 1 << 20);
        }
        catch (IOException)
        {
            // The decompressor stopped reading; its exit code and words say why.
        }
        finally
        {
            Hush(input);
        }

        return archive.Length;
    }

    ChildProcess Start(Command command) => StartProgram(Gently ? new Command("nice", ["-n", "15", "ionice", "-c", "3", command.Program, .. command.Arguments]) : command);

    /// <exception cref="IOException">It is not on this machine.</exception>
    public static ChildProcess StartProgram(Command command)
    {
        try
        {
            return command.Start();
        }
        catch (Win32Exception e)
        {
            throw new IOException($"{command.Program} could not be started: {e.Message}", e);
        }
    }

    // 64 KiB would mean a switch between the two programs for every two files or so. Not being allowed to is no harm.
    public static void Widen(Stream pipe)
    {
        SafeHandle? handle = pipe switch
        {
            FileStream f => f.SafeFileHandle,
            System.IO.Pipes.PipeStream p => p.SafePipeHandle,
            _ => null,
        };
        if (handle is not null)
        {
            _ = Kernel.FileControl((int)handle.DangerousGetHandle(), 1031 /* F_SETPIPE_SZ */, 1 << 20);
        }
    }
}
