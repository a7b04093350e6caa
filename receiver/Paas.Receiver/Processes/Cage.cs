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
    // Runs in the scratch directory. The environment comes in under other names, which nothing obeys: it must not steer the programs that
    // build the cage (LD_PRELOAD, as root, outside of it). It gets its own names back in the last step. Names were checked before.
    const string Script = """
        cage_where=$2 cage_names=$3
        case $1 in *copy*) cp -a --reflink=auto lower/. copy || exit 125 ;; esac
        case $1 in *mount*) mount -a -T mounts >/dev/null || exit 125 ;; esac
        shift 3
        cd "$cage_where" || exit 125
        unset PATH PWD OLDPWD
        for cage_name in $cage_names; do
            eval "export $cage_name=\"\$PAAS_CAGED_$cage_name\""
            unset "PAAS_CAGED_$cage_name"
        done
        exec "$@"
        """;

    // Private to each view: what one project leaves there no other finds.
    static readonly string[] Temporary = ["/var/tmp", "/tmp"];

    readonly bool userNamespace;

    Cage(CageKind kind, bool userNamespace, string? whyNotBetter)
    {
        Kind = kind;
        this.userNamespace = userNamespace;
        WhyNotBetter = whyNotBetter;
    }

    public CageKind Kind { get; }

    /// <summary>For the operator's log when <see cref="Kind"/> is not <see cref="CageKind.Overlay"/>: what the kernel said.</summary>
    public string? WhyNotBetter { get; }

    /// <summary>Finds out what the kernel allows by doing it, below <paramref name="stateDirectory"/>: as root, else in a user namespace, else without any.</summary>
    public static async Task<Cage> ProbeAsync(string stateDirectory, CancellationToken ct = default)
    {
        var refusals = new List<string>();
        foreach (var (kind, userNamespace) in new[] { (CageKind.Overlay, false), (CageKind.Overlay, true), (CageKind.Bind, false), (CageKind.Bind, true) })
        {
            if (!userNamespace && UserIdNative() != 0)
            {
                continue;
            }

            var why = refusals.Count == 0 ? null : string.Join("; ", refusals);
            var cage = new Cage(kind, userNamespace, kind == CageKind.Overlay ? null : why);
            if (await cage.RefusalAsync(stateDirectory, ct) is not { } refusal)
            {
                return cage;
            }

            refusals.Add($"{kind}{(userNamespace ? " in a user namespace" : "")}: {refusal}");
        }

        return new Cage(CageKind.Plain, userNamespace: false, string.Join("; ", refusals));
    }

    /// <summary>A cage that is not probed for; with <paramref name="kind"/> other than <see cref="CageKind.Plain"/> only root may enter it.</summary>
    public static Cage Of(CageKind kind) => new(kind, userNamespace: false, whyNotBetter: null);

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
        Prepare(view);
        string[] outer = Kind == CageKind.Plain ? [] : userNamespace ? ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "--"] : ["/usr/bin/unshare", "--mount", "--"];
        // Root in the user namespace was only needed to mount; the process is who the receiver is.
        string[] inner = userNamespace ? ["/usr/bin/unshare", "--user", $"--map-user={UserIdNative()}", $"--map-group={GroupIdNative()}", "--"] : [];
        string[] words =
        [
            .. outer, "/bin/sh", "-c", Script, "cage", (copy ? "copy" : "") + (Kind == CageKind.Plain ? "" : "mount"),
            command.Directory ?? run, string.Join(' ', command.Environment.Keys), .. inner, command.Program, .. command.Arguments,
        ];
        return new Command(words[0], words[1..])
        {
            Directory = view.Scratch,
            Environment = Renamed(command.Environment),
            OwnGroup = command.OwnGroup,
        };
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

    void Prepare(CageView view)
    {
        Directory.CreateDirectory(view.Scratch);
        File.CreateSymbolicLink(Path.Combine(view.Scratch, "lower"), view.RunSource);
        if (view.CopyOnWrite)
        {
            foreach (var name in Kind == CageKind.Overlay ? new[] { "upper", "work" } : ["copy"])
            {
                Directory.CreateDirectory(Path.Combine(view.Scratch, name));
            }
        }

        if (Kind != CageKind.Plain)
        {
            var mounts = Path.Combine(view.Scratch, "mounts");
            using var file = new FileStream(mounts, FileMode.Create, FileAccess.Write);
            file.Write(Encoding.UTF8.GetBytes(Mounts(view)));
        }
    }

    /// <summary>The cage in the words of fstab(5), in order: first everything inside the small tree, then the tree over the root.</summary>
    string Mounts(CageView view)
    {
        var lines = new StringBuilder();
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
            Directory.CreateDirectory(run);
        }
        else
        {
            Mount(Path.Combine(view.Scratch, "copy"), run, "bind");
        }

        foreach (var shared in view.Writable)
        {
            Mount(shared, Place(view, shared), "bind");
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
                Directory.CreateDirectory(where);
            }

            if (IsBelow(what, view.Scratch))
            {
                Directory.CreateDirectory(what, OpenToAll);
                if (Temporary.Contains(where))
                {
                    File.SetUnixFileMode(what, OpenToAll | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.StickyBit);
                }
            }

            lines.Append(CultureInfo.InvariantCulture, $"{Escaped(what)} {Escaped(where)} none {how}\n");
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
            var view = new CageView { Root = root, ProjectDirectory = project, RunSource = release, Scratch = Path.Combine(place, "scratch") };

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

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint UserIdNative();

    [LibraryImport("libc", EntryPoint = "getegid")]
    private static partial uint GroupIdNative();
}
