using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What a repository may hold: all of it arrives as it was committed, and none of it reaches further than it should.</summary>
public sealed class StrangeRepositories(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    const string Serve = "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n";

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Names_modes_and_links_arrive_as_they_were_committed()
    {
        await using var git = await ServedAsync("as-committed");
        string[] names =
        [
            "with space.txt", " leading", "trailing ", "naïve-日本語-😀.txt", "-rf", "--help", "quote\"s'.txt", "back\\slash", "star*?[x]", "tab\there", "semi;colon&$(echo)`id`",
            new string('n', 255), string.Join('/', Enumerable.Repeat(new string('d', 100), 15)) + "/deep.txt",
        ];
        foreach (var name in names)
        {
            await git.WriteAsync(name, name);
        }

        await git.WriteAsync("run.sh", "#!/bin/sh\n", executable: true);
        await git.WriteAsync("empty", "");
        File.CreateSymbolicLink(Path.Combine(git.Directory, "link-inside"), "run.sh");
        File.CreateSymbolicLink(Path.Combine(git.Directory, "link-nowhere"), "no such file");
        await git.CommitAsync("All kinds");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        foreach (var place in new[] { "project", "run" })
        {
            var tree = Path.Combine(receiver.Project("as-committed"), place);
            foreach (var name in names)
            {
                Assert.Equal(name, await File.ReadAllTextAsync(Path.Combine(tree, name)));
            }

            Assert.True((File.GetUnixFileMode(Path.Combine(tree, "run.sh")) & UnixFileMode.UserExecute) != UnixFileMode.None);
            Assert.False((File.GetUnixFileMode(Path.Combine(tree, "empty")) & UnixFileMode.UserExecute) != UnixFileMode.None);
            Assert.Equal("run.sh", new FileInfo(Path.Combine(tree, "link-inside")).LinkTarget);
            Assert.Equal("no such file", new FileInfo(Path.Combine(tree, "link-nowhere")).LinkTarget);
        }

        await AssertArchiveIsTheTreeAsync("as-committed");
    }

    [Fact]
    public async Task Links_that_point_outside_are_carried_and_never_followed_by_the_receiver()
    {
        await using var git = await ServedAsync("points-outside");
        var outside = Directory.CreateDirectory(Path.Combine(git.Directory, "..", "outside")).FullName;
        await File.WriteAllTextAsync(Path.Combine(outside, "precious"), "precious\n");
        File.CreateSymbolicLink(Path.Combine(git.Directory, "absolute"), outside);
        File.CreateSymbolicLink(Path.Combine(git.Directory, "relative"), "../../../../../../../../etc");
        await git.CommitAsync("Point outside");
        Assert.True((await git.PushAsync()).Accepted);
        await AssertArchiveIsTheTreeAsync("points-outside");

        // What was a link becomes a directory: nothing may be written, or removed, through the link that was there.
        File.Delete(Path.Combine(git.Directory, "absolute"));
        await git.WriteAsync("absolute/precious", "overwritten\n");
        await git.CommitAsync("Be a directory");
        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal("precious\n", await File.ReadAllTextAsync(Path.Combine(outside, "precious")));
        Assert.Equal("overwritten\n", await File.ReadAllTextAsync(Path.Combine(receiver.Project("points-outside"), "run", "absolute", "precious")));
    }

    [Fact]
    public async Task Hooks_and_a_Procfile_that_are_links_to_outside_are_not_read_by_the_receiver()
    {
        await using var git = await GitClient.NewAsync(receiver, "links-to-shadow");
        File.CreateSymbolicLink(Path.Combine(git.Directory, "Procfile"), "/etc/passwd");
        await git.CommitAsync("Whose Procfile");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.DoesNotContain("root:", push.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Five_thousand_files_and_a_second_push_that_changes_one()
    {
        await using var git = await ServedAsync("many-files");
        for (var number = 0; number < 5000; number++)
        {
            await git.WriteAsync($"d{number / 100}/f{number}.txt", $"{number}\n");
        }

        await git.CommitAsync("Many");
        var first = await git.PushAsync();
        await git.CommitFileAsync("d7/f700.txt", "changed\n");
        var second = await git.PushAsync();

        Assert.True(first.Accepted, first.Text);
        Assert.True(second.Accepted, second.Text);
        var project = receiver.Project("many-files");
        Assert.Equal(5000, Directory.EnumerateFiles(Path.Combine(project, "run") + "/", "f*.txt", SearchOption.AllDirectories).Count());
        Assert.Equal("changed\n", await File.ReadAllTextAsync(Path.Combine(project, "run", "d7", "f700.txt")));
        var old = Directory.EnumerateDirectories(Path.Combine(project, "deploy")).Where(path => new DirectoryInfo(path).LinkTarget is null).Order(StringComparer.Ordinal).First();
        Assert.Equal("700\n", await File.ReadAllTextAsync(Path.Combine(old, "d7", "f700.txt")));
    }

    [Fact]
    public async Task An_empty_commit_is_a_release_of_the_same_tree()
    {
        await using var git = await ServedAsync("empty-commit");
        await git.CommitAsync("Serve");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitAsync("Nothing");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("v2 is live", push.Remote[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_without_any_file_has_nothing_to_run()
    {
        await using var git = await GitClient.NewAsync(receiver, "no-files");
        await git.CommitAsync("Nothing at all");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("Procfile", StringComparison.Ordinal));
    }

    async Task<GitClient> ServedAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", Serve);
        return git;
    }

    /// <summary>Unpacked by tar and zstd themselves.</summary>
    async Task AssertArchiveIsTheTreeAsync(string project)
    {
        var release = new FileInfo(Path.Combine(receiver.Project(project), "deploy", "current")).LinkTarget!;
        var archive = Assert.Single(Directory.GetFiles(Path.Combine(receiver.Project(project), "releases", release), "*.tar.zst"));
        var unpacked = Places.NewScratch("unpacked");
        try
        {
            await new Command("tar", "--zstd", "-xf", archive, "-C", unpacked).OutputAsync();
            var differences = await new Command("diff", "-r", "--no-dereference", unpacked, Path.Combine(receiver.Project(project), "deploy", release)).RunAsync();
            Assert.True(differences.ExitCode == 0, differences.Output);
        }
        finally
        {
            await Leftovers.RemoveAsync(unpacked);
        }
    }
}
