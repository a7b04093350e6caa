using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Processes;

/// <summary>
/// Control groups of the kernel, version 2 or 1, where we may write: one group for each cage, below a group of our own. Groups of cages that are gone
/// are removed by <see cref="Sweep"/>, also those of a former run; those of another receiver on this machine are left alone.
/// </summary>
sealed class ControlGroups
{
    const string OurGroup = "paas-receiver";
    const double PeriodMicroseconds = 100_000;

    static readonly string[] Controllers = ["cpu", "memory", "pids"];

    readonly IReadOnlyDictionary<string, string> bases;
    readonly string prefix;

    ControlGroups(IReadOnlyDictionary<string, string> bases, string owner, bool unified)
    {
        this.bases = bases;
        prefix = PrefixOf(owner);
        IsUnified = unified;
    }

    /// <summary>Version 2: one tree for all controllers.</summary>
    public bool IsUnified { get; }

    /// <summary>The controllers that work: of cpu, memory and pids.</summary>
    public IReadOnlyCollection<string> Have => [.. bases.Keys];

    /// <summary>Null when none can be used; <paramref name="whyNot"/> then says why.</summary>
    /// <param name="owner">What tells this receiver's groups from another's: its state directory.</param>
    public static ControlGroups? Find(string owner, out string? whyNot) =>
        Find(owner, File.Exists("/proc/self/mountinfo") ? File.ReadAllText("/proc/self/mountinfo") : "", out whyNot);

    /// <param name="mountInfo">As in <c>/proc/self/mountinfo</c>.</param>
    /// <param name="controllers">Those that are wanted, where they are not the usual ones.</param>
    internal static ControlGroups? Find(string owner, string mountInfo, out string? whyNot, IReadOnlyList<string>? controllers = null)
    {
        controllers ??= Controllers;
        var reasons = new List<string>();
        var first = new Dictionary<string, string>();
        foreach (var line in mountInfo.Split('\n'))
        {
            // … (4) mount point … - type source options
            var (fields, dash) = (line.Split(' '), line.IndexOf(" - ", StringComparison.Ordinal));
            if (fields.Length < 7 || dash < 0 || line[(dash + 3)..].Split(' ') is not [var type, _, var options, ..])
            {
                continue;
            }

            if (type == "cgroup2" && Unified(fields[4], owner, controllers, reasons) is { } unified)
            {
                whyNot = null;
                return unified;
            }

            if (type == "cgroup")
            {
                foreach (var controller in options.Split(',').Intersect(controllers))
                {
                    Try(reasons, () => first[controller] = OursIn(fields[4], owner));
                }
            }
        }

        whyNot = first.Count > 0 ? null : reasons.Count > 0 ? string.Join("; ", reasons.Distinct()) : "no control group file system is mounted";
        return first.Count > 0 ? new ControlGroups(first, owner, unified: false) : null;
    }

    /// <summary>Our group, tried by a group in it: it may be there already, made by a receiver of another user.</summary>
    static string OursIn(string root, string owner)
    {
        var ours = Directory.CreateDirectory(Path.Combine(root, OurGroup)).FullName;
        Directory.Delete(Directory.CreateDirectory(Path.Combine(ours, $"{PrefixOf(owner)}probe-{Guid.NewGuid():N}")).FullName);
        return ours;
    }

    static string PrefixOf(string owner) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(owner)))[..8] + "-";

    static ControlGroups? Unified(string root, string owner, IReadOnlyList<string> controllers, List<string> reasons)
    {
        var list = Path.Combine(root, "cgroup.controllers");
        var offered = File.Exists(list) ? File.ReadAllText(list).Split(' ', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : [];
        var wanted = controllers.Intersect(offered).ToList();
        if (wanted.Count == 0)
        {
            return null;
        }

        var ours = Path.Combine(root, OurGroup);
        var enable = string.Join(' ', wanted.Select(controller => "+" + controller));
        return Try(reasons, () =>
        {
            Set(root, "cgroup.subtree_control", enable);
            Directory.CreateDirectory(ours);
            Set(ours, "cgroup.subtree_control", enable);
        })
            ? new ControlGroups(wanted.ToDictionary(controller => controller, _ => ours), owner, unified: true)
            : null;
    }

    /// <summary>
    /// Makes the group of one cage. Returns the files a process writes its number into to be in it; those named <c>tasks</c> take a 0 for the thread that writes, which must be the
    /// process's only one.
    /// </summary>
    public IReadOnlyList<string> Make(string name, CageLimits limits)
    {
        foreach (var (controller, above) in bases)
        {
            var group = Directory.CreateDirectory(Path.Combine(above, prefix + name)).FullName;
            switch (controller)
            {
                case "memory" when limits.Memory is { } bytes:
                    Set(group, IsUnified ? "memory.max" : "memory.limit_in_bytes", bytes.ToString(CultureInfo.InvariantCulture));
                    break;
                case "pids" when limits.Processes is { } count:
                    Set(group, "pids.max", count.ToString(CultureInfo.InvariantCulture));
                    break;
                case "cpu" when limits.Cpus is { } cpus:
                    var quota = ((long)Math.Max(1000, cpus * PeriodMicroseconds)).ToString(CultureInfo.InvariantCulture);
                    Set(group, IsUnified ? "cpu.max" : "cpu.cfs_quota_us", IsUnified ? $"{quota} {PeriodMicroseconds:0}" : quota);
                    break;
            }
        }

        return [.. Groups(name).Select(group => Path.Combine(group, IsUnified ? "cgroup.procs" : "tasks"))];
    }

    /// <summary>True when the kernel ended a process of this cage because the memory limit was reached.</summary>
    public bool RanOutOfMemory(string name)
    {
        var file = bases.TryGetValue("memory", out var above) ? Path.Combine(above, prefix + name, IsUnified ? "memory.events" : "memory.oom_control") : "";
        return File.Exists(file) && File.ReadLines(file).Any(line => line.StartsWith("oom_kill ", StringComparison.Ordinal) && line != "oom_kill 0");
    }

    /// <summary>Removes the group of a cage whose processes are gone; one that still has any stays.</summary>
    public void Remove(string name)
    {
        foreach (var group in Groups(name).Where(Directory.Exists))
        {
            RemoveOne(group);
        }
    }

    /// <summary>Removes every group of this receiver that nothing is in. Only while no cage is being built.</summary>
    public void Sweep() => RemoveThese(All());

    /// <summary>The groups of this receiver that were made before this moment (UTC) and that nothing is in.</summary>
    public IReadOnlyList<string> LeftBefore(DateTime moment) =>
        [.. All().Where(group => Directory.GetLastWriteTimeUtc(group) < moment && !File.ReadLines(Path.Combine(group, "cgroup.procs")).Any())];

    /// <summary>Removes those of them that still nothing is in.</summary>
    public void RemoveThese(IEnumerable<string> left)
    {
        foreach (var group in left)
        {
            RemoveOne(group);
        }
    }

    IEnumerable<string> All() => bases.Values.Distinct().Where(Directory.Exists).SelectMany(above => Directory.GetDirectories(above, prefix + "*"));

    IEnumerable<string> Groups(string name) => bases.Values.Distinct().Select(above => Path.Combine(above, prefix + name));

    static void RemoveOne(string group)
    {
        try
        {
            // One rmdir(2): its files are no files, and recursion would fail at them.
            Directory.Delete(group, recursive: false);
        }
        catch (IOException)
        {
            // Something is still in it; the next sweep tries again.
        }
        catch (UnauthorizedAccessException)
        {
            // The same, in other kernels' words.
        }
    }

    // Not in one piece by rename, as files are elsewhere: these are the kernel's own.
    static void Set(string group, string file, string value)
    {
        using var stream = new FileStream(Path.Combine(group, file), FileMode.Open, FileAccess.Write);
        stream.Write(Encoding.ASCII.GetBytes(value));
    }

    static bool Try(List<string> reasons, Action act)
    {
        try
        {
            act();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            reasons.Add(e.Message);
            return false;
        }
    }
}
