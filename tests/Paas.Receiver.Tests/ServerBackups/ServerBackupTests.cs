using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Api;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.ServerBackups;

public sealed class ServerBackupTests : IDisposable
{
    readonly string scratch = Directory.CreateTempSubdirectory("server-backup").FullName;

    string Root => Path.Combine(scratch, "root");

    string State => Path.Combine(Root, "state");

    string Other => Path.Combine(scratch, "other");

    string Backup => Path.Combine(scratch, "backup.tar.zst");

    public void Dispose() => Directory.Delete(scratch, recursive: true);

    [Fact]
    public async Task Everything_that_is_kept_comes_back_as_it_was_and_what_is_made_anew_does_not()
    {
        using (var database = Filled())
        {
            await TakeAsync(database);
        }

        var head = await new ServerRestore(Other).RunAsync(Backup, Stream.Null, default);

        Assert.Equal((Root, true), (head.Root, head.Archives));
        Assert.Equal(
            [
                "projects/shop/archives/a/data.tar", "projects/shop/data/-rf", "projects/shop/data/deep/ünïcode\nfile", "projects/shop/data/linked", "projects/shop/deploy/current", "projects/shop/deploy/one/app",
                "projects/shop/git/project/HEAD", "projects/shop/git/project/objects/ab/cd", "projects/shop/git/project/refs/heads/main", "projects/shop/releases/one/shop.tar.zst", "state/receiver.db", "state/release-key.pem",
            ],
            Files(Other));
        Assert.Equal("one", new FileInfo(Path.Combine(Other, "projects/shop/deploy/current")).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Other, "state/release-key.pem")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Other, "state/receiver.db")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(Other, "state")));
        using var back = Database.OpenOrCreate(Path.Combine(Other, "state", "receiver.db"));
        Assert.Equal("kept", back.ReadOne<string>("SELECT value FROM proof"));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(State), path => Path.GetFileName(path).StartsWith(BackupContents.Scratch, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_releases_their_archives_stay_out_and_from_standard_input_it_comes_back_too()
    {
        using (var database = Filled())
        {
            await TakeAsync(database, archives: false);
        }

        await using (var input = File.OpenRead(Backup))
        {
            await new ServerRestore(Other).RunAsync("-", input, default);
        }

        Assert.Contains("projects/shop/deploy/one/app", Files(Other));
        Assert.DoesNotContain(Files(Other), path => path.Contains("/releases/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("cut at the seal")]
    [InlineData("cut in the middle")]
    [InlineData("empty")]
    [InlineData("one bit")]
    [InlineData("nonsense")]
    [InlineData("missing")]
    public async Task What_is_not_whole_is_refused_and_leaves_nothing(string how)
    {
        using (var database = Filled())
        {
            await TakeAsync(database);
        }

        var bytes = await File.ReadAllBytesAsync(Backup);
        bytes[bytes.Length / 2] ^= (byte)(how == "one bit" ? 4 : 0);
        File.Delete(Backup);
        if (how != "missing")
        {
            await File.WriteAllBytesAsync(Backup, how switch
            {
                "cut at the seal" => bytes[..^BackupSeal.Size],
                "cut in the middle" => bytes[..(bytes.Length / 2)],
                "empty" => [],
                "nonsense" => RandomNumberGenerator.GetBytes(5000),
                _ => bytes,
            });
        }

        await Assert.ThrowsAsync<Refusal>(() => new ServerRestore(Other).RunAsync(Backup, Stream.Null, default));

        Assert.False(Path.Exists(Other));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/outside")]
    [InlineData("projects/../../outside")]
    [InlineData("link/outside")]
    [InlineData("hard")]
    [InlineData("device")]
    public async Task What_would_leave_the_root_is_refused_before_anything_is_unpacked(string name)
    {
        await SealAsync(tar =>
        {
            Write(tar, BackupHead.Name, """{"format":1,"takenAt":"2026-01-01T00:00:00Z","root":"/srv","archives":true}""");
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "link") { LinkName = scratch });
            if (name == "hard")
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "hard") { LinkName = "../../etc/passwd" });
            }
            else if (name == "device")
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.CharacterDevice, "device") { DeviceMajor = 1, DeviceMinor = 3 });
            }
            else
            {
                Write(tar, name, "evil");
            }

            Write(tar, "state/receiver.db", "");
        });

        var refusal = await Assert.ThrowsAsync<Refusal>(() => new ServerRestore(Other).RunAsync(Backup, Stream.Null, default));

        Assert.Matches("would leave the root|is neither file", refusal.Message);
        Assert.False(Path.Exists(Other));
        Assert.False(File.Exists(Path.Combine(scratch, "outside")));
    }

    [Theory]
    [InlineData("""{"format":2,"takenAt":"2026-01-01T00:00:00Z","root":"/srv","archives":true}""", "format 2")]
    [InlineData("not json", "no backup of a receiver")]
    [InlineData("""{"format":1,"takenAt":"2026-01-01T00:00:00Z","root":"/srv","archives":true}""", "database")]
    public async Task What_another_program_or_a_newer_receiver_wrote_is_refused(string head, string says)
    {
        await SealAsync(tar =>
        {
            Write(tar, BackupHead.Name, head);
            Write(tar, "state/receiver.db", "this is no database, whatever its name says; it is long enough to be looked at though");
        });

        var refusal = await Assert.ThrowsAsync<Refusal>(() => new ServerRestore(Other).RunAsync(Backup, Stream.Null, default));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(Other));
    }

    [Theory]
    [InlineData("behind its end")]
    [InlineData("a sum that is wrong")]
    public async Task What_another_program_might_read_differently_is_refused(string what)
    {
        await SealAsync(
            tar =>
            {
                Write(tar, BackupHead.Name, """{"format":1,"takenAt":"2026-01-01T00:00:00Z","root":"/srv","archives":true}""");
                Write(tar, "state/receiver.db", "x");
            },
            plain =>
            {
                if (what == "behind its end")
                {
                    using var more = new FileStream(plain, FileMode.Append);
                    more.Write(Encoding.ASCII.GetBytes("../outside"));
                }
                else
                {
                    using var file = new FileStream(plain, FileMode.Open);
                    file.Position = file.Length - 2048 - 512; // state/receiver.db's header is before its block and the end
                    file.WriteByte((byte)'X');
                }
            });

        await Assert.ThrowsAsync<Refusal>(() => new ServerRestore(Other).RunAsync(Backup, Stream.Null, default));

        Assert.False(Path.Exists(Other));
    }

    [Fact]
    public async Task A_root_that_is_in_use_is_left_alone()
    {
        using (var database = Filled())
        {
            await TakeAsync(database);
        }

        Directory.CreateDirectory(Path.Combine(Other, "precious"));

        var refusal = await Assert.ThrowsAsync<Refusal>(() => new ServerRestore(Other).RunAsync(Backup, Stream.Null, default));

        Assert.Contains("precious", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(["precious"], Directory.EnumerateFileSystemEntries(Other).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public async Task Deployments_wait_while_a_backup_is_taken_and_those_under_way_are_waited_for()
    {
        using var standstill = new Standstill();
        var under = await standstill.BeginAsync();
        var call = standstill.CallAsync(default);
        var next = standstill.BeginAsync();
        Assert.False(call.IsCompleted);
        Assert.False(next.IsCompleted);

        under.Dispose();
        var still = await call;
        Assert.False(next.IsCompleted);
        using var cancelled = new CancellationTokenSource();
        var impatient = standstill.BeginAsync(cancelled.Token);
        await cancelled.CancelAsync();
        (await impatient).Dispose();

        still.Dispose();
        (await next).Dispose();
        (await standstill.CallAsync(default)).Dispose();
    }

    [Fact]
    public async Task Over_the_API_it_is_whole_and_only_administrators_have_it()
    {
        await using var stage = await ApiStage.OpenAsync();
        using var output = new StringWriter { NewLine = "\n" };
        var token = stage.Admin;
        var surroundings = new Corpus.Surroundings
        {
            Out = output,
            Error = output,
            Directory = scratch,
            Home = scratch,
            Variable = name => name switch { "PAAS_URL" => stage.Url.ToString(), "PAAS_TOKEN" => token, _ => null },
        };

        Assert.Equal(0, await Corpus.CommandLine.RunAsync(["backup-server", "backup.tar.zst"], surroundings));
        Assert.Contains("verified", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Backup));
        var head = await new ServerRestore(Other).RunAsync(Backup, Stream.Null, default);
        Assert.Equal(stage.Root, head.Root);

        token = stage.Developer;
        Assert.Equal(4, await Corpus.CommandLine.RunAsync(["backup-server", "more.tar.zst"], surroundings));
        Assert.Empty(Directory.GetFiles(scratch, "more*"));
        Assert.Equal(2, await Corpus.CommandLine.RunAsync(["backup-server", "more.tar.zst"], surroundings with { Only = stage.Url }));
        Assert.Equal(2, await Corpus.CommandLine.RunAsync(["restore-server", "more.tar.zst"], surroundings));
    }

    [Fact]
    public async Task Deployments_wait_for_a_slow_reader_and_go_on_when_he_hangs_up()
    {
        await using var stage = await ApiStage.OpenAsync();
        await File.WriteAllBytesAsync(Path.Combine(Directory.CreateDirectory(stage.Hello.Data).FullName, "large"), RandomNumberGenerator.GetBytes(32_000_000));
        using var client = stage.Client(stage.Admin);
        using var order = new HttpRequestMessage(HttpMethod.Post, "api/v1/backup") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        var answer = await client.SendAsync(order, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(1, await (await answer.Content.ReadAsStreamAsync()).ReadAsync(new byte[1]));

        var deployment = stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack));
        await foreach (var line in deployment.Log.FollowAsync())
        {
            if (line.Contains("backup of the whole receiver", StringComparison.Ordinal))
            {
                break;
            }
        }

        Assert.False(deployment.Finished.IsCompleted);
        answer.Dispose();

        Assert.Equal(Outcome.RolledBack, await deployment.Finished.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(Path.Combine(stage.Root, "state")), path => Path.GetFileName(path).StartsWith(BackupContents.Scratch, StringComparison.Ordinal));
    }

    Database Filled()
    {
        Directory.CreateDirectory(State, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var database = Database.OpenOrCreate(Path.Combine(State, "receiver.db"));
        database.Write("CREATE TABLE proof (value TEXT)");
        database.Write("INSERT INTO proof VALUES ('kept')");
        foreach (var path in (string[])
        [
            "projects/shop/archives/a/data.tar", "projects/shop/data/-rf", "projects/shop/data/deep/ünïcode\nfile", "projects/shop/deploy/one/app", "projects/shop/git/project/HEAD",
            "projects/shop/git/project/objects/ab/cd", "projects/shop/git/project/refs/heads/main", "projects/shop/releases/one/shop.tar.zst", "projects/shop/build/cache/big", "projects/.demolished-1/gone",
            "state/release-key.pem", "state/lock", "state/instances/1/view", "state/pushes/1/x",
        ])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Root, path))!);
            File.WriteAllText(Path.Combine(Root, path), path);
        }

        File.SetUnixFileMode(Path.Combine(State, "release-key.pem"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.CreateSymbolicLink(Path.Combine(Root, "projects/shop/deploy/current"), "one");
        File.CreateSymbolicLink(Path.Combine(Root, "projects/shop/run"), "deploy/current");
        File.CreateSymbolicLink(Path.Combine(Root, "projects/shop/data/linked"), "/etc");
        return database;
    }

    async Task TakeAsync(Database database, bool archives = true)
    {
        await using var file = File.Create(Backup);
        await new ServerBackup(Root, State, database, null, TimeProvider.System, NullLogger<ServerBackup>.Instance).WriteAsync(file, archives, default);
    }

    async Task SealAsync(Action<TarWriter> write, Action<string>? spoil = null)
    {
        var plain = Path.Combine(scratch, "plain.tar");
        await using (var tar = new TarWriter(File.Create(plain), TarEntryFormat.Pax))
        {
            write(tar);
        }

        spoil?.Invoke(plain);
        await new Command("zstd", "-q", "--rm", plain, "-o", Backup).OutputAsync();
        var seal = BackupSeal.Of(SHA256.HashData(await File.ReadAllBytesAsync(Backup)));
        await using var file = new FileStream(Backup, FileMode.Append);
        await file.WriteAsync(seal);
    }

    static void Write(TarWriter tar, string name, string text) =>
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });

    static IEnumerable<string> Files(string root) => Below(root).Select(path => Path.GetRelativePath(root, path)).Order(StringComparer.Ordinal);

    static IEnumerable<string> Below(string directory) => Directory.EnumerateFileSystemEntries(directory)
        .SelectMany(path => Directory.Exists(path) && new FileInfo(path).LinkTarget is null ? Below(path) : [path]);
}
