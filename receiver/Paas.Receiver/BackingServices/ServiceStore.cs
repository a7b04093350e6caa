using System.Text.Json;
using System.Text.Json.Nodes;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.BackingServices;

/// <summary>What each project was given: a name of its own making stands for the same resource in all its releases (PM-05, PM-06) and in no other project (PM-07, AMB-11).</summary>
sealed class ServiceStore(Database database, IEnumerable<IBackingService> kinds, TimeProvider time)
{
    // As Paasmaker has it: of the readable part only so much that the unique part always fits.
    const int Longest = 16;
    const int Unique = 8;

    readonly Dictionary<string, IBackingService> byName = kinds.ToDictionary(kind => kind.Name);

    /// <summary>PM_SERVICES of a release: a JSON object with each service that its manifest lists, by name (PM-18, PM-86).</summary>
    /// <exception cref="Refusal">One cannot be provided; the message names it and what there is (PM-09).</exception>
    public string Provide(Project project, Application? application)
    {
        var services = new JsonObject();
        foreach (var use in application?.Services ?? [])
        {
            if (!byName.TryGetValue(use.Name, out var kind))
            {
                throw new Refusal($"the service {use.Label} cannot be had: there is no plug-in {use.Name} here; available: {string.Join(", ", byName.Keys.Order(StringComparer.Ordinal))}");
            }

            var credentials = kind.Provide(project, use, GeneratedNameOf(project, use.Label));
            credentials["provider"] = use.Name;
            services[use.Label] = credentials;
        }

        return services.ToJsonString(JsonSerializerOptions.Default);
    }

    /// <summary>The project is gone, and its data with it.</summary>
    public void Forget(Project project) => database.Write(
        "DELETE FROM services WHERE environment = @Environment AND project = @Project",
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value });

    string GeneratedNameOf(Project project, string name)
    {
        if (Find() is { } known)
        {
            return known;
        }

        var readable = new string([.. (project.Name.Value + name).Where(char.IsAsciiLetterOrDigit)]).ToLowerInvariant();
        readable = readable[..Math.Min(readable.Length, Longest - Unique)];
        database.Write(
            "INSERT OR IGNORE INTO services (environment, project, name, generated, made_at) VALUES (@Environment, @Project, @name, @Generated, @At)",
            new
            {
                Environment = project.Environment.Name.Value,
                Project = project.Name.Value,
                name,
                Generated = readable + Guid.NewGuid().ToString("N")[..Unique],
                At = time.GetUtcNow().ToString("O"),
            });
        return Find()!;

        string? Find() => database.ReadOne<string>(
            "SELECT generated FROM services WHERE environment = @Environment AND project = @Project AND name = @name",
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value, name });
    }
}
