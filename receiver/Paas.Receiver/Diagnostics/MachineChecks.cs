using System.Globalization;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Diagnostics;

/// <summary>What the machine gives: room, kernel features, programs, a clock, and modes of the files that only the receiver may read.</summary>
sealed class MachineChecks(DoctorSettings settings, Cage cage, ProjectUsers users, ToolchainShelf toolchains, Database database, TimeProvider time)
{
    /// <summary>Below it a warning (5 %), or below 2 GB; below 200 MB nothing can be deployed for much longer.</summary>
    const double LowShare = 0.05;
    const long LowBytes = 2_000_000_000;
    const long FullBytes = 200_000_000;

    static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(5);

    const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // What the receiver, its hooks and its supervisors call. The question is one that each answers at once and with 0.
    static readonly (string Name, string[] Ask, string Package)[] Programs =
    [
        ("git", ["git", "--version"], "git"), ("zstd", ["zstd", "--version"], "zstd"), ("tar", ["tar", "--version"], "tar"), ("curl", ["curl", "--version"], "curl"),
        ("setsid", ["setsid", "--version"], "util-linux"), ("unshare", ["unshare", "--version"], "util-linux"), ("mount", ["mount", "--version"], "mount"), ("ssh", ["ssh", "-V"], "openssh-server"),
    ];

    /// <summary>Bytes and inodes that are free below the root.</summary>
    public async IAsyncEnumerable<Diagnosis> DiskAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var disk = new DriveInfo(settings.Root);
        var (free, share) = (disk.AvailableFreeSpace, (double)disk.AvailableFreeSpace / Math.Max(1, disk.TotalSize));
        var said = $"{free / 1e9:0.0} of {disk.TotalSize / 1e9:0.0} GB free under {settings.Root}";
        yield return free < FullBytes ? new Diagnosis("disk", Severity.Problem, said, "make room: corpus doctor PROJECT shows where a project's bytes are; PAAS_KEEP_RELEASES and PAAS_KEEP_SIZE keep fewer")
            : free < LowBytes || share < LowShare ? new Diagnosis("disk", Severity.Warning, said, "corpus doctor PROJECT shows where a project's bytes are")
            : new Diagnosis("disk", Severity.Fine, said);

        var answer = await new Command("stat", "-f", "-c", "%d %c", settings.Root).RunAsync(ct);
        if (answer.ExitCode == 0 && answer.Output.Trim().Split(' ') is [var left, var all] && double.TryParse(all, CultureInfo.InvariantCulture, out var inodes) && inodes > 0)
        {
            var few = double.Parse(left, CultureInfo.InvariantCulture) / inodes < LowShare;
            yield return new Diagnosis("disk", few ? Severity.Warning : Severity.Fine, $"{left} of {all} inodes free", few ? "many small files: keep fewer releases, or a larger file system" : null);
        }
    }

    /// <summary>What keeps projects apart.</summary>
    public async IAsyncEnumerable<Diagnosis> KernelAsync()
    {
        await Task.CompletedTask;
        foreach (var finding in cage.Findings.Append(users.Finding))
        {
            yield return new Diagnosis("kernel", finding.IsGiven ? Severity.Fine : Severity.Note, $"{finding.What}: {finding.Detail}");
        }
    }

    public async IAsyncEnumerable<Diagnosis> ProgramsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var (name, ask, package) in Programs)
        {
            yield return await VersionAsync(ask, ct) is { } version
                ? new Diagnosis("programs", Severity.Fine, $"{name}: {version}")
                : new Diagnosis("programs", Severity.Problem, $"{name} is not installed", $"apt-get install {package}");
        }

        foreach (var language in ToolchainShelf.Known)
        {
            var versions = await toolchains.VersionsAsync(language);
            if (versions.Count > 0)
            {
                yield return new Diagnosis("programs", Severity.Fine, $"{language}: {string.Join(", ", versions.Select(one => one.Version))}");
            }
        }
    }

    /// <summary>Nobody but the receiver reads its state, and nobody else's group does.</summary>
    public async IAsyncEnumerable<Diagnosis> PermissionsAsync(Examination examination)
    {
        await Task.CompletedTask;
        var wrong = 0;
        foreach (var (path, most) in Private().Where(one => Path.Exists(one.Path)))
        {
            var mode = File.GetUnixFileMode(path);
            if ((mode & ~most) == UnixFileMode.None)
            {
                continue;
            }

            wrong++;
            var said = $"{path} has mode {Octal(mode)}, others may reach it";
            if (!examination.Fix)
            {
                yield return new Diagnosis("permissions", Severity.Problem, said, $"corpus doctor --fix, or chmod {Octal(mode & most)} {path}");
                continue;
            }

            File.SetUnixFileMode(path, mode & most);
            yield return new Diagnosis("permissions", Severity.Mended, $"{said}: it is {Octal(mode & most)} now");
        }

        if (wrong == 0)
        {
            yield return new Diagnosis("permissions", Severity.Fine, "state, keys and database are the receiver's alone");
        }
    }

    /// <summary>The clock against what the journal has already seen, and whether something keeps it right.</summary>
    public async IAsyncEnumerable<Diagnosis> ClockAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var newest = database.ReadOne<string>("SELECT MAX(asked_at) FROM deployments");
        var now = time.GetUtcNow();
        if (DateTimeOffset.TryParse(newest, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var seen) && seen > now + Tolerance)
        {
            yield return new Diagnosis(
                "clock", Severity.Problem, $"the clock says {now:u}, and a deployment was asked for at {seen:u}: it was put back",
                "set the clock (timedatectl set-ntp true); until then new releases sort before old ones");
        }
        else
        {
            yield return new Diagnosis("clock", Severity.Fine, $"{now:u}, after everything in the journal");
        }

        if (FromTheFuture(now + Tolerance) is { } file)
        {
            yield return new Diagnosis(
                "clock", Severity.Warning, $"{file.Path} was written at {file.At:u}, which is still to come: the clock was put back, or the files come from a machine whose clock is ahead",
                "set the clock (timedatectl set-ntp true)");
        }

        var synchronised = await VersionAsync(["timedatectl", "show", "-p", "NTPSynchronized", "--value"], ct);
        yield return synchronised switch
        {
            "yes" => new Diagnosis("clock", Severity.Fine, "kept right by NTP"),
            "no" => new Diagnosis("clock", Severity.Warning, "nothing keeps the clock right", "timedatectl set-ntp true, or install chrony"),
            _ => new Diagnosis("clock", Severity.Note, "whether NTP keeps it right is not known here (no timedatectl)"),
        };
    }

    /// <summary>Of what the receiver itself writes, the latest; null when nothing is later than this.</summary>
    (string Path, DateTimeOffset At)? FromTheFuture(DateTimeOffset now)
    {
        var latest = Directory.EnumerateFileSystemEntries(settings.State).Append(settings.State)
            .Select(path => (Path: path, At: new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero))).MaxBy(one => one.At);
        return latest.At > now ? latest : null;
    }

    IEnumerable<(string Path, UnixFileMode Most)> Private()
    {
        yield return (settings.State, Owner);
        foreach (var name in (string[])["receiver.db", "receiver.db-wal", "receiver.db-shm", "release-key.pem", "sticky.key"])
        {
            yield return (Path.Combine(settings.State, name), OwnersFile);
        }

        foreach (var directory in (string[])["certificates", "ssh"])
        {
            var place = Path.Combine(settings.State, directory);
            var keys = Directory.Exists(place) ? Directory.EnumerateFiles(place, "*", SearchOption.AllDirectories) : [];
            foreach (var key in keys.Where(file => Path.GetExtension(file) is ".key" or ".pem" || (Path.GetFileName(file).EndsWith("_key", StringComparison.Ordinal))))
            {
                yield return (key, OwnersFile);
            }
        }
    }

    static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');

    /// <summary>The first line it answers; null when there is no such program, or it fails.</summary>
    static async Task<string?> VersionAsync(string[] words, CancellationToken ct)
    {
        try
        {
            var answer = await new Command(words[0], words[1..]).RunAsync(ct);
            var text = answer.Output.Length > 0 ? answer.Output : answer.Error;
            return answer.ExitCode == 0 && text.Length > 0 ? text.Split('\n').First(line => line.Trim().Length > 0).Trim() : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
