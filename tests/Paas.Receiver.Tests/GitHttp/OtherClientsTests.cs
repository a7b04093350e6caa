using Paas.Receiver.Processes;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.GitHttp;

/// <summary>Implementations of git's protocol that share no code with git.</summary>
public class OtherClientsTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Dulwich_clones_and_pushes()
    {
        if ((await new Command("/usr/bin/python3", "-c", "import dulwich").RunAsync()).ExitCode != 0)
        {
            output.WriteLine("Skipped: python3-dulwich is not installed.");
            return;
        }

        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "--quiet", "origin", "main");
        const string Script = """
            import os, sys
            from dulwich import porcelain
            url, directory, token = sys.argv[1:]
            repo = porcelain.clone(url, directory, username="any", password=token)
            open(os.path.join(directory, "from-dulwich"), "w").write("hello")
            porcelain.add(repo, os.path.join(directory, "from-dulwich"))
            commit = porcelain.commit(repo, b"by dulwich", author=b"A <a@example.org>", committer=b"A <a@example.org>")
            porcelain.push(repo, url, b"refs/heads/main:refs/heads/main", username="any", password=token, outstream=sys.stdout.buffer, errstream=sys.stdout.buffer)
            sys.stdout.flush()
            print(commit.decode())
            """;

        var said = await new Command("/usr/bin/python3", "-c", Script, $"http://127.0.0.1:{receiver.Address.Port}/git/shop.git", Path.Combine(receiver.Root, "dulwich"), receiver.Token)
            .With([new("HOME", receiver.Root)]).OutputAsync();

        Assert.Equal(said.Trim().Split('\n')[^1], await receiver.Repository("shop").ReadRefAsync("refs/heads/main"));
        Assert.Equal(2, receiver.Submitted.Count);
        Assert.Contains("-----> playing", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JGit_clones_and_pushes()
    {
        if (!File.Exists("/usr/bin/jgit"))
        {
            output.WriteLine("Skipped: jgit is not installed.");
            return;
        }

        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "--quiet", "origin", "main");
        var directory = Path.Combine(receiver.Root, "jgit");

        await JGitAsync(receiver, receiver.Root, "clone", Url(receiver), directory);
        await new WorkTree(directory).CommitAsync("from-jgit", "hello");
        var said = await JGitAsync(receiver, directory, "push", Url(receiver), "HEAD:refs/heads/main");

        Assert.Equal(await new WorkTree(directory).HeadAsync(), await receiver.Repository("shop").ReadRefAsync("refs/heads/main"));
        Assert.Equal(2, receiver.Submitted.Count);
        Assert.Contains("-----> playing", said, StringComparison.Ordinal);
    }

    static string Url(PushingReceiver receiver) => $"http://127.0.0.1:{receiver.Address.Port}/git/shop.git";

    static async Task<string> JGitAsync(PushingReceiver receiver, string directory, params string[] arguments)
    {
        await File.WriteAllTextAsync(Path.Combine(receiver.Root, ".netrc"), $"machine 127.0.0.1 login any password {receiver.Token}\n");
        var command = new Command("/usr/bin/jgit", arguments) { Directory = directory }
            .With([new("JAVA_TOOL_OPTIONS", $"-Duser.home={receiver.Root}"), new("JGIT_CLASSPATH", "/usr/share/java/*")]); // Debian's command names only one of its jars
        var result = await command.RunAsync();
        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        return result.Error + result.Output;
    }
}
