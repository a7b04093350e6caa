using System.Collections.Concurrent;
using System.Text.Json;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>
/// The patches of every release: their records, and their texts in <c>releases/patches</c>, where no retention takes them. A second name of each text lies
/// with its release's deliverables.
/// </summary>
sealed class PatchStore(Database database, TimeProvider time)
{
    public const string Directory = "patches";

    /// <summary>Paths that a record names; its text has all of them.</summary>
    public const int MostNamed = 200;

    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    readonly ConcurrentDictionary<string, Patch> open = new();

    /// <summary>Begins one, durably; from now on nobody else begins one in the project.</summary>
    /// <exception cref="Refusal">Somebody is at it already; says who.</exception>
    public Patch Begin(Release release, string by)
    {
        var patch = New(release, PatchState.Open, $"Manual fix of {release} by {by}", by, []);
        while (!open.TryAdd(release.Project.Key, patch))
        {
            if (open.TryGetValue(release.Project.Key, out var other))
            {
                throw new Refusal($"{other.By} is fixing {release.Project} by hand since {other.MadeAt:yyyy-MM-dd HH:mm} UTC (v{other.BaseNumber}): one at a time");
            }
        }

        try
        {
            return open[release.Project.Key] = Insert(patch);
        }
        catch
        {
            open.TryRemove(release.Project.Key, out _);
            throw;
        }
    }

    /// <summary>Who is in a shell now; null when nobody is.</summary>
    public Patch? OpenIn(Project project) => open.GetValueOrDefault(project.Key);

    /// <summary>The next one may begin.</summary>
    public void Close(Patch patch)
    {
        if (open.TryGetValue(patch.Project.Key, out var mine) && mine.Id == patch.Id)
        {
            open.TryRemove(patch.Project.Key, out _);
        }
    }

    /// <summary>The text is durable, then the record says so.</summary>
    /// <param name="text">Null when nothing of that kind was changed; the same for <paramref name="built"/>.</param>
    public Patch Keep(Patch patch, PatchState state, string subject, IReadOnlyList<string> files, byte[]? text, byte[]? built)
    {
        var kept = patch with { State = state, Subject = subject, Files = [.. files.Take(MostNamed)] };
        System.IO.Directory.CreateDirectory(Path.Combine(patch.Project.Releases, Directory), Private);
        Write(kept.File, text);
        Write(kept.BuiltFile, built);
        ShowWith(kept, kept.Base);
        database.Write(
            "UPDATE patches SET state = @State, subject = @Subject, files = @Files WHERE id = @Id",
            new { State = state.ToString(), Subject = subject, Files = JsonSerializer.Serialize(kept.Files), Id = patch.Id.Value });
        return kept;
    }

    /// <summary>One that nobody was in a shell for.</summary>
    public Patch Add(Release release, PatchState state, string subject, string by, IReadOnlyList<string> files, byte[]? text, byte[]? built) =>
        Keep(Insert(New(release, state, subject, by, files)), state, subject, files, text, built);

    /// <summary>A release holds the fixes that its own tree tells of (R7.6): those that are not known here came along with it.</summary>
    public void TakeIn(Release release)
    {
        foreach (var fix in CarriedFixes.Read(release.Directory))
        {
            var patch = Read(release.Project, "coalesce(origin, id) = @Id", new { fix.Id }).FirstOrDefault();
            if (patch is null)
            {
                var (own, built) = CarriedFixes.TextsOf(release.Directory, fix);
                var brought = New(release, PatchState.Brought, fix.Subject, fix.By, []) with { Origin = ReleaseId.TryParse(fix.Id)!, MadeAt = fix.MadeAt };
                patch = Keep(Insert(brought), PatchState.Brought, fix.Subject, fix.Files, own, built);
            }

            Contain(release, [patch]);
        }
    }

    public void Mark(Patch patch, PatchState state) => database.Write("UPDATE patches SET state = @State WHERE id = @Id", new { State = state.ToString(), Id = patch.Id.Value });

    /// <summary>Nothing was changed: there is no such patch.</summary>
    public void Forget(Patch patch) => database.Write("DELETE FROM patches WHERE id = @Id", new { Id = patch.Id.Value });

    /// <summary>A release holds what these patches say.</summary>
    public void Contain(Release release, IEnumerable<Patch> patches)
    {
        foreach (var patch in patches)
        {
            database.Write("INSERT OR IGNORE INTO patched_releases (release, patch) VALUES (@Release, @Patch)", new { Release = release.Id.Value, Patch = patch.Id.Value });
            ShowWith(patch, release.Id);
        }
    }

    /// <summary>What a release holds, oldest first.</summary>
    public IReadOnlyList<Patch> In(Release release) =>
        Read(release.Project, "id IN (SELECT patch FROM patched_releases WHERE release = @Release)", new { Release = release.Id.Value });

    /// <summary>What each release of a project holds, by the release's id.</summary>
    public ILookup<string, Patch> ByRelease(Project project)
    {
        var all = Read(project, "1", new { }).ToDictionary(patch => patch.Id.Value);
        return database.Read<Held>(
            """
            SELECT release AS Release, patch AS Patch FROM patched_releases WHERE patch IN (SELECT id FROM patches WHERE environment = @Environment AND project = @Project)
            """,
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value })
            .OrderBy(held => all[held.Patch].Number).ToLookup(held => held.Release, held => all[held.Patch]);
    }

    /// <summary>What is applied when a commit is deployed again, oldest first: what was kept for that, and what went live.</summary>
    public IReadOnlyList<Patch> Of(Project project, string commit) => [.. Read(project, "commit_id = @commit", new { commit }).Where(patch => patch.State == PatchState.Kept)];

    public Patch? Find(Project project, int number) => Read(project, "number = @number", new { number }).FirstOrDefault();

    /// <summary>Oldest first, without those that nothing came of.</summary>
    public IReadOnlyList<Patch> List(Project project) => Read(project, "state <> 'Open'", new { });

    /// <summary>What a former run of the receiver left in the middle.</summary>
    public IReadOnlyList<Patch> LeftOpen(Project project) => [.. Read(project, "state = 'Open'", new { }).Where(patch => open.GetValueOrDefault(project.Key)?.Id != patch.Id)];

    Patch New(Release release, PatchState state, string subject, string by, IReadOnlyList<string> files)
    {
        var id = ReleaseId.New(time);
        return new Patch
        {
            Project = release.Project,
            Number = 0,
            Id = id,
            Origin = id,
            Base = release.Id,
            BaseNumber = release.Number,
            Commit = release.Commit,
            State = state,
            Subject = subject,
            By = by,
            MadeAt = time.GetUtcNow(),
            Files = files,
        };
    }

    Patch Insert(Patch patch) => database.Write(connection => patch with
    {
        Number = Dapper.SqlMapper.ExecuteScalar<int>(
            connection,
            """
            INSERT INTO patches (environment, project, number, id, base, base_number, commit_id, state, subject, made_by, made_at, files, origin)
            VALUES (@Environment, @Project, 1 + coalesce((SELECT max(number) FROM patches WHERE environment = @Environment AND project = @Project), 0),
                @Id, @Base, @BaseNumber, @Commit, @State, @Subject, @By, @MadeAt, '[]', @Origin) RETURNING number
            """,
            new
            {
                Environment = patch.Project.Environment.Name.Value,
                Project = patch.Project.Name.Value,
                Id = patch.Id.Value,
                Origin = patch.Origin == patch.Id ? null : patch.Origin.Value,
                Base = patch.Base.Value,
                patch.BaseNumber,
                patch.Commit,
                State = patch.State.ToString(),
                patch.Subject,
                patch.By,
                MadeAt = patch.MadeAt.ToString("O"),
            }),
    });

    static void Write(string path, byte[]? text)
    {
        if (text is not null)
        {
            AtomicFile.Write(path, text);
        }
    }

    // For whoever looks there: the text itself is kept elsewhere.
    static void ShowWith(Patch patch, ReleaseId release)
    {
        var place = Path.Combine(patch.Project.Releases, release.Value);
        if (System.IO.Directory.Exists(place))
        {
            foreach (var text in patch.Texts)
            {
                AtomicFile.Link(Path.Combine(place, $"fix-{patch.Number}{Path.GetFileName(text)[patch.Id.Value.Length..]}"), Path.Combine("..", Directory, Path.GetFileName(text)));
            }
        }
    }

    List<Patch> Read(Project project, string where, object parameters)
    {
        var all = new Dapper.DynamicParameters(parameters);
        all.AddDynamicParams(new { Environment = project.Environment.Name.Value, Project = project.Name.Value });
        return [.. database.Read<Row>(
            $"""
            SELECT number AS Number, id AS Id, base AS Base, base_number AS BaseNumber, commit_id AS CommitId, CASE WHEN state = 'Aside' AND EXISTS (
                SELECT 1 FROM patched_releases JOIN releases ON releases.id = patched_releases.release WHERE patched_releases.patch = patches.id AND releases.live_at IS NOT NULL)
                THEN 'Kept' ELSE state END AS State, subject AS Subject, made_by AS MadeBy, made_at AS MadeAt, files AS Files, origin AS Origin
            FROM patches WHERE environment = @Environment AND project = @Project AND {where} ORDER BY number
            """,
            all).Select(row => row.Patch(project))];
    }

    sealed class Held
    {
        public string Release { get; set; } = "";

        public string Patch { get; set; } = "";
    }

    sealed class Row
    {
        public int Number { get; set; }

        public string Id { get; set; } = "";

        public string Base { get; set; } = "";

        public int BaseNumber { get; set; }

        public string CommitId { get; set; } = "";

        public string State { get; set; } = "";

        public string Subject { get; set; } = "";

        public string MadeBy { get; set; } = "";

        public string MadeAt { get; set; } = "";

        public string Files { get; set; } = "[]";

        public string? Origin { get; set; }

        public Patch Patch(Project project) => new()
        {
            Project = project,
            Number = Number,
            Id = ReleaseId.TryParse(Id)!,
            Origin = ReleaseId.TryParse(Origin ?? Id)!,
            Base = ReleaseId.TryParse(Base)!,
            BaseNumber = BaseNumber,
            Commit = CommitId,
            State = Enum.Parse<PatchState>(State),
            Subject = Subject,
            By = MadeBy,
            MadeAt = DateTimeOffset.Parse(MadeAt),
            Files = JsonSerializer.Deserialize<IReadOnlyList<string>>(Files)!,
        };
    }
}
