using Paas.Receiver.Projects;

namespace Paas.Receiver.Releases;

/// <summary>A sealed release: number, directory, commit. What was sealed never changes; when it went live and what replaced it is history beside it.</summary>
sealed record Release
{
    public required Project Project { get; init; }

    /// <summary>Counts from 1 in its project; shown as <c>v12</c>. A failed deployment's number is not used again, so a number means one thing for ever.</summary>
    public required int Number { get; init; }

    public required ReleaseId Id { get; init; }

    public required string Commit { get; init; }

    /// <summary>The pillar's commit that configured it; null when the project had no pillar.</summary>
    public string? PillarCommit { get; init; }

    public required Mode Mode { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    public DateTimeOffset? LiveAt { get; init; }

    /// <summary>It was live once, so what it does to the data has been done.</summary>
    public bool HasServed => LiveAt is not null;

    /// <summary>The deployment that took its place: the backup made then holds the data as this release left it.</summary>
    public ReleaseId? ReplacedBy { get; init; }

    /// <summary>Digest of paths, kinds and contents (see <c>Archives.Bundler</c>).</summary>
    public string? ContentDigest { get; init; }

    /// <summary>The same of the sealed tree, where production's configure step made it another one than the archive holds; null where they are the same.</summary>
    public string? TreeDigest { get; init; }

    public string? ArchiveDigest { get; init; }

    public long? ArchiveBytes { get; init; }

    /// <summary>SHA-256 of <see cref="ImageFile"/>; null for a release that runs as processes.</summary>
    public string? ImageDigest { get; init; }

    public long? ImageBytes { get; init; }

    /// <summary>SHA-256 of what is packed in it, where it was packed here.</summary>
    public string? ImageContent { get; init; }

    /// <summary>Over what the archive is (see <c>Archives.Signatures</c>), and the key it was made with.</summary>
    public string? Signature { get; init; }

    public string? SignedBy { get; init; }

    /// <summary>Its directory and archive are gone; only the record is left.</summary>
    public bool Pruned { get; init; }

    /// <summary>Its sealed tree; in editable mode the working copy, which goes on changing.</summary>
    public string Directory => Mode == Mode.Editable ? Project.Checkout : Path.Combine(Project.Deploy, Id.Value);

    /// <summary>Where the deliverable and its release.json are (R5.15).</summary>
    public string Deliverables => Path.Combine(Project.Releases, Id.Value);

    public string ArchiveFile => Path.Combine(Deliverables, $"{Project.Name}-v{Number}.tar.zst");

    /// <summary>The image that it runs as, saved.</summary>
    public string ImageFile => Path.Combine(Deliverables, $"{Project.Name}-v{Number}.image.tar.zst");

    /// <summary>An archive that was made elsewhere: it may be deployed although it never served, and has no tree until then.</summary>
    public bool Imported { get; init; }

    /// <summary>When its archive was last read again and held against what was sealed; null when it was not yet.</summary>
    public DateTimeOffset? CheckedAt { get; init; }

    /// <summary>What was wrong with it then.</summary>
    public string? ArchiveTrouble { get; init; }

    /// <summary>The same for the archive of its image.</summary>
    public DateTimeOffset? ImageCheckedAt { get; init; }

    public string? ImageTrouble { get; init; }

    /// <summary>Why nobody gets it: one of the archives that make it up is not what was packed.</summary>
    public string? Trouble => ArchiveTrouble ?? ImageTrouble;

    /// <summary>Final mode may take its archive, unless there is <see cref="Trouble"/> with it.</summary>
    public bool IsOnOffer => (HasServed || Imported) && this is { Pruned: false, ArchiveDigest: not null, ContentDigest: not null };

    public override string ToString() => $"v{Number}";
}

/// <summary>An archive of a part of a release's tree.</summary>
/// <param name="Digest">SHA-256 of the file.</param>
/// <param name="Content">Digest of the tree in it; null where that was not kept yet.</param>
/// <param name="IsChecked">It was read again from where it is stored.</param>
/// <param name="Trouble">What was wrong with it then.</param>
sealed record ReleasePart(string Name, string Digest, long Bytes, string? Content = null, bool IsChecked = false, string? Trouble = null);
