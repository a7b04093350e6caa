using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What people want of a project beyond what its releases declare, across deployments and restarts: how many of each process type, which releases run beside
/// the live one, and whether the live one is stopped. Durable when a call returns.
/// </summary>
sealed class Formations(Database database)
{
    /// <summary>The most of one process type.</summary>
    public const int Most = 1000;

    /// <summary>By process type; what is not there is as declared.</summary>
    public IReadOnlyDictionary<string, int> ScaleOf(Project project) =>
        database.Read<ScaleRow>("SELECT type AS Type, quantity AS Quantity FROM scales WHERE environment = @Environment AND project = @Name", Of(project))
            .ToDictionary(row => row.Type, row => (int)row.Quantity, StringComparer.Ordinal);

    public void Scale(Project project, IReadOnlyDictionary<string, int> quantities) => database.Write(connection =>
    {
        foreach (var (type, quantity) in quantities)
        {
            connection.Execute(
                "INSERT INTO scales (environment, project, type, quantity) VALUES (@Environment, @Name, @Type, @Quantity) ON CONFLICT DO UPDATE SET quantity = @Quantity",
                new { Environment = project.Environment.Name.Value, Name = project.Name.Value, Type = type, Quantity = quantity });
        }

        return 0;
    });

    /// <summary>Null while nobody said: then the live release runs and others do not.</summary>
    public bool? Runs(ReleaseId release) =>
        database.ReadOne<long?>("SELECT runs FROM wanted_releases WHERE id = @Id", new { Id = release.Value }) is { } runs ? runs != 0 : null;

    /// <param name="runs">Null takes back what was said.</param>
    public void Want(Project project, ReleaseId release, bool? runs) => database.Write(
        runs is null ? "DELETE FROM wanted_releases WHERE id = @Id"
            : "INSERT INTO wanted_releases (id, environment, project, runs) VALUES (@Id, @Environment, @Name, @Runs) ON CONFLICT DO UPDATE SET runs = @Runs",
        new { Id = release.Value, Environment = project.Environment.Name.Value, Name = project.Name.Value, Runs = runs is true ? 1L : 0L });

    /// <summary>Releases that somebody started, the live one among them where that was said.</summary>
    public IReadOnlyList<ReleaseId> Started(Project project) =>
        [.. database.Read<string>("SELECT id FROM wanted_releases WHERE environment = @Environment AND project = @Name AND runs = 1 ORDER BY id", Of(project)).Select(ReleaseId.TryParse).OfType<ReleaseId>()];

    static object Of(Project project) => new { Environment = project.Environment.Name.Value, Name = project.Name.Value };

    sealed class ScaleRow
    {
        public string Type { get; set; } = "";

        public long Quantity { get; set; }
    }
}
