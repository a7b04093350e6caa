using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ServerBackups;

/// <summary>What is done on the machine itself, where no receiver runs on the root: <c>paas-receiver backup FILE [--without-releases]</c> and <c>paas-receiver restore FILE</c>; <c>-</c> is standard output or input.</summary>
static class MachineCommands
{
    public const string WithoutReleases = "--without-releases";

    public static bool Is(IReadOnlyList<string> words) => words is ["backup" or "restore", ..];

    /// <summary>Returns the exit code: 0 done, 1 refused or failed, 2 usage.</summary>
    /// <param name="open">Opens the root; null when a receiver runs on it.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> words, string root, string state, Func<(IDisposable Held, Database Database)?> open, CancellationToken ct)
    {
        if (words.Count < 2 || (words[0] == "restore" && words.Count > 2) || (words[0] == "backup" && words.Skip(2).Any(word => word != WithoutReleases)) || words[1].StartsWith("--", StringComparison.Ordinal))
        {
            await Console.Error.WriteLineAsync($"Usage: paas-receiver backup FILE|- [{WithoutReleases}] | paas-receiver restore FILE|-");
            return 2;
        }

        try
        {
            return words[0] == "backup" ? await BackUpAsync(words, root, state, open, ct) : await RestoreAsync(words[1], root, ct);
        }
        catch (Exception e) when (e is Refusal or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    static async Task<int> RestoreAsync(string from, string root, CancellationToken ct)
    {
        await using var input = Console.OpenStandardInput();
        var head = await new ServerRestore(root).RunAsync(from, input, ct);
        await Console.Error.WriteLineAsync($"The backup of {head.TakenAt:u} is back in {root}. Start the receiver: every project comes up again.");
        if (head.Root != root)
        {
            await Console.Error.WriteLineAsync($"It was taken from {head.Root}: what a build wrote with that path in it (Python's virtual environments) wants a corpus redeploy.");
        }

        return 0;
    }

    static async Task<int> BackUpAsync(IReadOnlyList<string> words, string root, string state, Func<(IDisposable Held, Database Database)?> open, CancellationToken ct)
    {
        if (!File.Exists(Path.Combine(state, "receiver.db")))
        {
            throw new Refusal($"there is no receiver in {root}");
        }

        if (open() is not var (held, database))
        {
            throw new Refusal($"a receiver runs on {root}: corpus backup-server takes a backup from it");
        }

        using (held)
        {
            var backup = new ServerBackup(root, state, database, standstill: null, TimeProvider.System, NullLogger<ServerBackup>.Instance);
            if (words[1] == "-")
            {
                await using var output = Console.OpenStandardOutput();
                await backup.WriteAsync(output, !words.Contains(WithoutReleases), ct);
                return 0;
            }

            await WriteFileAsync(Path.GetFullPath(words[1]), file => backup.WriteAsync(file, !words.Contains(WithoutReleases), ct));
            await Console.Error.WriteLineAsync($"{words[1]}: {new FileInfo(words[1]).Length} bytes");
        }

        return 0;
    }

    /// <summary>Whole or not there, 0600.</summary>
    static async Task WriteFileAsync(string path, Func<Stream, Task> write)
    {
        var part = path + ".part";
        try
        {
            await using (var file = new FileStream(part, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
                await write(file);
                file.Flush(flushToDisk: true);
            }

            AtomicFile.Rename(part, path);
        }
        catch
        {
            File.Delete(part);
            throw;
        }
    }
}
