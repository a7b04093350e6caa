using Paas.Receiver.Processes;

namespace Paas.Receiver.Git;

/// <summary>
/// A working copy that people edit (R7.3): git brings it from commit to commit, what they changed stays theirs. Its index is its own, so that it never trusts a time stamp of
/// another mode's.
/// </summary>
sealed class EditedTree(string repository, string directory, GitProgram git)
{
    const int AtOnce = 200;

    string Index => Path.Combine(repository, "editable.index");

    string CommitFile => Path.Combine(repository, "editable.commit");

    /// <summary>The commit that it was last brought to; null before the first.</summary>
    public string? Commit => File.Exists(CommitFile) ? File.ReadAllText(CommitFile).Trim() : null;

    /// <summary>What people changed and bringing the tree to a commit would overwrite or remove, in git's order. Deletions are no work that could be lost.</summary>
    /// <param name="merging">True when it is brought there in place, so that a changed file stays where the commits agree about it; false when it is put aside as a whole.</param>
    public async Task<IReadOnlyList<string>> LostAsync(string commit, bool merging, CancellationToken ct)
    {
        if (!File.Exists(Index))
        {
            return [];
        }

        var (wanted, held) = (await WantedAsync(commit, ct), await HeldAsync(ct));
        var changed = await ChangedAsync(ct);
        var strangers = merging ? (await NamesAsync(ct, "ls-files", "-z", "--others")).Where(path => IsInTheWay(path, wanted)).ToList() : [];
        var same = await SameAsync(changed.Concat(strangers), wanted, ct);
        return [.. changed.Where(path => !(merging && wanted.TryGetValue(path, out var to) && held.GetValueOrDefault(path) == to)).Concat(strangers)
            .Where(path => !same.Contains(path) && Storage.Inode.Of(Path.Combine(directory, path)) is { IsDirectory: false })];
    }

    /// <summary>Brings the tree to a commit. Files that people changed stay as they are where that loses nothing; with <paramref name="discard"/> none does.</summary>
    public async Task BringToAsync(string commit, bool discard, CancellationToken ct)
    {
        File.Delete(Index + ".lock"); // of a run that was killed: nobody else uses this index
        if (discard || !File.Exists(Index))
        {
            await Git("read-tree", "--reset", "-u", "--end-of-options", commit).OutputAsync(ct);
        }
        else
        {
            var before = (await Git("write-tree").OutputAsync(ct)).Trim();
            var wanted = await WantedAsync(commit, ct);
            var strangers = (await NamesAsync(ct, "ls-files", "-z", "--others")).Where(wanted.ContainsKey);
            foreach (var known in (await SameAsync((await ChangedAsync(ct)).Concat(strangers), wanted, ct)).Chunk(AtOnce))
            {
                // What they wrote is what the commit has: git is told so instead of being in doubt.
                await Git(["update-index", "--add", .. known.SelectMany(path => (string[])["--cacheinfo", $"{wanted[path].Replace(' ', ',')},{path}"])]).OutputAsync(ct);
            }

            await Git("read-tree", "-m", "-u", "--end-of-options", before, commit).OutputAsync(ct);
        }

        await Git("update-index", "-q", "--refresh").RunAsync(ct);
        Storage.AtomicFile.Write(CommitFile, commit + "\n");
    }

    /// <summary>The tree is not this one's any more: its next commit is checked out as a whole.</summary>
    public void Forget()
    {
        if (Directory.Exists(repository))
        {
            File.Delete(Index);
            File.Delete(CommitFile);
        }
    }

    async Task<List<string>> ChangedAsync(CancellationToken ct)
    {
        await Git("update-index", "-q", "--refresh").RunAsync(ct);
        return await NamesAsync(ct, "diff-files", "-z", "--name-only");
    }

    /// <summary>Those of the files whose content is the commit's already.</summary>
    async Task<HashSet<string>> SameAsync(IEnumerable<string> paths, Dictionary<string, string> wanted, CancellationToken ct)
    {
        var same = new HashSet<string>(StringComparer.Ordinal);
        foreach (var some in paths.Where(path => wanted.ContainsKey(path) && Storage.Inode.Of(Path.Combine(directory, path)) is { IsFile: true }).Chunk(AtOnce))
        {
            var ids = (await Git(["hash-object", "--no-filters", "--", .. some]).OutputAsync(ct)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            same.UnionWith(some.Zip(ids).Where(pair => wanted[pair.First].EndsWith(pair.Second, StringComparison.Ordinal)).Select(pair => pair.First));
        }

        return same;
    }

    async Task<Dictionary<string, string>> WantedAsync(string commit, CancellationToken ct) =>
        (await new GitRepository(repository, git).ListAsync(commit, ct)).ToDictionary(entry => entry.Path, entry => $"{entry.Mode} {entry.ObjectId}", StringComparer.Ordinal);

    // <mode> SP <object> SP <stage> TAB <path> NUL
    async Task<Dictionary<string, string>> HeldAsync(CancellationToken ct) =>
        (await NamesAsync(ct, "ls-files", "-z", "--stage")).Select(line => line.Split('\t', 2)).ToDictionary(parts => parts[1], parts => parts[0][..^2], StringComparer.Ordinal);

    /// <summary>The commit has something at this path, or a file where this path needs a directory.</summary>
    static bool IsInTheWay(string path, Dictionary<string, string> wanted)
    {
        for (var end = path.Length; end > 0; end = path.LastIndexOf('/', end - 1))
        {
            if (wanted.ContainsKey(path[..end]))
            {
                return true;
            }
        }

        return wanted.Keys.Any(other => other.Length > path.Length && other[path.Length] == '/' && other.StartsWith(path, StringComparison.Ordinal));
    }

    async Task<List<string>> NamesAsync(CancellationToken ct, params string[] arguments) =>
        [.. (await Git(arguments).OutputAsync(ct)).Split('\0', StringSplitOptions.RemoveEmptyEntries)];

    Command Git(params IReadOnlyList<string> arguments) =>
        (git.Command([$"--git-dir={repository}", $"--work-tree={directory}", .. arguments]) with { Directory = directory })
            .With(new Dictionary<string, string> { ["GIT_INDEX_FILE"] = Index });
}
