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

/// <summary>An update as it was asked for. Memory in megabytes.</summary>
sealed class Defined
{
    public string Tag { get; set; } = "";

    public int Reservation { get; set; }

    public int MemoryLimit { get; set; }

    public int Port { get; set; }
}

/// <summary>What a CloudFlow service has beside its project: its health check, and what was refused to it. All of it goes with the project (the database sees to that).</summary>
sealed class ServiceRecords(Database database, TimeProvider time)
{
    const int KeptEvents = 20;

    public ServiceCheckWish CheckOf(Project project) =>
        database.ReadOne<CheckRow>("SELECT rel_path AS RelPath, status_codes AS StatusCodes, interval AS Interval FROM service_checks WHERE environment = @Environment AND project = @Name", Of(project)) is { } row
            ? new ServiceCheckWish(row.RelPath, row.StatusCodes, (int)row.Interval) : ServiceCheckWish.Default;

    public void Keep(Project project, ServiceCheckWish check) => database.Write(
        "INSERT OR REPLACE INTO service_checks (environment, project, rel_path, status_codes, interval) VALUES (@Environment, @Name, @RelPath, @StatusCodes, @Interval)",
        new { Environment = project.Environment.Name.Value, Name = project.Name.Value, check.RelPath, check.StatusCodes, check.Interval });

    /// <summary>It was made by a client of this door.</summary>
    public bool Has(Project project) =>
        database.ReadOne<CheckRow>("SELECT rel_path AS RelPath FROM service_checks WHERE environment = @Environment AND project = @Name", Of(project)) is not null;

    /// <summary>What a commit was made of.</summary>
    public void Add(Project project, string commit, Definition definition, string image) => database.Write(
        "INSERT INTO service_definitions (environment, project, commit_id, tag, image, reservation, memory_limit, port) VALUES (@Environment, @Name, @commit, @Tag, @image, @Reservation, @Limit, @Port)",
        new { Environment = project.Environment.Name.Value, Name = project.Name.Value, commit, definition.Tag, image, definition.Reservation, definition.Limit, definition.Port });

    /// <summary>Null for a release that no client asked for.</summary>
    public Defined? Find(Project project, string commit) => Definitions(project, "commit_id = @commit", commit) is [var found, ..] ? found : null;

    /// <summary>Null before the first update.</summary>
    public Defined? Newest(Project project) => Definitions(project, "1") is [var newest, ..] ? newest : null;

    /// <summary>The port of the first update, which holds for all others; null before it.</summary>
    public int? FirstPort(Project project) => Definitions(project, "1") is [.., var first] ? first.Port : null;

    IReadOnlyList<Defined> Definitions(Project project, string where, string? commit = null) => database.Read<Defined>(
        $"SELECT tag AS Tag, reservation AS Reservation, memory_limit AS MemoryLimit, port AS Port FROM service_definitions WHERE environment = @Environment AND project = @Name AND {where} ORDER BY id DESC",
        new { Environment = project.Environment.Name.Value, Name = project.Name.Value, commit });

    public void Note(Project project, string message) => Note(project, [(time.GetUtcNow(), message)]);

    /// <summary>All of it or nothing is seen, in this order.</summary>
    public void Note(Project project, IEnumerable<(DateTimeOffset At, string Message)> happened) => database.Write(connection =>
    {
        foreach (var (at, message) in happened)
        {
            // What happened to a project that is just being destroyed is nothing of the next one of its name.
            connection.Execute(
                "INSERT INTO service_events (environment, project, at, message) SELECT environment, name, @At, @message FROM projects WHERE environment = @Environment AND name = @Name",
                new { Environment = project.Environment.Name.Value, Name = project.Name.Value, At = at.ToString("O"), message });
        }

        return connection.Execute(
            $"DELETE FROM service_events WHERE environment = @Environment AND project = @Name AND id NOT IN (SELECT id FROM service_events WHERE environment = @Environment AND project = @Name ORDER BY id DESC LIMIT {KeptEvents})", Of(project));
    });

    /// <summary>Newest first.</summary>
    public IReadOnlyList<(DateTimeOffset At, string Message)> Events(Project project) =>
        [.. database.Read<EventRow>("SELECT at AS At, message AS Message FROM service_events WHERE environment = @Environment AND project = @Name ORDER BY id DESC", Of(project))
            .Select(row => (DateTimeOffset.Parse(row.At, CultureInfo.InvariantCulture), row.Message))];

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
