using System.Collections.Concurrent;
using System.Globalization;
using Dapper;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Projects;

/// <summary>
/// Every project's own Unix user, made when it is first needed: its processes can neither read nor signal another project's. The numbers are ours alone, from a range
/// that neither the machine's accounts nor containers use, and have a name only inside a cage: nothing is written to <c>/etc/passwd</c>.
/// </summary>
/// <param name="root"><c>PAAS_ROOT</c>.</param>
/// <param name="users">The numbers, from the first to the last.</param>
sealed class ProjectUsers(Database database, string root, (uint First, uint Last) users, TimeProvider time)
{
    const int LongestName = 32;

    // CAP_CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID.
    const ulong Needed = (1 << 0) | (1 << 1) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 7);

    readonly ConcurrentDictionary<string, UnixUser> known = new();
    readonly string? whyNot = WhyNot(users);

    /// <summary>What is given here, or missing: for <c>doctor</c>.</summary>
    public Finding Finding => new("a user of its own", whyNot is null, whyNot ?? $"each project runs as a user of its own, from {users.First} to {users.Last}");

    /// <summary>The user whose processes get this view, and what they may write is given to it. Null where every project runs as the receiver does.</summary>
    /// <exception cref="IOException">Something could not be given.</exception>
    /// <exception cref="Refusal">Every number is taken.</exception>
    public UnixUser? SettleIn(CageView view)
    {
        if (whyNot is not null)
        {
            return null;
        }

        var user = Of(view.ProjectDirectory);
        foreach (var tree in view.Writable.Append(view.RunSource))
        {
            // In editable mode people and git write into the tree too, as whoever they are; into what is shared the receiver may have put a file.
            if (Ownership.Of(tree) != user.Number || (tree == view.RunSource && !view.CopyOnWrite))
            {
                Ownership.Give(tree, user.Number);
            }
            else if (tree != view.RunSource)
            {
                Ownership.GiveEntries(tree, user.Number);
            }
        }

        return user;
    }

    /// <summary>A user for a daemon of the receiver's own, which is nobody's project. Null where everything runs as the receiver does.</summary>
    /// <exception cref="Refusal">Every number is taken.</exception>
    public UnixUser? OfDaemon(string name) => whyNot is null ? known.GetOrAdd($"({name})", place => new UnixUser(NumberOf(place), name)) : null;

    /// <summary>Data that somebody else put there, or that came back from a backup made before there were users, becomes the project's.</summary>
    public void GiveData(Project project)
    {
        if (whyNot is null && Directory.Exists(project.Data))
        {
            Ownership.Give(project.Data, Of(project.Directory).Number);
        }
    }

    UnixUser Of(string projectDirectory)
    {
        // Relative to the root: the root may be moved, and what is in it keeps its owners.
        var place = Path.GetRelativePath(root, projectDirectory);
        return known.GetOrAdd(place, _ => new UnixUser(NumberOf(place), NameOf(projectDirectory)));
    }

    uint NumberOf(string place) => (uint)database.Write(connection =>
    {
        connection.Execute(
            "INSERT OR IGNORE INTO project_users (number, place, made_at) SELECT COALESCE(MAX(number) + 1, @First), @Place, @At FROM project_users WHERE number BETWEEN @First AND @Last",
            new { First = (long)users.First, Last = (long)users.Last, Place = place, At = time.GetUtcNow().ToString("O") });
        var number = connection.ExecuteScalar<long>("SELECT number FROM project_users WHERE place = @Place", new { Place = place });
        return number <= users.Last ? number : throw new Refusal($"every user from {users.First} to {users.Last} belongs to a project already: PAAS_USERS can name more");
    });

    static string NameOf(string projectDirectory)
    {
        var name = "paas-" + Path.GetFileName(projectDirectory);
        return name.Length <= LongestName ? name : name[..LongestName];
    }

    static string? WhyNot((uint First, uint Last) users)
    {
        if (!Kernel.IsRoot)
        {
            return "the receiver does not run as root: every project runs as the receiver's own user and could read what another wrote";
        }

        var capabilities = File.ReadLines("/proc/self/status").Where(line => line.StartsWith("CapEff:", StringComparison.Ordinal))
            .Select(line => ulong.Parse(line["CapEff:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture)).FirstOrDefault();
        if ((capabilities & Needed) != Needed)
        {
            return "the receiver is root without the right to change owners and users (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID)";
        }

        return IsMapped("/proc/self/uid_map", users) && IsMapped("/proc/self/gid_map", users)
            ? null : $"users {users.First} to {users.Last} do not exist in this container's user namespace: PAAS_USERS can name others";
    }

    static bool IsMapped(string map, (uint First, uint Last) users) =>
        !File.Exists(map) || File.ReadLines(map).Any(line =>
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var inside, _, var count]
            && long.Parse(inside, CultureInfo.InvariantCulture) is var first && first <= users.First
            && first + long.Parse(count, CultureInfo.InvariantCulture) > users.Last);
}
