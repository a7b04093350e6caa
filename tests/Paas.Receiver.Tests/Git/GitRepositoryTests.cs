using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.Git;

public sealed class GitRepositoryTests(ITestOutputHelper output) : IAsyncLifetime
{
    const string Main = "refs/heads/main";

    readonly Scratch scratch = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await scratch.DisposeAsync();

    [Fact]
    public async Task Created_eight_times_at_once_there_is_one_whole_repository_and_nothing_else()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => new GitRepository(scratch.Repository.Path, scratch.Git).CreateAsync()));

        Assert.True(scratch.Repository.Exists);
        Assert.True(scratch.Repository.IsEmpty);
        Assert.Equal(Main, scratch.Repository.HeadBranch);
        Assert.Equal(["bare", "state"], Directory.GetFileSystemEntries(scratch.Root).Select(Path.GetFileName).Order());
        Assert.Empty(Directory.GetFileSystemEntries(scratch.Repository.Path, "hooks"));
    }

    [Fact]
    public async Task A_git_that_outlived_its_receiver_is_ended_before_the_checkout_is_touched_again()
    {
        var tree = await scratch.NewWorkTreeAsync();
        await tree.CommitAsync("file", "content");
        var commit = await scratch.TakeInAsync(tree);
        var index = Path.Combine(scratch.Repository.Path, "checkout.index");
        await using var orphan = new Command("sleep", "600").With(new Dictionary<string, string> { ["GIT_INDEX_FILE"] = index }).Start();
        await File.WriteAllTextAsync(index + ".lock", "");

        await scratch.Repository.CheckOutAsync(commit, scratch.At("out"));

        Assert.Equal(137, await orphan.WaitAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal("content", await File.ReadAllTextAsync(scratch.At("out/file")));
        Assert.False(File.Exists(index + ".lock"));
    }

    [Fact]
    public async Task Scattered_objects_are_packed_and_none_is_lost_not_even_those_that_no_ref_leads_to()
    {
        var tree = await scratch.NewWorkTreeAsync();
        await tree.CommitAsync("file", "of a branch that was forced away");
        var forgotten = await scratch.TakeInAsync(tree);
        await tree.GitAsync("checkout", "--quiet", "--orphan", "another");
        await tree.CommitAsync("file", "content");
        var commit = await scratch.TakeInAsync(tree);
        var loose = Path.Combine(scratch.Repository.Path, "objects", "17");
        foreach (var content in Enumerable.Range(0, int.MaxValue).Select(number => $"blob {number}").Where(IsSpreadTo17).Take(27))
        {
            var blob = scratch.At("blob");
            await File.WriteAllTextAsync(blob, content);
            await scratch.Git.Command("--git-dir=" + scratch.Repository.Path, "hash-object", "-w", "--no-filters", "--", blob).OutputAsync();
        }

        Assert.InRange(Directory.GetFiles(loose).Length, 27, 100);

        await scratch.Repository.PackIfScatteredAsync();

        Assert.NotEmpty(Directory.GetFiles(Path.Combine(scratch.Repository.Path, "objects", "pack"), "*.pack"));
        Assert.False(Directory.Exists(loose) && Directory.GetFiles(loose).Length > 0);
        Assert.Equal("of a branch that was forced away", await scratch.Repository.ReadFileAsync(forgotten, "file"));
        Assert.Equal("content", await scratch.Repository.ReadFileAsync(commit, "file"));

        static bool IsSpreadTo17(string content) => SHA1.HashData(Encoding.UTF8.GetBytes($"blob {content.Length}\0{content}"))[0] == 0x17;
    }

    [Fact]
    public async Task A_create_that_cannot_be_finished_leaves_nothing()
    {
        await using var full = await SmallDisk.TryMountAsync(scratch.At("full"), "4k");
        if (full is null)
        {
            output.WriteLine("Skipped: a small tmpfs can be mounted by root only.");
            return;
        }

        var repository = new GitRepository(Path.Combine(full.Path, "bare"), scratch.Git);

        await Assert.ThrowsAnyAsync<Exception>(() => repository.CreateAsync());

        Assert.False(repository.Exists);
        Assert.Empty(Directory.GetFileSystemEntries(full.Path));
    }

    [Fact]
    public async Task A_ref_moves_only_from_where_it_was_seen()
    {
        var tree = await scratch.NewWorkTreeAsync();
        var first = await tree.CommitAsync("a", "1");
        await scratch.TakeInAsync(tree);
        var second = await tree.CommitAsync("a", "2");
        await tree.GitAsync("push", "--quiet", scratch.Repository.Path, "HEAD:refs/heads/other");

        Assert.False(await scratch.Repository.MoveRefAsync(Main, second, second[..39] + (second[39] == '0' ? '1' : '0')));
        Assert.False(await scratch.Repository.MoveRefAsync(Main, second, oldId: null));
        Assert.True(await scratch.Repository.MoveRefAsync(Main, second, first));
        Assert.True(await scratch.Repository.MoveRefAsync(Main, second, first), "it is there already");
        Assert.Equal(second, await scratch.Repository.ReadRefAsync(Main));
        Assert.False(await scratch.Repository.MoveRefAsync(Main, newId: null, first));
        Assert.True(await scratch.Repository.MoveRefAsync(Main, newId: null, second));
        Assert.Null(await scratch.Repository.ReadRefAsync(Main));
        Assert.True(await scratch.Repository.MoveRefAsync(Main, first, oldId: null));
    }

    [Fact]
    public async Task Refs_are_read_packed_and_through_annotated_tags_and_hostile_names_are_no_refs()
    {
        var tree = await scratch.NewWorkTreeAsync();
        var commit = await tree.CommitAsync("a", "1");
        await scratch.TakeInAsync(tree);
        await tree.GitAsync("tag", "--annotate", "--message", "one", "v1");
        await tree.GitAsync("push", "--quiet", scratch.Repository.Path, "v1");
        await scratch.Git.Command($"--git-dir={scratch.Repository.Path}", "pack-refs", "--all").OutputAsync();

        Assert.Equal(commit, await scratch.Repository.ReadRefAsync(Main));
        Assert.Equal(commit, await scratch.Repository.ReadRefAsync("refs/tags/v1"));
        Assert.Null(await scratch.Repository.ReadRefAsync("refs/heads/none"));
        Assert.Null(await scratch.Repository.ReadRefAsync("refs/heads/../../config"));
        Assert.Null(await scratch.Repository.ReadRefAsync("--all"));
        Assert.False(scratch.Repository.IsEmpty);
    }

    [Fact]
    public async Task A_commit_tells_its_time_its_files_and_one_file()
    {
        var tree = await scratch.NewWorkTreeAsync();
        await File.WriteAllTextAsync(Path.Combine(tree.Directory, "run me"), "#!/bin/sh\n");
        File.SetUnixFileMode(Path.Combine(tree.Directory, "run me"), UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        File.CreateSymbolicLink(Path.Combine(tree.Directory, "link"), "run me");
        await tree.CommitAsync("ünï/tab\tnew\nline", "héllo");
        await tree.GitAsync("update-index", "--add", "--cacheinfo", $"160000,{await tree.HeadAsync()},sub");
        await tree.GitAsync("commit", "--quiet", "--message", "submodule");
        var commit = await scratch.TakeInAsync(tree);

        var entries = (await scratch.Repository.ListAsync(commit)).ToDictionary(entry => entry.Path);

        Assert.Equal(["link", "run me", "sub", "ünï/tab\tnew\nline"], entries.Keys.Order(StringComparer.Ordinal));
        Assert.True(entries["run me"].IsExecutable);
        Assert.Equal(10, entries["run me"].Size);
        Assert.True(entries["link"].IsSymbolicLink);
        Assert.True(entries["sub"].IsSubmodule);
        Assert.Null(entries["sub"].Size);
        Assert.Equal("héllo", await scratch.Repository.ReadFileAsync(commit, "ünï/tab\tnew\nline"));
        Assert.Null(await scratch.Repository.ReadFileAsync(commit, "none"));
        Assert.Null(await scratch.Repository.ReadFileAsync(commit, "../state/git/config"));
        Assert.Equal(await tree.GitAsync("show", "-s", "--format=%ct"), (await scratch.Repository.CommitTimeAsync(commit)).ToUnixTimeSeconds().ToString());
        await Assert.ThrowsAnyAsync<Exception>(() => scratch.Repository.ReadFileAsync(new string('1', 40), "a"));
        await Assert.ThrowsAnyAsync<Exception>(() => scratch.Repository.ListAsync("--output=/tmp/x"));
    }

    [Fact]
    public async Task A_file_name_that_is_not_utf8_is_refused_by_name()
    {
        var tree = await scratch.NewWorkTreeAsync();
        await tree.CommitAsync("a", "1");
        await new Command("sh", "-c", "printf x > \"$(printf 'caf\\351')\"") { Directory = tree.Directory }.OutputAsync();
        await tree.GitAsync("add", "--all");
        await tree.GitAsync("commit", "--quiet", "--message", "latin");
        var commit = await scratch.TakeInAsync(tree);

        var refusal = await Assert.ThrowsAsync<Refusal>(() => scratch.Repository.ListAsync(commit));

        Assert.Contains("caf", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_checkout_holds_exactly_the_commit_and_writes_only_what_changed()
    {
        var tree = await scratch.NewWorkTreeAsync();
        await tree.CommitAsync("same", "same");
        await tree.CommitAsync("goes/away", "x");
        var first = await tree.CommitAsync("changes", "1");
        await scratch.TakeInAsync(tree);
        await tree.GitAsync("rm", "--quiet", "goes/away");
        var second = await tree.CommitAsync("changes", "2");
        await scratch.TakeInAsync(tree);
        var directory = scratch.At("out");

        await scratch.Repository.CheckOutAsync(first, directory);
        var before = Inode.Of(Path.Combine(directory, "same"));
        using (var checkout = DirectoryHandle.Open(directory))
        using (var draft = DirectoryHandle.OpenOrCreate(scratch.At("draft")))
        {
            Assert.True(checkout.TryLink("same\0"u8, draft, "same\0"u8));
            Assert.True(checkout.TryLink("changes\0"u8, draft, "changes\0"u8));
        }

        await File.WriteAllTextAsync(Path.Combine(directory, "stray"), "by hand");
        await scratch.Repository.CheckOutAsync(second, directory);

        Assert.Equal(["changes", "same"], Directory.GetFileSystemEntries(directory, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order());
        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(directory, "changes")));
        Assert.Equal("1", await File.ReadAllTextAsync(scratch.At("draft/changes")));
        Assert.Equal((before!.Value.Number, before.Value.ModifiedNs), (Inode.Of(Path.Combine(directory, "same"))!.Value.Number, Inode.Of(Path.Combine(directory, "same"))!.Value.ModifiedNs));
    }

    [Fact]
    public async Task An_edit_by_hand_is_undone_and_an_untracked_file_stays_where_it_is_wanted()
    {
        var tree = await scratch.NewWorkTreeAsync();
        var commit = await tree.CommitAsync("a", "right");
        await scratch.TakeInAsync(tree);
        var directory = scratch.At("out");
        await scratch.Repository.CheckOutAsync(commit, directory, scratch.At("index"), keepUntracked: true);

        await File.WriteAllTextAsync(Path.Combine(directory, "a"), "wrong by hand");
        await File.WriteAllTextAsync(Path.Combine(directory, "mine"), "mine");
        await scratch.Repository.CheckOutAsync(commit, directory, scratch.At("index"), keepUntracked: true);

        Assert.Equal("right", await File.ReadAllTextAsync(Path.Combine(directory, "a")));
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(directory, "mine")));
    }

    [Theory]
    [InlineData("a lock of a killed run")]
    [InlineData("a damaged index")]
    [InlineData("an empty index")]
    [InlineData("files of a run that was cut off")]
    [InlineData("a directory where a file belongs")]
    [InlineData("no directory any more")]
    public async Task A_checkout_makes_good_what_a_killed_one_left(string left)
    {
        var tree = await scratch.NewWorkTreeAsync();
        var first = await tree.CommitAsync("a", "1");
        await scratch.TakeInAsync(tree);
        await tree.CommitAsync("new/file", "new");
        var second = await tree.CommitAsync("a", "2");
        await scratch.TakeInAsync(tree);
        var (directory, index) = (scratch.At("out"), scratch.At("index"));
        await scratch.Repository.CheckOutAsync(first, directory, index, keepUntracked: false);
        switch (left)
        {
            case "a lock of a killed run":
                await File.WriteAllTextAsync(index + ".lock", "half");
                break;
            case "a damaged index":
                await File.WriteAllBytesAsync(index, [.. (await File.ReadAllBytesAsync(index)).Select(b => (byte)(b ^ 0x55))]);
                break;
            case "an empty index":
                await File.WriteAllTextAsync(index, "");
                break;
            case "files of a run that was cut off":
                Directory.CreateDirectory(Path.Combine(directory, "new"));
                await File.WriteAllTextAsync(Path.Combine(directory, "new", "file"), "ne");
                await File.WriteAllTextAsync(Path.Combine(directory, "new", "other"), "of a commit in between");
                File.Delete(Path.Combine(directory, "a"));
                break;
            case "a directory where a file belongs":
                File.Delete(Path.Combine(directory, "a"));
                Directory.CreateDirectory(Path.Combine(directory, "a", "b"));
                await File.WriteAllTextAsync(Path.Combine(directory, "a", "b", "c"), "in the way");
                break;
            default:
                Directory.Delete(directory, recursive: true);
                break;
        }

        await scratch.Repository.CheckOutAsync(second, directory, index, keepUntracked: false);

        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(directory, "a")));
        Assert.Equal("new", await File.ReadAllTextAsync(Path.Combine(directory, "new", "file")));
        Assert.Equal(2, Directory.GetFiles(directory, "*", SearchOption.AllDirectories).Length);
        Assert.False(File.Exists(index + ".lock"));
    }

    [Fact]
    public async Task A_checkout_on_a_full_disk_fails_and_the_next_one_is_whole()
    {
        await using var full = await SmallDisk.TryMountAsync(scratch.At("full"), "256k");
        if (full is null)
        {
            output.WriteLine("Skipped: a small tmpfs can be mounted by root only.");
            return;
        }

        var tree = await scratch.NewWorkTreeAsync();
        var small = await tree.CommitAsync("a", "small");
        var large = await tree.CommitAsync("big", new string('x', 400_000));
        await scratch.TakeInAsync(tree);
        var directory = Path.Combine(full.Path, "out");

        await scratch.Repository.CheckOutAsync(small, directory);
        await Assert.ThrowsAsync<CommandFailedException>(() => scratch.Repository.CheckOutAsync(large, directory));
        await scratch.Repository.CheckOutAsync(small, directory);

        Assert.Equal(["a"], Directory.GetFileSystemEntries(directory).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Nothing_of_a_repository_runs_a_program()
    {
        var tree = await scratch.NewWorkTreeAsync();
        var mark = scratch.At("it-ran");
        await File.WriteAllTextAsync(Path.Combine(tree.Directory, ".gitattributes"), "* filter=evil diff=evil merge=evil\n");
        var commit = await tree.CommitAsync("a", "1");
        await scratch.TakeInAsync(tree);
        foreach (var hook in (string[])["post-checkout", "post-index-change", "reference-transaction"])
        {
            Directory.CreateDirectory(Path.Combine(scratch.Repository.Path, "hooks"));
            var file = Path.Combine(scratch.Repository.Path, "hooks", hook);
            await File.WriteAllTextAsync(file, $"#!/bin/sh\ntouch {mark}\n");
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        await tree.GitAsync("config", "--file", Path.Combine(scratch.Repository.Path, "config"), "core.fsmonitor", $"touch {mark}");

        await scratch.Repository.CheckOutAsync(commit, scratch.At("out"));
        await scratch.Repository.MoveRefAsync("refs/heads/x", commit, oldId: null);

        Assert.False(File.Exists(mark));
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(scratch.At("out"), "a")));
    }

    [Fact]
    public async Task Of_eleven_thousand_files_only_the_changed_one_is_written()
    {
        await scratch.Repository.CreateAsync();
        await ImportAsync(11_000);
        var (first, second) = ((await scratch.Repository.ReadRefAsync("refs/heads/first"))!, (await scratch.Repository.ReadRefAsync("refs/heads/second"))!);
        var out1 = scratch.At("out");
        await scratch.Repository.CheckOutAsync(first, out1);
        var before = Inode.Of(Path.Combine(out1, "node_modules", "p7", "355.js"));

        var watch = Stopwatch.StartNew();
        await scratch.Repository.CheckOutAsync(second, out1);
        output.WriteLine($"one file of 11,000: {watch.Elapsed.TotalMilliseconds:0} ms");
        watch.Restart();
        var entries = await scratch.Repository.ListAsync(second);
        output.WriteLine($"list: {watch.Elapsed.TotalMilliseconds:0} ms");

        Assert.Equal(11_001, entries.Count);
        Assert.Equal(before, Inode.Of(Path.Combine(out1, "node_modules", "p7", "355.js")));
        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(out1, "one")));
    }

    // Two commits of so many files and the file "one", which differs.
    async Task ImportAsync(int files)
    {
        var stream = new System.Text.StringBuilder();
        stream.Append("commit refs/heads/first\ncommitter A <a@example.org> 1700000000 +0000\ndata 0\n");
        for (var i = 0; i < files; i++)
        {
            stream.Append($"M 100644 inline node_modules/p{i / 50}/{i}.js\ndata {$"{i}\n".Length}\n{i}\n\n");
        }

        stream.Append("M 100644 inline one\ndata 1\n1\n");
        stream.Append("commit refs/heads/second\ncommitter A <a@example.org> 1700000001 +0000\ndata 0\nfrom refs/heads/first\nM 100644 inline one\ndata 1\n2\n");
        await using var import = scratch.Git.Command($"--git-dir={scratch.Repository.Path}", "fast-import", "--quiet").Start();
        await import.Input.WriteAsync(System.Text.Encoding.UTF8.GetBytes(stream.ToString()));
        import.Input.Close();
        Assert.Equal("", await import.ReadAllAsync(import.Error));
        Assert.Equal(0, await import.WaitAsync());
    }

    [Fact]
    public async Task What_a_killed_receive_pack_leaves_is_swept()
    {
        await scratch.Repository.CreateAsync();
        var objects = Path.Combine(scratch.Repository.Path, "objects");
        Directory.CreateDirectory(Path.Combine(objects, "tmp_objdir-incoming-abc", "pack"));
        await File.WriteAllTextAsync(Path.Combine(objects, "tmp_objdir-incoming-abc", "pack", "tmp_pack_1"), "half");
        await File.WriteAllTextAsync(Path.Combine(objects, "pack", "tmp_pack_2"), "half");

        scratch.Repository.SweepLeftovers();

        Assert.Empty(Directory.GetFiles(objects, "*", SearchOption.AllDirectories));
        Assert.False(Directory.Exists(Path.Combine(objects, "tmp_objdir-incoming-abc")));
    }
}

/// <summary>A file system of a few kilobytes, to be filled.</summary>
sealed class SmallDisk : IAsyncDisposable
{
    SmallDisk(string path) => Path = path;

    public string Path { get; }

    /// <summary>Null where nothing may be mounted.</summary>
    public static async Task<SmallDisk?> TryMountAsync(string path, string size)
    {
        Directory.CreateDirectory(path);
        return (await new Command("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", path).RunAsync()).ExitCode == 0 ? new SmallDisk(path) : null;
    }

    public async ValueTask DisposeAsync()
    {
        await new Command("umount", "--lazy", Path).RunAsync();
        Directory.Delete(Path);
    }
}
