using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>What a backup cost and holds. Bytes are lengths of files, holes included.</summary>
/// <param name="Shared">Files that were unchanged since an earlier backup and are one file with it.</param>
/// <param name="Reflinked">Files copied by sharing the file system's blocks.</param>
/// <param name="Notes">What could not be kept (sockets, devices, owners when not root) and what kept changing, for people; not kept with the backup.</param>
sealed record BackupReport(ReleaseId Id, long Files, long Bytes, long Copied, long CopiedBytes, long Shared, long Reflinked, TimeSpan Took, IReadOnlyList<string> Notes)
{
    public BackupReport(ReleaseId id, BackupCounts counts, TimeSpan took, IReadOnlyList<string> notes)
        : this(id, counts.Files, counts.Bytes, counts.Copied, counts.CopiedBytes, counts.Shared, counts.Reflinked, took, notes)
    {
    }

    /// <summary><c>reflink</c>, <c>link</c> (hard links to the backup before) or <c>copy</c>: by which most files got there.</summary>
    public string How => Shared >= Copied && Shared > 0 ? "link" : Reflinked * 2 >= Copied && Reflinked > 0 ? "reflink" : "copy";
}

/// <summary>What a restore did.</summary>
/// <param name="Restored">Files, links and pipes that were brought back from the backup; all others were still as they had been backed up.</param>
/// <param name="Aside">Names moved out of the way (a directory counts once).</param>
/// <param name="Evidence">Where they are; null when the data was as the backup has it.</param>
sealed record RestoreReport(long Restored, long Aside, string? Evidence, TimeSpan Took, IReadOnlyList<string> Notes);

/// <summary>The numbers at the end of an index.</summary>
[StructLayout(LayoutKind.Auto)]
readonly record struct BackupCounts(long Files, long Bytes, long Copied, long CopiedBytes, long Shared, long Reflinked)
{
    public const int Numbers = 6;

    public static BackupCounts Read(ReadOnlySpan<byte> from) => new(
        BinaryPrimitives.ReadInt64LittleEndian(from),
        BinaryPrimitives.ReadInt64LittleEndian(from[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[16..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[24..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[32..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[40..]));

    public void Write(Span<byte> to)
    {
        ReadOnlySpan<long> numbers = [Files, Bytes, Copied, CopiedBytes, Shared, Reflinked];
        for (var i = 0; i < Numbers; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(to[(i * 8)..], numbers[i]);
        }
    }
}

/// <summary>
/// Backs up a project's <c>data/</c> and brings it back (R9.4, R11.5, A3).
/// A backup costs what changed: a file that is unchanged since an earlier backup is one file with it (a hard link, backup to backup, never live data to
/// backup), any other is copied, by reflink where the file system can. It appears whole or not at all. So does a restore cost what changed:
/// see <see cref="Restoring"/>.
/// </summary>
/// <remarks>
/// Kept: content, holes, modes with setuid, owner and group, times, extended attributes, symbolic links (never followed), hard links within the
/// data, pipes, names of any bytes. Sockets and devices are left out and noted. Whoever runs this sees to it that nothing writes into
/// the data meanwhile; a file that changes while it is copied is tried three times, then noted and never taken for unchanged. One thing escapes
/// every ctime: a program that writes through a shared memory mapping before <em>and</em> after a backup, without the page being flushed between.
/// </remarks>
sealed class Archivist(TimeProvider time)
{
    /// <summary>The one file among the backups that is none.</summary>
    public const string LeaseName = ".lease";

    const string Taken = "data";

    /// <summary>Told every step that leaves a trace on the disk; a test that throws from it is a receiver that dies there.</summary>
    internal Action<string> At { get; init; } = _ => { };

    /// <summary>Backs up to <c>archives/&lt;id&gt;/data</c>. Where that backup exists already, it is left as it is: the data may have been touched since.</summary>
    /// <exception cref="IOException">Something could not be read or written; the message names it, and nothing is left.</exception>
    /// <exception cref="Refusal">A restore stopped in the middle and must be finished first.</exception>
    /// <param name="patterns">What of the data; null means all.</param>
    public Task<BackupReport> TakeAsync(Project project, ReleaseId id, CancellationToken ct, DataPatterns? patterns = null) =>
        OwnThread.RunAsync(() => Take(project, id, patterns ?? DataPatterns.None, ct));

    /// <summary>
    /// Makes <c>data/</c> what <paramref name="backup"/> holds, byte for byte; what the failed release had changed or added is then in
    /// <c>archives/&lt;failed&gt;/data.failed</c>. May be called again after it was interrupted anywhere, and comes to the same end. Cannot be cancelled.
    /// </summary>
    /// <exception cref="InvalidDataException">There is no such backup, or its index is damaged. Nothing was touched.</exception>
    /// <exception cref="IOException">It stopped; what had been moved is in data.failed, the backup is whole, and another call goes on from there.</exception>
    public Task<RestoreReport> RestoreAsync(Project project, ReleaseId backup, ReleaseId failed) => OwnThread.RunAsync(() => Restore(project, backup, failed));

    /// <summary>Every complete backup of a project, newest first, with what it holds.</summary>
    public IReadOnlyList<BackupReport> List(Project project) =>
    [
        .. Directory.Exists(project.Archives) ? Directory.EnumerateDirectories(project.Archives)
            .Select(place => (Place: place, Id: ReleaseId.TryParse(Path.GetFileName(place))))
            .Where(one => one.Id is not null && IsComplete(one.Place))
            .OrderByDescending(one => one.Id!.Value, StringComparer.Ordinal)
            .Select(one => TryReport(one.Place, one.Id!)).OfType<BackupReport>() : [],
    ];

    /// <summary>True when a complete backup has this id.</summary>
    public bool Has(Project project, ReleaseId id) => IsComplete(PlaceOf(project, id));

    /// <summary>Removes all of an archive (backup, dumps, failed copies). Other backups that share files with it keep them.</summary>
    public Task ForgetAsync(Project project, ReleaseId id) => OwnThread.RunAsync(() =>
    {
        using var lease = Hold(project);
        var place = PlaceOf(project, id);
        DirectoryHandle.Delete(Path.Combine(place, Taken)); // first, so that no half-removed backup is ever taken for one
        DirectoryHandle.Delete(place);
        return 0;
    });

    static string PlaceOf(Project project, ReleaseId id) => Path.Combine(project.Archives, id.Value);

    static bool IsComplete(string place) => Directory.Exists(Path.Combine(place, Taken)) && File.Exists(Path.Combine(place, BackupIndex.FileName));

    // The kernel lets go of it when we die; two at once would be a mistake of ours, not something to wait for.
    static Lease Hold(Project project)
    {
        _ = Directory.CreateDirectory(project.Archives);
        return Lease.TryTake(Path.Combine(project.Archives, LeaseName))
            ?? throw new IOException($"Another backup or restore of {project} is running.");
    }

    // The index that was written last describes the data as it was last seen: after a restore that is the restored one's, not the newest id's.
    static (string Place, BackupIndexReader Index)? NewestOf(Project project)
    {
        var newest = Directory.EnumerateDirectories(project.Archives)
            .Where(place => ReleaseId.TryParse(Path.GetFileName(place)) is not null && IsComplete(place))
            .OrderByDescending(place => Inode.Of(Path.Combine(place, BackupIndex.FileName))?.ModifiedNs);
        foreach (var place in newest)
        {
            try
            {
                return (place, BackupIndexReader.Open(Path.Combine(place, BackupIndex.FileName)));
            }
            catch (InvalidDataException)
            {
                // Sharing with a backup nobody can vouch for would spread the damage; an older one, or a full copy, does.
            }
        }

        return null;
    }

    BackupReport Take(Project project, ReleaseId id, DataPatterns patterns, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        using var lease = Hold(project);
        var place = PlaceOf(project, id);
        var index = Path.Combine(place, BackupIndex.FileName);
        if (IsComplete(place))
        {
            return new BackupReport(id, CountsOf(index), time.GetElapsedTime(started), []);
        }

        if (Restoring.IsUnfinished(project))
        {
            throw new Refusal($"The data of {project} is in the middle of a restore that stopped; a backup of it would be of neither state. Restore it first.");
        }

        var existed = Directory.Exists(place);
        _ = Directory.CreateDirectory(place, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using var archive = DirectoryHandle.Open(place);
        var notes = new List<string>();
        try
        {
            Sweep(archive);
            using var data = DirectoryHandle.TryOpen(project.Data);
            using var copy = archive.CreateChild("data.taking\0"u8);
            using var writer = new BackupIndexWriter(index + ".taking");
            var counts = default(BackupCounts);
            if (data is not null)
            {
                var newest = NewestOf(project);
                using var earlierIndex = newest?.Index;
                using var earlier = newest is { } n ? DirectoryHandle.Open(Path.Combine(n.Place, Taken)) : null;
                using var taking = new BackupTaking(writer, copy, patterns, notes.Add, ct);
                counts = taking.Run(data, earlier, earlierIndex);
            }

            patterns.Write(place);
            At("copied");
            writer.Finish(counts);
            At("indexed");
            AtomicFile.Rename(index + ".taking", index);
            At("index named");
            archive.Rename("data.taking\0"u8, archive, "data\0"u8);
            archive.Flush();
            At("taken");
            return new BackupReport(id, counts, time.GetElapsedTime(started), notes);
        }
        catch (Exception e) when (e is not SimulatedDeath)
        {
            Sweep(archive);
            if (!existed)
            {
                DirectoryHandle.Delete(place);
            }

            throw;
        }
    }

    RestoreReport Restore(Project project, ReleaseId backup, ReleaseId failed)
    {
        var started = time.GetTimestamp();
        using var lease = Hold(project);
        var place = PlaceOf(project, backup);
        if (!IsComplete(place))
        {
            throw new InvalidDataException($"There is no backup {backup} of {project}.");
        }

        var notes = new List<string>();
        using var restoring = new Restoring(project, place, PlaceOf(project, failed), At, notes.Add);
        restoring.Run();
        return new RestoreReport(restoring.Restored, restoring.Aside, restoring.Evidence, time.GetElapsedTime(started), notes);
    }

    /// <summary>Removes what a backup left that was interrupted; a complete one is not touched.</summary>
    public void SweepUnfinished(Project project, ReleaseId id)
    {
        using var lease = Hold(project);
        var place = PlaceOf(project, id);
        if (Directory.Exists(place) && !IsComplete(place))
        {
            using var archive = DirectoryHandle.Open(place);
            Sweep(archive);
        }
    }

    // A damaged one is not offered to anybody.
    static BackupReport? TryReport(string place, ReleaseId id)
    {
        try
        {
            return new BackupReport(id, CountsOf(Path.Combine(place, BackupIndex.FileName)), TimeSpan.Zero, []);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            return null;
        }
    }

    static BackupCounts CountsOf(string index)
    {
        using var reader = BackupIndexReader.Open(index);
        while (reader.Kind != EntryKind.End)
        {
            reader.Next();
        }

        return reader.Counts;
    }

    // What an attempt left that did not come to its end.
    static void Sweep(DirectoryHandle archive)
    {
        archive.DeleteTree("data\0"u8);
        archive.DeleteTree("data.taking\0"u8);
        archive.DeleteTree("data.index\0"u8);
        archive.DeleteTree("data.index.taking\0"u8);
        archive.DeleteTree("data.patterns\0"u8);
    }
}

/// <summary>Thrown by tests where a receiver would have been killed: nothing is tidied up behind it.</summary>
sealed class SimulatedDeath(string at) : Exception($"killed at {at}");
