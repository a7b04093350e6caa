using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>More than a thousand files: linked while git writes them, and beforehand for the next push.</summary>
public sealed class ALargeProject(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task It_is_deployed_whole_whatever_changes_between_two_pushes()
    {
        await using var git = await GitClient.NewAsync(receiver, "large", "hello");
        for (var number = 0; number < 1500; number++)
        {
            await git.WriteAsync($"files/{number % 40}/deeper/{number}.txt", $"{number}\n");
        }

        await git.CommitAsync("Many files");

        await PushAndCompareAsync(git);

        // A file becomes a directory, a directory a file, some go, one changes, one is new: each time from what was linked beforehand.
        var directory = Path.Combine(git.Directory, "files");
        Directory.Delete(Path.Combine(directory, "3"), recursive: true);
        await git.WriteAsync("files/3", "now a file\n");
        File.Delete(Path.Combine(directory, "4", "deeper", "4.txt"));
        await git.WriteAsync("files/4/deeper/4.txt/inside", "now a directory\n");
        await git.WriteAsync("files/5/deeper/5.txt", "changed\n", executable: true);
        await git.WriteAsync("files/new", "new\n");
        await git.CommitAsync("Change some");
        await Patience.UntilAsync(() => Directory.Exists(Path.Combine(receiver.Project("large"), "build", "spare")), "the next draft is begun");
        await PushAndCompareAsync(git);

        // A push that fails takes the spare along; the next does without it.
        await git.WriteHookAsync("build", "exit 3");
        await git.CommitAsync("Break the build");
        Assert.False((await git.PushAsync()).Accepted);
        await git.GitAsync("rm", "-q", "-r", ".paas", "files/6");
        await git.CommitAsync("Mend it");
        await PushAndCompareAsync(git);
    }

    async Task PushAndCompareAsync(GitClient git)
    {
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        foreach (var tree in new[] { Path.Combine("deploy", "current"), "project" })
        {
            Assert.Equal(Contents(git.Directory), Contents(Path.Combine(receiver.Project("large"), tree)));
        }
    }

    static IReadOnlyList<string> Contents(string tree) =>
        [.. Directory.EnumerateFiles(tree, "*", SearchOption.AllDirectories)
            .Select(file => (Name: Path.GetRelativePath(tree, file), File: file))
            .Where(file => !file.Name.StartsWith(".git/", StringComparison.Ordinal) && !file.Name.StartsWith(".paas/built", StringComparison.Ordinal))
            .Select(file => $"{file.Name} {File.GetUnixFileMode(file.File) & UnixFileMode.UserExecute} {File.ReadAllText(file.File)}")
            .Order(StringComparer.Ordinal)];
}
