using System.CommandLine;
using System.Diagnostics;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus backup-server FILE|-</c>, from a receiver that runs; <c>corpus restore-server FILE|-</c>, on the machine, into an empty root.</summary>
static class ServerBackupCommands
{
    public static IEnumerable<Command> Create(Surroundings surroundings)
    {
        yield return Backup(surroundings);
        yield return Restore(surroundings);
    }

    static Command Backup(Surroundings surroundings)
    {
        var file = new Argument<string>("file") { Description = "Where to write it; - is standard output. It has every secret in it", HelpName = "FILE" };
        var without = new Option<bool>("--without-releases") { Description = "Leave out the archives of releases: smaller; rollbacks work, promoting an older release does not" };
        var command = new Command("backup-server", "One archive of the entire receiver; deployments wait meanwhile, applications go on") { file, without };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var order = new ServerBackupOrder(parsed.GetValue(without));
            var name = parsed.GetValue(file)!;
            if (name == "-")
            {
                if (surroundings.Json)
                {
                    throw new CorpusException(Exit.Usage, $"{CommandLine.JsonOption} is for a backup to a FILE: on standard output stands the backup itself.", "corpus backup-server --help");
                }

                await client.DownloadAsync("api/v1/backup", order, surroundings.RawOut, ct);
                return Exit.Done;
            }

            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "by ssh a backup goes to standard output only: backup-server - >FILE");
            }

            await WriteAsync(Path.Combine(surroundings.Directory, name), part => client.DownloadAsync("api/v1/backup", order, part, ct), surroundings, ct);
            return Exit.Done;
        });
        return command;
    }

    /// <summary>Whole or not there, 0600.</summary>
    static async Task WriteAsync(string path, Func<Stream, Task> write, Surroundings surroundings, CancellationToken ct)
    {
        if (File.Exists(path))
        {
            throw new CorpusException(Exit.Failed, $"there is a file {path} already; nothing was asked of the receiver.");
        }

        var part = path + ".part";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.ReadWrite };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            await using (var stream = new FileStream(part, options))
            {
                await write(stream);
                stream.Flush(flushToDisk: true);
                if (await BackupSeal.WhyNotWholeAsync(stream, ct) is { } why)
                {
                    throw new CorpusException(Exit.Failed, $"the backup that came is not whole: {why}. Nothing is kept of it.");
                }
            }

            File.Move(part, path);
            await surroundings.SayAsync($"{path}: {Words.Bytes(new FileInfo(path).Length)}, verified. It has every secret of the receiver in it.");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new CorpusException(Exit.Failed, e.Message);
        }
        finally
        {
            File.Delete(part);
        }
    }

    static Command Restore(Surroundings surroundings)
    {
        var file = new Argument<string>("file") { Description = "A backup; - is standard input", HelpName = "FILE" };
        var command = new Command("restore-server", "On the machine, as paas-receiver restore: bring a backup back into an empty PAAS_ROOT, before the receiver is started") { file };
        command.SetAction(async (parsed, ct) =>
        {
            if (!surroundings.IsTheProcess)
            {
                throw new CorpusException(Exit.Usage, "this is done on the machine itself, while no receiver runs there.");
            }

            var beside = Path.Combine(AppContext.BaseDirectory, "paas-receiver");
            var start = new ProcessStartInfo(File.Exists(beside) ? beside : "paas-receiver");
            start.ArgumentList.Add("restore");
            start.ArgumentList.Add(parsed.GetValue(file)!);
            return await surroundings.RunHereAsync(start, toError: true, ct, "on the machine the receiver is to run on");
        });
        return command;
    }
}
