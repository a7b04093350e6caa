using System.Globalization;
using System.Text;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Git;

/// <summary>A file, link or submodule in a commit.</summary>
/// <param name="Mode">Git's: 100644, 100755, 120000 (symbolic link) or 160000 (submodule).</param>
/// <param name="Size">Bytes; null for a submodule.</param>
sealed record TreeEntry(string Path, string Mode, string ObjectId, long? Size)
{
    /// <summary>The file its content is in, where that is not the working copy's own (git LFS).</summary>
    public string? Elsewhere { get; init; }

    public bool IsSubmodule => Mode == "160000";

    public bool IsSymbolicLink => Mode == "120000";

    public bool IsExecutable => Mode == "100755";
}

/// <summary>A bare repository of ours on disk. Forming one creates nothing.</summary>
sealed class GitRepository(string path, GitProgram git)
{
    const string BranchPrefix = "refs/heads/";

    /// <summary>gc.auto's 6,700 objects, spread over 256 directories.</summary>
    const int LooseInOne = 27;

    const int ManyPacks = 50;

    public string Path => path;

    /// <summary>True when a whole repository is there: <see cref="CreateAsync"/> puts it in place in one step.</summary>
    public bool Exists => File.Exists(System.IO.Path.Combine(path, "HEAD"));

    /// <summary>True when no ref was ever stored.</summary>
    public bool IsEmpty =>
        !File.Exists(System.IO.Path.Combine(path, "packed-refs"))
        && !Directory.EnumerateFiles(System.IO.Path.Combine(path, "refs"), "*", SearchOption.AllDirectories).Any();

    /// <summary>The branch HEAD names, whether or not it exists; null when HEAD is detached.</summary>
    public string? HeadBranch
    {
        get
        {
            var head = File.ReadAllText(System.IO.Path.Combine(path, "HEAD")).Trim();
            return head.StartsWith("ref: ", StringComparison.Ordinal) ? head["ref: ".Length..] : null;
        }
    }

    /// <summary>Makes the repository: whole or not at all. Where it exists already, or somebody else is quicker, nothing is done.</summary>
    public async Task CreateAsync(CancellationToken ct = default)
    {
        if (Exists)
        {
            return;
        }

        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        try
        {
            await git.Command("init", "--quiet", "--bare", "--initial-branch=main", "--template=", "--", temporary).OutputAsync(ct);
            AtomicFile.Rename(temporary, path);
        }
        catch (IOException) when (Exists)
        {
            // The other one of two concurrent creates; theirs is as good.
        }
        finally
        {
            Delete(temporary);
        }

        AtomicFile.FlushDirectory(System.IO.Path.GetDirectoryName(path)!);
    }

    /// <summary>The commit a ref leads to (an annotated tag is followed), or null when there is no such ref.</summary>
    public async Task<string?> ReadRefAsync(string name, CancellationToken ct = default)
    {
        // A loose ref wins over a packed one and a branch is always a commit, so the usual question needs no program.
        if (name.StartsWith(BranchPrefix, StringComparison.Ordinal) && RefRules.IsWellFormed(name)
            && File.Exists(System.IO.Path.Combine(path, name))
            && await File.ReadAllTextAsync(System.IO.Path.Combine(path, name), ct) is { } text
            && RefUpdate.IsObjectId(text.Trim()))
        {
            return text.Trim();
        }

        var result = await In("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}").RunAsync(ct);
        return result.ExitCode == 0 ? result.Output.Trim() : null;
    }

    /// <summary>Every branch and tag whose name matches one of git's patterns, with the commit it leads to (an annotated tag is followed). Not those that lead to no commit.</summary>
    public async Task<IReadOnlyList<(string Name, string Commit)>> ListRefsAsync(IReadOnlyList<string> patterns, CancellationToken ct = default)
    {
        if (!Exists)
        {
            return [];
        }

        var listing = await In(["for-each-ref", "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)", .. patterns]).OutputAsync(ct);
        var found = new List<(string, string)>();
        foreach (var line in listing.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // A tag of a tag is followed once only; nobody who marks commits makes one.
            if (line.Split(' ') is [var name, var type, var id, var behind, var commit] && (type == "commit" ? id : behind == "commit" ? commit : null) is { } target)
            {
                found.Add((name, target));
            }
        }

        return found;
    }

    /// <summary>Has what another repository of ours has under this name, which is here under the same name from now on.</summary>
    public Task BringAsync(GitRepository from, string name, CancellationToken ct = default) =>
        In("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--", from.Path, $"+{name}:{name}").OutputAsync(ct);

    /// <summary>Compare and swap. True when the ref is at <paramref name="newId"/> afterwards, whoever moved it there.</summary>
    /// <param name="newId">Null deletes the ref.</param>
    /// <param name="oldId">Where it must be before; null when it must not exist.</param>
    public async Task<bool> MoveRefAsync(string name, string? newId, string? oldId, CancellationToken ct = default)
    {
        var result = newId is null
            ? await In("update-ref", "--no-deref", "-d", "--", name, oldId ?? RefUpdate.NoObject).RunAsync(ct)
            : await In("update-ref", "--no-deref", "--", name, newId, oldId ?? RefUpdate.NoObject).RunAsync(ct);
        return result.ExitCode == 0 || await ReadRefAsync(name, ct) == newId;
    }

    /// <summary>HEAD names this branch from now on: it is what a clone checks out.</summary>
    /// <param name="branch">With <c>refs/heads/</c>.</param>
    public async Task SetHeadAsync(string branch, CancellationToken ct = default) =>
        await In("symbolic-ref", "--", "HEAD", branch).OutputAsync(ct);

    /// <summary>When a commit was made, by its committer's clock.</summary>
    public async Task<DateTimeOffset> CommitTimeAsync(string commit, CancellationToken ct = default)
    {
        var seconds = await In("show", "--no-patch", "--no-show-signature", "--format=%ct", "--end-of-options", commit + "^{commit}").OutputAsync(ct);
        return DateTimeOffset.FromUnixTimeSeconds(long.Parse(seconds.AsSpan().Trim(), CultureInfo.InvariantCulture));
    }

    /// <summary>One small file of a commit, decoded as UTF-8; null when the commit does not have it.</summary>
    public async Task<string?> ReadFileAsync(string commit, string file, CancellationToken ct = default)
    {
        var result = await In("cat-file", "blob", "--end-of-options", $"{commit}:{file}").RunAsync(ct);
        if (result.ExitCode == 0)
        {
            return result.Output;
        }

        // Told apart from a commit that is not there: that one is our mistake, not the project's.
        await In("cat-file", "-e", "--end-of-options", commit + "^{commit}").OutputAsync(ct);
        return null;
    }

    /// <summary>True when the commit and all it needs at hand is here.</summary>
    public async Task<bool> HasAsync(string commit, CancellationToken ct = default) =>
        (await In("cat-file", "-e", "--end-of-options", commit + "^{commit}").RunAsync(ct)).ExitCode == 0;

    /// <summary>Makes a commit that holds exactly what is in a directory, by the receiver. No ref leads to it yet.</summary>
    /// <param name="parent">Null for a first one.</param>
    public async Task<string> CommitAsync(string directory, string? parent, string message, CancellationToken ct = default)
    {
        var index = System.IO.Path.Combine(path, $"index-{Guid.NewGuid():N}");
        try
        {
            await Using(index, On(directory, "add", "--all", "--force", ".")).OutputAsync(ct);
            var tree = (await Using(index, On(directory, "write-tree")).OutputAsync(ct)).Trim();
            return (await In(parent is null ? ["commit-tree", "-m", message, tree] : ["commit-tree", "-m", message, "-p", parent, tree]).OutputAsync(ct)).Trim();
        }
        finally
        {
            File.Delete(index);
        }
    }

    /// <summary>Whether two commits hold the same below a path; false where one has nothing there.</summary>
    public async Task<bool> IsSameAsync(string one, string other, string directory, CancellationToken ct = default)
    {
        var trees = await In("rev-parse", "--verify", "--end-of-options", $"{one}:{directory}").RunAsync(ct);
        var others = await In("rev-parse", "--verify", "--end-of-options", $"{other}:{directory}").RunAsync(ct);
        return trees.ExitCode == 0 && others.ExitCode == 0 && trees.Output == others.Output;
    }

    /// <summary>The settings in a file of git's own form, as <c>git config -z --list</c> prints them. Nothing it includes is read.</summary>
    /// <exception cref="Refusal">It is no such file.</exception>
    public async Task<string> ReadConfigFileAsync(string file, CancellationToken ct = default)
    {
        var result = await In("config", "--file", file, "--no-includes", "-z", "--list").RunAsync(ct);
        return result.ExitCode == 0 ? result.Output : throw new Refusal($"{System.IO.Path.GetFileName(file)} cannot be read: {result.Error.Trim()}");
    }

    /// <summary>Those of the paths for which an attribute is set (gitattributes(5)), by what a checkout's index holds.</summary>
    public async Task<HashSet<string>> WithAttributeAsync(string attribute, IReadOnlyList<string> paths, string directory, string index, CancellationToken ct = default)
    {
        await using var child = On(directory, "check-attr", "--cached", "-z", "--stdin", attribute).With(new Dictionary<string, string> { ["GIT_INDEX_FILE"] = index }).Start();
        var error = child.ReadAllAsync(child.Error);
        var output = child.ReadAllAsync(child.Output);
        await using (var input = child.Input)
        {
            foreach (var one in paths)
            {
                await input.WriteAsync(Encoding.UTF8.GetBytes(one + "\0"), ct);
            }
        }

        var code = await child.WaitAsync(ct);
        var fields = (await output).Split('\0');
        return code == 0
            ? [.. Enumerable.Range(0, fields.Length / 3).Where(number => fields[(number * 3) + 2] == "set").Select(number => fields[number * 3])]
            : throw new IOException($"git check-attr: {(await error).Trim()}");
    }

    /// <summary>Every file of a commit, in git's order.</summary>
    /// <exception cref="Refusal">A path is not UTF-8.</exception>
    public async Task<IReadOnlyList<TreeEntry>> ListAsync(string commit, CancellationToken ct = default)
    {
        await using var child = In("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", commit).Start();
        child.Input.Close();
        var error = child.ReadAllAsync(child.Error);
        using var listing = new MemoryStream();
        await child.Output.CopyToAsync(listing, ct);
        var code = await child.WaitAsync(ct);
        return code == 0 ? Entries(listing.GetBuffer().AsSpan(0, (int)listing.Length)) : throw new IOException($"git ls-tree {commit}: {(await error).Trim()}");
    }

    /// <summary>
    /// Makes <paramref name="directory"/> hold exactly the files of a commit. What is unchanged since the last time is not written, what
    /// the commit does not have is removed; a run that was killed is made good by the next.
    /// </summary>
    /// <remarks>No hook, filter, monitor or other program runs. One caller at a time for a directory, one directory for a repository.</remarks>
    public Task CheckOutAsync(string commit, string directory, CancellationToken ct = default) =>
        CheckOutAsync(commit, directory, System.IO.Path.Combine(path, "checkout.index"), keepUntracked: false, ct);

    /// <inheritdoc cref="CheckOutAsync(string, string, CancellationToken)"/>
    /// <param name="directory">Made when it is missing.</param>
    /// <param name="index">What git remembers of the directory; a file outside of it, kept from one time to the next.</param>
    /// <param name="keepUntracked">Leaves alone what git never put there (editable mode: a person works in it).</param>
    public async Task CheckOutAsync(string commit, string directory, string index, bool keepUntracked, CancellationToken ct = default)
    {
        var mayHoldMore = await WriteAsync(commit, directory, index, ct);
        if (mayHoldMore && !keepUntracked)
        {
            await CleanAsync(directory, index, ct);
        }
    }

    /// <summary>The files of the commit; whatever else is there stays. Returns false when nothing else can be there, since there was nothing before.</summary>
    /// <inheritdoc cref="CheckOutAsync(string, string, string, bool, CancellationToken)"/>
    public async Task<bool> WriteAsync(string commit, string directory, string index, CancellationToken ct)
    {
        Directory.CreateDirectory(directory);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(index)!);
        await EndFormerAsync(index);
        var wasEmpty = !Directory.EnumerateFileSystemEntries(directory).Any();
        if (File.Exists(index) && new FileInfo(index).Length < 32)
        {
            File.Delete(index); // an index cut short by a full disk says nothing
        }

        var read = Using(index, On(directory, "read-tree", "--reset", "-u", "--end-of-options", commit));
        var result = await read.RunAsync(ct);
        if (result.ExitCode != 0 && File.Exists(index))
        {
            File.Delete(index); // a damaged index costs a whole checkout, never a deployment
            result = await read.RunAsync(ct);
        }

        if (result.ExitCode != 0)
        {
            throw new CommandFailedException(read, result);
        }

        // Git reads every file again whose time is not older than the index's. Nobody edits a file in the second it was made,
        // so the index may claim to be younger than it is: that saves the next run hundreds of megabytes.
        File.SetLastWriteTimeUtc(index, File.GetLastWriteTimeUtc(index).AddSeconds(2));
        return !wasEmpty;
    }

    /// <summary>Removes what no commit has put into the directory, ignored or not. The commit's files may be read and linked meanwhile.</summary>
    public Task CleanAsync(string directory, string index, CancellationToken ct) => Using(index, On(directory, "clean", "-ffdxq")).OutputAsync(ct);

    static Command Using(string index, Command command) => command.With(new Dictionary<string, string> { ["GIT_INDEX_FILE"] = index });

    /// <summary>The same where the repository has the commit; an archive may be deployed whose commit never came here, and then the directory is empty.</summary>
    public async Task CheckOutIfThereAsync(string commit, string directory, CancellationToken ct = default)
    {
        if (Exists && await HasAsync(commit, ct))
        {
            await CheckOutAsync(commit, directory, ct);
        }
        else
        {
            await EmptyCheckoutAsync(directory);
        }
    }

    /// <summary>Brings one commit and what it is made of from another repository on this machine. No ref moves.</summary>
    public async Task FetchAsync(string otherRepository, string commit, CancellationToken ct = default) =>
        await In("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options", otherRepository, commit).OutputAsync(ct);

    /// <summary>The directory of <see cref="CheckOutAsync(string, string, CancellationToken)"/> as it was before the first time.</summary>
    public async Task EmptyCheckoutAsync(string directory)
    {
        var index = System.IO.Path.Combine(path, "checkout.index");
        if (Exists)
        {
            await EndFormerAsync(index);
            File.Delete(index);
        }

        Delete(directory);
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>The next check-out writes every file again, whatever is there: somebody may have written into them.</summary>
    public void ForgetCheckout()
    {
        if (Exists)
        {
            File.Delete(System.IO.Path.Combine(path, "checkout.index"));
        }
    }

    /// <summary>A git that outlived the receiver that had started it goes on writing: nobody else uses this index, so whoever holds its lock is one.</summary>
    static async Task EndFormerAsync(string index)
    {
        if (File.Exists(index + ".lock"))
        {
            await Stragglers.KillAsync(index);
            File.Delete(index + ".lock");
        }
    }

    /// <summary>
    /// Puts loose objects and small packs together once there are many (git's own bound for objects, judged by one of the 256 directories they are spread over).
    /// Removes nothing, reachable or not: a release whose branch was forced away is still rolled back to. Pushes may go on meanwhile.
    /// </summary>
    public async Task PackIfScatteredAsync(CancellationToken ct = default)
    {
        var objects = System.IO.Path.Combine(path, "objects");
        if (CountIn(System.IO.Path.Combine(objects, "17"), "*") >= LooseInOne || CountIn(System.IO.Path.Combine(objects, "pack"), "*.pack") >= ManyPacks)
        {
            await In("repack", "--geometric=2", "-d", "-l", "-q").OutputAsync(ct);
        }
    }

    static int CountIn(string directory, string pattern) => Directory.Exists(directory) ? Directory.EnumerateFiles(directory, pattern).Count() : 0;

    /// <summary>Removes what receive-pack leaves behind when it is killed. Only while no push to this repository is open.</summary>
    public void SweepLeftovers()
    {
        var objects = new DirectoryInfo(System.IO.Path.Combine(path, "objects"));
        if (!objects.Exists)
        {
            return;
        }

        foreach (var quarantine in objects.EnumerateDirectories("tmp_objdir-*"))
        {
            Delete(quarantine.FullName);
        }

        foreach (var temporary in objects.EnumerateFiles("tmp_*", SearchOption.AllDirectories))
        {
            temporary.Delete();
        }
    }

    /// <summary>Removes the repository. No error when there is none.</summary>
    public void Delete() => Delete(path);

    static void Delete(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone already is as good.
        }
    }

    Command In(params IReadOnlyList<string> arguments) => git.Command([$"--git-dir={path}", .. arguments]);

    Command On(string directory, params IReadOnlyList<string> arguments) =>
        git.Command([$"--git-dir={path}", $"--work-tree={directory}", .. arguments]) with { Directory = directory };

    // <mode> SP <type> SP <object> SP <padded size or -> TAB <path> NUL
    static List<TreeEntry> Entries(ReadOnlySpan<byte> listing)
    {
        var strict = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
        var entries = new List<TreeEntry>();
        while (listing.IndexOf((byte)0) is var end and >= 0)
        {
            var line = listing[..end];
            listing = listing[(end + 1)..];
            var tab = line.IndexOf((byte)'\t');
            var fields = Encoding.ASCII.GetString(line[..tab]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            try
            {
                var size = long.TryParse(fields[3], CultureInfo.InvariantCulture, out var bytes) ? bytes : (long?)null;
                entries.Add(new TreeEntry(strict.GetString(line[(tab + 1)..]), fields[0], fields[2], size));
            }
            catch (DecoderFallbackException)
            {
                throw new Refusal($"The file name '{Encoding.UTF8.GetString(line[(tab + 1)..])}' is not UTF-8. Rename it and commit again.");
            }
        }

        return entries;
    }
}
