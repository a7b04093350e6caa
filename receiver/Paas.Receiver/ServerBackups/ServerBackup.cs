using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ServerBackups;

/// <summary>What a backup says of itself, in its first entry.</summary>
/// <param name="Format">Of the archive; another one is refused.</param>
sealed record BackupHead(int Format, DateTimeOffset TakenAt, string Root, bool Archives)
{
    public const int Known = 1;
    public const string Name = "backup.json";
}

/// <summary>
/// One archive of an entire receiver, a <c>.tar.zst</c> that ends with its digest (<see cref="BackupSeal"/>): database, repositories, pillars, data, releases, backups, secrets, keys,
/// certificates, logs. Deployments wait meanwhile, so that every project is at exactly one release; applications go on, and pushes that deploy nothing do too.
/// </summary>
/// <param name="standstill">Null where no receiver runs on the root.</param>
sealed partial class ServerBackup(string root, string state, Database database, Standstill? standstill, TimeProvider time, ILogger<ServerBackup> logger)
{
    const int Chunk = 1 << 17;

    // tar: some files changed while they were read; everything else is whole.
    const int SomethingChanged = 1;

    /// <param name="archives">With the deliverable archives of releases; without them a rollback works, promoting what is older does not.</param>
    /// <exception cref="IOException">Something could not be read. What was written until then has no seal, and is refused by a restore.</exception>
    public async Task WriteAsync(Stream to, bool archives, CancellationToken ct)
    {
        using var still = standstill is null ? null : await standstill.CallAsync(ct);
        var scratch = Directory.CreateDirectory(
            Path.Combine(state, $"{BackupContents.Scratch}{Guid.NewGuid():N}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(scratch, "state"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            database.CopyTo(Path.Combine(scratch, "state", "receiver.db"));
            AtomicFile.Write(Path.Combine(scratch, BackupHead.Name), JsonSerializer.SerializeToUtf8Bytes(new BackupHead(BackupHead.Known, time.GetUtcNow(), root, archives), JsonSerializerOptions.Web));
            var contents = BackupContents.Of(root, archives);
            AtomicFile.Write(Path.Combine(scratch, "directories"), string.Concat(contents.Directories.Select(path => path + "\0")));
            AtomicFile.Write(Path.Combine(scratch, "trees"), string.Concat(contents.Trees.Select(path => path + "\0")));
            await PackAsync(scratch, to, ct);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    async Task PackAsync(string scratch, Stream to, CancellationToken ct)
    {
        await using var tar = new Command(
            "tar", "--create", "--file=-", "--format=posix", "--numeric-owner", "--xattrs", "--acls",
            "--directory", scratch, BackupHead.Name, "state/receiver.db", "--directory", root, "--null",
            "--no-recursion", $"--files-from={Path.Combine(scratch, "directories")}", "--recursion", $"--files-from={Path.Combine(scratch, "trees")}").Start();
        await using var zstd = new Command("zstd", "-q", "-T0", "-3", "-c").Start();
        await using var stop = ct.Register(() => Kill(tar, zstd));
        tar.Input.Close();
        var (tarSaid, zstdSaid) = (tar.ReadAllAsync(tar.Error), zstd.ReadAllAsync(zstd.Error));
        var feeding = FeedAsync(tar.Output, zstd.Input);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            var buffer = new byte[Chunk];
            for (var count = await zstd.Output.ReadAsync(buffer, ct); count > 0; count = await zstd.Output.ReadAsync(buffer, ct))
            {
                hash.AppendData(buffer, 0, count);
                await to.WriteAsync(buffer.AsMemory(0, count), ct);
            }

            await feeding;
            var (tarCode, zstdCode) = (await tar.WaitAsync(ct), await zstd.WaitAsync(ct));
            ct.ThrowIfCancellationRequested();
            if (tarCode > SomethingChanged || zstdCode != 0)
            {
                throw new IOException($"the backup could not be taken: {(await tarSaid + await zstdSaid).Trim()}");
            }

            if (tarCode == SomethingChanged)
            {
                Log.Changed(logger, (await tarSaid).Trim());
            }

            await to.WriteAsync(BackupSeal.Of(hash.GetHashAndReset()), ct);
            await to.FlushAsync(ct);
        }
        finally
        {
            Kill(tar, zstd);
            await Task.WhenAny(feeding);
        }
    }

    static async Task FeedAsync(Stream from, Stream to)
    {
        await from.CopyToAsync(to, Chunk, CancellationToken.None);
        to.Close();
    }

    static void Kill(params ReadOnlySpan<ChildProcess> children)
    {
        foreach (var child in children)
        {
            child.Signal(PosixSignals.Kill);
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Files that applications changed while the backup read them: {said}")]
        public static partial void Changed(ILogger logger, string said);
    }
}
