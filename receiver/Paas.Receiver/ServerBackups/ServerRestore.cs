using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ServerBackups;

/// <summary>
/// Brings a <see cref="ServerBackup"/> back into an empty root. Everything is verified before the first file is unpacked, unpacked beside, and moved in at the end: what is refused
/// leaves nothing.
/// </summary>
sealed class ServerRestore(string root)
{
    const string Scratch = ".restore-";
    const char HardLink = '1';
    const char SymbolicLink = '2';
    const string Kinds = "01256";

    /// <summary>Returns what the backup says of itself.</summary>
    /// <param name="from">A file, or <c>-</c>: <paramref name="input"/>.</param>
    /// <exception cref="Refusal">The root is not empty, or the backup is cut off, damaged, hostile, of a newer receiver or too large.</exception>
    public async Task<BackupHead> RunAsync(string from, Stream input, CancellationToken ct)
    {
        var isNew = !Directory.Exists(root);
        RefuseIfInUse();
        Directory.CreateDirectory(root);
        var scratch = Directory.CreateDirectory(Path.Combine(root, $"{Scratch}{Guid.NewGuid():N}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        try
        {
            await using var file = await OpenAsync(from, input, scratch, ct);
            if (await BackupSeal.WhyNotWholeAsync(file, ct) is { } why)
            {
                throw new Refusal($"this backup cannot be brought back: {why}");
            }

            var head = await CheckAsync(file, ct);
            var unpacked = Directory.CreateDirectory(Path.Combine(scratch, "root")).FullName;
            await UnpackAsync(file, unpacked, ct);
            CheckDatabase(Path.Combine(unpacked, "state", "receiver.db"));
            MoveIn(unpacked);
            return head;
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
            if (isNew && !Directory.EnumerateFileSystemEntries(root).Any())
            {
                Directory.Delete(root);
            }
        }
    }

    void RefuseIfInUse()
    {
        if (!Directory.Exists(root))
        {
            return;
        }

        // What a restore left that was killed is nobody's.
        foreach (var left in Directory.GetDirectories(root, Scratch + "*"))
        {
            Directory.Delete(left, recursive: true);
        }

        if (Directory.EnumerateFileSystemEntries(root).FirstOrDefault(path => Path.GetFileName(path) != "lost+found") is { } there)
        {
            throw new Refusal($"{root} is not empty (there is {Path.GetFileName(there)}): a backup is brought back into an empty root only");
        }
    }

    static async Task<FileStream> OpenAsync(string from, Stream input, string scratch, CancellationToken ct)
    {
        if (from != "-")
        {
            return File.Exists(from) ? new FileStream(from, FileMode.Open, FileAccess.Read, FileShare.Read) : throw new Refusal($"there is no file {from}");
        }

        // It is read three times: whole, entry by entry, and to unpack it.
        var file = new FileStream(Path.Combine(scratch, "backup.tar.zst"), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await input.CopyToAsync(file, ct);
        return file;
    }

    /// <summary>Every entry stays inside, is of a kind that a receiver keeps, and there is room for all of them.</summary>
    async Task<BackupHead> CheckAsync(FileStream file, CancellationToken ct)
    {
        BackupHead? head = null;
        var (links, bytes, free, hasDatabase) = (new HashSet<string>(StringComparer.Ordinal), 0L, new DriveInfo(root).AvailableFreeSpace, false);
        await DecompressAsync(file, async output =>
        {
            var tar = new TarHeaders(output);
            while (await tar.NextAsync(ct) is { } entry)
            {
                if (head is null)
                {
                    head = await HeadAsync(tar, entry, ct);
                    continue;
                }

                var name = entry.Name.TrimEnd('/');
                if (!StaysInside(name) || Parents(name).Any(links.Contains) || (entry.Kind == HardLink && (!StaysInside(entry.Target) || Parents(entry.Target).Any(links.Contains))))
                {
                    throw new Refusal($"this backup cannot be brought back: its entry '{Logs.LogStream.Harmless(name)}' would leave the root");
                }

                if (!Kinds.Contains(entry.Kind))
                {
                    throw new Refusal($"this backup cannot be brought back: its entry '{Logs.LogStream.Harmless(name)}' is neither file, directory, link nor pipe");
                }

                if (entry.Kind == SymbolicLink)
                {
                    links.Add(name);
                }

                hasDatabase |= name == "state/receiver.db" && entry.Kind == '0';
                bytes += entry.Size;
                if (bytes > free)
                {
                    throw new Refusal($"this backup has more than the {free / 1_000_000} MB that are free under {root}");
                }
            }
        }, ct);
        return head is not null && hasDatabase ? head : throw new Refusal("this is no backup of a receiver: there is no database in it");
    }

    static async Task<BackupHead> HeadAsync(TarHeaders tar, TarHeader entry, CancellationToken ct)
    {
        if (entry is not { Name: BackupHead.Name, Kind: '0' })
        {
            throw new Refusal("this is no backup of a receiver");
        }

        try
        {
            var head = JsonSerializer.Deserialize<BackupHead>(await tar.ContentAsync(entry, ct), JsonSerializerOptions.Web);
            return head is { Format: BackupHead.Known } ? head : throw new Refusal($"this backup has the format {head?.Format}, which this receiver does not know: use the one that took it, or a newer one");
        }
        catch (JsonException)
        {
            throw new Refusal("this is no backup of a receiver");
        }
    }

    static bool StaysInside(string name) => name.Length > 0 && name[0] != '/' && !name.Split('/').Contains("..") && !name.Contains('\0', StringComparison.Ordinal);

    static IEnumerable<string> Parents(string name)
    {
        for (var slash = name.IndexOf('/', StringComparison.Ordinal); slash > 0; slash = name.IndexOf('/', slash + 1))
        {
            yield return name[..slash];
        }
    }

    static Task UnpackAsync(FileStream file, string to, CancellationToken ct) => DecompressAsync(file, async output =>
    {
        await using var tar = new Command(
            "tar", "--extract", "--file=-", "--directory", to, "--numeric-owner", "--same-permissions", Kernel.IsRoot ? "--same-owner" : "--no-same-owner", "--xattrs", "--acls", "--delay-directory-restore").Start();
        await using var stop = ct.Register(() => tar.Signal(PosixSignals.Kill));
        var said = tar.ReadAllAsync(tar.Error);
        var silent = tar.ReadAllAsync(tar.Output);
        try
        {
            await output.CopyToAsync(tar.Input, ct);
            tar.Input.Close();
        }
        catch (IOException)
        {
            // It ended before its input did, and says why below.
        }

        var code = await tar.WaitAsync(ct);
        await silent;
        if (code != 0)
        {
            throw new IOException($"the backup could not be unpacked: {(await said).Trim()}");
        }
    }, ct);

    static async Task DecompressAsync(FileStream file, Func<Stream, Task> read, CancellationToken ct)
    {
        file.Position = 0;
        await using var zstd = new Command("zstd", "-q", "-d", "-c").Start();
        await using var stop = ct.Register(() => zstd.Signal(PosixSignals.Kill));
        var said = zstd.ReadAllAsync(zstd.Error);
        var feeding = FeedAsync(file, zstd.Input);
        try
        {
            await read(zstd.Output);
            await zstd.Output.CopyToAsync(Stream.Null, ct); // tar's padding: a pipe that nobody drains never ends
            await feeding;
            if (await zstd.WaitAsync(ct) != 0)
            {
                throw new Refusal($"this backup cannot be brought back: {(await said).Trim()}");
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new Refusal($"this backup cannot be brought back: {e.Message}");
        }
        finally
        {
            zstd.Signal(PosixSignals.Kill);
            await Task.WhenAny(feeding);
        }
    }

    static async Task FeedAsync(FileStream from, Stream to)
    {
        try
        {
            await from.CopyToAsync(to, CancellationToken.None);
            to.Close();
        }
        catch (IOException)
        {
            // Whoever reads has had enough, and says why.
        }
    }

    static void CheckDatabase(string path)
    {
        try
        {
            using var database = Database.OpenOrCreate(path);
            if (database.Read<string>("PRAGMA quick_check(1)") is not ["ok"])
            {
                throw new Refusal("this backup cannot be brought back: its database is damaged");
            }
        }
        catch (InvalidOperationException e)
        {
            throw new Refusal($"this backup cannot be brought back: {e.Message}");
        }
        catch (System.Data.Common.DbException e)
        {
            throw new Refusal($"this backup cannot be brought back: its database cannot be read ({e.Message})");
        }
    }

    /// <summary>The state last: until it is there no receiver takes this root for its own.</summary>
    void MoveIn(string unpacked)
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(unpacked).Where(path => Path.GetFileName(path) != BackupHead.Name).OrderBy(path => Path.GetFileName(path) == "state").ToList())
        {
            AtomicFile.Rename(path, Path.Combine(root, Path.GetFileName(path)));
        }

        using var place = DirectoryHandle.Open(root);
        place.FlushFileSystem();
    }
}
