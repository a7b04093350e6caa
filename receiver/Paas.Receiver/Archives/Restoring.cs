using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>
/// One restore. Its cost is what changed: files that are still what the index says (<see cref="Identity"/>) stay where they are, and everything
/// else is exchanged by renames, so a large data directory is neither copied nor doubled.
/// <list type="number">
/// <item>compare: one walk of the live data beside the index; whatever must come back is copied (a reflink, or a real copy: the application will write
/// into it, and the backup must stay whole) into <c>data.restoring</c>, whatever is in the way is listed. The data is not touched; a full disk ends it here.</item>
/// <item>plan: the list is written into <c>data.restoring/plan</c>, durably. From here on the restore will happen.</item>
/// <item>replay: each line is one rename, one mkdir or the attributes of a directory, and may be done twice. Changed and added files move to data.failed.</item>
/// <item>refresh: the index learns the new files' identities, so that the next backup shares them.</item>
/// <item>tidy: <c>data.restoring</c> goes.</item>
/// </list>
/// Killed before 2 is complete, it begins anew; after that, it goes on with the plan. Both end in the same state, because nothing in the plan depends on how far it came.
/// </summary>
/// <remarks>
/// The copy in data.failed holds what the failed release changed and added, under the same names; what it left alone is in the backup, and a hard link
/// to it from there would not prove more. Where <c>data</c> is itself a mount point, <c>data.restoring</c> is made inside it, and the evidence is copied, not moved.
/// </remarks>
sealed class Restoring : IDisposable
{
    const byte PutAside = (byte)'A';
    const byte MakeDirectory = (byte)'D';
    const byte Put = (byte)'P';
    const byte LikeBackup = (byte)'T';

    readonly Project project;
    readonly string backupPlace;
    readonly string failedPlace;
    readonly Action<string> at;
    readonly Action<string> note;
    readonly DirectoryHandle home;
    readonly DirectoryHandle live;
    readonly DirectoryHandle stageParent;
    readonly byte[] stageName;
    readonly TreeCopy copies;

    public Restoring(Project project, string backupPlace, string failedPlace, Action<string> at, Action<string> note)
    {
        this.project = project;
        this.backupPlace = backupPlace;
        this.failedPlace = failedPlace;
        this.at = at;
        this.note = note;
        copies = new TreeCopy(note, CancellationToken.None);
        home = DirectoryHandle.Open(project.Directory);
        live = home.OpenOrCreateChild("data\0"u8);
        var mounted = home.Stat("data\0"u8) is { } root && (root.IsMountPoint || root.Device != home.Inode.Device);
        stageParent = mounted ? live : home;
        stageName = mounted ? InsideData.ToArray() : "data.restoring\0"u8.ToArray();
    }

    /// <summary>The one name in <c>data/</c> that is ours, used only where data is a mount point.</summary>
    public static ReadOnlySpan<byte> InsideData => ".data.restoring\0"u8;

    /// <summary>True while the data is neither what it was nor what it shall be: a restore has a plan and has not come to its end.</summary>
    public static bool IsUnfinished(Project project) =>
        File.Exists(Path.Combine(project.Directory, "data.restoring", "plan")) || File.Exists(Path.Combine(project.Data, ".data.restoring", "plan"));

    public long Restored { get; private set; }

    public long Aside { get; private set; }

    public string? Evidence { get; private set; }

    public void Run()
    {
        var place = Path.GetFileName(backupPlace);
        if (Plan.TryLoad(stageParent, stageName) is { } begun)
        {
            var itsBackup = Path.Combine(project.Archives, begun.Backup);
            if (Directory.Exists(Path.Combine(itsBackup, "data")))
            {
                Finish(begun, itsBackup);
                if (begun.Backup == place)
                {
                    return;
                }
            }
        }

        stageParent.DeleteTree(stageName);
        at("begun");
        using var plan = Compare(place);
        if (plan is not null)
        {
            Finish(plan, backupPlace);
        }
    }

    public void Dispose()
    {
        copies.Dispose();
        live.Dispose();
        home.Dispose();
    }

    Plan? Compare(string place)
    {
        using var index = BackupIndexReader.Open(Path.Combine(backupPlace, BackupIndex.FileName));
        using var backup = DirectoryHandle.Open(Path.Combine(backupPlace, "data"));
        var plan = new Plan(stageParent.CreateChild(stageName), place, FreeEvidence());
        at("staging");
        var comparing = new Comparing(plan, index, DataPatterns.Read(backupPlace), copies);
        comparing.Run(live, backup);
        if (plan.IsEmpty)
        {
            plan.Dispose();
            Tidy(backup);
            return null;
        }

        using (var written = plan.Write()) // goes to the disk together with what it needs
        {
            copies.Flush(plan.Stage);
            at("staged");
            written.Flush();
        }

        plan.Name();
        at("planned");
        return plan;
    }

    void Tidy(DirectoryHandle backup)
    {
        stageParent.DeleteTree(stageName);
        if (stageParent == live)
        {
            Metadata.Copy(backup.Inode, backup.Descriptor, live.Descriptor, live.Shown, note); // our own directory in it changed its time
        }
    }

    // A second restore for the same failed release must not mix its evidence with the first one's.
    string FreeEvidence()
    {
        var name = Path.Combine(failedPlace, "data.failed");
        for (var n = 2; Directory.Exists(name); n++)
        {
            name = Path.Combine(failedPlace, $"data.failed.{n}");
        }

        return name;
    }

    void Finish(Plan plan, string place)
    {
        using var backup = DirectoryHandle.Open(Path.Combine(place, "data"));
        DirectoryHandle? evidence = null;
        try
        {
            if (plan.PutsAside)
            {
                evidence = DirectoryHandle.TryOpen(plan.Evidence) ?? MakeEvidence(plan.Evidence);
                Evidence = plan.Evidence;
            }

            Replay(plan, backup, evidence);
            live.Flush();
            at("replayed");
            Refresh(plan, place);
            at("refreshed");
            plan.Dispose();
            Tidy(backup);
            home.Flush();
            at("restored");
        }
        finally
        {
            evidence?.Dispose();
        }
    }

    DirectoryHandle MakeEvidence(string path)
    {
        var unfinished = path + ".new";
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using (var made = DirectoryHandle.OpenOrCreate(unfinished))
        {
            Metadata.Copy(live.Inode, live.Descriptor, made.Descriptor, made.Shown, note);
        }

        AtomicFile.Rename(unfinished, path);
        return DirectoryHandle.Open(path);
    }

    void Replay(Plan plan, DirectoryHandle backup, DirectoryHandle? evidence)
    {
        using var here = new PathWalk(live);
        using var there = new PathWalk(backup);
        using var aside = evidence is null ? null : new PathWalk(evidence);
        for (var i = 0; i < plan.Steps.Count; i++)
        {
            var step = plan.Steps[i];
            switch (step.Kind)
            {
                case PutAside:
                    MoveAside(here, aside!, step, i);
                    Aside++;
                    break;
                case MakeDirectory:
                    var above = here.Above(step.Path, out var made);
                    _ = above.TryOpenIfDirectory(made) is { } existing ? Close(existing) : Make(above, made);
                    here.Forget(step.Path);
                    break;
                case Put:
                    PutBack(here, plan.Stage, step);
                    Restored++;
                    break;
                case LikeBackup:
                    var target = here.Directory(step.Path);
                    var original = there.Directory(step.Path);
                    Metadata.Copy(original.Inode, original.Descriptor, target.Descriptor, target.Shown, note);
                    break;
            }

            at("step");
        }
    }

    void MoveAside(PathWalk here, PathWalk aside, Plan.Step step, int number)
    {
        var from = here.Above(step.Path, out var name);
        var gone = Kernel.Name($".paas.gone.{number}");
        from.DeleteTree(gone);
        if (from.Stat(name) is not { } inode || inode.Number != step.Number)
        {
            return; // moved already
        }

        var to = aside.AboveLike(step.Path, here, note);
        from = here.Above(step.Path, out name); // the other walk went through here
        if (!from.TryRename(name, to, name))
        {
            to.DeleteTree(name);
            copies.Copy(from, name, to, name);
            copies.Flush(to);
            to.Flush();
            at("copied aside");
            from.Rename(name, from, gone); // in one step, or a second run would take a half-removed directory for the evidence
            at("renamed aside");
            from.DeleteTree(gone);
        }

        here.Forget(step.Path);
    }

    void PutBack(PathWalk here, DirectoryHandle stage, Plan.Step step)
    {
        var staged = Plan.StagedName(step.Number);
        if (stage.Stat(staged) is not { } inode)
        {
            return; // put already
        }

        var to = here.Above(step.Path, out var name);
        if (stage.TryRename(staged, to, name))
        {
            return;
        }

        var arriving = Kernel.Name($".paas.put.{step.Number}"); // something is mounted inside data
        to.DeleteTree(arriving);
        _ = copies.TryCopy(stage, staged, inode, to, arriving, out _);
        copies.Flush(to);
        to.Rename(arriving, to, name);
        stage.DeleteTree(staged);
    }

    // The rest of the index stays as it is; entries the plan touched get the identity their files have now.
    void Refresh(Plan plan, string place)
    {
        var touched = plan.Steps.Where(s => s.Kind != PutAside).Select(s => Encoding.Latin1.GetString(s.Path)).ToHashSet();
        var path = Path.Combine(place, BackupIndex.FileName);
        using var here = new PathWalk(live);
        using (var index = BackupIndexReader.Open(path))
        using (var writer = new BackupIndexWriter(path + ".taking"))
        {
            var names = new PathStack();
            while (index.Kind != EntryKind.End)
            {
                if (index.Kind == EntryKind.Leave)
                {
                    names.Pop();
                    writer.Leave();
                }
                else
                {
                    names.Push(index.Name);
                    var identity = touched.Contains(Encoding.Latin1.GetString(names.Path)) ? IdentityNow(here, names.Path) : index.Identity;
                    writer.Write(index.Kind, index.Name, identity);
                    if (index.Kind != EntryKind.Directory)
                    {
                        names.Pop();
                    }
                }

                index.Next();
            }

            writer.Finish(index.Counts);
        }

        AtomicFile.Rename(path + ".taking", path);
    }

    // Nothing runs in the data yet, and the restored times are old ones: a later write cannot leave both time and ctime as they are now.
    static Identity IdentityNow(PathWalk here, byte[] path)
    {
        if (path.Length == 1)
        {
            return Identity.Of(here.Root.Inode);
        }

        return here.Above(path, out var name).Stat(name) is { } inode ? Identity.Of(inode) : Identity.Unknown;
    }

    static bool Close(DirectoryHandle handle)
    {
        handle.Dispose();
        return true;
    }

    static bool Make(DirectoryHandle above, ReadOnlySpan<byte> name)
    {
        above.MakeDirectory(name);
        return true;
    }

    /// <summary>Step 1.</summary>
    sealed class Comparing(Plan plan, BackupIndexReader index, DataPatterns patterns, TreeCopy copies)
    {
        readonly PathStack path = new();
        readonly Stack<Listing> listings = new();
        readonly Dictionary<(ulong, ulong), byte[]> linked = [];

        public void Run(DirectoryHandle live, DirectoryHandle backup)
        {
            path.Push("\0"u8);
            if (index.Kind == EntryKind.Directory)
            {
                var identity = index.Identity;
                index.Next();
                Compare(live, backup, identity);
                return;
            }

            Compare(live, backup, null); // there was no data directory: an empty one is the same
        }

        void Compare(DirectoryHandle live, DirectoryHandle backup, Identity? directory)
        {
            var changed = directory is { } d && !d.IsStill(live.Inode);
            var names = listings.TryPop(out var used) ? used : new Listing();
            live.List(names);
            for (var i = 0; i < names.Count;)
            {
                var name = names[i];
                var order = index.Kind is EntryKind.Leave or EntryKind.End ? -1 : name.SequenceCompareTo(index.Name);
                if (order > 0)
                {
                    BringBack(backup);
                    changed = true;
                    continue;
                }

                i++;
                if ((path.Depth == 1 && name.SequenceEqual(InsideData)) || live.Stat(name) is not { } inode)
                {
                    if (order == 0)
                    {
                        BringBack(backup);
                        changed = true;
                    }

                    continue;
                }

                if (order < 0)
                {
                    changed |= patterns.TakesAll ? TryPutAside(name, inode) : PutAsideWhatIsTaken(live, name, inode);
                }
                else if (index.Kind == EntryKind.Directory && inode.IsDirectory)
                {
                    Descend(live, backup, name);
                }
                else if (index.Kind != EntryKind.Directory && index.Identity.IsStill(inode))
                {
                    index.Next();
                }
                else
                {
                    plan.Add(PutAside, path.With(name), inode.Number);
                    BringBack(backup);
                    changed = true;
                }
            }

            while (index.Kind is not (EntryKind.Leave or EntryKind.End))
            {
                BringBack(backup);
                changed = true;
            }

            listings.Push(names);
            if (directory is not null)
            {
                index.Next();
                if (changed)
                {
                    plan.Add(LikeBackup, path.Path, 0);
                }
            }
        }

        void Descend(DirectoryHandle live, DirectoryHandle backup, ReadOnlySpan<byte> name)
        {
            using var inner = live.OpenChild(name);
            using var innerBackup = backup.OpenChild(name);
            var identity = index.Identity;
            path.Push(name);
            index.Next();
            Compare(inner, innerBackup, identity);
            path.Pop();
        }

        // Sockets and devices were never backed up; one that lies about is as good after the restore as before it.
        bool TryPutAside(ReadOnlySpan<byte> name, Inode inode)
        {
            if (!(inode.IsDirectory || inode.IsFile || inode.IsSymbolicLink || inode.IsPipe))
            {
                return false;
            }

            plan.Add(PutAside, path.With(name), inode.Number);
            return true;
        }

        // What the backup would not have taken stays, and so does a directory that holds some of it.
        bool PutAsideWhatIsTaken(DirectoryHandle live, ReadOnlySpan<byte> name, Inode inode)
        {
            if (IsTakenWhole(live, name, inode))
            {
                return TryPutAside(name, inode);
            }

            if (!inode.IsDirectory || patterns.Excludes(path.With(name)))
            {
                return false;
            }

            var any = false;
            using var inner = live.OpenChild(name);
            path.Push(name);
            var names = new Listing();
            inner.List(names);
            for (var i = 0; i < names.Count; i++)
            {
                if (inner.Stat(names[i]) is { } child)
                {
                    any |= PutAsideWhatIsTaken(inner, names[i], child);
                }
            }

            path.Pop();
            return any;
        }

        bool IsTakenWhole(DirectoryHandle live, ReadOnlySpan<byte> name, Inode inode)
        {
            if (!inode.IsDirectory)
            {
                return patterns.Takes(path.With(name));
            }

            if (patterns.Excludes(path.With(name)))
            {
                return false;
            }

            using var inner = live.OpenChild(name);
            path.Push(name);
            var names = new Listing();
            inner.List(names);
            var whole = names.Count > 0 || patterns.Takes(path.Path);
            for (var i = 0; i < names.Count && whole; i++)
            {
                whole = inner.Stat(names[i]) is not { } child || IsTakenWhole(inner, names[i], child);
            }

            path.Pop();
            return whole;
        }

        // The entry the index stands on, with everything in it; the index stands behind it afterwards.
        void BringBack(DirectoryHandle backup)
        {
            var name = index.Name.ToArray();
            if (index.Kind == EntryKind.Directory)
            {
                using var inner = backup.OpenChild(name);
                path.Push(name);
                plan.Add(MakeDirectory, path.Path, 0);
                index.Next();
                while (index.Kind != EntryKind.Leave)
                {
                    BringBack(inner);
                }

                plan.Add(LikeBackup, path.Path, 0);
                path.Pop();
                index.Next();
                return;
            }

            var number = plan.NextNumber;
            var staged = Plan.StagedName(number);
            var inode = backup.Stat(name) ?? throw new InvalidDataException($"The backup lacks {backup.Show(name)}.");
            var key = (inode.Device, inode.Number);
            if (index.Identity.Links < 2 || !linked.TryGetValue(key, out var first) || !plan.Stage.TryLink(first, plan.Stage, staged))
            {
                _ = copies.TryCopy(backup, name, inode, plan.Stage, staged, out _);
                if (index.Identity.Links > 1)
                {
                    linked[key] = staged;
                }
            }

            plan.Add(Put, path.With(name), number);
            index.Next();
        }
    }

    /// <summary>Step 2: what will be done, on the disk before the first of it is.</summary>
    sealed class Plan(DirectoryHandle stage, string backup, string evidence) : IDisposable
    {
        public DirectoryHandle Stage => stage;

        public string Backup => backup;

        public string Evidence => evidence;

        public List<Step> Steps { get; } = [];

        public bool IsEmpty => Steps.Count == 0;

        public bool PutsAside => Steps.Exists(s => s.Kind == PutAside);

        public ulong NextNumber => (ulong)Steps.Count;

        static ReadOnlySpan<byte> Magic => "paas-restore-plan 1\n"u8;

        public static byte[] StagedName(ulong number) => Kernel.Name($"{number}");

        /// <summary>Null where there is none that is complete; then nothing of it was done.</summary>
        public static Plan? TryLoad(DirectoryHandle parent, byte[] stageName)
        {
            var stage = parent.TryOpenIfDirectory(stageName);
            if (stage?.Stat("plan\0"u8) is not { } inode)
            {
                stage?.Dispose();
                return null;
            }

            var content = new byte[inode.Size];
            using (var file = stage.OpenFile("plan\0"u8))
            {
                for (var read = 0; read < content.Length;)
                {
                    read += file.Read(content.AsSpan(read)) is var n and > 0 ? n : throw new IOException($"{stage.Show("plan\0"u8)} is cut off");
                }
            }

            return Parse(stage, content);
        }

        public void Add(byte kind, ReadOnlySpan<byte> path, ulong number) => Steps.Add(new Step(kind, path.ToArray(), number));

        /// <summary>Under another name and without waiting for the disk.</summary>
        public FileHandle Write()
        {
            using var content = new MemoryStream();
            content.Write(Magic);
            Write(content, 0, 0, Encoding.UTF8.GetBytes(backup));
            Write(content, 0, 0, Encoding.UTF8.GetBytes(evidence));
            foreach (var step in Steps)
            {
                Write(content, step.Kind, step.Number, step.Path);
            }

            content.Write(SHA256.HashData(content.GetBuffer().AsSpan(0, (int)content.Length)));
            var file = stage.CreateFile("plan.new\0"u8);
            file.Write(content.GetBuffer().AsSpan(0, (int)content.Length));
            file.StartFlush();
            return file;
        }

        /// <summary>What was written holds from here on, durably.</summary>
        public void Name()
        {
            stage.Rename("plan.new\0"u8, stage, "plan\0"u8);
            stage.Flush();
        }

        public void Dispose() => stage.Dispose();

        static Plan? Parse(DirectoryHandle stage, byte[] content)
        {
            var end = content.Length - SHA256.HashSizeInBytes;
            if (end < Magic.Length || !content.AsSpan().StartsWith(Magic) || !SHA256.HashData(content.AsSpan(0, end)).AsSpan().SequenceEqual(content.AsSpan(end)))
            {
                stage.Dispose();
                return null;
            }

            var steps = new List<Step>();
            for (var at = Magic.Length; at < end;)
            {
                var length = BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(at + 9));
                steps.Add(new Step(content[at], content[(at + 13)..(at + 13 + length)], BinaryPrimitives.ReadUInt64LittleEndian(content.AsSpan(at + 1))));
                at += 13 + length;
            }

            var plan = new Plan(stage, Encoding.UTF8.GetString(steps[0].Path), Encoding.UTF8.GetString(steps[1].Path));
            plan.Steps.AddRange(steps.Skip(2));
            return plan;
        }

        static void Write(MemoryStream content, byte kind, ulong number, byte[] path)
        {
            Span<byte> head = stackalloc byte[13];
            head[0] = kind;
            BinaryPrimitives.WriteUInt64LittleEndian(head[1..], number);
            BinaryPrimitives.WriteInt32LittleEndian(head[9..], path.Length);
            content.Write(head);
            content.Write(path);
        }

        /// <param name="Path">Relative to data, ending in NUL; the NUL alone is data itself.</param>
        /// <param name="Number">Of the inode that is put aside, or of the staged file that is put.</param>
        public sealed record Step(byte Kind, byte[] Path, ulong Number);
    }
}
