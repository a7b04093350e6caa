using System.Collections.Concurrent;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Projects;

/// <summary>Which environments and projects there are, and their directories (R5.*). What it returns exists on disk.</summary>
sealed class ProjectStore
{
    readonly Database database;
    readonly TimeProvider time;
    readonly ConcurrentDictionary<string, Environment> environments = new();
    readonly ConcurrentDictionary<string, Project> projects = new();
    readonly Lock creating = new();

    ProjectStore(Database database, TimeProvider time)
    {
        this.database = database;
        this.time = time;
    }

    /// <summary>Reads what is recorded; the default environment is created or brought up to its setting.</summary>
    public static ProjectStore Open(Database database, Environment defaultEnvironment, TimeProvider time)
    {
        var store = new ProjectStore(database, time);
        foreach (var row in database.Read<EnvironmentRow>("SELECT name, uuid, type, mode, root FROM environments WHERE NOT is_default"))
        {
            var environment = new Environment(
                EnvironmentName.Parse(row.Name), Guid.Parse(row.Uuid), Enum.Parse<EnvironmentType>(row.Type), Enum.Parse<Mode>(row.Mode), row.Root, IsDefault: false);
            store.environments[row.Name] = environment;
        }

        store.Adopt(defaultEnvironment);
        foreach (var row in database.Read<ProjectRow>("SELECT environment, name FROM projects"))
        {
            // A name that a former version allowed and this one does not is left alone on disk and not served.
            if (store.environments.TryGetValue(row.Environment, out var environment) && ProjectName.TryParse(row.Name, out var name))
            {
                var project = new Project(environment, name);
                store.projects[project.Key] = project;
            }
        }

        return store;
    }

    public Environment Default { get; private set; } = null!;

    /// <summary>Null when there is no such environment; no name means the default one.</summary>
    public Environment? FindEnvironment(EnvironmentName? name) => name is null ? Default : environments.GetValueOrDefault(name.Value);

    public Project? Find(EnvironmentName? environment, ProjectName name) =>
        FindEnvironment(environment) is { } found ? projects.GetValueOrDefault(new Project(found, name).Key) : null;

    /// <summary>By <see cref="Project.Key"/>.</summary>
    public Project? Find(string key) => projects.GetValueOrDefault(key);

    public IReadOnlyList<Project> List() => [.. projects.Values.OrderBy(project => project.Key, StringComparer.Ordinal)];

    /// <summary>The project, made on the spot when it is new (first push). Doing it twice, or at once, makes it once.</summary>
    /// <exception cref="Refusal">There is no such environment.</exception>
    public Project FindOrCreate(EnvironmentName? environment, ProjectName name)
    {
        if (Find(environment, name) is { } known)
        {
            return known;
        }

        var project = new Project(FindEnvironment(environment) ?? throw new Refusal($"There is no environment '{environment}'."), name);
        lock (creating)
        {
            if (projects.TryGetValue(project.Key, out known))
            {
                return known;
            }

            LayOut(project);
            database.Write(
                "INSERT OR IGNORE INTO projects (environment, name, made_at) VALUES (@Environment, @Name, @At)",
                new { Environment = project.Environment.Name.Value, Name = name.Value, At = time.GetUtcNow().ToString("O") });
            projects[project.Key] = project;
            return project;
        }
    }

    /// <summary>Takes back a project whose first push brought nothing: its record and its empty directories. One that ever had a deployment stays.</summary>
    public void ForgetIfUnused(Project project)
    {
        lock (creating)
        {
            var gone = database.Write(
                """
                DELETE FROM projects WHERE environment = @Environment AND name = @Name
                AND NOT EXISTS (SELECT 1 FROM deployments WHERE environment = @Environment AND project = @Name)
                """,
                new { Environment = project.Environment.Name.Value, Name = project.Name.Value });
            if (gone > 0)
            {
                projects.TryRemove(project.Key, out _);
                File.Delete(PillarLink(project));
                File.Delete(SaltLink(project));
                Directory.Delete(project.Directory, recursive: true);
            }
        }
    }

    static string PillarLink(Project project) => Path.Combine(project.Environment.Root, "pillar", "makina-projects", project.Name.Value);

    static string SaltLink(Project project) => Path.Combine(project.Environment.Root, "salt", "makina-projects", project.Name.Value);

    static void LayOut(Project project)
    {
        foreach (var directory in (string[])[
            project.Directory, Path.Combine(project.Directory, "git"), project.Checkout, project.PillarCheckout, project.Data, project.Build,
            project.Deploy, project.Releases, project.Archives])
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        // The application's own directories are entered by its own user one day; what lies in them guards itself.
        LinkOnce(project.Run, Path.Combine("deploy", "current"));
        LinkOnce(Path.Combine(project.Directory, "git", "project.git"), "project");
        LinkOnce(Path.Combine(project.Directory, "git", "pillar.git"), "pillar");
        Directory.CreateDirectory(Path.GetDirectoryName(PillarLink(project))!);
        Directory.CreateDirectory(Path.GetDirectoryName(SaltLink(project))!);
        LinkOnce(PillarLink(project), project.PillarCheckout);
        LinkOnce(SaltLink(project), Path.Combine(project.Checkout, ".salt"));
    }

    static void LinkOnce(string link, string target)
    {
        if (new FileInfo(link).LinkTarget != target)
        {
            AtomicFile.Link(link, target);
        }
    }

    void Adopt(Environment wanted)
    {
        var row = database.ReadOne<EnvironmentRow>("SELECT name, uuid, type, mode, root FROM environments WHERE name = @Name", new { Name = wanted.Name.Value });
        Default = wanted with { Uuid = row is null ? Guid.NewGuid() : Guid.Parse(row.Uuid) };
        database.Write(
            """
            INSERT INTO environments (name, uuid, type, mode, root, is_default, made_at) VALUES (@Name, @Uuid, @Type, @Mode, @Root, 1, @At)
            ON CONFLICT (name) DO UPDATE SET type = @Type, mode = @Mode, root = @Root, is_default = 1
            """,
            new
            {
                Name = wanted.Name.Value,
                Uuid = Default.Uuid.ToString(),
                Type = wanted.Type.ToString(),
                Mode = wanted.Mode.ToString(),
                wanted.Root,
                At = time.GetUtcNow().ToString("O"),
            });
        environments[wanted.Name.Value] = Default;
    }

    sealed record EnvironmentRow(string Name, string Uuid, string Type, string Mode, string Root);

    sealed record ProjectRow(string Environment, string Name);
}
