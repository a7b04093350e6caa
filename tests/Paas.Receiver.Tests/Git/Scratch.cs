using Paas.Receiver.GitHttp;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Git;

/// <summary>A temporary directory with a git of ours in it.</summary>
sealed class Scratch : IAsyncDisposable
{
    public Scratch()
    {
        Root = Directory.CreateTempSubdirectory("paas-git-").FullName;
        Git = new GitProgram(Path.Combine(Root, "state", "git"), "/dev/null");
        Repository = new GitRepository(At("bare"), Git);
    }

    public string Root { get; }

    public GitProgram Git { get; }

    public GitRepository Repository { get; }

    public string At(string name) => Path.Combine(Root, name);

    /// <summary>A work tree whose commits <see cref="TakeInAsync"/> brings into <see cref="Repository"/>.</summary>
    public Task<WorkTree> NewWorkTreeAsync() => WorkTree.InitAsync(At("work"));

    /// <summary>The tree's HEAD becomes the repository's main; its commit.</summary>
    public async Task<string> TakeInAsync(WorkTree tree)
    {
        await Repository.CreateAsync();
        await tree.GitAsync("push", "--quiet", "--force", Repository.Path, "HEAD:refs/heads/main");
        return await tree.HeadAsync();
    }

    // By rm: a test makes file names that are not UTF-8, which the framework cannot remove.
    public async ValueTask DisposeAsync() => await new Command("rm", "-rf", "--", Root).OutputAsync();
}
