using System.Text;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Stage;

/// <summary>
/// Ends what belongs to a receiver's root: applications and their supervisors outlive the receiver by design.
/// A process belongs to it when its directory, its arguments or its environment name the root, which is a temporary directory of one test.
/// </summary>
static class Leftovers
{
    public static async Task EndAllAsync(string root)
    {
        // A supervisor that was told to end still wants to report it to a receiver that is gone: nobody is asked politely for long.
        for (var tries = 0; tries < 300; tries++)
        {
            var processes = Of(root);
            if (processes.Count == 0)
            {
                return;
            }

            if (tries == 0 || tries > 20)
            {
                processes.ForEach(id => PosixSignals.Send(id, tries == 0 ? PosixSignals.Terminate : PosixSignals.Kill));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }

        throw new InvalidOperationException($"Processes of {root} cannot be ended: {string.Join(", ", Of(root))}");
    }

    /// <summary>Takes away the mounts below the root that were made in our own namespace, then the root.</summary>
    public static async Task RemoveAsync(string root)
    {
        var mounts = File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4]).Where(point => IsBelow(point, root)).Reverse();
        foreach (var mount in mounts)
        {
            await new Command("umount", "--lazy", "--", mount).RunAsync();
        }

        // A kept release may hold directories that nobody may write to.
        await new Command("chmod", "-R", "u+rwX", "--", root).RunAsync();
        await new Command("rm", "-rf", "--", root).OutputAsync();
    }

    /// <summary>The ids of the processes that belong to the root.</summary>
    public static List<int> Of(string root) =>
        Directory.EnumerateDirectories("/proc")
            .Select(directory => int.TryParse(Path.GetFileName(directory), out var id) ? id : 0)
            .Where(id => id > 0 && id != System.Environment.ProcessId && Belongs(id, root))
            .ToList();

    static bool Belongs(int process, string root)
    {
        try
        {
            if (File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart()[0] == 'Z')
            {
                return false; // ended; only its parent has not looked yet
            }

            return (new FileInfo($"/proc/{process}/cwd").LinkTarget is { } directory && IsBelow(directory, root))
                || Names(File.ReadAllBytes($"/proc/{process}/environ"), root)
                || Names(File.ReadAllBytes($"/proc/{process}/cmdline"), root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // gone meanwhile, or somebody else's
        }
    }

    static bool Names(byte[] words, string root)
    {
        var text = Encoding.UTF8.GetString(words);
        return text.Contains(root + "/", StringComparison.Ordinal) || text.Contains(root + "\0", StringComparison.Ordinal);
    }

    static bool IsBelow(string path, string root) => path == root || path.StartsWith(root + "/", StringComparison.Ordinal);
}
