using System.Text;
using Paas.Receiver.Git;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>Who a patch says made it, and when.</summary>
/// <param name="Subject">One line.</param>
sealed record PatchHead(string Author, string Subject, string Body, DateTimeOffset At);

/// <summary>Changes of a tree as git tells them.</summary>
/// <param name="Text">As of <c>git format-patch</c>: for <c>git am</c> and <c>git apply</c>, binary files included.</param>
/// <param name="Shown">For people: what changed by how much, then the differences without those of binary files.</param>
sealed record PatchText(byte[] Text, string Shown);

/// <summary>Lets git itself write patches: in a repository that lives for a moment, with nothing of the tree's attributes obeyed.</summary>
sealed class PatchWriter(GitProgram git)
{
    // No conversion of line ends, no filter, no driver: bytes are what counts.
    const string NoAttributes = "* -text -eol -crlf -ident -filter -working-tree-encoding !diff !merge\n";

    static readonly string[] Plain = ["--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index"];

    /// <param name="paths">Of the changes, these.</param>
    /// <param name="scratch">A directory that may be made and removed.</param>
    public async Task<PatchText> WriteAsync(TreeChanges changes, IReadOnlyCollection<string> paths, PatchHead head, string scratch, CancellationToken ct)
    {
        DirectoryHandle.Delete(scratch);
        Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            var repository = Path.Combine(scratch, "git");
            await git.Command("init", "-q", "--bare", "--template=", repository).OutputAsync(ct);
            Directory.CreateDirectory(Path.Combine(repository, "info"));
            await File.WriteAllTextAsync(Path.Combine(repository, "info", "attributes"), NoAttributes, ct);
            var wanted = paths.ToHashSet(StringComparer.Ordinal);
            var before = await CommitAsync(repository, changes.Sealed, changes.Before.Where(wanted.Contains), "before", head, parent: null, ct);
            var message = head.Subject + "\n" + (head.Body.Length > 0 ? "\n" + head.Body + "\n" : "");
            var after = await CommitAsync(repository, changes.Changed, changes.After.Where(wanted.Contains), message, head, before, ct);
            return new PatchText(
                await BytesAsync(In(repository, ["format-patch", "--stdout", "--binary", "--no-signature", "--encode-email-headers", .. Plain, "-1", after]), ct),
                Encoding.UTF8.GetString(await BytesAsync(In(repository, ["diff", "--stat=100", "--summary", "--patch", .. Plain[..^1], before, after]), ct)));
        }
        finally
        {
            DirectoryHandle.Delete(scratch);
        }
    }

    /// <summary>True when a commit has all of it already: the patch could be taken away from its tree.</summary>
    public async Task<bool> IsContainedAsync(string repository, string commit, IReadOnlyList<string> texts, string scratch, CancellationToken ct)
    {
        Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            var index = new Dictionary<string, string> { ["GIT_INDEX_FILE"] = Path.Combine(scratch, "index") };
            await In(repository, ["read-tree", "--end-of-options", commit]).With(index).OutputAsync(ct);
            foreach (var text in texts)
            {
                if ((await In(repository, ["apply", "--cached", "--check", "--reverse", "--", text]).With(index).RunAsync(ct)).ExitCode != 0)
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            DirectoryHandle.Delete(scratch);
        }
    }

    async Task<string> CommitAsync(string repository, string tree, IEnumerable<string> paths, string message, PatchHead head, string? parent, CancellationToken ct)
    {
        var variables = new Dictionary<string, string>
        {
            ["GIT_INDEX_FILE"] = Path.Combine(repository, $"index.{Guid.NewGuid():N}"),
            ["GIT_AUTHOR_NAME"] = head.Author,
            ["GIT_AUTHOR_EMAIL"] = AddressOf(head.Author),
            ["GIT_AUTHOR_DATE"] = $"@{head.At.ToUnixTimeSeconds()} +0000",
            ["GIT_COMMITTER_DATE"] = $"@{head.At.ToUnixTimeSeconds()} +0000",
        };
        await FeedAsync(
            (In(repository, [$"--work-tree={tree}", "-c", "core.fsync=none", "update-index", "--add", "-z", "--stdin"]) with { Directory = tree }).With(variables),
            Encoding.UTF8.GetBytes(string.Concat(paths.Select(path => path + "\0"))), ct);
        var written = (await In(repository, ["-c", "core.fsync=none", "write-tree"]).With(variables).OutputAsync(ct)).Trim();
        string[] parents = parent is null ? [] : ["-p", parent];
        return Encoding.ASCII.GetString(await FeedAsync(
            In(repository, ["-c", "core.fsync=none", "-c", "i18n.commitEncoding=UTF-8", "commit-tree", .. parents, "-F", "-", written]).With(variables), Encoding.UTF8.GetBytes(message), ct)).Trim();
    }

    /// <summary>No mail goes there: git wants one.</summary>
    static string AddressOf(string author) => new string([.. author.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-')]) + "@localhost";

    Command In(string repository, IReadOnlyList<string> arguments) => git.Command([$"--git-dir={repository}", .. arguments]);

    static Task<byte[]> BytesAsync(Command command, CancellationToken ct) => FeedAsync(command, [], ct);

    static async Task<byte[]> FeedAsync(Command command, byte[] input, CancellationToken ct)
    {
        await using var child = command.Start();
        await using var stop = ct.Register(() => child.Signal(PosixSignals.Kill));
        using var output = new MemoryStream();
        var (reading, error) = (child.Output.CopyToAsync(output, CancellationToken.None), child.ReadAllAsync(child.Error));
        try
        {
            await child.Input.WriteAsync(input, ct);
        }
        catch (IOException)
        {
            // It has ended already, and says why.
        }

        child.Input.Close();
        var code = await child.WaitAsync(CancellationToken.None);
        await reading;
        ct.ThrowIfCancellationRequested();
        return code == 0 ? output.ToArray() : throw new CommandFailedException(command, new CommandResult(code, "", await error));
    }
}
