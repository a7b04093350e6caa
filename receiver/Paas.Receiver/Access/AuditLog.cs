using System.Data;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>One line of the record.</summary>
/// <param name="Who">A caller's name; <c>nobody</c> where no credential was right.</param>
/// <param name="Credential">Which one it was; empty where none is known.</param>
/// <param name="From">The address.</param>
/// <param name="Action">What was done, as a name of the API's operations, or <c>push</c>, <c>deployment</c>.</param>
/// <param name="Subject">To what: a project, a path.</param>
/// <param name="Result">A status, an outcome.</param>
sealed record AuditEntry(string Who, string Credential, string From, string Action, string Subject, string Result, string? Detail = null);

/// <summary>The same as it is kept. <see cref="Chain"/> is the SHA-256 of the one before it and of this one's own words.</summary>
sealed record AuditLine(long Number, string At, string Who, string Credential, string From, string Action, string Subject, string Result, string? Detail, string Chain);

/// <summary>
/// Who did what, from where, and how it ended: every change and every deployment. The database refuses to change or remove a line, and each line
/// vouches for the one before it, so that a file edited behind our back is found out by <see cref="FirstBroken"/>.
/// </summary>
sealed partial class AuditLog(Database database, TimeProvider time, ILogger<AuditLog> logger)
{
    const string Start = "0000000000000000000000000000000000000000000000000000000000000000";

    /// <summary>Of what is done already: where it cannot be written, only the operator can still be told.</summary>
    public void Add(AuditEntry entry)
    {
        try
        {
            database.Write(connection => Add(connection, entry, time.GetUtcNow()));
        }
        catch (Microsoft.Data.Sqlite.SqliteException e)
        {
            Log.NotRecorded(logger, e, entry.Who, entry.Action, entry.Subject, entry.Result);
        }
    }

    /// <summary>As part of the change itself: both are durable or neither is.</summary>
    public static int Add(IDbConnection connection, AuditEntry entry, DateTimeOffset now)
    {
        var at = now.ToUniversalTime().ToString("O");
        var before = connection.QueryFirstOrDefault<string>("SELECT chain FROM audit ORDER BY number DESC LIMIT 1") ?? Start;
        return connection.Execute(
            """
            INSERT INTO audit (at, who, credential, came_from, action, subject, result, detail, chain)
            VALUES (@at, @Who, @Credential, @From, @Action, @Subject, @Result, @Detail, @Chain)
            """,
            new { at, entry.Who, entry.Credential, entry.From, entry.Action, entry.Subject, entry.Result, entry.Detail, Chain = Link(before, at, entry) });
    }

    /// <summary>Lines after a number, oldest first.</summary>
    public IReadOnlyList<AuditLine> Read(long after, int most) =>
        [.. database.Read<Row>(Select + " WHERE number > @after ORDER BY number LIMIT @most", new { after, most }).Select(row => row.ToLine())];

    /// <summary>The newest lines, newest first, before a number; null is from the end.</summary>
    public IReadOnlyList<AuditLine> Newest(long? before, int most) =>
        [.. database.Read<Row>(Select + " WHERE number < @before ORDER BY number DESC LIMIT @most", new { before = before ?? long.MaxValue, most }).Select(row => row.ToLine())];

    /// <summary>The number of the first line that is not as it was written, or does not follow the one before it; null when all are whole.</summary>
    public long? FirstBroken()
    {
        var (chain, number) = (Start, 0L);
        while (Read(number, 1000) is { Count: > 0 } lines)
        {
            foreach (var line in lines)
            {
                var entry = new AuditEntry(line.Who, line.Credential, line.From, line.Action, line.Subject, line.Result, line.Detail);
                if (line.Number != number + 1 || line.Chain != Link(chain, line.At, entry))
                {
                    return line.Number;
                }

                (chain, number) = (line.Chain, line.Number);
            }
        }

        return null;
    }

    // NUL between the words: none of them can have one, so no two entries read the same.
    static string Link(string before, string at, AuditEntry entry) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\0', before, at, entry.Who, entry.Credential, entry.From, entry.Action, entry.Subject, entry.Result, entry.Detail ?? ""))));

    const string Select =
        "SELECT number AS Number, at AS At, who AS Who, credential AS Credential, came_from AS CameFrom, action AS Action, subject AS Subject, result AS Result, detail AS Detail, chain AS Chain FROM audit";

    sealed class Row
    {
        public long Number { get; set; }

        public string At { get; set; } = "";

        public string Who { get; set; } = "";

        public string Credential { get; set; } = "";

        public string CameFrom { get; set; } = "";

        public string Action { get; set; } = "";

        public string Subject { get; set; } = "";

        public string Result { get; set; } = "";

        public string? Detail { get; set; }

        public string Chain { get; set; } = "";

        public AuditLine ToLine() => new(Number, At, Who, Credential, CameFrom, Action, Subject, Result, Detail, Chain);
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Not in the audit log: {Action} of {Subject} by {Who}, {Result}")]
        public static partial void NotRecorded(ILogger logger, Exception trouble, string who, string action, string subject, string result);
    }
}
