using System.Net.Sockets;
using System.Runtime.InteropServices;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.Archives;

public sealed class ArchivistTests(ITestOutputHelper output) : IDisposable
{
    readonly Scratch scratch = new();
    readonly Archivist archivist = new(TimeProvider.System);

    // Every kind of thing a data directory may hold.
    const string Zoo = """
        mkdir -p data/a/b data/empty "data/with space" data/$'n\xc3\xa4me' data/$'bad\xff\xfename'
        echo one > data/a/one; echo two > data/a/b/two; : > data/zero; printf 'x%.0s' {1..100000} > data/large
        echo raw > data/$'bad\xff\xfename'/$'also\x80bad'; echo newline > data/$'new\nline'; echo ü > data/$'n\xc3\xa4me'/ü
        n=$(printf 'n%.0s' {1..255}); echo long > data/$n
        d=data; for i in {1..30}; do d=$d/$(printf 'd%.0s' {1..120}); mkdir $d; done; echo deep > $d/deep
        ln -s /etc/passwd data/absolute; ln -s ../../outside data/escape; ln -s nowhere data/dangling; ln -s a data/dirlink
        ln data/a/one data/hard1; ln data/a/one data/a/b/hard2
        mkfifo data/pipe; chmod 640 data/pipe
        truncate -s 50M data/sparse; printf middle | dd of=data/sparse bs=1 seek=20000000 conv=notrunc status=none; truncate -s 9000000 data/hole
        chmod 4755 data/a/b/two; chmod 2770 data/empty; chmod 0 data/zero; chmod 1777 "data/with space"
        setfattr -n user.colour -v blue data/large; setfattr -n user.colour -v green data/a; setfattr -n user.empty data/a/one
        touch -d '1999-12-31 23:59:59.123456789' data/a/one; touch -h -d '2001-01-01 01:01:01.000000001' data/dangling
        touch -d '2010-10-10 10:10:10.987654321' data/a/b data/empty data
        """;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_backup_is_the_data_in_every_respect()
    {
        MakeZoo();

        var report = await Take(out var id);

        Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(id)));
        Assert.Equal("", scratch.Difference(scratch.Archive(id), scratch.Data));
        Assert.True(archivist.Has(scratch.Project, id));
        Assert.Empty(report.Notes);
        Assert.True(Inode.Of(scratch.Archive(id) + "/sparse")!.Value.Blocks * 512 < 1_000_000);
        Assert.Equal(0, Inode.Of(scratch.Archive(id) + "/hole")!.Value.Blocks);
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(Path.Combine(scratch.Project.Archives, id.Value)), f => f.Contains("taking"));
    }

    [Fact]
    public async Task A_file_unchanged_since_the_last_backup_is_one_file_with_it_and_a_changed_one_is_not()
    {
        MakeZoo();

        // What was written in the clock tick of the backup is never taken for unchanged.
        await Task.Delay(TimeSpan.FromMilliseconds(50));
        var first = await Take(out var one);
        scratch.Sh("echo changed >> data/large; echo new > data/new; rm data/a/b/two; mkdir data/newdir; chmod 600 data/hole");

        var report = await Take(out var two);

        Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(two)));
        Assert.Equal(3, report.Copied);
        Assert.Equal(first.Files, report.Files);
        Assert.Equal(report.Files - 3, report.Shared);
        Assert.Equal("link", report.How);
        Assert.Equal(Inode.Of(scratch.Archive(one) + "/sparse")!.Value.Number, Inode.Of(scratch.Archive(two) + "/sparse")!.Value.Number);
        Assert.NotEqual(Inode.Of(scratch.Archive(one) + "/large")!.Value.Number, Inode.Of(scratch.Archive(two) + "/large")!.Value.Number);
        Assert.NotEqual(Inode.Of(scratch.Data + "/sparse")!.Value.Number, Inode.Of(scratch.Archive(two) + "/sparse")!.Value.Number);
    }

    [Fact]
    public async Task A_file_changed_behind_its_size_and_time_is_still_seen_as_changed()
    {
        scratch.Sh("echo before > data/f; touch -d 2020-01-01 data/f");
        await Take(out _);
        scratch.Sh("echo AFTER! > data/f; touch -d 2020-01-01 data/f");

        await Take(out var two);

        Assert.Equal("AFTER!\n", File.ReadAllText(scratch.Archive(two) + "/f"));
    }

    [Fact]
    public async Task Writing_into_live_data_never_reaches_a_backup()
    {
        MakeZoo();
        await Take(out var one);
        var kept = scratch.Sh($"cp -a '{scratch.Archive(one)}' before");
        await Take(out var two);
        await archivist.RestoreAsync(scratch.Project, two, NewId());

        scratch.Sh("find data -type f -exec sh -c 'for f; do chmod 600 \"$f\"; echo spoilt >> \"$f\"; done' sh {} +; chmod -R u+rwx data; rm -rf data/a");

        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Archive(one)));
        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Archive(two)));
        Assert.Equal("", kept);
    }

    [Fact]
    public async Task On_btrfs_a_backup_and_a_restore_share_the_blocks_of_what_they_copy()
    {
        if (!Scratch.IsRoot || scratch.TrySh("truncate -s 160M ../disk && mkfs.btrfs -q ../disk").Code != 0 || !scratch.TryMount("-o loop ../disk", scratch.Root))
        {
            output.WriteLine("Not run: making a btrfs and mounting it needs root, mkfs.btrfs and a kernel with btrfs.");
            return;
        }

        Directory.CreateDirectory(scratch.Data);
        MakeZoo();
        scratch.Sh("head -c 40000000 /dev/urandom >data/big; cp -a data before; sync");
        var before = Used();

        var report = await Take(out var id);

        // The disk has no room for four of them.
        Assert.Equal("reflink", report.How);
        Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(id)));
        Assert.InRange(Used() - before, 0, 8_000_000);
        scratch.Sh("printf spoilt | dd of=data/big bs=1 seek=20000000 conv=notrunc status=none; rm -r data/a; echo added >data/added; sync");
        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Archive(id)));

        await archivist.RestoreAsync(scratch.Project, id, NewId());

        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Data));
        Assert.InRange(Used() - before, 0, 8_000_000);
        output.WriteLine($"{report.Files} files, {report.Bytes >> 20} MB in {report.Took.TotalMilliseconds:0} ms; on the disk {Used() - before:N0} bytes more");

        long Used()
        {
            scratch.Sh("sync");
            var disk = new DriveInfo(scratch.Root);
            return disk.TotalSize - disk.AvailableFreeSpace;
        }
    }

    [Fact]
    public async Task A_restore_brings_back_every_byte_and_keeps_what_the_failed_release_made()
    {
        MakeZoo();
        scratch.Sh("cp -a data before");
        await Take(out var id);
        scratch.Sh("""
            echo spoilt > data/large; echo added > data/added; mkdir -p data/newdir/x; echo y > data/newdir/x/y
            rm -rf data/a/b data/empty; rm data/hard1; mkdir data/hard1; echo inside > data/hard1/inside; rm data/dirlink; echo file > data/dirlink
            chmod 777 data/zero; ln -sfn elsewhere data/dangling; rm data/pipe; setfattr -x user.colour data/a; chmod 700 "data/with space"; rm -rf data/$'bad\xff\xfename'
            """);
        var spoilt = scratch.Sh("cp -a data spoilt");
        var failed = NewId();

        var report = await archivist.RestoreAsync(scratch.Project, id, failed);

        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Data));
        Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Archive(id)));
        Assert.Equal(scratch.Archive(failed, "data.failed"), report.Evidence);
        Assert.Equal("spoilt\n", File.ReadAllText(report.Evidence + "/large"));
        Assert.Equal("y\n", File.ReadAllText(report.Evidence + "/newdir/x/y"));
        Assert.Equal("inside\n", File.ReadAllText(report.Evidence + "/hard1/inside"));
        Assert.Equal("elsewhere", new FileInfo(report.Evidence + "/dangling").LinkTarget);
        Assert.False(Directory.Exists(scratch.Project.Directory + "/data.restoring"));
        Assert.Equal("", spoilt);
    }

    [Fact]
    public async Task After_a_restore_the_next_backup_still_copies_nothing()
    {
        MakeZoo();
        await Take(out var id);
        scratch.Sh("echo spoilt > data/large; rm -rf data/a");
        await archivist.RestoreAsync(scratch.Project, id, NewId());

        var report = await Take(out _);

        Assert.Equal(0, report.Copied);
    }

    [Fact]
    public async Task A_second_restore_finds_nothing_to_do()
    {
        MakeZoo();
        await Take(out var id);
        scratch.Sh("echo spoilt > data/large; rm -rf data/a");
        var failed = NewId();
        await archivist.RestoreAsync(scratch.Project, id, failed);

        var again = await archivist.RestoreAsync(scratch.Project, id, failed);

        Assert.Equal((0, 0, null), (again.Restored, again.Aside, again.Evidence));
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(scratch.Project.Archives, failed.Value)));
    }

    [Fact]
    public async Task A_restore_killed_at_any_instant_comes_to_the_same_end_when_it_is_run_again()
    {
        const string Spoil = """
            echo spoilt > data/large; echo added > data/added; mkdir -p data/newdir/x; echo y > data/newdir/x/y; rm data/pipe
            rm -rf data/a/b data/empty; rm data/hard1; mkdir data/hard1; echo inside > data/hard1/inside; rm data/dirlink; echo file > data/dirlink
            """;
        MakeZoo();
        await Take(out var id);
        scratch.Sh("cp -a data before");
        scratch.Sh(Spoil);
        var steps = 0;
        await new Archivist(TimeProvider.System) { At = _ => steps++ }.RestoreAsync(scratch.Project, id, NewId());
        Assert.True(steps > 20);

        string? evidence = null;
        for (var deadly = 1; deadly <= steps; deadly++)
        {
            scratch.Sh(Spoil);
            var failed = NewId();
            var left = deadly;
            var mortal = new Archivist(TimeProvider.System) { At = at => { if (--left == 0) { throw new SimulatedDeath(at); } } };
            await Assert.ThrowsAsync<SimulatedDeath>(() => mortal.RestoreAsync(scratch.Project, id, failed));
            left = 1 + (deadly % 5); // and once more while it is being repaired
            await Record.ExceptionAsync(() => mortal.RestoreAsync(scratch.Project, id, failed));
            await archivist.RestoreAsync(scratch.Project, id, failed);

            var names = scratch.Sh($"""
                judge='rsync -aHAXnic --specials --devices --delete --modify-window=-1'
                $judge before/ data/; $judge before/ '{scratch.Archive(id)}/'
                cd '{scratch.Archive(failed, "data.failed")}' && find . | sort && cat large hard1/inside newdir/x/y
                """);
            Assert.StartsWith(".\n./a\n", names); // nothing to say for the judges
            Assert.Equal(evidence ??= names, names);
            Assert.Equal(["data.failed"], Directory.EnumerateFileSystemEntries(Path.Combine(scratch.Project.Archives, failed.Value)).Select(Path.GetFileName));
            Assert.False(Directory.Exists(scratch.Project.Directory + "/data.restoring"));
        }
    }

    [Fact]
    public async Task A_backup_killed_at_any_instant_is_there_whole_or_not_at_all()
    {
        MakeZoo();
        foreach (var deadly in (string[])["copied", "indexed", "index named", "taken"])
        {
            var id = NewId();
            var mortal = new Archivist(TimeProvider.System) { At = at => { if (at == deadly) { throw new SimulatedDeath(at); } } };
            await Assert.ThrowsAsync<SimulatedDeath>(() => mortal.TakeAsync(scratch.Project, id, default));
            Assert.Equal(deadly == "taken", archivist.Has(scratch.Project, id));
            Assert.Equal(deadly == "taken", Directory.Exists(scratch.Archive(id)));

            await archivist.TakeAsync(scratch.Project, id, default);

            Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(id)));
            Assert.Equal(["data", "data.index"], Directory.EnumerateFileSystemEntries(Path.Combine(scratch.Project.Archives, id.Value)).Select(Path.GetFileName).Order());
        }
    }

    [Fact]
    public async Task Data_in_the_middle_of_a_restore_is_not_backed_up()
    {
        MakeZoo();
        await Take(out var id);
        scratch.Sh("echo spoilt > data/large");
        var failed = NewId();
        var mortal = new Archivist(TimeProvider.System) { At = at => { if (at == "planned") { throw new SimulatedDeath(at); } } };
        await Assert.ThrowsAsync<SimulatedDeath>(() => mortal.RestoreAsync(scratch.Project, id, failed));

        await Assert.ThrowsAsync<Refusal>(() => Take(out _));

        await archivist.RestoreAsync(scratch.Project, id, failed);
        await Take(out var next);
        Assert.Equal("", scratch.Difference(scratch.Archive(id), scratch.Archive(next)));
    }

    [Fact]
    public async Task A_complete_backup_is_never_taken_again_under_its_name()
    {
        scratch.Sh("echo old > data/f");
        await Take(out var id);
        scratch.Sh("echo touched by the new release > data/f");

        var again = await archivist.TakeAsync(scratch.Project, id, default);

        Assert.Equal("old\n", File.ReadAllText(scratch.Archive(id) + "/f"));
        Assert.Equal(1, again.Files);
    }

    [Fact]
    public async Task Data_that_is_missing_or_empty_is_backed_up_and_restored()
    {
        Directory.Delete(scratch.Data);
        var none = await Take(out var id);
        scratch.Sh("mkdir data; echo written > data/f");
        var failed = NewId();
        await archivist.RestoreAsync(scratch.Project, id, failed);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Data));
        Assert.Equal("written\n", File.ReadAllText(scratch.Archive(failed, "data.failed/f")));

        var empty = await Take(out var second);
        Directory.Delete(scratch.Data);
        await archivist.RestoreAsync(scratch.Project, second, NewId());
        Assert.True(Directory.Exists(scratch.Data));
        Assert.Equal((0, 0), (none.Files, empty.Files));
        output.WriteLine($"empty backup took {empty.Took.TotalMilliseconds:F2} ms");
    }

    [Fact]
    public async Task Sockets_and_devices_are_left_out_and_said_so()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(scratch.Data + "/app.sock"));
        if (Scratch.IsRoot)
        {
            scratch.Sh("mknod data/null c 1 3");
        }

        var report = await Take(out var id);

        Assert.Equal(Scratch.IsRoot ? 2 : 1, report.Notes.Count);
        Assert.Contains(report.Notes, n => n.Contains("app.sock: a socket"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Archive(id)));
        await archivist.RestoreAsync(scratch.Project, id, NewId());
        Assert.NotNull(Inode.Of(scratch.Data + "/app.sock"));
    }

    [Fact]
    public async Task A_data_directory_that_is_a_link_is_refused_and_not_followed()
    {
        scratch.Sh("rmdir data; mkdir ../outside; echo secret > ../outside/f; ln -s ../outside data");
        var id = NewId();

        var failure = await Assert.ThrowsAsync<IOException>(() => archivist.TakeAsync(scratch.Project, id, default));

        Assert.Contains(scratch.Data, failure.Message);
        Assert.False(Directory.Exists(Path.Combine(scratch.Project.Archives, id.Value)));
    }

    [Fact]
    public async Task A_tree_of_hostile_depth_fails_clearly_and_leaves_nothing()
    {
        scratch.Sh("cd data; python3 -c \"import os\nfor i in range(2500): os.mkdir('d'); os.chdir('d')\"");
        var id = NewId();

        var failure = await Assert.ThrowsAsync<IOException>(() => archivist.TakeAsync(scratch.Project, id, default));

        Assert.Contains("nested deeper than 2000", failure.Message);
        Assert.False(Directory.Exists(Path.Combine(scratch.Project.Archives, id.Value)));
    }

    [Fact]
    public async Task A_full_disk_fails_the_backup_clearly_and_leaves_nothing()
    {
        if (!Scratch.IsRoot)
        {
            output.WriteLine("not root: no small disk can be mounted");
            return;
        }

        scratch.Mount("-t tmpfs -o size=3m none", scratch.Project.Archives);
        scratch.Sh("head -c 5000000 /dev/urandom > data/large");
        var id = NewId();

        var failure = await Assert.ThrowsAsync<IOException>(() => archivist.TakeAsync(scratch.Project, id, default));

        Assert.Contains("No space left", failure.Message);
        Assert.Empty(Directory.EnumerateDirectories(scratch.Project.Archives));
    }

    [Fact]
    public async Task A_full_disk_stops_a_restore_before_it_touches_the_data()
    {
        if (!Scratch.IsRoot)
        {
            output.WriteLine("not root: no small disk can be mounted");
            return;
        }

        scratch.Sh("rmdir data");
        scratch.Mount("-t tmpfs -o size=5m none", scratch.Project.Directory);
        scratch.Sh($"mkdir data; head -c 1500000 /dev/urandom > data/large");
        await Take(out var id);
        scratch.Sh($"echo spoilt >> data/large; cp -a data ../spoilt; head -c 1600000 /dev/urandom > filler");

        var failure = await Assert.ThrowsAsync<IOException>(() => archivist.RestoreAsync(scratch.Project, id, NewId()));
        Assert.Contains("No space left", failure.Message);
        Assert.Equal("", scratch.Difference(scratch.Project.Directory + "/../spoilt", scratch.Data));

        scratch.Sh($"rm '{scratch.Project.Directory}/filler'");
        await archivist.RestoreAsync(scratch.Project, id, NewId());
        Assert.Equal("", scratch.Difference(scratch.Archive(id), scratch.Data));
    }

    [Theory]
    [InlineData("tmpfs")]
    [InlineData("bind")]
    public async Task Data_on_a_mount_of_its_own_is_restored_in_place(string kind)
    {
        if (!Scratch.IsRoot)
        {
            output.WriteLine("not root: nothing can be mounted");
            return;
        }

        scratch.Sh("mkdir elsewhere");
        scratch.Mount(kind == "tmpfs" ? "-t tmpfs none" : $"--bind '{scratch.Root}/elsewhere'", scratch.Data);
        MakeZoo();
        scratch.Sh("cp -a data before");
        await Take(out var id);
        var steps = 0;
        const string Spoil = "echo spoilt > data/large; rm -rf data/a; mkdir -p data/new/x; echo y > data/new/x/y; ln data/new/x/y data/new/z";
        scratch.Sh(Spoil);
        await new Archivist(TimeProvider.System) { At = _ => steps++ }.RestoreAsync(scratch.Project, id, NewId());

        for (var deadly = 1; deadly <= steps; deadly++)
        {
            scratch.Sh(Spoil);
            var failed = NewId();
            var left = deadly;
            var mortal = new Archivist(TimeProvider.System) { At = at => { if (--left == 0) { throw new SimulatedDeath(at); } } };
            await Assert.ThrowsAsync<SimulatedDeath>(() => mortal.RestoreAsync(scratch.Project, id, failed));
            await archivist.RestoreAsync(scratch.Project, id, failed);

            Assert.Equal("", scratch.Difference(scratch.Root + "/before", scratch.Data));
            Assert.Equal("hard1\nlarge\nnew\nx\nz\ny\n", scratch.Sh($"cd '{scratch.Archive(failed, "data.failed")}' && ls; ls new; ls new/x"));
            Assert.Equal(2U, Inode.Of(scratch.Archive(failed, "data.failed/new/z"))!.Value.Links);
        }
    }

    [Fact]
    public async Task On_a_file_system_with_reflinks_a_copy_takes_no_space()
    {
        if (!Scratch.IsRoot || !File.Exists("/usr/sbin/mkfs.xfs"))
        {
            output.WriteLine("needs root and mkfs.xfs to make a file system with reflinks");
            return;
        }

        scratch.Sh("rmdir data; truncate -s 400M ../disk; mkfs.xfs -q -m reflink=1 ../disk");
        scratch.Mount($"-o loop '{scratch.Root}/../disk'", scratch.Project.Directory);
        scratch.Sh($"mkdir data; head -c 100000000 /dev/urandom > data/large; echo x > data/small");
        scratch.Sh("cp -a data ../before");

        var report = await Take(out var id);

        Assert.Equal((2, "reflink"), (report.Reflinked, report.How));
        Assert.Equal("", scratch.Difference(scratch.Root + "/../before", scratch.Archive(id)));
        Assert.True(long.Parse(scratch.Sh($"df --output=used -k '{scratch.Project.Directory}' | tail -1")) < 150_000);
        scratch.Sh($"echo spoilt | dd of=data/large conv=notrunc status=none");
        await archivist.RestoreAsync(scratch.Project, id, NewId());
        Assert.Equal("", scratch.Difference(scratch.Root + "/../before", scratch.Data));
    }

    [Theory]
    [InlineData("truncate -s -10 ")]
    [InlineData("printf x | dd conv=notrunc bs=1 seek=60 status=none of=")]
    [InlineData("truncate -s 0 ")]
    [InlineData("head -c 5000 /dev/urandom > ")]
    public async Task A_damaged_index_is_neither_restored_from_nor_shared_with(string damage)
    {
        MakeZoo();
        await Take(out var id);
        scratch.Sh(damage + $"'{scratch.Archive(id, BackupIndex.FileName)}'; echo later > data/large; cp -a data later");

        await Assert.ThrowsAsync<InvalidDataException>(() => archivist.RestoreAsync(scratch.Project, id, NewId()));
        Assert.Equal("", scratch.Difference(scratch.Root + "/later", scratch.Data));
        var next = await Take(out var second);
        Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(second)));
        Assert.Equal(2, next.Shared); // the data's own hard links
    }

    [Fact]
    public async Task A_cancelled_backup_leaves_nothing()
    {
        MakeZoo();
        var id = NewId();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => archivist.TakeAsync(scratch.Project, id, new CancellationToken(true)));
        Assert.False(Directory.Exists(Path.Combine(scratch.Project.Archives, id.Value)));
    }

    [Fact]
    public async Task Two_backups_at_once_never_mix()
    {
        MakeZoo();
        var ids = Enumerable.Range(0, 4).Select(_ => NewId()).ToList();
        var outcomes = await Task.WhenAll(ids.Select(async id =>
        {
            try
            {
                await archivist.TakeAsync(scratch.Project, id, default);
                return true;
            }
            catch (IOException e) when (e.Message.Contains("Another backup"))
            {
                return false;
            }
        }));

        Assert.Contains(true, outcomes);
        foreach (var (id, taken) in ids.Zip(outcomes))
        {
            Assert.Equal(taken, archivist.Has(scratch.Project, id));
            Assert.True(!taken || scratch.Difference(scratch.Data, scratch.Archive(id)) == "");
        }
    }

    [Fact]
    public async Task A_file_that_may_not_be_read_fails_the_backup_by_name_and_leaves_nothing()
    {
        scratch.Sh("echo fine > data/a; echo x > data/locked; chmod 0 data/locked");
        if (Scratch.IsRoot)
        {
            scratch.Sh("chown 65534 . data data/a");
        }

        var id = NewId();
        var refused = await Assert.ThrowsAsync<IOException>(() => AsNobody(() => archivist.TakeAsync(scratch.Project, id, default)));

        Assert.Contains("data/locked: Permission denied", refused.Message);
        Assert.Equal([".lease"], Directory.EnumerateFileSystemEntries(scratch.Project.Archives).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Forgetting_a_backup_leaves_the_ones_that_share_with_it_whole()
    {
        MakeZoo();
        await Take(out var one);
        await Take(out var two);

        await archivist.ForgetAsync(scratch.Project, one);

        Assert.False(Directory.Exists(Path.Combine(scratch.Project.Archives, one.Value)));
        Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(two)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Whatever_happens_to_data_any_backup_brings_it_back(int seed)
    {
        var random = new Random(seed);
        var taken = new List<ReleaseId>();
        for (var round = 0; round < 8; round++)
        {
            scratch.Sh(Mutations(random, 40));
            await Take(out var id);
            Assert.Equal("", scratch.Difference(scratch.Data, scratch.Archive(id)));
            scratch.Sh($"cp -a data kept-{taken.Count}");
            taken.Add(id);
            if (random.Next(2) == 0)
            {
                scratch.Sh(Mutations(random, 15));
                var back = random.Next(taken.Count);
                await archivist.RestoreAsync(scratch.Project, taken[back], NewId());
                Assert.Equal("", scratch.Difference($"{scratch.Root}/kept-{back}", scratch.Data));
            }
        }

        for (var i = 0; i < taken.Count; i++)
        {
            Assert.Equal("", scratch.Difference($"{scratch.Root}/kept-{i}", scratch.Archive(taken[i])));
        }
    }

    static string Mutations(Random random, int count)
    {
        string Name() => string.Join('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => "abcd"[random.Next(4)]));
        return "cd data\n" + string.Join('\n', Enumerable.Range(0, count).Select(_ => "(" + (random.Next(11) switch
        {
            0 or 1 or 2 => $"mkdir -p $(dirname {Name()}); echo {random.Next()} > {Name()}",
            3 => $"mkdir -p {Name()}",
            4 => $"rm -rf {Name()}",
            5 => $"ln {Name()} {Name()}",
            6 => $"ln -sfn {Name()} {Name()}",
            7 => $"mv -T {Name()} {Name()}",
            8 => $"chmod {(random.Next(2) == 0 ? "750" : "4711")} {Name()}",
            9 => $"echo more >> {Name()}",
            _ => $"touch -d 2020-01-0{random.Next(1, 9)} {Name()}",
        }) + ") 2>/dev/null || true"));
    }

    // Threads inherit the file-system user of the one that starts them; nobody else in this process is touched.
    static Task<T> AsNobody<T>(Func<Task<T>> work)
    {
        var started = new TaskCompletionSource<Task<T>>();
        new Thread(() =>
        {
            _ = setfsuid(65534);
            started.SetResult(work());
        }).Start();
        return started.Task.Unwrap();
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int setfsuid(int user);

    static ReleaseId NewId() => ReleaseId.New(TimeProvider.System);

    Task<BackupReport> Take(out ReleaseId id)
    {
        id = NewId();
        return archivist.TakeAsync(scratch.Project, id, default);
    }

    void MakeZoo()
    {
        scratch.Sh(Zoo);
        if (Scratch.IsRoot)
        {
            scratch.Sh("chown 1234:5678 data/large data/a; chown -h 1:2 data/dangling");
        }
    }
}
