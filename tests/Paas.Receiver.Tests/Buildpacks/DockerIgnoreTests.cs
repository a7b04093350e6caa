using System.Formats.Tar;
using Xunit;

namespace Paas.Receiver.Buildpacks;

public sealed class DockerIgnoreTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("context-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData("node_modules", "node_modules/a/b.js", true)]
    [InlineData("node_modules", "src/node_modules/a.js", false)]
    [InlineData("**/node_modules", "src/node_modules/a.js", true)]
    [InlineData("**/node_modules", "node_modules/a.js", true)]
    [InlineData("/tmp/", "tmp/x", true)]
    [InlineData("./tmp", "tmp", true)]
    [InlineData("*.md", "README.md", true)]
    [InlineData("*.md", "docs/README.md", false)]
    [InlineData("*/*.md", "docs/README.md", true)]
    [InlineData("docs/**", "docs/a/b/c", true)]
    [InlineData("*.md\n!README.md", "README.md", false)]
    [InlineData("!README.md\n*.md", "README.md", true)]
    [InlineData("secrets\n!secrets/public", "secrets/public/key", false)]
    [InlineData("secrets\n!secrets/public", "secrets/private", true)]
    [InlineData("# a\n\n", "# a", false)]
    [InlineData("a?c", "abc", true)]
    [InlineData("a?c", "a/c", false)]
    [InlineData("[a-c].txt", "b.txt", true)]
    [InlineData("[^a-c].txt", "b.txt", false)]
    [InlineData("\\#a", "#a", true)]
    [InlineData("(", "(", true)]
    [InlineData("[", "[", true)]
    public void A_pattern_leaves_out_what_docker_leaves_out(string text, string path, bool leftOut) => Assert.Equal(leftOut, new DockerIgnore(text).LeavesOut(path));

    [Fact]
    public async Task The_same_tree_gives_the_same_context_whenever_and_by_whomever_it_was_written_and_a_pipe_in_it_is_left_out()
    {
        Directory.CreateDirectory(Path.Combine(directory, "src"));
        await File.WriteAllTextAsync(Path.Combine(directory, "src", "a"), "a");
        await File.WriteAllTextAsync(Path.Combine(directory, "Dockerfile"), "FROM scratch");
        await File.WriteAllTextAsync(Path.Combine(directory, ".dockerignore"), "**");
        File.CreateSymbolicLink(Path.Combine(directory, "out"), "/etc/passwd");
        await new Processes.Command("mkfifo", Path.Combine(directory, "pipe")).OutputAsync();
        var once = await ContextAsync("");
        File.SetLastWriteTimeUtc(Path.Combine(directory, "src", "a"), DateTime.UnixEpoch);

        Assert.Equal(once, await ContextAsync(""));
        Assert.Equal([".dockerignore", "Dockerfile", "out", "src/", "src/a"], Names(once));
        Assert.Equal([".dockerignore", "Dockerfile"], Names(await ContextAsync("**")));
        Assert.Equal([".dockerignore", "Dockerfile", "src/a"], Names(await ContextAsync("**\n!src/a")));
    }

    async Task<byte[]> ContextAsync(string ignore)
    {
        using var context = new MemoryStream();
        await new BuildContext(directory, new DockerIgnore(ignore), "Dockerfile").WriteAsync(context, CancellationToken.None);
        return context.ToArray();
    }

    static List<string> Names(byte[] context)
    {
        using var tar = new TarReader(new MemoryStream(context));
        var names = new List<string>();
        while (tar.GetNextEntry() is { } entry)
        {
            names.Add(entry.Name);
        }

        return names;
    }
}
