using System.Net;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Stage;

/// <summary>How a project is at one moment. Version 0 and no commit: nothing is live.</summary>
sealed record Moment(int Version, string? Commit, IReadOnlyDictionary<string, string> Data)
{
    public static Moment Nothing { get; } = new(0, null, new Dictionary<string, string>());
}

/// <summary>
/// One project with its pusher, and everything that must agree about it: what answers, <c>deploy/current</c>, git's ref, the working copy, the data,
/// the journal, and that nothing is left over.
/// </summary>
/// <remarks>
/// With data its <c>release:</c> and its upgrade hook rewrite the data directory for the version they belong to, so a deployment that fails leaves
/// the data spoiled unless it is brought back.
/// </remarks>
sealed class Subject : IAsyncDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    readonly bool keepsData;

    Subject(ReceiverProcess receiver, GitClient git, string name, bool keepsData)
    {
        Receiver = receiver;
        Git = git;
        Name = name;
        this.keepsData = keepsData;
    }

    public ReceiverProcess Receiver { get; }

    public GitClient Git { get; }

    public string Name { get; }

    public string Host => $"{Name}.localhost";

    public string Directory => Receiver.Project(Name);

    public string DataDirectory => Path.Combine(Directory, "data");

    public static async Task<Subject> NewAsync(ReceiverProcess receiver, string name, bool keepsData)
    {
        var subject = new Subject(receiver, await GitClient.NewAsync(receiver, name), name, keepsData);
        await subject.Git.CommitSampleAsync("hello");
        subject.WriteHook("configure", "echo configured");
        subject.WriteHook("build", "cp VERSION built");
        subject.WriteHook("notify", "echo told");
        if (keepsData)
        {
            await File.WriteAllTextAsync(
                Path.Combine(subject.Git.Directory, "Procfile"), "release: sh .paas/migrate released\nweb: exec /usr/bin/python3 app.py\n");
            subject.WriteHook("upgrade", "exec sh .paas/migrate upgraded");
            subject.WriteHook("backup", "cp \"$PAAS_DATA_DIR/schema\" \"$PAAS_DUMPS_DIR/schema\" 2>/dev/null || : >\"$PAAS_DUMPS_DIR/none\"");
            subject.WriteHook("restore", "[ -e \"$PAAS_DUMPS_DIR/schema\" ] || [ -e \"$PAAS_DUMPS_DIR/none\" ]");
            await File.WriteAllTextAsync(
                Path.Combine(subject.Git.Directory, ".paas", "migrate"),
                """
                set -eu
                version=$(cat VERSION)
                cd "$PAAS_DATA_DIR"
                rm -rf ./only-*
                mkdir "only-$version"
                echo "$version" >"only-$version/mark"
                ln -sfn "only-$version" newest
                echo "$version $1" >schema
                if [ -e precious ]; then
                    echo "as of $version" >precious
                    chmod 0604 precious nested/secret
                    rm -f nested/deep/leaf
                fi
                """);
        }

        return subject;
    }

    /// <summary>Commits the application in this version, not yet pushed.</summary>
    public Task<string> CommitVersionAsync(int version) => Git.CommitFileAsync("VERSION", $"{version}\n");

    /// <summary>So many instances the live release has, in all; null looks at no number.</summary>
    public int? Instances { get; set; }

    /// <summary>The ids of all its deployments, the newest first.</summary>
    public IReadOnlyList<string> Deployments()
    {
        using var database = Database.OpenOrCreate(Path.Combine(Receiver.Root, "state", "receiver.db"));
        return [.. database.Read<string>("SELECT id FROM deployments WHERE project = @Name ORDER BY id DESC", new { Name })];
    }

    /// <summary>For whom it matters that it stays as it is.</summary>
    public void FillDataIfKept()
    {
        if (keepsData)
        {
            FillData();
        }
    }

    /// <summary>Files of several kinds, as applications have them.</summary>
    public void FillData()
    {
        string In(string name) => Path.Combine(DataDirectory, name);
        System.IO.Directory.CreateDirectory(In("nested/deep"));
        System.IO.Directory.CreateDirectory(In("empty"));
        File.WriteAllText(In("precious"), "precious\n");
        File.WriteAllText(In("nested/deep/leaf"), "leaf\n");
        File.WriteAllText(In("nested/secret"), "secret\n");
        File.WriteAllText(In("name with blanks and ümläute"), "");
        File.WriteAllText(In("run.sh"), "#!/bin/sh\n");
        File.WriteAllBytes(In("blob"), RandomNumberGenerator.GetBytes(300_000));
        using (var sparse = File.Create(In("sparse")))
        {
            sparse.SetLength(1 << 20);
        }

        File.CreateSymbolicLink(In("link"), "nested/deep/leaf");
        File.CreateSymbolicLink(In("dangling"), "/nowhere/at/all");
        File.SetUnixFileMode(In("run.sh"), (UnixFileMode)0x1ED); // 0755
        File.SetUnixFileMode(In("nested/secret"), (UnixFileMode)0x180); // 0600
        File.SetUnixFileMode(In("empty"), (UnixFileMode)0x5F8); // 02770
        File.SetUnixFileMode(In("precious"), (UnixFileMode)0x1A0); // 0640
        File.SetLastWriteTimeUtc(In("precious"), new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc));
    }

    /// <summary>As the application itself would write.</summary>
    public void WriteData(string name, string content) => File.WriteAllText(Path.Combine(DataDirectory, name), content);

    /// <summary>Every entry of the data directory with its kind, mode and content; files also with their times.</summary>
    public IReadOnlyDictionary<string, string> ReadData()
    {
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Read(DataDirectory, "");
        return entries;

        void Read(string directory, string prefix)
        {
            foreach (var path in System.IO.Directory.EnumerateFileSystemEntries(directory))
            {
                var name = prefix + Path.GetFileName(path);
                var inode = Inode.Of(path)!.Value;
                entries[name] = inode.IsSymbolicLink ? $"link to {new FileInfo(path).LinkTarget}"
                    : inode.IsDirectory ? $"directory {Convert.ToString(inode.Permissions, 8)}"
                    : $"file {Convert.ToString(inode.Permissions, 8)} {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))[..16]} at {inode.ModifiedNs}";
                if (inode.IsDirectory)
                {
                    Read(path, name + "/");
                }
            }
        }
    }

    /// <summary>What a version's own migration makes of earlier data; without times.</summary>
    public Moment After(Moment before, int version, string commit)
    {
        if (!keepsData)
        {
            return new Moment(version, commit, before.Data);
        }

        var data = before.Data.Where(entry => !entry.Key.StartsWith("only-", StringComparison.Ordinal)).ToDictionary();
        data[$"only-{version}"] = "directory 755";
        data[$"only-{version}/mark"] = FileOf($"{version}\n", "644");
        data["newest"] = $"link to only-{version}";
        data["schema"] = FileOf($"{version} upgraded\n", "644");
        if (data.ContainsKey("precious"))
        {
            data["precious"] = FileOf($"as of {version}\n", "604");
            data["nested/secret"] = FileOf("secret\n", "604");
            data.Remove("nested/deep/leaf");
        }

        return new Moment(version, commit, data);
    }

    /// <summary>The project as it is now, taken as right.</summary>
    public Moment Now(int version, string commit) => new(version, commit, ReadData());

    /// <summary>Waits until everything agrees on one of the two; returns that one, or null and what disagrees.</summary>
    /// <param name="refFollows">False after a rollback: the ref stays where the last push put it.</param>
    public async Task<(Moment? Is, IReadOnlyList<string> Wrong)> SettleAsync(Moment old, Moment @new, bool refFollows = true)
    {
        var begun = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            var (moment, wrong) = await LookAsync(old, @new, refFollows);
            if (wrong.Count == 0 || begun.Elapsed > Patience)
            {
                return (wrong.Count == 0 ? moment : null, wrong);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    public ValueTask DisposeAsync() => Git.DisposeAsync();

    /// <summary>A hook of the project's own, not yet committed.</summary>
    public void WriteHook(string step, string script)
    {
        var file = Path.Combine(Git.Directory, ".paas", "hooks", step);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(file, (UnixFileMode)0x1ED);
    }

    static string FileOf(string content, string mode) => $"file {mode} {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))[..16]}";

    async Task<(Moment Is, List<string> Wrong)> LookAsync(Moment old, Moment @new, bool refFollows)
    {
        var wrong = new List<string>();
        using var database = Database.OpenOrCreate(Path.Combine(Receiver.Root, "state", "receiver.db"));
        var releases = database.Read<ReleaseRow>(
            "SELECT id AS Id, number AS Number, commit_id AS CommitId, pruned AS Pruned, live_at AS LiveAt FROM releases WHERE project = @Name", new { Name });
        var current = new FileInfo(Path.Combine(Directory, "deploy", "current")).LinkTarget;
        var live = releases.FirstOrDefault(release => release.Id == current);
        if (current is not null && live is null)
        {
            wrong.Add($"deploy/current names {current}, which is not on record");
        }

        var moment = live?.CommitId == @new.Commit ? @new : old;
        void Same<T>(string what, T expected, T actual)
        {
            if (!EqualityComparer<T>.Default.Equals(expected, actual))
            {
                wrong.Add($"{what}: {actual} instead of {expected}");
            }
        }

        Same("commit of deploy/current", moment.Commit, live?.CommitId);
        var (status, body) = await Receiver.AskAsync(Host);
        if (moment.Commit is null)
        {
            Same("HTTP status", true, status is HttpStatusCode.NotFound or HttpStatusCode.ServiceUnavailable);
        }
        else
        {
            Same("HTTP", $"200 hello version {moment.Version} release v{live?.Number}", $"{(int)status} {body.Split(" commit ")[0].TrimEnd()}");
        }

        var checkout = Path.Combine(Directory, "project", "VERSION");
        Same("working copy", moment.Commit is null ? "none" : $"{moment.Version}", File.Exists(checkout) ? (await File.ReadAllTextAsync(checkout)).Trim() : "none");
        LookAtData(moment, wrong);
        LookAtJournal(database, wrong);
        if (wrong.Count > 0)
        {
            return (moment, wrong); // what costs most is looked at when all else is right
        }

        LookForLeftovers(releases, live, wrong);
        if (refFollows)
        {
            Same("ref", moment.Commit, await Git.RemoteRefAsync());
        }

        return (moment, wrong);
    }

    void LookAtData(Moment moment, List<string> wrong)
    {
        var data = ReadData();
        foreach (var name in data.Keys.Union(moment.Data.Keys))
        {
            // What a migration made has a time nobody can foretell: there the expectation has none.
            var (expected, actual) = (moment.Data.GetValueOrDefault(name), data.GetValueOrDefault(name));
            if (expected != actual && (expected is null || actual?.StartsWith(expected + " at ", StringComparison.Ordinal) != true))
            {
                wrong.Add($"data/{name}: {actual ?? "not there"} instead of {expected ?? "not there"}");
            }
        }
    }

    void LookAtJournal(Database database, List<string> wrong)
    {
        wrong.AddRange(database.Read<string>("SELECT 'journal: ' || id || ' is ' || state FROM deployments WHERE project = @Name AND state <> 'finished'", new { Name }));
        wrong.AddRange(database.Read<string>(
            "SELECT 'journal: way back ' || way_back || ' of ' || deployment FROM undo WHERE deployment IN (SELECT id FROM deployments WHERE project = @Name)", new { Name }));
        wrong.AddRange(database.Read<string>(
            "SELECT 'journal: ' || id || ' is ' || outcome || ' and its ref was not seen moving' FROM deployments WHERE project = @Name AND kind = 'Push' AND ref_moved = 0 AND outcome IN ('Live', 'LiveButUntidy')",
            new { Name }));
    }

    void LookForLeftovers(IReadOnlyList<ReleaseRow> releases, ReleaseRow? live, List<string> wrong)
    {
        var kept = releases.Where(release => release.Pruned == 0).ToDictionary(release => release.Id);
        wrong.AddRange(releases.Where(release => release.LiveAt is null).Select(release => $"record of v{release.Number}, which was never live"));
        wrong.AddRange(EntriesOf("build").Where(name => name != "cache").Select(name => $"build/{name}"));
        wrong.AddRange(EntriesOf("deploy").Where(name => name != "current" && !kept.ContainsKey(name)).Select(name => $"deploy/{name}"));
        wrong.AddRange(EntriesOf("releases").Where(name => !kept.ContainsKey(name)).Select(name => $"releases/{name}"));
        wrong.AddRange(kept.Values.Where(release => !System.IO.Directory.Exists(Path.Combine(Directory, "deploy", release.Id))).Select(release => $"v{release.Number} has no directory"));
        foreach (var release in kept.Values)
        {
            wrong.AddRange(EntriesOf($"releases/{release.Id}").Where(name => name != "release.json" && !name.EndsWith(".tar.zst", StringComparison.Ordinal)).Select(name => $"releases/{release.Id}/{name}"));
        }

        foreach (var archive in EntriesOf("archives").Where(name => name != ".lease"))
        {
            wrong.AddRange(ReleaseId.TryParse(archive) is null ? [$"archives/{archive}"] : EntriesOf($"archives/{archive}")
                .Where(name => name is not ("data" or "data.index" or "dumps" or "run.failed") && !name.StartsWith("data.failed", StringComparison.Ordinal)).Select(name => $"archives/{archive}/{name}"));
        }

        var state = Path.Combine(Receiver.Root, "state");
        wrong.AddRange(System.IO.Directory.EnumerateFileSystemEntries(Path.Combine(state, "pushes")).Select(path => $"pushes/{Path.GetFileName(path)}"));
        var (instances, there) = (Path.Combine(state, "instances"), 0);
        foreach (var instance in System.IO.Directory.Exists(instances) ? System.IO.Directory.EnumerateDirectories(instances) : [])
        {
            if (ControlFile.TryRead(instance) is { Of: var of } && of.Project.EndsWith("/" + Name, StringComparison.Ordinal))
            {
                there++;
                if (of.Release != live?.Id)
                {
                    wrong.Add($"instances/{Path.GetFileName(instance)} of {of.Release}");
                }
            }
        }

        if (Instances is { } wanted && live is not null && there != wanted)
        {
            wrong.Add($"{there} instances instead of {wanted}");
        }

        foreach (var (process, release) in Processes())
        {
            if (release != $"v{live?.Number}")
            {
                wrong.Add($"process {process} of {release}");
            }
        }
    }

    /// <summary>Processes of this project's releases: in their environment they carry project and release.</summary>
    public IReadOnlyList<(int Process, string Release)> Processes()
    {
        var found = new List<(int, string)>();
        foreach (var process in Leftovers.Of(Receiver.Root))
        {
            try
            {
                var variables = File.ReadAllText($"/proc/{process}/environ").Split('\0');
                if (variables.Contains($"PAAS_PROJECT={Name}") && variables.FirstOrDefault(variable => variable.StartsWith("PAAS_RELEASE=", StringComparison.Ordinal)) is { } release)
                {
                    found.Add((process, release["PAAS_RELEASE=".Length..]));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // gone meanwhile
            }
        }

        return found;
    }

    IEnumerable<string> EntriesOf(string directory) =>
        Path.Combine(Directory, directory) is var path && System.IO.Directory.Exists(path)
            ? System.IO.Directory.EnumerateFileSystemEntries(path).Select(entry => Path.GetFileName(entry)) : [];

    sealed class ReleaseRow
    {
        public string Id { get; set; } = "";

        public int Number { get; set; }

        public string CommitId { get; set; } = "";

        public int Pruned { get; set; }

        public string? LiveAt { get; set; }
    }
}
