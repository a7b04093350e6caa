using System.Text;
using Paas.Receiver.Git;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Releases;

/// <summary>What was changed by hand, as real git writes it, and as real git applies it again.</summary>
public sealed class TreeChangesTests : IAsyncLifetime
{
    readonly Scratch scratch = new();

    string Sealed => scratch.At("sealed");

    string Copy => scratch.At("copy");

    public Task InitializeAsync()
    {
        Write(Sealed, "kept", "same");
        Write(Sealed, "changed", "old\n");
        Write(Sealed, "deleted", "gone\n");
        Write(Sealed, "line\nbreak", "x\n");
        Write(Sealed, "folder/inner", "gone\n");
        Write(Sealed, "becomes-file/inner", "gone\n");
        Write(Sealed, "binary", "a\0b");
        Write(Sealed, ".gitattributes", "* text=auto eol=crlf\nchanged filter=nosuch\n");
        File.CreateSymbolicLink(Path.Combine(Sealed, "link"), "kept");
        return new Command("cp", "-a", Sealed, Copy).OutputAsync();
    }

    public async Task DisposeAsync() => await scratch.DisposeAsync();

    [Fact]
    public async Task A_copy_and_the_patch_applied_to_what_was_sealed_are_the_same()
    {
        ChangeEverything();
        var changes = TreeChanges.InCopy(Sealed, Copy, default);

        Assert.Equal(["becomes-file", "becomes-file/inner", "binary", "changed", "deleted", "folder/inner", "kept", "line\nbreak", "link", "made/by/hand", "\u00fcml\u00e4ut"], changes.Paths);
        Assert.Equal(["sticks: its setuid or setgid bit is refused"], changes.LeftOut.Where(line => line.Contains("setuid", StringComparison.Ordinal)).Select(line => line.Replace("made/by/hand", "sticks", StringComparison.Ordinal)));
        await AppliesAsync(changes);
    }

    [Fact]
    public async Task An_overlays_layer_says_the_same_as_a_copy()
    {
        // The marks of overlayfs, without mounting one: a 0/0 character device for what is gone, and files for what is there.
        if ((await new Command("mknod", scratch.At("device"), "c", "0", "0").RunAsync()).ExitCode != 0)
        {
            Console.WriteLine("skipped: only root makes the marks of an overlay");
            return;
        }

        var upper = scratch.At("upper");
        Write(upper, "changed", "new\n");
        Write(upper, "kept", "same"); // only touched
        Write(upper, "made/by/hand", "x");
        foreach (var gone in (string[])["deleted", "folder"])
        {
            await new Command("mknod", Path.Combine(upper, gone), "c", "0", "0").OutputAsync();
        }

        Write(upper, "becomes-file", "now a file\n");
        var changes = TreeChanges.InLayer(Sealed, upper, default);

        Assert.Equal(["becomes-file", "becomes-file/inner", "changed", "deleted", "folder/inner", "made/by/hand"], changes.Paths);
        Assert.Equal(["becomes-file/inner", "changed", "deleted", "folder/inner"], changes.Before);
    }

    [Fact]
    public void Nothing_changed_is_nothing()
    {
        File.SetLastWriteTimeUtc(Path.Combine(Copy, "kept"), DateTime.UnixEpoch);
        Directory.CreateDirectory(Path.Combine(Copy, "empty"));
        Assert.Empty(TreeChanges.InCopy(Sealed, Copy, default).Paths);
    }

    [Fact]
    public async Task Thousands_of_files_are_one_patch()
    {
        for (var i = 0; i < 3000; i++)
        {
            Write(Copy, $"many/{i % 30}/{i}", $"{i}\n");
        }

        var changes = TreeChanges.InCopy(Sealed, Copy, default);
        Assert.Equal(3000, changes.After.Count);
        await AppliesAsync(changes);
    }

    [Fact]
    public async Task What_no_patch_holds_is_said_or_refused()
    {
        await new Command("mkfifo", Path.Combine(Copy, "pipe")).OutputAsync();
        Write(Copy, ".git/config", "[core]\n");
        var changes = TreeChanges.InCopy(Sealed, Copy, default);
        Assert.Empty(changes.Paths);
        Assert.Equal(2, changes.LeftOut.Count);

        using (var large = File.Create(Path.Combine(Copy, "large")))
        {
            large.SetLength(TreeChanges.MostBytes + 1);
        }

        Assert.Contains("too much for a patch", Assert.Throws<Refusal>(() => TreeChanges.InCopy(Sealed, Copy, default)).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(Copy, "large"));
        await new Command("/bin/sh", "-c", "touch \"$(printf 'bad\\377')\"") { Directory = Copy }.OutputAsync();
        Assert.Contains("not UTF-8", Assert.Throws<Refusal>(() => TreeChanges.InCopy(Sealed, Copy, default)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_that_has_it_already_is_told_from_one_that_has_not()
    {
        var tree = await scratch.NewWorkTreeAsync();
        Write(tree.Directory, "changed", "old\n");
        await tree.GitAsync("add", "-A");
        await tree.GitAsync("commit", "-q", "-m", "x");
        var before = await scratch.TakeInAsync(tree);
        Write(tree.Directory, "changed", "new\n");
        await tree.GitAsync("commit", "-q", "-a", "-m", "y");
        var after = await scratch.TakeInAsync(tree);
        Write(Copy, "changed", "new\n");
        var writer = new PatchWriter(scratch.Git);
        var text = scratch.At("patch");
        await File.WriteAllBytesAsync(text, (await writer.WriteAsync(TreeChanges.InCopy(Sealed, Copy, default), ["changed"], Head, scratch.At("tmp"), default)).Text);

        Assert.False(await writer.IsContainedAsync(scratch.Repository.Path, before, [text], scratch.At("tmp"), default));
        Assert.True(await writer.IsContainedAsync(scratch.Repository.Path, after, [text], scratch.At("tmp"), default));
        Assert.False(Directory.Exists(scratch.At("tmp")));
    }

    static PatchHead Head => new("J\u00fcrgen <x>", "Manual fix \u00fc", "Because.", DateTimeOffset.UnixEpoch);

    async Task AppliesAsync(TreeChanges changes)
    {
        var patch = await new PatchWriter(scratch.Git).WriteAsync(changes, changes.Paths.ToList(), Head, scratch.At("tmp"), default);
        var file = scratch.At("patch");
        await File.WriteAllBytesAsync(file, patch.Text);
        Assert.Contains("Subject: [PATCH] ", Encoding.UTF8.GetString(patch.Text), StringComparison.Ordinal);
        await new Command("git", "apply", "--", file) { Directory = Sealed }.With([new("GIT_CEILING_DIRECTORIES", scratch.Root)]).OutputAsync();
        var differences = await new Command("diff", "-r", "--no-dereference", Sealed, Copy).RunAsync();
        Assert.True(differences.ExitCode == 0, differences.Output);
    }

    void ChangeEverything()
    {
        Write(Copy, "changed", "new\r\n");
        File.Delete(Path.Combine(Copy, "deleted"));
        Directory.Delete(Path.Combine(Copy, "folder"), recursive: true);
        Directory.Delete(Path.Combine(Copy, "becomes-file"), recursive: true);
        Write(Copy, "becomes-file", "now a file\n");
        Write(Copy, "line\nbreak", "y\n");
        Write(Copy, "binary", "a\0c\0d");
        Write(Copy, "\u00fcml\u00e4ut", "\u00e4\n");
        Write(Copy, "made/by/hand", "x");
        File.SetUnixFileMode(Path.Combine(Copy, "kept"), (UnixFileMode)0x1ED); // 0755
        File.SetUnixFileMode(Path.Combine(Copy, "made/by/hand"), (UnixFileMode)0x9ED); // 04755
        File.Delete(Path.Combine(Copy, "link"));
        File.CreateSymbolicLink(Path.Combine(Copy, "link"), "changed");
    }

    static void Write(string tree, string path, string text)
    {
        var file = Path.Combine(tree, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
