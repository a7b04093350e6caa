using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Git;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;
using Paas.Receiver.Routing;
using Xunit;

namespace Paas.Receiver.Tests.Releases;

public sealed class LinkedFilesTests : IDisposable
{
    static readonly string[] Paths = ["README", "app/main.py", "app/deep/er/x", "app/deep/er/y", "naïve/日本", "with\nnewline/a", "app-b/z", "link"];

    readonly string root = Directory.CreateTempSubdirectory("paas-linked-").FullName;

    public LinkedFilesTests()
    {
        foreach (var path in Paths)
        {
            Put(Checkout, path, path);
        }

        File.Delete(Path.Combine(Checkout, "link"));
        File.CreateSymbolicLink(Path.Combine(Checkout, "link"), "app/main.py");
    }

    string Checkout => Path.Combine(root, "checkout");

    string Tree => Path.Combine(root, "tree");

    static IReadOnlyList<TreeEntry> Entries =>
        [.. Paths.Select(path => new TreeEntry(path, path == "link" ? "120000" : "100644", new string('0', 40), 1)), new TreeEntry("vendor/sub", "160000", new string('0', 40), null)];

    [Fact]
    public void An_empty_tree_gets_a_name_for_every_file()
    {
        Match();

        AssertMatches();
    }

    [Fact]
    public void A_tree_in_any_state_is_put_right()
    {
        Put(Tree, "README/was-a-file", "x");
        Put(Tree, "app", "was a directory");
        Put(Tree, "naïve/日本", "another file of the same name");
        Put(Tree, "naïve/more", "x");
        Put(Tree, "gone/deeper/still", "x");
        Directory.CreateDirectory(Path.Combine(root, "outside"));
        File.WriteAllText(Path.Combine(root, "outside", "precious"), "precious");
        Directory.CreateSymbolicLink(Path.Combine(Tree, "with\nnewline"), Path.Combine(root, "outside"));
        File.CreateSymbolicLink(Path.Combine(Tree, "link"), "elsewhere");

        Match();

        AssertMatches();
        Assert.Equal("precious", File.ReadAllText(Path.Combine(root, "outside", "precious")));
    }

    [Fact]
    public void What_was_right_already_is_not_made_again()
    {
        Match();
        var before = Directory.GetLastWriteTimeUtc(Path.Combine(Tree, "app/deep"));
        File.Delete(Path.Combine(Checkout, "README"));
        Put(Checkout, "README", "changed");

        Match();

        AssertMatches();
        Assert.Equal("changed", File.ReadAllText(Path.Combine(Tree, "README")));
        Assert.Equal(before, Directory.GetLastWriteTimeUtc(Path.Combine(Tree, "app/deep")));
    }

    [Fact]
    public void One_that_was_broken_off_goes_on_from_there()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => new LinkedFiles(Checkout, Tree).Match(Entries, stop.Token));

        Match();

        AssertMatches();
    }

    [Fact]
    public async Task Files_are_linked_while_somebody_writes_them_and_what_was_replaced_meanwhile_is_put_right()
    {
        Directory.Delete(Checkout, recursive: true);
        Directory.CreateDirectory(Checkout);
        var written = new TaskCompletionSource();
        var following = new LinkedFiles(Checkout, Tree).FollowAsync(Entries, written.Task, new FileDigests(), CancellationToken.None);
        foreach (var path in Paths.Where(path => path != "link"))
        {
            Put(Checkout, path, path);
        }

        File.CreateSymbolicLink(Path.Combine(Checkout, "link"), "app/main.py");
        await following.WaitAsync(TimeSpan.FromSeconds(30));
        written.SetResult();
        File.Delete(Path.Combine(Checkout, "app/main.py"));
        Put(Checkout, "app/main.py", "replaced");

        Match();

        AssertMatches();
        Assert.Equal("replaced", File.ReadAllText(Path.Combine(Tree, "app/main.py")));
    }

    [Fact]
    public async Task Meanwhile_those_are_read_that_are_whole_and_never_the_one_being_written()
    {
        Directory.Delete(Checkout, recursive: true);
        Directory.CreateDirectory(Checkout);
        var (written, digests, entries) = (new TaskCompletionSource(), new FileDigests(), Entries.Where(entry => entry is { IsSymbolicLink: false, IsSubmodule: false }).ToList());
        foreach (var entry in entries.SkipLast(1))
        {
            Put(Checkout, entry.Path, entry.Path);
        }

        var following = new LinkedFiles(Checkout, Tree).FollowAsync(entries, written.Task, digests, CancellationToken.None);
        await RouterTests.UntilAsync(() => digests.Count == entries.Count - 2);
        written.SetResult();
        await following.WaitAsync(TimeSpan.FromSeconds(30));

        var digest = new byte[SHA256.HashSizeInBytes];
        Assert.True(digests.TryGet(Inode.Of(Path.Combine(Tree, entries[0].Path))!.Value, digest));
        Assert.Equal(SHA256.HashData(Encoding.UTF8.GetBytes(entries[0].Path)), digest);
        Assert.False(digests.TryGet(Inode.Of(Path.Combine(Tree, entries[^2].Path))!.Value, digest));
    }

    [Fact]
    public async Task Following_ends_with_the_writing_whatever_was_not_written()
    {
        File.Delete(Path.Combine(Checkout, "app/main.py"));

        await new LinkedFiles(Checkout, Tree).FollowAsync(Entries, Task.CompletedTask, new FileDigests(), CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));

        Put(Checkout, "app/main.py", "late");
        Match();
        AssertMatches();
    }

    [Fact]
    public void A_commit_without_files_leaves_an_empty_tree()
    {
        Put(Tree, "left", "x");

        new LinkedFiles(Checkout, Tree).Match([], CancellationToken.None);

        Assert.Empty(Directory.EnumerateFileSystemEntries(Tree));
    }

    [Fact]
    public void A_file_that_the_checkout_lost_is_an_error_and_not_a_hole()
    {
        File.Delete(Path.Combine(Checkout, "README"));

        var error = Assert.ThrowsAny<Exception>(Match);

        Assert.Contains("README", error.ToString(), StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    static void Put(string tree, string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(tree, path))!);
        File.WriteAllText(Path.Combine(tree, path), content);
    }

    void Match()
    {
        Directory.CreateDirectory(Path.Combine(Checkout, "vendor", "sub"));
        new LinkedFiles(Checkout, Tree).Match(Entries, CancellationToken.None);
    }

    void AssertMatches()
    {
        var found = Directory.EnumerateFileSystemEntries(Tree, "*", SearchOption.AllDirectories).Where(path => !Directory.Exists(path)).Select(path => Path.GetRelativePath(Tree, path));
        Assert.Equal(Paths.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
        Assert.All(Paths, path => Assert.Equal(Inode.Of(Path.Combine(Checkout, path))!.Value.Number, Inode.Of(Path.Combine(Tree, path))!.Value.Number));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Tree, "vendor", "sub")));
    }
}
