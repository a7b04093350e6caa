using System.Globalization;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.Archives;

public sealed class BundlerTests(ITestOutputHelper output) : IDisposable
{
    static readonly DateTimeOffset Stamp = new(2024, 5, 6, 7, 8, 9, TimeSpan.Zero);

    readonly Scratch scratch = new();
    readonly Bundler bundler = new();

    const string Release = """
        mkdir -p tree/a/b tree/empty tree/a-b tree/.git/objects
        echo one > tree/a/one; echo two > tree/a-b/two; : > tree/zero; echo dot > tree/.hidden; echo x > tree/.git/objects/x
        head -c 3500000 /dev/urandom > tree/large; head -c 1048576 /dev/zero > tree/megabyte; head -c 512 /dev/urandom > tree/block
        printf '#!/bin/sh\n' > tree/run; chmod 4711 tree/run; chmod 600 tree/a/one; ln -s /usr/bin/python3 tree/python; ln -s ../a tree/a-b/up; ln tree/run tree/again
        n=$(printf 'n%.0s' {1..200}); mkdir -p tree/$n/$n; echo long > tree/$n/$n/$n; ln -s $n/$n/$n tree/longlink
        m=$(printf 'm%.0s' {1..90}); mkdir -p tree/$m; echo split > tree/$m/$m; echo ü > tree/ü; echo bad > tree/$'bad\xff'; echo nl > tree/$'new\nline'; echo > "tree/-rf"
        """;

    public void Dispose() => scratch.Dispose();

    string Tree => scratch.Root + "/tree";

    string Archive => scratch.Root + "/release.tar.zst";

    [Fact]
    public async Task A_packed_release_is_what_GNU_tar_unpacks()
    {
        scratch.Sh(Release);

        var bundle = await Pack();

        scratch.Sh("mkdir out; zstd -dc release.tar.zst | tar -x -f - -C out --no-same-owner; diff -r --no-dereference tree out");
        Assert.Equal(scratch.Sh("cd tree; find . -mindepth 1 -printf '%P\\0' | sort -z | tr '\\0' '|'"), scratch.Sh("cd out; find . -mindepth 1 -printf '%P\\0' | sort -z | tr '\\0' '|'"));
        Assert.Equal("755 644\n", scratch.Sh("echo $(stat -c %a out/run out/a/one)"));
        Assert.Equal("1714979289\n", scratch.Sh("stat -c %Y out/a/one out/run out/empty | sort -u"));
        Assert.Equal("0/0\n", scratch.Sh("zstd -dc release.tar.zst | tar -tv --numeric-owner | awk '{print $2}' | sort -u"));
        Assert.Equal(bundle.ArchiveDigest, scratch.Sh("sha256sum release.tar.zst")[..64]);
        Assert.Equal(bundle.Bytes, new FileInfo(Archive).Length);
        Assert.Equal(bundle.Entries, long.Parse(scratch.Sh("cd tree; find . -mindepth 1 -printf x | wc -c"), CultureInfo.InvariantCulture));
        Assert.Equal("", scratch.Sh("ls | grep tmp || true"));
    }

    [Fact]
    public async Task What_was_read_before_is_not_read_for_its_digest_again_unless_it_was_written_since()
    {
        scratch.Sh(Release);
        var (before, known) = (await Pack(), new FileDigests());
        foreach (var file in Directory.EnumerateFiles(Tree, "*", SearchOption.AllDirectories))
        {
            known.Take(file);
        }

        var again = await bundler.PackAsync(Tree, scratch.Root + "/again.tar.zst", Stamp, known, default);
        await File.WriteAllTextAsync(Tree + "/a/one", "something else");
        var changed = await bundler.PackAsync(Tree, scratch.Root + "/changed.tar.zst", Stamp, known, default);

        Assert.True(known.Count > 3);
        Assert.Equal((before.ArchiveDigest, before.ContentDigest), (again.ArchiveDigest, again.ContentDigest));
        Assert.Equal(await bundler.DigestAsync(Tree, default), changed.ContentDigest);
        Assert.NotEqual(before.ContentDigest, changed.ContentDigest);
    }

    [Fact]
    public async Task The_same_tree_gives_the_same_bytes_wherever_and_whenever_it_is_packed()
    {
        scratch.Sh(Release + "\ncp -a tree other; find other -exec touch -h {} +; chmod 664 other/zero; chmod 700 other/a; mv other/a other/z; mv other/z other/a");

        var one = await Pack();
        var two = await bundler.PackAsync(scratch.Root + "/other", scratch.Root + "/other.tar.zst", Stamp, default);
        scratch.Sh("zstd -dc release.tar.zst > plain.tar; for n in 1 2 7; do zstd -q -T$n -3 < plain.tar | cmp - release.tar.zst; done");

        Assert.Equal((one.ArchiveDigest, one.ContentDigest), (two.ArchiveDigest, two.ContentDigest));
        Assert.Equal(one.ContentDigest, await bundler.DigestAsync(Tree, default));
    }

    [Fact]
    public async Task The_content_digest_is_what_its_definition_says()
    {
        scratch.Sh("mkdir -p tree/a tree/a-b; echo one > tree/a/one; echo two > tree/a-b/two; chmod 755 tree/a/one; ln -s one tree/a/link; : > tree/z");

        var digest = await bundler.DigestAsync(Tree, default);

        Assert.Equal(
            scratch.Sh("""
                python3 - <<'E'
                import os, hashlib
                entries = []
                for top, dirs, files in os.walk(b'tree'):
                    for n in dirs + files:
                        full = os.path.join(top, n); path = full[5:]
                        if os.path.islink(full): entries.append((path, b'l', 0, os.readlink(full)))
                        elif os.path.isdir(full): entries.append((path + b'/', b'd', 0, b''))
                        else:
                            c = open(full, 'rb').read()
                            entries.append((path, b'x' if os.stat(full).st_mode & 0o100 else b'f', len(c), hashlib.sha256(c).hexdigest().encode()))
                h = hashlib.sha256()
                for path, kind, size, value in sorted(entries): h.update(kind + path + b'\0' + str(size).encode() + b'\0' + value + b'\0')
                print(h.hexdigest(), end='')
                E
                """),
            digest);
    }

    [Theory]
    [InlineData("echo changed >> tree/a/one")]
    [InlineData("chmod +x tree/a/one")]
    [InlineData("mv tree/a/one tree/a/two")]
    [InlineData("rmdir tree/empty")]
    [InlineData("ln -sfn /usr/bin/perl tree/python")]
    [InlineData("rm tree/python; printf /usr/bin/python3 > tree/python")]
    public async Task Any_change_of_content_changes_the_digest(string change)
    {
        scratch.Sh(Release);
        var before = await bundler.DigestAsync(Tree, default);
        scratch.Sh(change);
        Assert.NotEqual(before, await bundler.DigestAsync(Tree, default));
    }

    [Fact]
    public async Task What_was_packed_is_what_is_unpacked()
    {
        scratch.Sh(Release);
        var bundle = await Pack();

        var digest = await bundler.UnpackAsync(Archive, scratch.Root + "/out", bundle.ArchiveDigest, default);

        Assert.Equal(bundle.ContentDigest, digest);
        Assert.Equal(digest, await bundler.DigestAsync(scratch.Root + "/out", default));
        Assert.Equal("", scratch.Sh("diff -r --no-dereference tree out"));
        Assert.Equal("755 644 755\n", scratch.Sh("echo $(stat -c %a out/run out/a/one out)"));
    }

    [Fact]
    public async Task What_was_written_is_read_again_as_the_tree_that_was_sealed()
    {
        scratch.Sh(Release + "\nrm tree/large; truncate -s 9G tree/sparse; truncate -s 0 tree/sparse");

        var bundle = await Pack();

        Assert.Equal(new Inspected(bundle.ArchiveDigest, bundle.ContentDigest), await Inspection.OfTreeAsync(Archive, default));
        scratch.Sh("printf XXXX | dd of=release.tar.zst bs=1 seek=1000000 conv=notrunc status=none");
        await Assert.ThrowsAsync<Refusal>(() => Inspection.OfTreeAsync(Archive, default));
        scratch.Sh("truncate -s 100 release.tar.zst");
        await Assert.ThrowsAsync<Refusal>(() => Inspection.OfTreeAsync(Archive, default));
    }

    [Fact]
    public async Task A_file_that_changed_behind_its_digest_is_found_when_the_archive_is_read_again()
    {
        scratch.Sh("mkdir tree; echo one > tree/file; touch -d @1700000000 tree/file");
        var known = new Storage.FileDigests();
        known.Take(Tree + "/file");
        scratch.Sh("echo two > tree/file; touch -d @1700000000 tree/file");

        var bundle = await bundler.PackAsync(Tree, Archive, Stamp, known, default);

        var (archive, content) = await Inspection.OfTreeAsync(Archive, default);
        Assert.Equal(bundle.ArchiveDigest, archive);
        Assert.NotEqual(bundle.ContentDigest, content);
        Assert.Equal(await bundler.DigestAsync(Tree, default), content);
    }

    [Theory]
    [InlineData("public/**", "public/|public/a|public/deep/|public/deep/b")]
    [InlineData("public", "public/|public/a|public/deep/|public/deep/b")]
    [InlineData("*.md", "docs/|docs/x/|docs/x/c.md|r.md")]
    [InlineData("docs/x/c.md public/deep/b", "docs/|docs/x/|docs/x/c.md|public/|public/deep/|public/deep/b")]
    [InlineData("empty", "empty/")]
    [InlineData("nothing", "")]
    public async Task A_part_of_a_tree_is_packed_with_the_directories_that_lead_there(string patterns, string entries)
    {
        scratch.Sh("mkdir -p tree/public/deep tree/docs/x tree/docs/y tree/empty tree/.paas; touch tree/public/a tree/public/deep/b tree/docs/x/c.md tree/docs/y/d tree/r.md tree/.paas/built.json");

        var bundle = await bundler.PackAsync(Tree, Archive, Stamp, DataPatterns.Naming(patterns.Split(' ')), default);

        Assert.Equal(entries, scratch.Sh("tar -tf release.tar.zst | tr '\\n' '|'").TrimEnd('|'));
        Assert.Equal(entries.Split('|', StringSplitOptions.RemoveEmptyEntries).Length, bundle.Entries);
        Assert.Equal(bundle.ContentDigest, (await Inspection.OfTreeAsync(Archive, default)).Content);
    }

    [Fact]
    public async Task An_empty_tree_and_one_of_many_files_are_packed_and_unpacked()
    {
        scratch.Sh("mkdir tree tree2; cd tree2; for d in {1..20}; do mkdir $d; for f in {1..100}; do echo $d.$f > $d/$f; done; done");
        foreach (var name in (string[])["tree", "tree2"])
        {
            var bundle = await bundler.PackAsync($"{scratch.Root}/{name}", $"{scratch.Root}/{name}.tar.zst", Stamp, default);
            await bundler.UnpackAsync(bundle.File, $"{scratch.Root}/{name}.out", bundle.ArchiveDigest, bundle.ContentDigest, UnpackLimits.Foreign, default);
            Assert.Equal("", scratch.Sh($"diff -r {name} {name}.out; tar -tf {name}.tar.zst > /dev/null"));
        }
    }

    [Theory]
    [InlineData("tar -C tree -czf x.tar . ")]
    [InlineData("tar -C tree -cJf x.tar .")]
    [InlineData("tar -C tree --format=pax -czf x.tar . ")]
    [InlineData("tar -C tree --format=gnu -c . | zstd -q > x.tar")]
    [InlineData("(cd tree; find . -mindepth 1 -not -type d -print0 | tar --null -T - -c) | zstd -q > x.tar; find tree -type d -empty -delete")]
    public async Task Archives_that_others_made_are_unpacked_too(string make)
    {
        scratch.Sh(Release + "\nchmod 755 tree/run\n" + make);

        var digest = await bundler.UnpackAsync(scratch.Root + "/x.tar", scratch.Root + "/out", null, null, UnpackLimits.Foreign, default);

        Assert.Equal(await bundler.DigestAsync(Tree, default), digest);
        Assert.Equal(digest, await bundler.DigestAsync(scratch.Root + "/out", default));
    }

    [Fact]
    public async Task A_small_archive_that_unpacks_to_much_is_stopped()
    {
        scratch.Sh("mkdir tree place; truncate -s 300M tree/zeros");
        var bundle = await Pack();

        var refusal = await Assert.ThrowsAsync<Refusal>(() =>
            bundler.UnpackAsync(Archive, scratch.Root + "/place/out", bundle.ArchiveDigest, null, UnpackLimits.Foreign, default));

        Assert.Contains("times its size", refusal.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
    }

    [Theory]
    [InlineData("truncate -s -1000 release.tar.zst")]
    [InlineData("truncate -s 10 release.tar.zst")]
    [InlineData("printf XXXX | dd of=release.tar.zst bs=1 seek=2000000 conv=notrunc status=none")]
    [InlineData("truncate -s 0 release.tar.zst")]
    [InlineData("echo hello > release.tar.zst")]
    [InlineData("cat release.tar.zst release.tar.zst > two; mv two release.tar.zst")]
    [InlineData("head -c 3000000 /dev/urandom >> release.tar.zst")]
    [InlineData("(cd tree; zip -qr ../x.zip .) || echo PK > x.zip; mv x.zip release.tar.zst")]
    public async Task A_damaged_archive_is_refused_by_its_digest_and_without_one(string damage)
    {
        scratch.Sh(Release + "\nmkdir place");
        var bundle = await Pack();
        scratch.Sh(damage);

        var byDigest = await Assert.ThrowsAsync<Refusal>(() => bundler.UnpackAsync(Archive, scratch.Root + "/place/out", bundle.ArchiveDigest, default));
        Assert.Contains("not the archive that was asked for", byDigest.Message);
        var byContent = await Assert.ThrowsAsync<Refusal>(() => bundler.UnpackAsync(Archive, scratch.Root + "/place/out", null, null, UnpackLimits.Foreign, default));
        output.WriteLine(byContent.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
    }

    [Fact]
    public async Task An_archive_of_another_tree_is_refused()
    {
        scratch.Sh(Release + "\nmkdir place");
        var bundle = await Pack();
        var wrong = new string('0', 64);

        var refusal = await Assert.ThrowsAsync<Refusal>(() =>
            bundler.UnpackAsync(Archive, scratch.Root + "/place/out", bundle.ArchiveDigest, wrong, UnpackLimits.Own, default));

        Assert.Contains("another tree", refusal.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
    }

    [Fact]
    public async Task A_directory_that_exists_is_never_unpacked_into()
    {
        scratch.Sh(Release + "\nmkdir out; echo mine > out/mine");
        var bundle = await Pack();

        await Assert.ThrowsAsync<IOException>(() => bundler.UnpackAsync(Archive, scratch.Root + "/out", bundle.ArchiveDigest, default));

        Assert.Equal("mine\n", File.ReadAllText(scratch.Root + "/out/mine"));
    }

    [Fact]
    public async Task A_full_disk_fails_packing_and_unpacking_clearly_and_leaves_nothing()
    {
        if (!Scratch.IsRoot)
        {
            output.WriteLine("not root: no small disk can be mounted");
            return;
        }

        scratch.Sh(Release);
        var bundle = await Pack();
        var small = scratch.Root + "/small";
        scratch.Mount("-t tmpfs -o size=2m none", small);

        var packing = await Assert.ThrowsAsync<IOException>(() => bundler.PackAsync(Tree, small + "/release.tar.zst", Stamp, default));
        var unpacking = await Assert.ThrowsAsync<IOException>(() => bundler.UnpackAsync(Archive, small + "/out", bundle.ArchiveDigest, default));

        Assert.Contains("No space left", packing.Message);
        Assert.Contains("No space left", unpacking.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(small));
    }

    [Theory]
    [InlineData("mkfifo tree/pipe")]
    [InlineData("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('tree/sock')\"")]
    public async Task What_a_release_cannot_hold_is_refused_by_name(string make)
    {
        scratch.Sh("mkdir tree\n" + make);

        var refusal = await Assert.ThrowsAsync<Refusal>(() => Pack());

        Assert.Contains(scratch.Root + "/tree/", refusal.Message);
        Assert.Equal("tree\n", scratch.Sh("ls | grep -v data"));
    }

    [Fact]
    public async Task A_cancelled_packing_leaves_nothing()
    {
        scratch.Sh("mkdir tree; truncate -s 1T tree/huge");
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(150));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => bundler.PackAsync(Tree, Archive, Stamp, soon.Token));

        Assert.Equal("tree\n", scratch.Sh("ls | grep -v data"));
    }

    [Fact]
    public async Task A_gentle_packing_gives_the_same_bytes()
    {
        scratch.Sh(Release);
        var one = await Pack();
        var gentle = await new Bundler { Gently = true }.PackAsync(Tree, scratch.Root + "/gentle.tar.zst", Stamp, default);
        Assert.Equal(one.ArchiveDigest, gentle.ArchiveDigest);
    }

    Task<Bundle> Pack() => bundler.PackAsync(Tree, Archive, Stamp, default);
}
