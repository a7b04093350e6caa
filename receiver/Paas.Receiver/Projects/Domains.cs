using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Projects;

/// <summary>Addresses that were given to projects at the receiver's desk, and which projects are being worked on. Durable; read from memory.</summary>
sealed class Domains
{
    readonly Database database;
    readonly TimeProvider time;
    readonly Lock changing = new();
    readonly ConcurrentDictionary<string, IReadOnlyList<Address>> addresses = new();
    readonly ConcurrentDictionary<string, bool> maintenance = new();

    public Domains(Database database, TimeProvider time)
    {
        this.database = database;
        this.time = time;
        foreach (var row in database.Read<Row>("SELECT environment, project, host, path, type, allow, users, sticky FROM domains"))
        {
            Keep($"{row.Environment}/{row.Project}", row.Read());
        }

        foreach (var key in database.Read<string>("SELECT environment || '/' || project FROM maintenance"))
        {
            maintenance[key] = true;
        }
    }

    public IReadOnlyList<Address> Of(Project project) => addresses.GetValueOrDefault(project.Key) ?? [];

    public bool InMaintenance(Project project) => maintenance.ContainsKey(project.Key);

    /// <summary>The key of the project an address was given to, or null.</summary>
    public string? OwnerOf(string host, string path) =>
        addresses.FirstOrDefault(pair => pair.Value.Any(address => address.Host == host && address.Path == path)).Key;

    /// <summary>Gives a project an address, or changes how one it has treats visitors.</summary>
    /// <exception cref="Refusal">It is another project's.</exception>
    public void Put(Project project, Address address)
    {
        lock (changing)
        {
            if (OwnerOf(address.Host!, address.Path) is { } owner && owner != project.Key)
            {
                throw new Refusal($"{address.Name} leads to another project already.");
            }

            database.Write(
                """
                INSERT INTO domains (environment, project, host, path, type, allow, users, sticky, made_at)
                VALUES (@Environment, @Project, @Host, @Path, @Type, @Allow, @Users, @Sticky, @At)
                ON CONFLICT (host, path) DO UPDATE SET type = @Type, allow = @Allow, users = @Users, sticky = @Sticky
                """,
                new
                {
                    Environment = project.Environment.Name.Value,
                    Project = project.Name.Value,
                    address.Host,
                    address.Path,
                    address.Type,
                    Allow = string.Join(' ', address.Allow),
                    Users = JsonSerializer.Serialize(address.Users),
                    Sticky = address.Sticky ? 1 : 0,
                    At = time.GetUtcNow().ToString("O"),
                });
            Keep(project.Key, address);
        }
    }

    /// <summary>False when the project has no such address.</summary>
    public bool Remove(Project project, string host, string path)
    {
        lock (changing)
        {
            var gone = database.Write(
                "DELETE FROM domains WHERE environment = @Environment AND project = @Project AND host = @Host AND path = @Path",
                new { Environment = project.Environment.Name.Value, Project = project.Name.Value, Host = host, Path = path }) > 0;
            addresses[project.Key] = [.. Of(project).Where(address => (address.Host, address.Path) != (host, path))];
            return gone;
        }
    }

    public void SetMaintenance(Project project, bool on)
    {
        lock (changing)
        {
            var row = new { Environment = project.Environment.Name.Value, Project = project.Name.Value, At = time.GetUtcNow().ToString("O") };
            database.Write(
                on ? "INSERT OR IGNORE INTO maintenance (environment, project, since) VALUES (@Environment, @Project, @At)"
                    : "DELETE FROM maintenance WHERE environment = @Environment AND project = @Project",
                row);
            if (on)
            {
                maintenance[project.Key] = true;
            }
            else
            {
                maintenance.TryRemove(project.Key, out _);
            }
        }
    }

    /// <summary>The project is gone, and its rows with it.</summary>
    public void Forget(Project project)
    {
        addresses.TryRemove(project.Key, out _);
        maintenance.TryRemove(project.Key, out _);
    }

    void Keep(string key, Address address) =>
        addresses[key] = [.. (addresses.GetValueOrDefault(key) ?? []).Where(other => other.Name != address.Name), address];

    sealed record Row(string Environment, string Project, string Host, string Path, string Type, string Allow, string Users, long Sticky)
    {
        public Address Read() => new()
        {
            Host = Host,
            Path = Path,
            Type = Type,
            Allow = [.. Allow.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(IPNetwork.Parse)],
            Users = JsonSerializer.Deserialize<Dictionary<string, string>>(Users)!,
            Sticky = Sticky != 0,
        };
    }
}
