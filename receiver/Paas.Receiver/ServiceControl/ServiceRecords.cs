using System.Globalization;
using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ServiceControl;

/// <summary>How a service says that it is well (reference 3.3).</summary>
/// <param name="StatusCodes">One, a list or a range, as text.</param>
/// <param name="Interval">Seconds.</param>
sealed record ServiceCheckWish(string RelPath, string StatusCodes, int Interval)
{
    public static readonly ServiceCheckWish Default = new("", "200-499", 30);
}

/// <summary>What a CloudFlow service has beside its project: its health check, and what was refused to it.</summary>
sealed class ServiceRecords(Database database, TimeProvider time)
{
    const int KeptEvents = 20;

    public ServiceCheckWish CheckOf(Project project) =>
        database.ReadOne<CheckRow>("SELECT rel_path AS RelPath, status_codes AS StatusCodes, interval AS Interval FROM service_checks WHERE environment = @Environment AND project = @Name", Of(project)) is { } row
            ? new ServiceCheckWish(row.RelPath, row.StatusCodes, (int)row.Interval) : ServiceCheckWish.Default;

    public void Keep(Project project, ServiceCheckWish check) => database.Write(
        "INSERT OR REPLACE INTO service_checks (environment, project, rel_path, status_codes, interval) VALUES (@Environment, @Name, @RelPath, @StatusCodes, @Interval)",
        new { Environment = project.Environment.Name.Value, Name = project.Name.Value, check.RelPath, check.StatusCodes, check.Interval });

    public void Note(Project project, string message) => database.Write(connection =>
    {
        var of = new { Environment = project.Environment.Name.Value, Name = project.Name.Value, At = time.GetUtcNow().ToString("O"), message };
        connection.Execute("INSERT INTO service_events (environment, project, at, message) VALUES (@Environment, @Name, @At, @message)", of);
        return connection.Execute(
            $"DELETE FROM service_events WHERE environment = @Environment AND project = @Name AND id NOT IN (SELECT id FROM service_events WHERE environment = @Environment AND project = @Name ORDER BY id DESC LIMIT {KeptEvents})", of);
    });

    /// <summary>Newest first.</summary>
    public IReadOnlyList<(DateTimeOffset At, string Message)> Events(Project project) =>
        [.. database.Read<EventRow>("SELECT at AS At, message AS Message FROM service_events WHERE environment = @Environment AND project = @Name ORDER BY id DESC", Of(project))
            .Select(row => (DateTimeOffset.Parse(row.At, CultureInfo.InvariantCulture), row.Message))];

    public void Forget(Project project) => database.Write(connection =>
    {
        connection.Execute("DELETE FROM service_events WHERE environment = @Environment AND project = @Name", Of(project));
        return connection.Execute("DELETE FROM service_checks WHERE environment = @Environment AND project = @Name", Of(project));
    });

    static object Of(Project project) => new { Environment = project.Environment.Name.Value, Name = project.Name.Value };

    sealed class CheckRow
    {
        public string RelPath { get; set; } = "";

        public string StatusCodes { get; set; } = "";

        public long Interval { get; set; }
    }

    sealed class EventRow
    {
        public string At { get; set; } = "";

        public string Message { get; set; } = "";
    }
}
