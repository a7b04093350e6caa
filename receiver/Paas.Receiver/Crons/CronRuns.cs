using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Crons;

/// <summary>One run of a web cron, or of a command.</summary>
/// <param name="Uri">Or the command.</param>
/// <param name="Status">Of HTTP, or a command's exit code; null when there was no answer.</param>
/// <param name="Failure">Null when it went well.</param>
/// <param name="Log">The file that holds what was answered or printed.</param>
sealed record CronRun(string Release, string Type, string Uri, DateTimeOffset StartedAt, double Milliseconds, int? Status, string? Failure, string Log);

/// <summary>The record of web crons: the newest of each project, with what was answered beside it in <c>state/crons/</c>.</summary>
sealed class CronRuns(Database database, string state)
{
    /// <summary>Kept of each project.</summary>
    public const int Kept = 200;

    /// <summary>Where the answer to a run that begins now is written; the directory exists.</summary>
    public string NewLog(Project project, DateTimeOffset at)
    {
        var directory = Path.Combine(state, "crons", project.Environment.Name.Value, project.Name.Value);
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return Path.Combine(directory, $"{at.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}-{Guid.CreateVersion7(at):N}.log");
    }

    /// <summary>Records it; what is beyond those that are kept goes, files included.</summary>
    public void Add(Project project, CronRun run)
    {
        var place = new { Environment = project.Environment.Name.Value, Project = project.Name.Value, Kept };
        var old = database.Write(connection =>
        {
            connection.Execute(
                """
                INSERT INTO cron_runs (environment, project, release, type, uri, started_at, milliseconds, status, failure, log)
                VALUES (@Environment, @Project, @Release, @Type, @Uri, @StartedAt, @Milliseconds, @Status, @Failure, @Log)
                """,
                new { place.Environment, place.Project, run.Release, run.Type, run.Uri, StartedAt = run.StartedAt.ToString("O"), run.Milliseconds, Status = (long?)run.Status, run.Failure, run.Log });
            const string Beyond = "environment = @Environment AND project = @Project AND id NOT IN (SELECT id FROM cron_runs WHERE environment = @Environment AND project = @Project ORDER BY id DESC LIMIT @Kept)";
            var logs = connection.Query<string>($"SELECT log FROM cron_runs WHERE {Beyond}", place).AsList();
            connection.Execute($"DELETE FROM cron_runs WHERE {Beyond}", place);
            return logs;
        });
        old.ForEach(File.Delete);
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<CronRun> Of(Project project) =>
        [.. database.Read<Row>(
            """
            SELECT release AS Release, type AS Type, uri AS Uri, started_at AS StartedAt, milliseconds AS Milliseconds, status AS Status, failure AS Failure, log AS Log
            FROM cron_runs WHERE environment = @Environment AND project = @Project ORDER BY id DESC
            """,
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value })
            .Select(row => new CronRun(row.Release, row.Type, row.Uri, DateTimeOffset.Parse(row.StartedAt), row.Milliseconds, (int?)row.Status, row.Failure, row.Log))];

    sealed class Row
    {
        public string Release { get; set; } = "";

        public string Type { get; set; } = "";

        public string Uri { get; set; } = "";

        public string StartedAt { get; set; } = "";

        public double Milliseconds { get; set; }

        public long? Status { get; set; }

        public string? Failure { get; set; }

        public string Log { get; set; } = "";
    }
}
