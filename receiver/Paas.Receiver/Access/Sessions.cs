using System.Security.Cryptography;
using System.Text;
using Dapper;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>Who speaks to a door that knows one environment only.</summary>
sealed record Session(EnvironmentName Environment, string For);

/// <summary>Short-lived tokens that are good for one environment, at CloudFlow's door and nowhere else: 192 random bits, kept as SHA-256.</summary>
sealed class Sessions(Database database, Users users, TimeProvider time)
{
    public static readonly TimeSpan Longest = TimeSpan.FromHours(24);

    const string Prefix = "flow_";

    /// <summary>Its secret is in the answer and nowhere else.</summary>
    public (string Secret, DateTimeOffset ExpiresAt) Open(EnvironmentName environment, Caller caller)
    {
        var (secret, expires) = (Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)), time.GetUtcNow() + Longest);
        database.Write(connection =>
        {
            connection.Execute("DELETE FROM environment_sessions WHERE expires_at <= @Now", new { Now = time.GetUtcNow().ToString("O") });
            return connection.Execute(
                "INSERT INTO environment_sessions (hash, environment, made_for, user, expires_at) VALUES (@Hash, @Environment, @Name, @User, @Expires)",
                new { Hash = HashOf(secret), Environment = environment.Value, caller.Name, caller.User, Expires = expires.ToString("O") });
        });
        return (secret, expires);
    }

    /// <summary>Null when there is none, it has expired, or whoever it was made for is disabled.</summary>
    public Session? Find(string secret)
    {
        // Looked up by its hash: how far a comparison gets says nothing of the secret.
        if (secret.Length != Prefix.Length + 48 || database.ReadOne<Row>(
                "SELECT environment AS Environment, made_for AS MadeFor, user AS User FROM environment_sessions WHERE hash = @Hash AND expires_at > @Now",
                new { Hash = HashOf(secret), Now = time.GetUtcNow().ToString("O") }) is not { } row)
        {
            return null;
        }

        return EnvironmentName.TryParse(row.Environment, out var environment) && (row.User is null || users.Find(row.User) is { Disabled: false }) ? new Session(environment, row.MadeFor) : null;
    }

    static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    sealed class Row
    {
        public string Environment { get; set; } = "";

        public string MadeFor { get; set; } = "";

        public string? User { get; set; }
    }
}
