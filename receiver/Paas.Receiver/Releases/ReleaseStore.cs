using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>
/// Draft → sealed → promoted → pruned. Which release is live is what <c>deploy/current</c> points to, and nothing else; the table beside it is
/// history, brought up to it after a crash.
/// </summary>
sealed class ReleaseStore(Database database, TimeProvider time)
{
    /// <summary>
    /// Gives the draft its number and its place among the releases: one rename. The tree does not change any more from here on
    /// (instances run on their own view of it).
    /// </summary>
    public Release Seal(Draft draft, string? pillarCommit, Mode mode)
    {
        var release = Enter(draft.Project, draft.Id, draft.Commit, pillarCommit, mode, isImported: false);
        if (draft.InPlace)
        {
            AtomicFile.Link(Path.Combine(draft.Project.Deploy, draft.Id.Value), InPlace);
        }
        else
        {
            AtomicFile.Rename(draft.Directory, release.Directory);
        }

        return release;
    }

    /// <summary>A release that was made elsewhere: a number and a place in the record for an archive without a tree.</summary>
    public Release TakeOver(Project project, ReleaseId id, string commit, Mode mode) => Enter(project, id, commit, pillarCommit: null, mode, isImported: true);

    Release Enter(Project project, ReleaseId id, string commit, string? pillarCommit, Mode mode, bool isImported) =>
        database.Write(connection =>
        {
            var number = Dapper.SqlMapper.ExecuteScalar<int>(
                connection,
                "UPDATE projects SET last_release = last_release + 1 WHERE environment = @Environment AND name = @Name RETURNING last_release",
                new { Environment = project.Environment.Name.Value, Name = project.Name.Value });
            var made = time.GetUtcNow();
            Dapper.SqlMapper.Execute(
                connection,
                """
                INSERT INTO releases (environment, project, number, id, commit_id, pillar_commit, mode, made_at, imported)
                VALUES (@Environment, @Project, @Number, @Id, @Commit, @PillarCommit, @Mode, @MadeAt, @isImported)
                """,
                new
                {
                    Environment = project.Environment.Name.Value,
                    Project = project.Name.Value,
                    Number = number,
                    Id = id.Value,
                    Commit = commit,
                    PillarCommit = pillarCommit,
                    Mode = mode.ToString(),
                    MadeAt = made.ToString("O"),
                    isImported,
                });
            return new Release
            {
                Project = project,
                Number = number,
                Id = id,
                Commit = commit,
                PillarCommit = pillarCommit,
                Mode = mode,
                MadeAt = made,
                Imported = isImported,
            };
        });

    /// <summary>The number that the next draft to be sealed gets: a project's deployments go one after the other.</summary>
    public int NextNumber(Project project) => 1 + database.ReadOne<int>(
        "SELECT last_release FROM projects WHERE environment = @Environment AND name = @Name", new { Environment = project.Environment.Name.Value, Name = project.Name.Value });

    /// <summary>Where the place of a release in <c>deploy</c> leads in editable mode.</summary>
    const string InPlace = "../project";

    /// <summary>Brings <c>run</c> to what it should show; a reboot takes mounts away.</summary>
    public void ShowRun(Project project) =>
        RunView.Show(project, CurrentId(project) is { } id && new FileInfo(Path.Combine(project.Deploy, id.Value)).LinkTarget == InPlace);

    /// <summary>The live release's id; null before the first.</summary>
    public ReleaseId? CurrentId(Project project) => ReleaseId.TryParse(new FileInfo(project.Current).LinkTarget);

    public Release? Current(Project project) => CurrentId(project) is { } id ? Find(project, id) : null;

    /// <summary>Makes a release the live one: one rename of a link. Idempotent.</summary>
    /// <param name="replacing">The deployment that does it; what was live before is recorded as replaced by it.</param>
    public void Promote(Release release, ReleaseId replacing)
    {
        var before = CurrentId(release.Project);
        PointCurrentAt(release.Project, release.Id);
        RecordPromotion(release, before, replacing);
    }

    /// <summary>Brings the history up to what the link says; also what recovery does after a crash between the two.</summary>
    public void RecordPromotion(Release release, ReleaseId? before, ReleaseId replacing)
    {
        var at = time.GetUtcNow().ToString("O");
        database.Write(connection =>
        {
            if (before is not null && before != release.Id)
            {
                Dapper.SqlMapper.Execute(connection, "UPDATE releases SET replaced_by = @By WHERE id = @Id", new { By = replacing.Value, Id = before.Value });
            }

            return Dapper.SqlMapper.Execute(
                connection, "UPDATE releases SET live_at = @At, replaced_by = NULL WHERE id = @Id", new { At = at, Id = release.Id.Value });
        });
    }

    /// <summary>The history as it was before <see cref="RecordPromotion"/>; when a release first went live stays known.</summary>
    public void UnrecordPromotion(ReleaseId promoted, ReleaseId? promotedReplacedBy, ReleaseId? before, ReleaseId replacing) =>
        database.Write(connection =>
        {
            Dapper.SqlMapper.Execute(
                connection, "UPDATE releases SET replaced_by = NULL WHERE id = @Before AND replaced_by = @Replacing", new { Before = before?.Value, Replacing = replacing.Value });
            return Dapper.SqlMapper.Execute(
                connection, "UPDATE releases SET replaced_by = @By WHERE id = @Id", new { By = promotedReplacedBy?.Value, Id = promoted.Value });
        });

    /// <summary>Swings <c>deploy/current</c>, or takes it away where nothing was live.</summary>
    public void PointCurrentAt(Project project, ReleaseId? id)
    {
        if (id is not null)
        {
            if (CurrentId(project) != id)
            {
                AtomicFile.Link(project.Current, id.Value);
            }
        }
        else
        {
            File.Delete(project.Current);
        }

        ShowRun(project);
    }

    /// <summary>Records what the archive turned out to be.</summary>
    public void RecordArchive(Release release, string contentDigest, string archiveDigest, long bytes, string signature, string signedBy) =>
        database.Write(
            "UPDATE releases SET content_digest = @contentDigest, archive_digest = @archiveDigest, archive_bytes = @bytes, signature = @signature, signed_by = @signedBy, checked_at = NULL, archive_trouble = NULL WHERE id = @Id",
            new { contentDigest, archiveDigest, bytes, signature, signedBy, Id = release.Id.Value });

    /// <summary>Records that the sealed tree is not what its archive holds, and what it is.</summary>
    public void RecordTree(Release release, string digest) => database.Write("UPDATE releases SET tree_digest = @digest WHERE id = @Id", new { digest, Id = release.Id.Value });

    /// <summary>Records what the archive of its image turned out to be.</summary>
    /// <param name="content">SHA-256 of what is packed in it; null where it was packed elsewhere.</param>
    public void RecordImage(Release release, string digest, long bytes, string? content) =>
        database.Write(
            "UPDATE releases SET image_digest = @digest, image_bytes = @bytes, image_content = @content, image_checked_at = NULL, image_trouble = NULL WHERE id = @Id",
            new { digest, bytes, content, Id = release.Id.Value });

    /// <summary>The archive was read again; <paramref name="trouble"/> is what is wrong with it, null when it is what was sealed.</summary>
    public void RecordCheck(ReleaseId id, string? trouble) =>
        database.Write("UPDATE releases SET checked_at = @At, archive_trouble = @trouble WHERE id = @Id", new { Id = id.Value, trouble, At = time.GetUtcNow().ToString("O") });

    /// <summary>The same for the archive of its image.</summary>
    public void RecordImageCheck(ReleaseId id, string? trouble) =>
        database.Write("UPDATE releases SET image_checked_at = @At, image_trouble = @trouble WHERE id = @Id", new { Id = id.Value, trouble, At = time.GetUtcNow().ToString("O") });

    /// <summary>The same for the archive of a part.</summary>
    public void RecordPartCheck(ReleaseId id, string name, string? trouble) =>
        database.Write("UPDATE release_parts SET checked_at = @At, trouble = @trouble WHERE release = @Id AND name = @name", new { Id = id.Value, name, trouble, At = time.GetUtcNow().ToString("O") });

    /// <summary>Releases with an archive that was not read again yet, oldest first.</summary>
    public IReadOnlyList<Release> Unchecked(Project project) =>
        [.. Read(
            project,
            """
            environment = @Environment AND project = @Project AND pruned = 0 AND (archive_digest IS NOT NULL AND checked_at IS NULL OR image_digest IS NOT NULL AND image_checked_at IS NULL
                OR EXISTS (SELECT 1 FROM release_parts WHERE release = releases.id AND release_parts.checked_at IS NULL))
            """,
            Parameters(project, 0), 1000).Reverse<Release>()];

    /// <summary>An archive of a part of the tree.</summary>
    public void RecordPart(ReleaseId id, ReleasePart part) =>
        database.Write("INSERT OR REPLACE INTO release_parts (release, name, digest, bytes, content) VALUES (@Id, @Name, @Digest, @Bytes, @Content)", new { Id = id.Value, part.Name, part.Digest, part.Bytes, part.Content });

    public IReadOnlyList<ReleasePart> PartsOf(ReleaseId id) =>
        [.. database.Read<PartRow>(
            "SELECT name AS Name, digest AS Digest, bytes AS Bytes, content AS Content, checked_at AS CheckedAt, trouble AS Trouble FROM release_parts WHERE release = @Id ORDER BY name", new { Id = id.Value })
            .Select(row => new ReleasePart(row.Name, row.Digest, row.Bytes, row.Content, row.CheckedAt is not null, row.Trouble))];

    /// <summary>Takes a sealed release out of the record: it never served.</summary>
    public void Forget(ReleaseId id) => database.Write("DELETE FROM release_parts WHERE release = @Id; DELETE FROM releases WHERE id = @Id", new { Id = id.Value });

    public void MarkPruned(Release release) => database.Write("UPDATE releases SET pruned = 1 WHERE id = @Id", new { Id = release.Id.Value });

    public Release? Find(Project project, ReleaseId id) => Read(project, "id = @Id", new { Id = id.Value, Key = project.Name.Value }).FirstOrDefault();

    public Release? Find(Project project, int number) =>
        Read(project, "environment = @Environment AND project = @Project AND number = @Number", Parameters(project, number)).FirstOrDefault();

    /// <summary>Newest first.</summary>
    /// <param name="before">Only those with a smaller number.</param>
    public IReadOnlyList<Release> List(Project project, int most = 1000, int before = int.MaxValue) =>
        Read(project, "environment = @Environment AND project = @Project AND number < @Number", Parameters(project, before), most);

    static object Parameters(Project project, int number) =>
        new { Environment = project.Environment.Name.Value, Project = project.Name.Value, Number = number };

    List<Release> Read(Project project, string where, object parameters, int most = 1) =>
        [.. database.Read<Row>(
            $"""
            SELECT number AS Number, id AS Id, commit_id AS CommitId, pillar_commit AS PillarCommit, mode AS Mode, made_at AS MadeAt, live_at AS LiveAt,
                replaced_by AS ReplacedBy, content_digest AS ContentDigest, tree_digest AS TreeDigest, archive_digest AS ArchiveDigest, archive_bytes AS ArchiveBytes, signature AS Signature, signed_by AS SignedBy, image_digest AS ImageDigest, image_bytes AS ImageBytes, image_content AS ImageContent, image_checked_at AS ImageCheckedAt, image_trouble AS ImageTrouble, pruned AS Pruned, imported AS Imported, checked_at AS CheckedAt, archive_trouble AS ArchiveTrouble
            FROM releases WHERE {where} ORDER BY number DESC LIMIT {most}
            """,
            parameters).Select(row => row.Release(project))];

    sealed class Row
    {
        public int Number { get; set; }

        public string Id { get; set; } = "";

        public string CommitId { get; set; } = "";

        public string? PillarCommit { get; set; }

        public string Mode { get; set; } = "";

        public string MadeAt { get; set; } = "";

        public string? LiveAt { get; set; }

        public string? ReplacedBy { get; set; }

        public string? ContentDigest { get; set; }

        public string? TreeDigest { get; set; }

        public string? ArchiveDigest { get; set; }

        public long? ArchiveBytes { get; set; }

        public string? Signature { get; set; }

        public string? SignedBy { get; set; }

        public string? ImageDigest { get; set; }

        public long? ImageBytes { get; set; }

        public string? ImageContent { get; set; }

        public string? ImageCheckedAt { get; set; }

        public string? ImageTrouble { get; set; }

        public bool Pruned { get; set; }

        public bool Imported { get; set; }

        public string? CheckedAt { get; set; }

        public string? ArchiveTrouble { get; set; }

        public Release Release(Project project) => new()
        {
            Project = project,
            Number = Number,
            Id = ReleaseId.TryParse(Id)!,
            Commit = CommitId,
            PillarCommit = PillarCommit,
            Mode = Enum.Parse<Mode>(Mode),
            MadeAt = DateTimeOffset.Parse(MadeAt),
            LiveAt = LiveAt is null ? null : DateTimeOffset.Parse(LiveAt),
            ReplacedBy = ReleaseId.TryParse(ReplacedBy),
            ContentDigest = ContentDigest,
            TreeDigest = TreeDigest,
            ArchiveDigest = ArchiveDigest,
            ArchiveBytes = ArchiveBytes,
            Signature = Signature,
            SignedBy = SignedBy,
            ImageDigest = ImageDigest,
            ImageBytes = ImageBytes,
            ImageContent = ImageContent,
            ImageCheckedAt = ImageCheckedAt is null ? null : DateTimeOffset.Parse(ImageCheckedAt),
            ImageTrouble = ImageTrouble,
            Pruned = Pruned,
            Imported = Imported,
            CheckedAt = CheckedAt is null ? null : DateTimeOffset.Parse(CheckedAt),
            ArchiveTrouble = ArchiveTrouble,
        };
    }

    sealed class PartRow
    {
        public string Name { get; set; } = "";

        public string Digest { get; set; } = "";

        public long Bytes { get; set; }

        public string? Content { get; set; }

        public string? CheckedAt { get; set; }

        public string? Trouble { get; set; }
    }
}
