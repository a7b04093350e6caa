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
        // A group goes as a whole: nginx's workers have written over what tells whose they are, and stay when only their master is killed.
        var known = new HashSet<int>();
        for (var tries = 0; tries < 300; tries++)
        {
            known.UnionWith(Of(root));
            var processes = InGroupsOf(known);
            known.UnionWith(processes);
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

    /// <summary>Those of them that live, and whoever is in a group that one of them leads.</summary>
    static List<int> InGroupsOf(IReadOnlySet<int> leaders) =>
        Directory.EnumerateDirectories("/proc")
            .Select(directory => int.TryParse(Path.GetFileName(directory), out var id) ? id : 0)
            .Where(id => id > 0 && id != System.Environment.ProcessId && StatOf(id) is [not "Z", _, var group, ..] && (leaders.Contains(id) || leaders.Contains(int.Parse(group))))
            .ToList();

    /// <summary>State, parent, group, …; empty when the process is gone.</summary>
    static string[] StatOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart().Split(' ');
        }
        catch (IOException)
        {
            return [];
        }
    }

    static bool Belongs(int process, string root)
    {
        try
        {
            if (StatOf(process) is ["Z", ..])
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
