using System.Security.Cryptography;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Projects;

/// <summary>Secrets that a configuration asks for by name (reference 2.3): made once for a project, the same ever after. Kept in the receiver's own database (0600).</summary>
sealed class GeneratedSecrets(Database database, TimeProvider time)
{
    const string Letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

    /// <summary>The secret, made now when it is not there yet. Asked for at once by two, both get the same.</summary>
    /// <param name="length">Of a new one; one that is there keeps its own.</param>
    public string Of(Project project, string name, int length)
    {
        if (Find(project, name) is { } known)
        {
            return known;
        }

        database.Write(
            "INSERT OR IGNORE INTO secrets (environment, project, name, value, made_at) VALUES (@Environment, @Project, @name, @Value, @At)",
            new
            {
                Environment = project.Environment.Name.Value,
                Project = project.Name.Value,
                name,
                Value = RandomNumberGenerator.GetString(Letters, length),
                At = time.GetUtcNow().ToString("O"),
            });
        return Find(project, name)!;
    }

    /// <summary>Of a project that is gone: a later one of its name gets others.</summary>
    public void Forget(Project project) => database.Write(
        "DELETE FROM secrets WHERE environment = @Environment AND project = @Project",
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value });

    /// <summary>Null while nobody has asked for it.</summary>
    public string? Find(Project project, string name) => database.ReadOne<string>(
        "SELECT value FROM secrets WHERE environment = @Environment AND project = @Project AND name = @name",
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value, name });
}
