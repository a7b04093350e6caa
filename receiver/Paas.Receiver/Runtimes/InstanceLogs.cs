using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Runtimes;

/// <summary>One line an instance printed.</summary>
sealed record LogLine(DateTimeOffset Time, ReleaseId Release, string Type, int Number, string Text);

/// <summary>
/// What instances print, kept by multilog in <c>&lt;state&gt;/logs/&lt;env&gt;/&lt;project&gt;/&lt;release&gt;/&lt;type&gt;.&lt;n&gt;.&lt;instance&gt;/</c>: <c>current</c> and rotated files, each line with its
/// TAI64N time. A directory for each instance, because releases overlap and multilog is alone in its directory. The receiver only ever reads.
/// </summary>
sealed class InstanceLogs(string directory, TimeProvider time)
{
    /// <summary>Bytes of one file before it is rotated.</summary>
    public const int FileSize = 1024 * 1024;

    /// <summary>Files kept beside the current one.</summary>
    public const int Files = 9;

    /// <summary>Logs of ended instances kept for each process of a release; a crash loop must not fill the disk.</summary>
    const int Kept = 5;

    /// <summary>Bytes read from the end of one file when few lines are wanted.</summary>
    const int Tail = 256 * 1024;

    /// <summary>More than these are looked for in the whole of each file.</summary>
    const int ManyLines = 200;

    static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(2);

    /// <summary>Makes the directory for a new instance and drops the oldest logs of the same process.</summary>
    public string Open(Launch launch, ProcessType type, int number, string instance)
    {
        var release = ReleaseDirectory(launch.Project, launch.Release);
        Directory.CreateDirectory(release);
        foreach (var old in Directory.GetDirectories(release, $"{type.Name}.{number}.*").OrderDescending().Skip(Kept - 1))
        {
            Directory.Delete(old, recursive: true);
        }

        return Directory.CreateDirectory(Path.Combine(release, $"{type.Name}.{number}.{instance}")).FullName;
    }

    /// <summary>Deletes everything instances of a release printed.</summary>
    public void Forget(Project project, ReleaseId release) => Delete(ReleaseDirectory(project, release));

    public void Forget(Project project) => Delete(ProjectDirectory(project));

    static void Delete(string logs)
    {
        if (Directory.Exists(logs))
        {
            Directory.Delete(logs, recursive: true);
        }
    }

    /// <summary>The newest lines, oldest first, of all instances that fit.</summary>
    public IReadOnlyList<LogLine> Last(Project project, ReleaseId? release, string? type, int count) =>
        Newest(Sources(project, release, type), count);

    /// <summary>The newest lines of one instance's log, without their times.</summary>
    public static IReadOnlyList<string> Last(string log, ReleaseId release, int count) =>
        Newest([new Source(log, release, "", 0)], count).Select(line => line.Text).ToList();

    /// <summary>Waits, a moment at most, until what an ended instance printed is all on disk.</summary>
    public async Task FlushedAsync(string log)
    {
        // multilog makes the file executable once it has seen the end and written everything.
        var current = Path.Combine(log, "current");
        var begun = time.GetTimestamp();
        while (time.GetElapsedTime(begun) < FlushTime && (Inode.Of(current) is not { } inode || (inode.Permissions & 0x40) == 0))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), time);
        }
    }

    /// <summary>The newest lines, then every further one as it is printed, of instances that start later too, until the token ends it.</summary>
    /// <remarks>A reader slower than the application loses what is rotated away under it; the application never waits for a reader.</remarks>
    public async IAsyncEnumerable<LogLine> FollowAsync(Project project, ReleaseId? release, string? type, int count, [EnumeratorCancellation] CancellationToken ct)
    {
        var place = Directory.CreateDirectory(release is null ? ProjectDirectory(project) : ReleaseDirectory(project, release)).FullName;
        var changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        using var watcher = new FileSystemWatcher(place)
        {
            IncludeSubdirectories = true,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        watcher.Changed += (_, _) => changes.Writer.TryWrite(true);
        watcher.Created += (_, _) => changes.Writer.TryWrite(true);
        watcher.Renamed += (_, _) => changes.Writer.TryWrite(true);
        watcher.Error += (_, _) => changes.Writer.TryWrite(true); // its queue overflowed: something changed
        watcher.EnableRaisingEvents = true;

        var followed = new Dictionary<string, Follower>();
        try
        {
            foreach (var source in Sources(project, release, type))
            {
                followed[source.Directory] = Follower.AtEnd(source);
            }

            // Each from where its follower stands backwards: what is printed meanwhile comes once.
            foreach (var line in followed.Values.SelectMany(follower => follower.Before(count)).OrderBy(line => line.Time).TakeLast(count).ToList())
            {
                yield return line;
            }

            do
            {
                foreach (var source in Sources(project, release, type).Where(source => !followed.ContainsKey(source.Directory)))
                {
                    followed[source.Directory] = Follower.AtBegin(source);
                }

                // By time over all of them, also when one has much to catch up with.
                while (followed.Values.Where(follower => follower.Next is not null).MinBy(follower => follower.Next!.Time) is { } earliest)
                {
                    yield return earliest.Take();
                }
            }
            while (await changes.Reader.ReadAsync(ct));
        }
        finally
        {
            foreach (var follower in followed.Values)
            {
                follower.Dispose();
            }
        }
    }

    string ProjectDirectory(Project project) => Path.Combine(directory, project.Environment.Name.Value, project.Name.Value);

    string ReleaseDirectory(Project project, ReleaseId release) => Path.Combine(ProjectDirectory(project), release.Value);

    List<Source> Sources(Project project, ReleaseId? release, string? type)
    {
        var place = ProjectDirectory(project);
        if (!Directory.Exists(place))
        {
            return [];
        }

        return (from below in release is null ? Directory.GetDirectories(place) : [ReleaseDirectory(project, release)]
                let id = ReleaseId.TryParse(Path.GetFileName(below))
                where id is not null && Directory.Exists(below)
                from log in Directory.GetDirectories(below)
                let name = Path.GetFileName(log).Split('.')
                where name.Length == 3 && (type is null || name[0] == type)
                select new Source(log, id, name[0], int.Parse(name[1], CultureInfo.InvariantCulture))).ToList();
    }

    static List<LogLine> Newest(IEnumerable<Source> sources, int count) =>
        sources.SelectMany(source =>
        {
            using var end = Follower.AtEnd(source);
            return end.Before(count);
        }).OrderBy(line => line.Time).TakeLast(count).ToList();

    /// <summary>
    /// Oldest first. A rotation renames <c>current</c> to <c>previous</c>, begins a new <c>current</c>, gives <c>previous</c> a second name, the time it was
    /// finished, and takes the first one away: at some moments one of the names is missing and at some a file has two.
    /// </summary>
    static List<string> FilesOf(string log)
    {
        var files = Directory.GetFiles(log, "@*").Order(StringComparer.Ordinal).ToList();
        var previous = Path.Combine(log, "previous");
        if (Inode.Of(previous) is { } found && files.TrueForAll(file => Inode.Of(file)?.Number != found.Number))
        {
            files.Add(previous);
        }

        files.Add(Path.Combine(log, "current"));
        return files;
    }

    static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (IOException)
        {
            return null; // rotated away between listing and opening
        }
    }

    /// <summary><c>@</c>, 16 hexadecimal digits of seconds and 8 of nanoseconds, a space, the text. Seconds count from 2^62 and are ten ahead (TAI).</summary>
    static LogLine Parse(Source source, string line)
    {
        if (line.Length > 25 && line[0] == '@' && line[25] == ' '
            && ulong.TryParse(line.AsSpan(1, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var seconds)
            && uint.TryParse(line.AsSpan(17, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var nanoseconds)
            && seconds is > (1UL << 62) and < (1UL << 62) + (1UL << 37))
        {
            var stamp = DateTimeOffset.FromUnixTimeSeconds((long)(seconds - (1UL << 62)) - 10).AddTicks(nanoseconds / 100);
            return new LogLine(stamp, source.Release, source.Type, source.Number, line[26..].TrimEnd('\r'));
        }

        // The middle of a line that multilog had to split, or the rest of a file that a full disk cut off.
        return new LogLine(DateTimeOffset.MinValue, source.Release, source.Type, source.Number, line);
    }

    sealed record Source(string Directory, ReleaseId Release, string Type, int Number);

    /// <summary>A place in one instance's log, carried over from file to file.</summary>
    sealed class Follower : IDisposable
    {
        const int Chunk = 64 * 1024;

        readonly Source source;
        readonly byte[] buffer = new byte[Chunk];
        readonly Queue<LogLine> ready = new();
        FileStream? file;
        ulong inode;
        int held;

        Follower(Source source) => this.source = source;

        /// <summary>Behind the last whole line there is.</summary>
        public static Follower AtEnd(Source source)
        {
            var follower = new Follower(source);
            if (FilesOf(source.Directory).AsEnumerable().Reverse().Select(Opened).FirstOrDefault(opened => opened is not null) is { } found)
            {
                follower.Enter(found);
                found.File.Position = EndOfLines(found.File);
            }

            return follower;
        }

        public static Follower AtBegin(Source source) => new(source);

        /// <summary>The newest lines before this place, file by file backwards until there are enough.</summary>
        public List<LogLine> Before(int count)
        {
            var lines = new List<LogLine>();
            if (file is null)
            {
                return lines;
            }

            Add(file.SafeFileHandle, file.Position);

            foreach (var earlier in Earlier())
            {
                using (earlier)
                {
                    if (lines.Count < count)
                    {
                        Add(earlier.SafeFileHandle, earlier.Length);
                    }
                }
            }

            // A piece without a time of its own stays behind the piece it continues.
            for (var i = 1; i < lines.Count; i++)
            {
                lines[i] = lines[i].Time == DateTimeOffset.MinValue ? lines[i] with { Time = lines[i - 1].Time } : lines[i];
            }

            return lines.TakeLast(count).ToList();

            void Add(Microsoft.Win32.SafeHandles.SafeFileHandle handle, long end)
            {
                var begin = count > ManyLines ? 0 : Math.Max(0, end - Tail);
                var bytes = new byte[end - begin];
                var read = RandomAccess.Read(handle, bytes, begin);
                var text = Encoding.UTF8.GetString(bytes, 0, read);
                lines.InsertRange(0, text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(begin > 0 ? 1 : 0).Select(line => Parse(source, line)).TakeLast(count));
            }
        }

        /// <summary>The files before this one, newest first, open. By what this one is, not by its name: what is called current may be another one by now.</summary>
        List<FileStream> Earlier()
        {
            while (true)
            {
                var files = FilesOf(source.Directory);
                var names = files[..Math.Max(0, files.FindIndex(IsIn))];
                var opened = names.Select(TryOpen).OfType<FileStream>().Reverse().ToList();

                // Only the oldest is ever deleted; any other that is gone has got its other name.
                if (opened.Count == names.Count || (opened.Count == names.Count - 1 && !File.Exists(names[0])))
                {
                    return opened;
                }

                opened.ForEach(file => file.Dispose());
            }
        }

        bool IsIn(string path) => file is not null && Inode.Of(path)?.Number == inode;

        /// <summary>The next line; null when there is no further one yet.</summary>
        public LogLine? Next
        {
            get
            {
                if (ready.Count == 0)
                {
                    Read().ForEach(ready.Enqueue);
                }

                return ready.TryPeek(out var line) ? line : null;
            }
        }

        public LogLine Take() => ready.Dequeue();

        /// <summary>The whole lines that are there now, a chunk's worth at most; empty when there is nothing further yet.</summary>
        List<LogLine> Read()
        {
            if (file is null && !Advance())
            {
                return [];
            }

            while (true)
            {
                // Asked before reading: a file that is finished now has all its lines, one that is current may yet get some and be finished.
                var finished = !IsIn(Path.Combine(source.Directory, "current"));
                var read = file!.Read(buffer, held, buffer.Length - held);
                held += read;
                var end = buffer.AsSpan(0, held).LastIndexOf((byte)'\n') + 1;
                if (end == 0 && held == buffer.Length)
                {
                    end = held; // a line longer than a chunk comes in pieces
                }

                if (end > 0)
                {
                    var text = Encoding.UTF8.GetString(buffer, 0, end);
                    held -= end;
                    buffer.AsSpan(end, held).CopyTo(buffer);
                    return text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Parse(source, line)).ToList();
                }

                if (read == 0 && !(finished && Advance()))
                {
                    return [];
                }
            }
        }

        public void Dispose() => file?.Dispose();

        /// <summary>Goes on to the file after this one.</summary>
        bool Advance()
        {
            while (Directory.Exists(source.Directory))
            {
                var files = FilesOf(source.Directory);
                var next = files.FindLastIndex(IsIn) + 1;
                if (next == files.Count || Opened(files[next]) is not { } candidate)
                {
                    return false;
                }

                // Asked again once it is open: a rotation may have given the name to a later file meanwhile, and the one between would be left out.
                files = FilesOf(source.Directory);
                next = files.FindLastIndex(IsIn) + 1;
                if (next < files.Count && Inode.Of(files[next])?.Number == candidate.Number)
                {
                    Enter(candidate);
                    return true;
                }

                candidate.File.Dispose();
            }

            return false;
        }

        void Enter((FileStream File, ulong Number) next)
        {
            file?.Dispose();
            (file, inode) = next;
            held = 0;
        }

        /// <summary>A file and its number, surely of the same one; null when there is none of that name.</summary>
        static (FileStream File, ulong Number)? Opened(string path)
        {
            while (Inode.Of(path) is { } found && TryOpen(path) is { } opened)
            {
                if (Inode.Of(path)?.Number == found.Number)
                {
                    return (opened, found.Number);
                }

                opened.Dispose(); // rotated in between
            }

            return null;
        }

        static long EndOfLines(FileStream current)
        {
            var tail = new byte[(int)Math.Min(current.Length, Chunk)];
            var begin = current.Length - tail.Length;
            current.Position = begin;
            var read = current.ReadAtLeast(tail, tail.Length, throwOnEndOfStream: false);
            return begin + tail.AsSpan(0, read).LastIndexOf((byte)'\n') + 1;
        }
    }
}
