using System.Text.Json;
using Dapper;
using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What was asked for, every step before and after it acts, and the way back: durable when a call returns. Start-up reads it and drives every
/// unfinished deployment to exactly the old or exactly the new release.
/// </summary>
sealed class Journal(Database database, TimeProvider time)
{
    string Now => time.GetUtcNow().ToString("O");

    /// <summary>A deployment that waits for its turn.</summary>
    public void Add(ReleaseId id, DeploymentRequest request, Mode mode) =>
        database.Write(
            """
            INSERT INTO deployments (id, environment, project, kind, ref, old_commit, new_commit, target_release, mode, rebuild, background, code_only,
                asked_by, asked_from, state, asked_at, wishes)
            VALUES (@Id, @Environment, @Project, @Kind, @Ref, @OldCommit, @NewCommit, @TargetRelease, @Mode, @Rebuild, @Async, @CodeOnly, @By, @From, 'waiting', @Now, @Wishes)
            """,
            new
            {
                Id = id.Value,
                Environment = request.Project.Environment.Name.Value,
                Project = request.Project.Name.Value,
                Kind = request.Kind.ToString(),
                request.Ref,
                request.OldCommit,
                request.NewCommit,
                request.TargetRelease,
                Mode = mode.ToString(),
                request.Rebuild,
                request.Async,
                request.CodeOnly,
                request.By,
                request.From,
                Now,
                Wishes = request.Wishes.ToJson(),
            });

    /// <summary>Its turn has come; <paramref name="previous"/> is what is live now and what a way back leads to.</summary>
    public void Start(ReleaseId id, ReleaseId? previous) =>
        database.Write(
            "UPDATE deployments SET state = 'running', started_at = @Now, previous = @Previous WHERE id = @Id",
            new { Id = id.Value, Previous = previous?.Value, Now });

    /// <summary>Which release this deployment makes live; known once it is sealed, or from the start for a rollback.</summary>
    public void LeadsTo(ReleaseId id, ReleaseId next, int number) =>
        database.Write(
            "UPDATE deployments SET next = @Next, release_number = @Number WHERE id = @Id", new { Id = id.Value, Next = next.Value, Number = number });

    /// <summary>Before a step acts: the one before it is over, these are the ways back from what it will do. One durable write.</summary>
    public void BeginStep(ReleaseId id, int number, string name, int? finished, IReadOnlyList<(int Number, Undo WayBack)> waysBack) =>
        database.Write(connection =>
        {
            if (finished is not null)
            {
                FinishStep(connection, id, finished.Value);
            }

            foreach (var (place, wayBack) in waysBack)
            {
                connection.Execute(
                    "INSERT INTO undo (deployment, number, way_back) VALUES (@Id, @Place, @WayBack)",
                    new { Id = id.Value, Place = place, WayBack = JsonSerializer.Serialize(wayBack) });
            }

            return connection.Execute(
                "INSERT INTO steps (deployment, number, name, started_at) VALUES (@Id, @Number, @Name, @Now)",
                new { Id = id.Value, Number = number, Name = name, Now });
        });

    public void FinishStep(ReleaseId id, int number) => database.Write(connection => FinishStep(connection, id, number));

    /// <summary>Newest first: the order in which they are walked.</summary>
    public IReadOnlyList<(int Number, Undo WayBack)> WaysBack(ReleaseId id) =>
        [.. database.Read<UndoRow>("SELECT number AS Number, way_back AS WayBack FROM undo WHERE deployment = @Id ORDER BY number DESC", new { Id = id.Value })
            .Select(row => (row.Number, JsonSerializer.Deserialize<Undo>(row.WayBack)!))];

    /// <summary>This way back has been walked.</summary>
    public void Walked(ReleaseId id, int number) =>
        database.Write("DELETE FROM undo WHERE deployment = @Id AND number = @Number", new { Id = id.Value, Number = number });

    /// <summary>Nothing is taken back any more: the new release serves.</summary>
    public void Keep(ReleaseId id) => database.Write("DELETE FROM undo WHERE deployment = @Id", new { Id = id.Value });

    public void Finish(ReleaseId id, Outcome outcome, string? failure, int? step) =>
        database.Write(connection =>
        {
            if (step is not null)
            {
                FinishStep(connection, id, step.Value);
            }

            Record(connection, id, outcome, failure);
            return connection.Execute(
                "UPDATE deployments SET state = 'finished', outcome = @Outcome, failure = @Failure, finished_at = @Now WHERE id = @Id",
                new { Id = id.Value, Outcome = outcome.ToString(), Failure = failure, Now });
        });

    /// <summary>Git has moved the ref (or, for what moves none, there was none to move).</summary>
    public void RefMoved(ReleaseId id) => database.Write("UPDATE deployments SET ref_moved = 1 WHERE id = @Id", new { Id = id.Value });

    /// <summary>
    /// Deployments that a former run left unfinished or could not take back whole, and live ones whose ref it did not see moving; oldest first.
    /// </summary>
    public IReadOnlyList<JournalEntry> Open() => Read(
        "state <> 'finished' OR id IN (SELECT deployment FROM undo) OR (kind IN ('Push', 'Reconfigure') AND ref_moved = 0 AND outcome IN ('Live', 'LiveButUntidy'))", new { }, "asked_at, rowid", int.MaxValue);

    /// <summary>Ended deployments of a project of which a way back was blocked; newest first.</summary>
    public IReadOnlyList<JournalEntry> NotTakenBack(Project project) => Read(
        "environment = @Environment AND project = @Project AND state = 'finished' AND id IN (SELECT deployment FROM undo)",
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value }, "asked_at DESC, rowid DESC", int.MaxValue);

    /// <summary>Newest first.</summary>
    /// <param name="before">Only those that are older than this one; null is all.</param>
    public IReadOnlyList<JournalEntry> Of(Project project, int most = 100, ReleaseId? before = null) => Read(
        "environment = @Environment AND project = @Project AND (@Before IS NULL OR (asked_at, rowid) < (SELECT asked_at, rowid FROM deployments WHERE id = @Before))",
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value, Before = before?.Value }, "asked_at DESC, rowid DESC", most);

    /// <summary>Backups that somebody asked for, newest first.</summary>
    public IReadOnlyList<ReleaseId> BackupsByHand(Project project) =>
        [.. database.Read<string>(
            "SELECT id FROM deployments WHERE environment = @Environment AND project = @Project AND kind = 'Backup' AND outcome = 'Done' ORDER BY asked_at DESC, rowid DESC",
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value }).Select(ReleaseId.TryParse).OfType<ReleaseId>()];

    /// <summary>Deployments of a project that made a release live, oldest first.</summary>
    public IReadOnlyList<WentLive> WentLive(Project project) =>
        [.. database.Read<WentLiveRow>(
            """
            SELECT id AS Id, next AS Next FROM deployments WHERE environment = @Environment AND project = @Project
            AND outcome IN ('Live', 'LiveButUntidy') AND next IS NOT NULL ORDER BY asked_at, rowid
            """,
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value })
            .Select(row => new WentLive(ReleaseId.TryParse(row.Id)!, ReleaseId.TryParse(row.Next)!))];

    /// <summary>Everything that is known of a project that is gone, its releases included.</summary>
    public void Forget(string environment, string project) => database.Write(connection =>
    {
        var of = new { environment, project };
        const string Theirs = "WHERE deployment IN (SELECT id FROM deployments WHERE environment = @environment AND project = @project)";
        connection.Execute($"DELETE FROM undo {Theirs}", of);
        connection.Execute($"DELETE FROM steps {Theirs}", of);
        connection.Execute("DELETE FROM deployments WHERE environment = @environment AND project = @project", of);
        connection.Execute("DELETE FROM release_additions WHERE release IN (SELECT id FROM releases WHERE environment = @environment AND project = @project)", of);
        connection.Execute("DELETE FROM patched_releases WHERE patch IN (SELECT id FROM patches WHERE environment = @environment AND project = @project)", of);
        connection.Execute("DELETE FROM patches WHERE environment = @environment AND project = @project", of);
        connection.Execute("DELETE FROM space_levels WHERE environment = @environment AND project = @project", of);
        connection.Execute("DELETE FROM project_space WHERE environment = @environment AND project = @project", of);
        return connection.Execute("DELETE FROM releases WHERE environment = @environment AND project = @project", of);
    });

    public JournalEntry? Find(ReleaseId id) => Read("id = @Id", new { Id = id.Value }, "id", 1) is [var entry] ? entry : null;

    /// <summary>The steps of a deployment in their order, with how long each took.</summary>
    public IReadOnlyList<StepRecord> Steps(ReleaseId id) =>
        database.Read<StepRecord>(
            "SELECT name AS Name, started_at AS StartedAt, finished_at AS FinishedAt FROM steps WHERE deployment = @Id ORDER BY number", new { Id = id.Value });

    /// <summary>In the audit log, with the outcome itself: neither is ever there without the other.</summary>
    void Record(System.Data.IDbConnection connection, ReleaseId id, Outcome outcome, string? failure)
    {
        var asked = connection.QueryFirstOrDefault<JournalEntry>(
            "SELECT environment AS Environment, project AS Project, kind AS Kind, asked_by AS By, asked_from AS \"From\" FROM deployments WHERE id = @Id", new { Id = id.Value });
        if (asked is not null)
        {
            AuditLog.Add(
                connection,
                new AuditEntry(asked.By, "", asked.From, "deployment", $"{asked.Environment}/{asked.Project}", outcome.ToString(), $"{asked.Kind} {id}{(failure is null ? "" : $": {failure.Split('\n')[0]}")}"),
                time.GetUtcNow());
        }
    }

    int FinishStep(System.Data.IDbConnection connection, ReleaseId id, int number) =>
        connection.Execute("UPDATE steps SET finished_at = @Now WHERE deployment = @Id AND number = @Number", new { Id = id.Value, Number = number, Now });

    IReadOnlyList<JournalEntry> Read(string where, object parameters, string order, int most) =>
        database.Read<JournalEntry>(
            $"""
            SELECT id AS Id, environment AS Environment, project AS Project, kind AS Kind, ref AS Ref, old_commit AS OldCommit, new_commit AS NewCommit,
                target_release AS TargetRelease, mode AS Mode, rebuild AS Rebuild, background AS Async, code_only AS CodeOnly, asked_by AS By, asked_from AS "From",
                state AS State, outcome AS Outcome, failure AS Failure, release_number AS ReleaseNumber, previous AS Previous, next AS Next,
                asked_at AS AskedAt, started_at AS StartedAt, finished_at AS FinishedAt, wishes AS Wishes
            FROM deployments WHERE {where} ORDER BY {order} LIMIT {most}
            """,
            parameters);

    sealed class WentLiveRow
    {
        public string Id { get; set; } = "";

        public string Next { get; set; } = "";
    }

    sealed class UndoRow
    {
        public int Number { get; set; }

        public string WayBack { get; set; } = "";
    }
}

/// <summary>One deployment as the journal knows it.</summary>
sealed class JournalEntry
{
    public string Id { get; set; } = "";

    public string Environment { get; set; } = "";

    public string Project { get; set; } = "";

    public string Kind { get; set; } = "";

    public string? Ref { get; set; }

    public string? OldCommit { get; set; }

    public string? NewCommit { get; set; }

    public int? TargetRelease { get; set; }

    public string Mode { get; set; } = "";

    public bool Rebuild { get; set; }

    public bool Async { get; set; }

    public bool CodeOnly { get; set; }

    public string By { get; set; } = "";

    public string From { get; set; } = "";

    /// <summary><c>waiting</c>, <c>running</c> or <c>finished</c>.</summary>
    public string State { get; set; } = "";

    public string? Outcome { get; set; }

    /// <summary>One line: what went wrong.</summary>
    public string? Failure { get; set; }

    public int? ReleaseNumber { get; set; }

    /// <summary>The release that was live when it began.</summary>
    public string? Previous { get; set; }

    /// <summary>The release that it makes live.</summary>
    public string? Next { get; set; }

    public string AskedAt { get; set; } = "";

    public string? StartedAt { get; set; }

    public string? FinishedAt { get; set; }

    /// <summary><see cref="Deployments.Wishes"/> as JSON; null where it is nothing.</summary>
    public string? Wishes { get; set; }

    public ReleaseId ReleaseId => ReleaseId.TryParse(Id)!;
}

/// <summary>One step of one deployment. Times are ISO 8601; a step that never ended has no second one.</summary>
sealed class StepRecord
{
    public string Name { get; set; } = "";

    public string StartedAt { get; set; } = "";

    public string? FinishedAt { get; set; }

    public double? Milliseconds => FinishedAt is null ? null : (DateTimeOffset.Parse(FinishedAt) - DateTimeOffset.Parse(StartedAt)).TotalMilliseconds;
}
