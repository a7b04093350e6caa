using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Hosts;

/// <summary>Which hosts are linked, and on which of them an environment was seen. Durable, in the receiver's own database (0600).</summary>
sealed class HostLinks(Database database)
{
    const int Most = 100;

    public IReadOnlyList<LinkedHost> List() => Rows("true", new { });

    public LinkedHost? Find(string name) => Rows("name = @name", new { name }).FirstOrDefault();

    /// <summary>Links it, or gives a link another address or token.</summary>
    /// <exception cref="Refusal">There are too many.</exception>
    public void Put(LinkedHost host)
    {
        if (Find(host.Name) is null && List().Count >= Most)
        {
            throw new Refusal($"{Most} hosts are linked already; that is the most.");
        }

        database.Write(
            """
            INSERT INTO hosts (name, url, token, linked_at, linked_by) VALUES (@Name, @Url, @Token, @LinkedAt, @LinkedBy)
            ON CONFLICT (name) DO UPDATE SET url = @Url, token = @Token, linked_at = @LinkedAt, linked_by = @LinkedBy
            """,
            new { host.Name, Url = host.Url.ToString(), host.Token, LinkedAt = host.LinkedAt.ToString("O"), host.LinkedBy });
    }

    /// <summary>What is on the host stays there; only this receiver knows nothing of it any more. False when there is no such link.</summary>
    public bool Remove(string name) => database.Write("DELETE FROM hosts WHERE name = @name", new { name }) > 0;

    /// <summary>Where an environment was last seen, and what it is called there.</summary>
    public (LinkedHost Host, string Environment)? Find(Guid uuid) =>
        database.ReadOne<Seen>("SELECT host AS Host, name AS Name FROM hosted_environments WHERE uuid = @Uuid", new { Uuid = uuid.ToString() }) is { } seen
        && Find(seen.Host) is { } host ? (host, seen.Name) : null;

    public void Saw(LinkedHost host, IEnumerable<(Guid Uuid, string Name)> environments)
    {
        var rows = environments.Select(one => new { Uuid = one.Uuid.ToString(), Host = host.Name, one.Name }).ToList();
        var known = database.Read<string>("SELECT uuid FROM hosted_environments WHERE host = @Name", new { host.Name }).ToHashSet(StringComparer.Ordinal);
        if (rows.TrueForAll(row => known.Contains(row.Uuid)))
        {
            return; // most listings bring nothing new, and a write is a write to the disk
        }

        database.Write(connection => Dapper.SqlMapper.Execute(
            connection,
            // A host that was unlinked meanwhile has no environments.
            "INSERT INTO hosted_environments (uuid, host, name) SELECT @Uuid, @Host, @Name WHERE EXISTS (SELECT 1 FROM hosts WHERE name = @Host) ON CONFLICT (uuid) DO UPDATE SET host = @Host, name = @Name",
            rows));
    }

    public void Forget(LinkedHost host, string environment) => database.Write(
        "DELETE FROM hosted_environments WHERE host = @Host AND (name = @environment OR uuid = @environment)", new { Host = host.Name, environment });

    List<LinkedHost> Rows(string where, object parameters) =>
        [.. database.Read<Row>($"SELECT name AS Name, url AS Url, token AS Token, linked_at AS LinkedAt, linked_by AS LinkedBy FROM hosts WHERE {where} ORDER BY name", parameters)
            .Select(row => new LinkedHost(row.Name, new Uri(row.Url), row.Token, DateTimeOffset.Parse(row.LinkedAt), row.LinkedBy))];

    sealed record Seen(string Host, string Name);

    sealed record Row(string Name, string Url, string Token, string LinkedAt, string LinkedBy);
}
