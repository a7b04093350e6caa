using System.Collections.Concurrent;
using System.Text.Json;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Projects;

/// <summary>Which environments and projects there are, and their directories (R5.*). What it returns exists on disk.</summary>
sealed class ProjectStore
{
    const string Aside = ".demolished-";

    readonly Database database;
    readonly TimeProvider time;
    readonly ConcurrentDictionary<string, Environment> environments = new();
    readonly ConcurrentDictionary<string, Project> projects = new();
    readonly ConcurrentDictionary<string, bool> leaving = new();
    readonly Lock creating = new();

    ProjectStore(Database database, TimeProvider time)
    {
        this.database = database;
        this.time = time;
    }

    /// <summary>Reads what is recorded; the default environment is created or brought up to its setting.</summary>
    /// <exception cref="Refusal">The setting names an environment that has a place of its own, or the root is another one's.</exception>
    public static ProjectStore Open(Database database, Environment defaultEnvironment, TimeProvider time)
    {
        var store = new ProjectStore(database, time);
        store.GiveUpUnusedDefault(defaultEnvironment.Name);
        var others = store.Rows("NOT is_default", new { });
        if (others.Any(row => row.Name == defaultEnvironment.Name.Value))
        {
            throw new Refusal($"PAAS_DEFAULT_ENVIRONMENT: there is an environment '{defaultEnvironment.Name}' beside the default one already: choose another name.");
        }

        foreach (var row in others)
        {
            store.environments[row.Name] = row.ToEnvironment(RootOf(defaultEnvironment, row.Name));
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

    /// <summary>The default one first.</summary>
    public IReadOnlyList<Environment> Environments() =>
        [.. environments.Values.OrderByDescending(environment => environment.IsDefault).ThenBy(environment => environment.Name.Value, StringComparer.Ordinal)];

    /// <summary>Null when there is no such environment; no name means the default one.</summary>
    public Environment? FindEnvironment(EnvironmentName? name) => name is null ? Default : environments.GetValueOrDefault(name.Value);

    /// <summary>By what people and programs write: its name or its uuid (R15.4). Null when it is neither.</summary>
    public Environment? FindEnvironment(string text) =>
        environments.TryGetValue(text, out var named) ? named
        : Guid.TryParseExact(text, "D", out var uuid) ? environments.Values.FirstOrDefault(environment => environment.Uuid == uuid) : null;

    public Project? Find(EnvironmentName? environment, ProjectName name) =>
        FindEnvironment(environment) is { } found ? projects.GetValueOrDefault(new Project(found, name).Key) : null;

    /// <summary>By <see cref="Project.Key"/>.</summary>
    public Project? Find(string key) => projects.GetValueOrDefault(key);

    public IReadOnlyList<Project> List() => [.. projects.Values.OrderBy(project => project.Key, StringComparer.Ordinal)];

    public IReadOnlyList<Project> List(Environment environment) => [.. List().Where(project => project.Environment.Name == environment.Name)];

    /// <summary>A new environment below <c>&lt;root&gt;/environments</c>, with a uuid of its own. Without a name it gets its type's, counted where that is taken.</summary>
    /// <param name="typeName">The type as it was written.</param>
    /// <exception cref="Refusal">The name is taken, or something about it cannot be.</exception>
    public Environment Create(EnvironmentName? name, string typeName, Func<Environment, Environment> further)
    {
        var type = Environment.TypeOf(typeName) ?? throw new Refusal($"'{typeName}' is no platform type: there are dev, staging (preprod, qa, test) and prod.");
        lock (creating)
        {
            name ??= FreeName(typeName);
            RefuseIfTaken(name);
            var environment = further(new Environment(
                name, Guid.NewGuid(), type, Environment.ModeOf(type), RootOf(Default, name.Value), IsDefault: false));
            environment.Check();
            const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(Path.GetDirectoryName(environment.Root)!, Private);
            Directory.CreateDirectory(environment.Root, Private);
            Directory.CreateDirectory(Path.Combine(environment.Root, "projects"), Private);
            Write(environment);
            return environment;
        }
    }

    /// <summary>The environment as it is from now on; name, uuid, type and root stay. The default one's mode and type are a setting's, so they come back at the next start.</summary>
    /// <exception cref="Refusal">It is gone, or something about it cannot be.</exception>
    public Environment Change(EnvironmentName name, Func<Environment, Environment> change)
    {
        lock (creating)
        {
            var before = FindEnvironment(name) ?? throw new Refusal($"There is no environment '{name}'.");
            var after = change(before);
            after.Check();
            Write(after);
            foreach (var project in List(before))
            {
                projects[project.Key] = project with { Environment = after };
            }

            return after;
        }
    }

    /// <summary>Forgets an environment that has no project. Returns where its directory was put out of the way.</summary>
    /// <exception cref="Refusal">It is the default one, or has projects.</exception>
    public string Remove(Environment environment)
    {
        lock (creating)
        {
            if (environment.IsDefault)
            {
                throw new Refusal($"'{environment.Name}' is the receiver's own environment: it stays as long as the receiver.");
            }

            if (List(environment) is [var left, ..])
            {
                throw new Refusal($"{left} is still there.");
            }

            database.Write("DELETE FROM environments WHERE name = @Name AND NOT is_default", new { Name = environment.Name.Value });
            environments.TryRemove(environment.Name.Value, out _);
            var aside = RootOf(Default, $"{Aside}{Guid.NewGuid():N}");
            AtomicFile.Rename(environment.Root, aside);
            return aside;
        }
    }

    /// <summary>What was put out of the way and is not deleted yet.</summary>
    public IReadOnlyList<string> PutAside() =>
        [.. environments.Values.Select(environment => Path.Combine(environment.Root, "projects")).Append(RootOf(Default, ""))
            .Where(Directory.Exists).SelectMany(directory => Directory.EnumerateDirectories(directory, Aside + "*"))];

    /// <summary>
    /// From here on there is no such project; its directory is out of the way. What else is left of it is listed by <see cref="Leftovers"/> until
    /// <see cref="Cleared"/>, across a crash too, and its name cannot be taken again before that.
    /// </summary>
    public Demolished Remove(Project project)
    {
        lock (creating)
        {
            var gone = new Demolished(project.Environment.Name.Value, project.Name.Value, Path.Combine(project.Environment.Root, "projects", $"{Aside}{Guid.NewGuid():N}"));
            database.Write(connection =>
            {
                Dapper.SqlMapper.Execute(connection, "INSERT OR REPLACE INTO demolished (environment, project, directory) VALUES (@Environment, @Project, @Directory)", gone);
                return Dapper.SqlMapper.Execute(connection, "DELETE FROM projects WHERE environment = @Environment AND name = @Project", gone);
            });
            leaving[project.Key] = true;
            projects.TryRemove(project.Key, out _);
            PutAside(gone, project);
            return gone;
        }
    }

    /// <summary>Projects of which something may be left. Ask at start-up, before the doors open.</summary>
    public IReadOnlyList<Demolished> Leftovers()
    {
        var left = database.Read<Demolished>("SELECT environment, project, directory FROM demolished");
        foreach (var gone in left)
        {
            leaving[$"{gone.Environment}/{gone.Project}"] = true;
            if (FindEnvironment(gone.Environment) is { } environment && ProjectName.TryParse(gone.Project, out var name))
            {
                PutAside(gone, new Project(environment, name));
            }
        }

        return left;
    }

    /// <summary>Nothing is left of it: its name may be taken again.</summary>
    public void Cleared(Demolished gone)
    {
        database.Write("DELETE FROM demolished WHERE environment = @Environment AND project = @Project", gone);
        leaving.TryRemove($"{gone.Environment}/{gone.Project}", out _);
    }

    /// <summary>The project, made on the spot when it is new (first push). Doing it twice, or at once, makes it once.</summary>
    /// <exception cref="Refusal">There is no such environment, or a project of this name is just being destroyed.</exception>
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

            if (leaving.ContainsKey(project.Key))
            {
                throw new Refusal($"{project} is being destroyed: try again in a moment.");
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

    /// <summary>Of a project that was just destroyed: the directory and the links that lead to it are out of the way. Harmless twice.</summary>
    static void PutAside(Demolished gone, Project project)
    {
        File.Delete(PillarLink(project));
        File.Delete(SaltLink(project));
        if (Directory.Exists(project.Directory) && !Directory.Exists(gone.Directory))
        {
            AtomicFile.Rename(project.Directory, gone.Directory);
        }
    }

    static string RootOf(Environment theDefault, string name) => Path.Combine(theDefault.Root, "environments", name);

    /// <summary>The root is one environment's: one that the setting called something else goes when nothing was ever pushed to it.</summary>
    void GiveUpUnusedDefault(EnvironmentName wanted)
    {
        foreach (var row in Rows("is_default AND name <> @Wanted", new { Wanted = wanted.Value }))
        {
            var unused = "is_default AND name = @Name AND NOT EXISTS (SELECT 1 FROM projects WHERE environment = @Name)";
            if (database.Write($"DELETE FROM environments WHERE {unused}", new { row.Name }) == 0)
            {
                throw new Refusal($"PAAS_DEFAULT_ENVIRONMENT: the environment of this root is called '{row.Name}' and has projects: an environment keeps its name.");
            }
        }
    }

    EnvironmentName FreeName(string type)
    {
        for (var number = 1; ; number++)
        {
            var name = EnvironmentName.Parse(number == 1 ? type : $"{type}{number}");
            if (FindEnvironment(name) is null && !IsDefaultsProject(name))
            {
                return name;
            }
        }
    }

    void RefuseIfTaken(EnvironmentName name)
    {
        if (FindEnvironment(name) is not null)
        {
            throw new Refusal($"There is an environment '{name}' already.");
        }

        // <env>/<project> and <type>.<project> would lead to the same addresses.
        if (!ProjectName.TryParse(name.Value, out _) || IsDefaultsProject(name))
        {
            throw new Refusal($"'{name}' cannot be an environment's name: it is reserved, or a project's of the environment '{Default.Name}'.");
        }
    }

    bool IsDefaultsProject(EnvironmentName name) => projects.ContainsKey($"{Default.Name}/{name}");

    void Adopt(Environment wanted)
    {
        Default = Rows("name = @Name", new { Name = wanted.Name.Value }) is not [var row, ..] ? wanted with { Uuid = Guid.NewGuid() } : wanted with
        {
            Uuid = Guid.Parse(row.Uuid),
            Tags = row.TagsRead(),
            QuotaGigabytes = row.QuotaGigabytes,
            ReleaseSource = row.ReleaseSource,
            ReleaseToken = row.ReleaseToken,
        };
        Write(Default);
    }

    void Write(Environment environment)
    {
        database.Write(
            """
            INSERT INTO environments (name, uuid, type, mode, root, is_default, made_at, tags, quota_gigabytes, release_source, release_token)
            VALUES (@Name, @Uuid, @Type, @Mode, @Root, @IsDefault, @At, @Tags, @QuotaGigabytes, @ReleaseSource, @ReleaseToken)
            ON CONFLICT (name) DO UPDATE SET
                type = @Type, mode = @Mode, root = @Root, is_default = @IsDefault, tags = @Tags, quota_gigabytes = @QuotaGigabytes, release_source = @ReleaseSource,
                release_token = @ReleaseToken
            """,
            new
            {
                Name = environment.Name.Value,
                Uuid = environment.Uuid.ToString(),
                Type = environment.Type.ToString(),
                Mode = environment.Mode.ToString(),
                environment.Root,
                environment.IsDefault,
                At = time.GetUtcNow().ToString("O"),
                Tags = JsonSerializer.Serialize(environment.Tags),
                environment.QuotaGigabytes,
                environment.ReleaseSource,
                environment.ReleaseToken,
            });
        environments[environment.Name.Value] = environment;
        if (environment.IsDefault)
        {
            Default = environment;
        }
    }

    IReadOnlyList<EnvironmentRow> Rows(string where, object parameters) =>
        database.Read<EnvironmentRow>(
            $"""
            SELECT name AS Name, uuid AS Uuid, type AS Type, mode AS Mode, tags AS Tags, quota_gigabytes AS QuotaGigabytes,
                release_source AS ReleaseSource, release_token AS ReleaseToken
            FROM environments WHERE {where}
            """,
            parameters);

    sealed class EnvironmentRow
    {
        public string Name { get; set; } = "";

        public string Uuid { get; set; } = "";

        public string Type { get; set; } = "";

        public string Mode { get; set; } = "";

        public string Tags { get; set; } = "{}";

        public int? QuotaGigabytes { get; set; }

        public string? ReleaseSource { get; set; }

        public string? ReleaseToken { get; set; }

        public SortedDictionary<string, string> TagsRead() => new(JsonSerializer.Deserialize<Dictionary<string, string>>(Tags)!, StringComparer.Ordinal);

        public Environment ToEnvironment(string root) =>
            new(EnvironmentName.Parse(Name), Guid.Parse(Uuid), Enum.Parse<EnvironmentType>(Type), Enum.Parse<Mode>(Mode), root, IsDefault: false)
            {
                Tags = TagsRead(),
                QuotaGigabytes = QuotaGigabytes,
                ReleaseSource = ReleaseSource,
                ReleaseToken = ReleaseToken,
            };
    }

    sealed record ProjectRow(string Environment, string Name);
}

/// <summary>A project that was destroyed, while something may be left of it.</summary>
/// <param name="Directory">Where its directory was put out of the way.</param>
sealed record Demolished(string Environment, string Project, string Directory);
