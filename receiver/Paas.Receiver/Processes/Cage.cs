using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Paas.Receiver.Processes;

/// <summary>What a caged process gets to see below the receiver's root. All paths absolute.</summary>
sealed record CageView
{
    /// <summary><c>PAAS_ROOT</c>: of everything below it only what is named here is there.</summary>
    public required string Root { get; init; }

    /// <summary>The project's directory, at or below <see cref="Root"/>; the process finds <c>run</c> in it.</summary>
    public required string ProjectDirectory { get; init; }

    /// <summary>What <c>run</c> shows: a release's directory or a draft.</summary>
    public required string RunSource { get; init; }

    /// <summary>Writes to <c>run</c> stay in <see cref="Scratch"/> (PM-28); otherwise they reach <see cref="RunSource"/>.</summary>
    public bool CopyOnWrite { get; init; } = true;

    /// <summary>
    /// A directory for this view alone, on the root's file system, made and removed by the caller.
    /// What was written to a copy-on-write <c>run</c> is in <c>upper</c> of it (<see cref="CageKind.Overlay"/>; whole trees that were replaced are marked by
    /// the attribute <c>trusted.overlay.opaque</c>, in a user namespace <c>user.overlay.opaque</c>) or all of the tree in <c>copy</c>. It is not flushed to disk, not even by the process's own fsync.
    /// </summary>
    public required string Scratch { get; init; }

    /// <summary>Directories that are shared as they are: data, build caches. They exist.</summary>
    public IReadOnlyList<string> Writable { get; init; } = [];

    /// <summary>What the project asks for; the machine's own limits hold all the same.</summary>
    public CageLimits Limits { get; init; } = CageLimits.None;

    /// <summary>The name of the cage's control group: unique to this start.</summary>
    public string Group { get; init; } = "";

    /// <summary>False: the process reaches itself by loopback and nobody else. Not kept by <see cref="CageKind.Plain"/>.</summary>
    public bool Network { get; init; } = true;
}

/// <summary>How far the kernel lets us go.</summary>
enum CageKind
{
    /// <summary>A mount namespace of its own, <c>run</c> copy-on-write by overlayfs.</summary>
    Overlay,

    /// <summary>A mount namespace of its own; copy-on-write is a copy, made with reflinks where they exist.</summary>
    Bind,

    /// <summary>No namespace: the process runs in a copy and sees what its user may see.</summary>
    Plain,
}

/// <summary>
/// Lets a process see its release at <c>&lt;project&gt;/run</c> and only its own project below the root, so that absolute paths stay right
/// while several releases run side by side. <c>/tmp</c> and <c>/var/tmp</c> are its own. On the host nothing is mounted; all of it ends with the last process inside.
/// </summary>
sealed partial class Cage
{
    // Runs in the scratch directory as the receiver's user. The environment comes in under other names, which nothing obeys: it must not steer the
    // programs that build the cage (LD_PRELOAD, as root, outside of it). It gets its own names back in the last step, by who may not harm anyone any more.
    // To enter a control group takes the kernel 5 to 15 ms, in which it only waits (a grace period of RCU): the mounts are made meanwhile. In version 1 a
    // thread that enters by itself is let in at once.
    const string Build = """
        cage_how=$1
        shift
        cage_entering=
        while [ "$1" != -- ]; do
            case $1 in
            */tasks) echo 0 >"$1" || exit 125 ;;
            *)
                echo $$ >"$1" &
                cage_entering=$!
                ;;
            esac
            shift
        done
        shift
        case $cage_how in *copy*) cp -a --reflink=auto lower/. copy || exit 125 ;; esac
        case $cage_how in *mount*) mount -a -T mounts >/dev/null || exit 125 ;; esac
        case $cage_how in *loopback*) perl -e 'socket(S, 2, 2, 0) and ioctl(S, 0x8914, my $up = pack("a16s", "lo", 1)) or exit 1' || exit 125 ;; esac
        [ -z "$cage_entering" ] || wait "$cage_entering" || exit 125
        cd / && exec "$@"
        """;

    // Runs as the project's user. Names were checked before.
    const string Begin = """
        cage_names=$2
        cd "$1" || exit 125
        shift 2
        unset PATH PWD OLDPWD
        for cage_name in $cage_names; do
            eval "export $cage_name=\"\$PAAS_CAGED_$cage_name\""
            unset "PAAS_CAGED_$cage_name"
        done
        exec "$@"
        """;

    // Private to each view: what one project leaves there no other finds.
    static readonly string[] Temporary = ["/var/tmp", "/tmp"];

    // From this kernel on the option belongs to one mount of proc; before, it would have changed the host's own.
    static readonly bool MayHideProcesses = System.Environment.OSVersion.Version >= new Version(5, 8);

    // The best first: a view in a user namespace without overlayfs is still worth more than none.
    static readonly IReadOnlyList<(CageKind Kind, bool UserNamespace, bool Hides)> Ways =
    [
        .. from kind in (CageKind[])[CageKind.Overlay, CageKind.Bind]
           from userNamespace in (bool[])[false, true]
           from hides in (bool[])[true, false]
           select (kind, userNamespace, hides),
    ];

    readonly bool userNamespace;
    readonly bool hidesProcesses;
    readonly CageLimits limits;
    readonly Func<CageView, UnixUser?> settleIn;
    readonly IReadOnlyList<string> tools;
    readonly ControlGroups? groups;
    readonly string? whyNoGroups;

    /// <param name="owner">Null without control groups.</param>
    Cage(
        CageKind kind, bool userNamespace, bool hidesProcesses, string? whyNotBetter, CageLimits? limits = null, Func<CageView, UnixUser?>? settleIn = null, string? owner = null,
        IReadOnlyList<string>? tools = null)
    {
        Kind = kind;
        this.tools = tools ?? [];
        this.userNamespace = userNamespace;
        this.hidesProcesses = hidesProcesses;
        this.limits = limits ?? CageLimits.None;
        this.settleIn = settleIn ?? (_ => null);
        WhyNotBetter = whyNotBetter;
        groups = owner is null ? null : ControlGroups.Find(owner, out whyNoGroups);
    }

    public CageKind Kind { get; }

    /// <summary>For the operator's log when <see cref="Kind"/> is not <see cref="CageKind.Overlay"/>: what the kernel said.</summary>
    public string? WhyNotBetter { get; }

    /// <summary>A process can be kept from the network; only with a namespace of its own, and not in every container.</summary>
    public bool CanCutNetwork { get; private init; }

    /// <summary>Finds out what the kernel allows by doing it, below <paramref name="stateDirectory"/>: as root, else in a user namespace, else without any.</summary>
    /// <param name="settleIn">Who a view's processes are to be; sees to it that what they may write belongs to them. Null for the receiver's own user.</param>
    /// <param name="limits">For each cage; null for none.</param>
    /// <param name="tools">Directories of programs that every process finds where they are, also below what a view hides. They need not exist yet.</param>
    public static async Task<Cage> ProbeAsync(
        string stateDirectory, CageLimits? limits = null, Func<CageView, UnixUser?>? settleIn = null, IReadOnlyList<string>? tools = null, CancellationToken ct = default)
    {
        var refusals = new List<string>();
        var root = UserIdNative() == 0;
        foreach (var (kind, userNamespace, hides) in Ways.Where(way => way.UserNamespace ? !way.Hides : root && (MayHideProcesses || !way.Hides)))
        {
            var why = kind == CageKind.Overlay || refusals.Count == 0 ? null : string.Join("; ", refusals.Distinct());
            if (await new Cage(kind, userNamespace, hides, why).RefusalAsync(stateDirectory, ct) is not { } refusal)
            {
                var cuts = await new Cage(kind, userNamespace, hides, why) { CanCutNetwork = true }.RefusalAsync(stateDirectory, ct) is null;
                return new Cage(kind, userNamespace, hides, why, limits, settleIn, stateDirectory, tools) { CanCutNetwork = cuts };
            }

            refusals.Add($"{kind}{(userNamespace ? " in a user namespace" : "")}: {refusal}");
        }

        return new Cage(CageKind.Plain, userNamespace: false, hidesProcesses: false, string.Join("; ", refusals.Distinct()), limits, settleIn, stateDirectory, tools);
    }

    /// <summary>A cage that is not probed for; with <paramref name="kind"/> other than <see cref="CageKind.Plain"/> only root may enter it.</summary>
    public static Cage Of(CageKind kind, CageLimits? limits = null, Func<CageView, UnixUser?>? settleIn = null) =>
        new(kind, userNamespace: false, MayHideProcesses && kind != CageKind.Plain, whyNotBetter: null, limits, settleIn) { CanCutNetwork = kind != CageKind.Plain };

    /// <summary>What holds for a project that asks for these limits: they, within the machine's own.</summary>
    public CageLimits LimitsFor(CageLimits asked) => asked.Within(limits);

    /// <summary>What keeps projects apart here, and what is missing.</summary>
    public IReadOnlyList<Finding> Findings =>
    [
        new("a view of its own", Kind != CageKind.Plain, Kind switch
        {
            CageKind.Overlay => $"mount namespace, release copy-on-write by overlayfs{(userNamespace ? ", in a user namespace" : "")}",
            CageKind.Bind => $"mount namespace; the release is copied for each start, for the kernel refuses overlayfs: {WhyNotBetter}",
            _ => $"processes see whatever their user may see: run the receiver as root, or allow unprivileged user namespaces. {WhyNotBetter}",
        }),
        new("builds without a network", CanCutNetwork, CanCutNetwork ? "a network namespace with loopback alone, for builds that need none" : "every build has the network: the kernel allows no network namespace here"),
        new("no new privileges", true, "set for every process"),
        new(
            "processes of others hidden",
            hidesProcesses,
            hidesProcesses ? "/proc shows a project's own processes only" : !MayHideProcesses ? "needs Linux 5.8" : "the receiver must run as root and may mount proc"),
        new(
            "limits",
            groups is not null,
            groups is not null ? $"control groups version {(groups.IsUnified ? 2 : 1)}: {string.Join(", ", groups.Have.Order(StringComparer.Ordinal))}"
                : $"per process by prlimit only{(whyNoGroups is null ? "" : $": {whyNoGroups}")}"),
    ];

    /// <summary>True when the kernel ended something in this cage because its memory limit was reached.</summary>
    public bool RanOutOfMemory(string group) => groups?.RanOutOfMemory(group) ?? false;

    /// <summary>Gives back what a cage held outside its scratch directory, once its processes are gone.</summary>
    public void Forget(string group) => groups?.Remove(group);

    /// <summary>Control groups of cages that are gone: nothing has been in them since before this moment.</summary>
    public IReadOnlyList<string> LeftBefore(DateTime moment) => groups?.LeftBefore(moment) ?? [];

    /// <summary>Removes what <see cref="LeftBefore"/> found. A group that something has come into meanwhile stays.</summary>
    public void RemoveLeft(IEnumerable<string> left) => groups?.RemoveThese(left);

    /// <summary>The same for every cage that a former run left.</summary>
    public void ForgetAbandoned() => groups?.Sweep();

    /// <summary>Where the process finds its release: <c>&lt;project&gt;/run</c>, or without a namespace the place where it really is.</summary>
    public string RunSeenAt(CageView view) =>
        Kind != CageKind.Plain ? Path.Combine(view.ProjectDirectory, "run")
        : view.CopyOnWrite ? Path.Combine(view.Scratch, "copy")
        : view.RunSource;

    /// <summary>
    /// The command, changed so that it runs inside: in <c>run</c> unless it names a directory of its own, with exactly its environment.
    /// Prepares <see cref="CageView.Scratch"/>, which serves one start. Exit code 125 and a line on the error output: the cage could not be built.
    /// </summary>
    /// <exception cref="ArgumentException">A variable's name is none a shell could hold, or a value has a NUL in it.</exception>
    public Command Enter(CageView view, Command command)
    {
        var run = RunSeenAt(view);
        var copy = view.CopyOnWrite && Kind != CageKind.Overlay;
        var user = settleIn(view);
        Prepare(view, user);
        var cut = !view.Network && CanCutNetwork;
        string[] outer = Kind == CageKind.Plain ? [] : ["/usr/bin/unshare", .. userNamespace ? ["--user", "--map-root-user"] : Array.Empty<string>(), "--mount", "--ipc", .. cut ? ["--net"] : Array.Empty<string>(), "--"];
        string[] words =
        [
            .. outer, "/bin/sh", "-c", Build, "cage", (copy ? "copy" : "") + (Kind == CageKind.Plain ? "" : "mount") + (cut ? "loopback" : ""), .. GroupFiles(view), "--",
            .. Lesser(view, user),
            "/bin/sh", "-c", Begin, "cage", command.Directory ?? run, string.Join(' ', command.Environment.Keys), command.Program, .. command.Arguments,
        ];
        return new Command(words[0], words[1..])
        {
            Directory = view.Scratch,
            Environment = Renamed(command.Environment),
            OwnGroup = command.OwnGroup,
        };
    }

    IReadOnlyList<string> GroupFiles(CageView view) => groups is null || view.Group.Length == 0 ? [] : groups.Make(view.Group, LimitsFor(view.Limits));

    /// <summary>Programs that each give up something and run the next: what comes behind them is the project.</summary>
    string[] Lesser(CageView view, UnixUser? user)
    {
        var bounds = LimitsFor(view.Limits);
        var words = new List<string>();
        if (userNamespace)
        {
            // Root in the user namespace was only needed to mount; the process is who the receiver is.
            words.AddRange(["/usr/bin/unshare", "--user", $"--map-user={UserIdNative()}", $"--map-group={GroupIdNative()}", "--"]);
        }

        // The kernel counts processes by user: where it is the receiver's own, its other work would count too.
        var processes = user is not null && groups?.Have.Contains("pids") != true ? bounds.Processes : null;
        var memory = groups?.Have.Contains("memory") == true ? null : bounds.Memory;
        if (processes is not null || memory is not null)
        {
            words.AddRange(["/usr/bin/prlimit", .. processes is { } count ? [$"--nproc={count}"] : Array.Empty<string>(), .. memory is { } bytes ? [$"--data={bytes}"] : Array.Empty<string>(), "--"]);
        }

        words.AddRange(["/usr/bin/setpriv", "--no-new-privs"]);
        if (user is not null)
        {
            words.AddRange([$"--reuid={user.Number}", $"--regid={user.Number}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        }

        return [.. words, "--"];
    }

    static Dictionary<string, string> Renamed(IReadOnlyDictionary<string, string> environment)
    {
        var renamed = new Dictionary<string, string> { ["PATH"] = Command.CleanEnvironment["PATH"] };
        foreach (var (name, value) in environment)
        {
            if (!IsVariableName(name) || value.Contains('\0', StringComparison.Ordinal))
            {
                throw new ArgumentException($"'{name}' cannot be a variable of a program's environment", nameof(environment));
            }

            renamed["PAAS_CAGED_" + name] = value;
        }

        return renamed;
    }

    void Prepare(CageView view, UnixUser? user)
    {
        MakeOpen(view.Scratch);
        File.CreateSymbolicLink(Path.Combine(view.Scratch, "lower"), view.RunSource);
        if (view.CopyOnWrite)
        {
            foreach (var name in Kind == CageKind.Overlay ? new[] { "upper", "work" } : ["copy"])
            {
                MakeOpen(Path.Combine(view.Scratch, name));
            }

            if (user is not null)
            {
                Own(Path.Combine(view.Scratch, Kind == CageKind.Overlay ? "upper" : "copy"), user);
            }
        }

        if (Kind != CageKind.Plain)
        {
            Write(view, "mounts", Mounts(view, user));
        }
        else if (user is not null)
        {
            LetThrough(view, user);
        }
    }

    /// <summary>Without a view of its own the project's user has to find the way on the host: through, not into, what is above its own directories.</summary>
    static void LetThrough(CageView view, UnixUser user)
    {
        foreach (var place in view.Writable.Concat([view.ProjectDirectory, view.Scratch, view.RunSource]))
        {
            for (var above = place; IsBelow(above, view.Root) && above.Length > view.Root.Length; above = Path.GetDirectoryName(above)!)
            {
                File.SetUnixFileMode(above, File.GetUnixFileMode(above) | UnixFileMode.OtherExecute);
            }
        }
    }

    static void Own(string path, UnixUser user)
    {
        if (ChangeOwnerNative(path, user.Number, user.Number) != 0)
        {
            throw new IOException($"{path} could not be given to user {user.Number}: {new System.ComponentModel.Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }
    }

    static void Write(CageView view, string name, string text)
    {
        using var file = new FileStream(Path.Combine(view.Scratch, name), FileMode.Create, FileAccess.Write);
        file.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Whoever gets here may look: the way here is closed to others, and an operator's umask must not close it to the project.</summary>
    static void MakeOpen(string path)
    {
        if (!Directory.Exists(path))
        {
            MakeOpen(Path.GetDirectoryName(path)!);
            Directory.CreateDirectory(path);
            File.SetUnixFileMode(path, OpenToAll);
        }
    }

    /// <summary>The cage in the words of fstab(5), in order: first everything inside the small tree, then the tree over the root.</summary>
    string Mounts(CageView view, UnixUser? user)
    {
        var lines = new StringBuilder();
        if (user is not null)
        {
            // So that the user has a name where it works; the host's own files stay as they are.
            Name("passwd", $"{user.Name}:x:{user.Number}:{user.Number}::{Path.Combine(view.ProjectDirectory, "run")}:/bin/sh");
            Name("group", $"{user.Name}:x:{user.Number}:");
        }

        // Another name than the host's for the source: mount -a leaves alone what it takes for mounted already.
        if (Directory.Exists("/dev/shm"))
        {
            lines.Append("cage /dev/shm tmpfs mode=1777,nosuid,nodev\n");
        }

        if (hidesProcesses)
        {
            lines.Append("cage /proc proc hidepid=invisible,nosuid,nodev,noexec\n");
        }

        var run = Place(view, Path.Combine(view.ProjectDirectory, "run"));
        if (!view.CopyOnWrite)
        {
            Mount(view.RunSource, run, "bind");
        }
        else if (Kind == CageKind.Overlay)
        {
            // volatile: without it the last process's end waits until the whole file system beneath is on disk, though nobody mounts these writes again.
            // Names relative to the scratch directory: a path may hold the comma or the colon that overlayfs splits at.
            // nofollow, not off: off would follow redirects that a tree brings along, and takes privileges a user namespace has not.
            var marks = userNamespace ? ",userxattr" : "";
            lines.Append(CultureInfo.InvariantCulture, $"overlay {Escaped(run)} overlay lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=nofollow,metacopy=off,index=off,volatile{marks}\n");
            MakeOpen(run);
        }
        else
        {
            Mount(Path.Combine(view.Scratch, "copy"), run, "bind");
        }

        foreach (var shared in view.Writable)
        {
            Mount(shared, Place(view, shared), "bind");
        }

        foreach (var shelf in tools.Where(tools => IsHidden(tools, view) && Directory.Exists(tools)))
        {
            Mount(shelf, Place(view, shelf), "bind");
        }

        // What covers the scratch directory itself comes last: behind it the sources can no longer be named.
        foreach (var over in Temporary.Append(view.Root).Where(directory => Shelter(directory, view) == directory).OrderBy(over => IsBelow(view.Scratch, over)))
        {
            Mount(InScratch(view, over), over, "rbind");
        }

        return lines.ToString();

        void Mount(string what, string where, string how)
        {
            if (IsBelow(where, view.Scratch))
            {
                MakeOpen(where);
            }

            if (IsBelow(what, view.Scratch))
            {
                MakeOpen(what);
                if (Temporary.Contains(where))
                {
                    File.SetUnixFileMode(what, OpenToAll | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.StickyBit);
                }
            }

            lines.Append(CultureInfo.InvariantCulture, $"{Escaped(what)} {Escaped(where)} none {how}\n");
        }

        void Name(string file, string line)
        {
            var host = Path.Combine("/etc", file);
            if (File.Exists(host))
            {
                Write(view, file, File.ReadAllText(host).TrimEnd('\n') + "\n" + line + "\n");
                File.SetUnixFileMode(Path.Combine(view.Scratch, file), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
                lines.Append(CultureInfo.InvariantCulture, $"{Escaped(Path.Combine(view.Scratch, file))} {host} none bind\n");
            }
        }
    }

    const UnixFileMode OpenToAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Where a path that the process will see is while the tree is being put together.</summary>
    static string Place(CageView view, string path)
    {
        foreach (var covered in Temporary.Append(view.Root))
        {
            if (Shelter(covered, view) == covered && IsBelow(path, covered))
            {
                return Path.Combine(InScratch(view, covered), Path.GetRelativePath(covered, path));
            }
        }

        return path;
    }

    /// <summary>A root that is itself below /tmp lives in the private /tmp's tree and needs no mount of its own.</summary>
    static string Shelter(string directory, CageView view) =>
        directory == view.Root ? Temporary.FirstOrDefault(temporary => IsBelow(view.Root, temporary)) ?? directory : directory;

    /// <summary>The host's path of what a process sees as <c>/tmp</c> where it has a view of its own.</summary>
    public static string TemporaryOf(CageView view) => InScratch(view, "/tmp");

    /// <summary>Not what holds the root itself, or a project: those stay hidden whatever is in them.</summary>
    static bool IsHidden(string path, CageView view) =>
        Temporary.Append(view.Root).Any(covered => path != covered && IsBelow(path, covered)) && !IsBelow(view.Root, path) && !IsBelow(view.ProjectDirectory, path) && !IsBelow(path, view.ProjectDirectory);

    static string InScratch(CageView view, string covered) =>
        Path.Combine(view.Scratch, covered == view.Root ? "root" : covered == "/tmp" ? "tmp" : "var-tmp");

    static bool IsBelow(string path, string directory) =>
        path == directory || path.StartsWith(directory.TrimEnd('/') + "/", StringComparison.Ordinal);

    static string Escaped(string path)
    {
        var escaped = new StringBuilder(path.Length);
        foreach (var c in path)
        {
            _ = c is ' ' or '\t' or '\n' or '\\' or '#' ? escaped.Append('\\').Append(Convert.ToString(c, 8).PadLeft(3, '0')) : escaped.Append(c);
        }

        return escaped.ToString();
    }

    /// <summary>Null when a process really could be caged here.</summary>
    async Task<string?> RefusalAsync(string stateDirectory, CancellationToken ct)
    {
        var place = Directory.CreateDirectory(Path.Combine(stateDirectory, $"probe-{Guid.NewGuid():N}")).FullName;
        try
        {
            var root = Directory.CreateDirectory(Path.Combine(place, "root")).FullName;
            var project = Directory.CreateDirectory(Path.Combine(root, "projects", "probe")).FullName;
            var release = Directory.CreateDirectory(Path.Combine(project, "release")).FullName;
            Directory.CreateDirectory(Path.Combine(release, "folder", "inner"));
            var view = new CageView { Root = root, ProjectDirectory = project, RunSource = release, Scratch = Path.Combine(place, "scratch"), Network = !CanCutNetwork };

            // A folder made again in the place of a removed one needs the marks that only some file systems and kernels let us set.
            var written = await Enter(view, new Command("/bin/sh", "-ec", "pwd; : >written; chmod 0700 written; rm -r folder; mkdir folder; ! [ -e folder/inner ]")).RunAsync(ct);
            return written.ExitCode != 0 ? written.Error.Trim().ReplaceLineEndings(" ")
                : written.Output.Trim() != Path.Combine(project, "run") ? "the view was not there"
                : File.Exists(Path.Combine(release, "written")) ? "a write reached the release"
                : null;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return e.Message;
        }
        finally
        {
            await RemoveAsync(place);
        }
    }

    /// <summary>Removes a scratch directory. Never crosses into a mounted file system; overlayfs leaves a directory that even its owner may not read.</summary>
    public static async Task RemoveAsync(string scratch)
    {
        var removed = await new Command("rm", "-rf", "--one-file-system", "--", scratch).RunAsync();
        if (removed.ExitCode != 0)
        {
            await new Command("chmod", "-R", "u+rwx", "--", scratch).RunAsync();
            await new Command("rm", "-rf", "--one-file-system", "--", scratch).OutputAsync();
        }
    }

    /// <summary>A name that a shell can hold in a variable; others never reach a program that a shell starts.</summary>
    public static bool IsVariableName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwnerNative(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint UserIdNative();

    [LibraryImport("libc", EntryPoint = "getegid")]
    private static partial uint GroupIdNative();
}
