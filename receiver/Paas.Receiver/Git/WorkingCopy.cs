using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>
/// A project's working copy (R5.3), brought to a commit together with its submodules; and which of its files a release gets: those below the project's
/// own path, without what <c>export-ignore</c> leaves out (gitattributes(5)), with the content of git LFS in place of its pointers.
/// </summary>
/// <param name="mayFetch">Whether a submodule may come from this project.</param>
sealed class WorkingCopy(Project project, ProjectStore projects, GitProgram git, Func<EnvironmentName?, ProjectName, bool> mayFetch)
{
    const int DeepestSubmodule = 8;

    readonly GitRepository repository = new(project.ProjectRepository, git);

    string Index => Path.Combine(project.ProjectRepository, "checkout.index");

    /// <summary>Afterwards the working copy holds the commit and its submodules. Returns the files of a release, by their paths below <paramref name="path"/>.</summary>
    /// <param name="path">The directory that the project lives in, for a repository of many; empty for all of it.</param>
    /// <param name="meanwhile">What else can be done with the commit's files while git writes them, in their order; the task is git's.</param>
    /// <param name="take">What is done with a release's files once they are written, while git tidies up behind.</param>
    /// <exception cref="Refusal">A submodule, a pointer or the path leads nowhere.</exception>
    public async Task<IReadOnlyList<TreeEntry>> BringToAsync(
        string commit, string path, Func<IReadOnlyList<TreeEntry>, Task, Task> meanwhile, Action<IReadOnlyList<TreeEntry>> take, CancellationToken ct)
    {
        var writing = repository.WriteAsync(commit, project.Checkout, Index, ct);
        var listing = repository.ListAsync(commit, ct);
        await Task.WhenAll(writing, FollowAsync());
        var tidying = await writing ? repository.CleanAsync(project.Checkout, Index, ct) : Task.CompletedTask;
        try
        {
            var files = await OfReleaseAsync(await listing, path, tidying, ct);
            take(files);
            return files;
        }
        finally
        {
            // Whatever happened: nobody is to change the working copy while git does.
            await tidying;
        }

        async Task FollowAsync() => await meanwhile(await listing, writing);
    }

    async Task<IReadOnlyList<TreeEntry>> OfReleaseAsync(IReadOnlyList<TreeEntry> files, string path, Task tidying, CancellationToken ct)
    {
        var attributes = await AttributesAsync(files, ct);
        if (attributes.Contains("export-ignore", StringComparison.Ordinal))
        {
            files = await ExportedAsync(files, ct);
        }

        if (attributes.Contains("filter=lfs", StringComparison.Ordinal))
        {
            files = [.. files.Select(WithContent)];
        }

        if (files.Any(file => file.IsSubmodule))
        {
            await tidying;
            files = await WithSubmodulesAsync(RepositoryAddress.Of(project), "", files, depth: 0, ct);
        }

        return path.Length == 0 ? files : Below(path, files);
    }

    /// <summary>Whether two commits hold the same below a path, submodules by their commits.</summary>
    public Task<bool> IsSameAsync(string one, string other, string path, CancellationToken ct) => repository.IsSameAsync(one, other, path, ct);

    async Task<string> AttributesAsync(IReadOnlyList<TreeEntry> files, CancellationToken ct)
    {
        var all = new StringBuilder();
        foreach (var file in files.Where(file => !file.IsSymbolicLink && Path.GetFileName(file.Path) == ".gitattributes"))
        {
            all.AppendLine(await File.ReadAllTextAsync(Path.Combine(project.Checkout, file.Path), ct));
        }

        return all.ToString();
    }

    /// <summary>As <c>git archive</c> leaves them out: files, and directories with all that is in them.</summary>
    async Task<IReadOnlyList<TreeEntry>> ExportedAsync(IReadOnlyList<TreeEntry> files, CancellationToken ct)
    {
        var directories = files.SelectMany(file => Above(file.Path)).Distinct(StringComparer.Ordinal);
        var ignored = await repository.WithAttributeAsync("export-ignore", [.. files.Select(file => file.Path), .. directories], project.Checkout, Index, ct);
        return [.. files.Where(file => !ignored.Contains(file.Path) && !Above(file.Path).Any(ignored.Contains))];
    }

    TreeEntry WithContent(TreeEntry file)
    {
        if (file.IsSymbolicLink || file.Size is not (> 0 and <= LargeFiles.LargestPointer) || LargeFiles.ReadPointer(Path.Combine(project.Checkout, file.Path)) is not { } pointer)
        {
            return file;
        }

        var content = new LargeFiles(project.ProjectRepository).Find(pointer)
            ?? throw new Refusal($"{file.Path} is kept in git LFS and its content ({pointer.Size} bytes) was not sent: git lfs push --all <remote>, then push again");
        return file with { Elsewhere = content };
    }

    async Task<IReadOnlyList<TreeEntry>> WithSubmodulesAsync(RepositoryAddress its, string prefix, IReadOnlyList<TreeEntry> files, int depth, CancellationToken ct)
    {
        if (depth == DeepestSubmodule)
        {
            throw new Refusal($"{prefix}: submodules are nested more than {DeepestSubmodule} deep");
        }

        var declaration = Path.Combine(project.Checkout, prefix, Submodule.FileName);
        var declared = Submodule.Parse(File.Exists(declaration) ? await repository.ReadConfigFileAsync(declaration, ct) : "").ToDictionary(submodule => submodule.Path);
        var all = new List<TreeEntry>();
        foreach (var file in files)
        {
            if (!file.IsSubmodule)
            {
                all.Add(file);
                continue;
            }

            var at = file.Path[prefix.Length..].TrimStart('/');
            if (!declared.TryGetValue(at, out var submodule))
            {
                throw new Refusal($"{file.Path} is a submodule, and {Path.Combine(prefix, Submodule.FileName)} does not say where it comes from");
            }

            var from = submodule.From(its);
            if (!mayFetch(from.Environment, from.Project))
            {
                throw new Refusal($"the submodule {file.Path} comes from {from}, which is not there or which you may not read");
            }

            var source = projects.FindEnvironment(from.Environment) is { } environment ? new GitRepository(new Project(environment, from.Project).ProjectRepository, git) : null;
            if (source is not { Exists: true } || !await source.HasAsync(file.ObjectId, ct))
            {
                throw new Refusal($"the submodule {file.Path} wants commit {file.ObjectId[..8]} of {from}, which is not there: push that first");
            }

            var mark = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(file.Path)))[..24];
            var index = Path.Combine(project.ProjectRepository, "submodules", mark + ".index");
            await source.CheckOutAsync(file.ObjectId, Path.Combine(project.Checkout, file.Path), index, keepUntracked: false, ct);
            var inner = (await source.ListAsync(file.ObjectId, ct)).Select(entry => entry with { Path = $"{file.Path}/{entry.Path}" }).ToList();
            all.AddRange(await WithSubmodulesAsync(from, file.Path, inner, depth + 1, ct));
        }

        return all;
    }

    static IReadOnlyList<TreeEntry> Below(string path, IReadOnlyList<TreeEntry> files)
    {
        var prefix = path + "/";
        IReadOnlyList<TreeEntry> below = [.. files.Where(file => file.Path.StartsWith(prefix, StringComparison.Ordinal)).Select(file => file with { Path = file.Path[prefix.Length..] })];
        return below.Count > 0 ? below : throw new Refusal($"there is nothing below '{path}' in this commit, and that is the project's path");
    }

    static IEnumerable<string> Above(string path)
    {
        for (var slash = path.LastIndexOf('/'); slash > 0; slash = path.LastIndexOf('/', slash - 1))
        {
            yield return path[..slash];
        }
    }
}
