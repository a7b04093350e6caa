using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>What refs do not say of marks (see the schema). Durable when a call returns.</summary>
sealed class MarkStore(Database database)
{
    /// <summary>Projects whose refs say what runs where.</summary>
    public IReadOnlyList<string> Services() => database.Read<string>("SELECT environment || '/' || project FROM marked_services ORDER BY 1");

    public void Remember(Project home) =>
        database.Write("INSERT OR IGNORE INTO marked_services (environment, project) VALUES (@Environment, @Name)", Of(home));

    /// <summary>When a branch was moved to where it is, as a stamp; the same commit keeps its stamp.</summary>
    public string StampOf(Project home, string name, string commit, string now)
    {
        var known = database.ReadOne<BranchRow>("SELECT commit_id AS CommitId, stamp AS Stamp FROM branch_marks WHERE environment = @Environment AND project = @Name AND ref = @Ref", OfRef(home, name));
        if (known?.CommitId == commit)
        {
            return known.Stamp;
        }

        database.Write(
            "INSERT INTO branch_marks (environment, project, ref, commit_id, stamp) VALUES (@Environment, @Name, @Ref, @commit, @now) ON CONFLICT DO UPDATE SET commit_id = @commit, stamp = @now",
            new { Environment = home.Environment.Name.Value, Name = home.Name.Value, Ref = name, commit, now });
        return now;
    }

    /// <summary>What was last asked of each instance, by its name.</summary>
    public IReadOnlyDictionary<string, Control> Controls(Project project) =>
        database.Read<ControlRow>("SELECT instance AS Instance, commit_id AS CommitId, runs AS Runs, force_bounce AS ForceBounce FROM instance_controls WHERE environment = @Environment AND project = @Name", Of(project))
            .ToDictionary(row => row.Instance, row => new Control(row.CommitId, row.Runs != 0, row.ForceBounce), StringComparer.Ordinal);

    public void Keep(Project project, string instance, Control control) => database.Write(
        """
        INSERT INTO instance_controls (environment, project, instance, commit_id, runs, force_bounce) VALUES (@Environment, @Name, @instance, @Commit, @Runs, @ForceBounce)
        ON CONFLICT DO UPDATE SET commit_id = @Commit, runs = @Runs, force_bounce = @ForceBounce
        """,
        new { Environment = project.Environment.Name.Value, Name = project.Name.Value, instance, control.Commit, Runs = control.Runs ? 1L : 0L, control.ForceBounce });

    public void Forget(Project project) => database.Write(connection =>
    {
        foreach (var table in (string[])["marked_services", "branch_marks", "instance_controls", "pipeline_runs"])
        {
            connection.Execute($"DELETE FROM {table} WHERE environment = @Environment AND project = @Name", Of(project));
        }

        return 0;
    });

    static object Of(Project project) => new { Environment = project.Environment.Name.Value, Name = project.Name.Value };

    static object OfRef(Project project, string name) => new { Environment = project.Environment.Name.Value, Name = project.Name.Value, Ref = name };

    sealed class BranchRow
    {
        public string CommitId { get; set; } = "";

        public string Stamp { get; set; } = "";
    }

    sealed class ControlRow
    {
        public string Instance { get; set; } = "";

        public string CommitId { get; set; } = "";

        public long Runs { get; set; }

        public string? ForceBounce { get; set; }
    }
}

/// <summary>What control tags ask of an instance (reference 3.4).</summary>
/// <param name="Commit">It holds for this commit only: a stop is over with the next mark of another one.</param>
/// <param name="ForceBounce">A new token means new instances.</param>
sealed record Control(string Commit, bool Runs, string? ForceBounce);
