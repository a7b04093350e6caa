using System.Security.Cryptography;
using System.Text;
using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>What a password of <see cref="RegistryCredentials"/> opens.</summary>
sealed record ImageAccess(EnvironmentName Environment, ProjectName Project, bool MayPush);

/// <summary>Passwords for the images of one project, good for half a day (reference 3.7: they end up in process lists): 192 random bits, kept as SHA-256.</summary>
sealed class RegistryCredentials(Database database, TimeProvider time)
{
    public static readonly TimeSpan Longest = TimeSpan.FromHours(12);

    const string Prefix = "image_";

    /// <summary>The password is in the answer and nowhere else.</summary>
    public string Issue(Project project, bool mayPush)
    {
        var secret = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        database.Write(connection =>
        {
            connection.Execute("DELETE FROM registry_credentials WHERE expires_at <= @Now", new { Now = time.GetUtcNow().ToString("O") });
            return connection.Execute(
                "INSERT INTO registry_credentials (hash, environment, project, may_push, expires_at) VALUES (@Hash, @Environment, @Project, @mayPush, @Expires)",
                new { Hash = HashOf(secret), Environment = project.Environment.Name.Value, Project = project.Name.Value, mayPush, Expires = (time.GetUtcNow() + Longest).ToString("O") });
        });
        return secret;
    }

    public static bool LooksLikeOne(string secret) => secret.StartsWith(Prefix, StringComparison.Ordinal) && secret.Length == Prefix.Length + 48;

    /// <summary>Null when there is none, or it has expired.</summary>
    public ImageAccess? Find(string secret)
    {
        // Looked up by its hash: how far a comparison gets says nothing of the secret.
        var row = !LooksLikeOne(secret) ? null : database.ReadOne<Row>(
            "SELECT environment AS Environment, project AS Project, may_push AS MayPush FROM registry_credentials WHERE hash = @Hash AND expires_at > @Now",
            new { Hash = HashOf(secret), Now = time.GetUtcNow().ToString("O") });
        return row is null ? null : new ImageAccess(EnvironmentName.Parse(row.Environment), ProjectName.Parse(row.Project), row.MayPush);
    }

    /// <summary>A project that is made again under the same name is another one.</summary>
    public void Forget(Project project) => database.Write(
        "DELETE FROM registry_credentials WHERE environment = @Environment AND project = @Name", new { Environment = project.Environment.Name.Value, Name = project.Name.Value });

    static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    sealed class Row
    {
        public string Environment { get; set; } = "";

        public string Project { get; set; } = "";

        public bool MayPush { get; set; }
    }
}
