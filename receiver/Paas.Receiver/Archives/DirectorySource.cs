using System.Text.Json;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>
/// A directory with what a receiver's <c>releases</c> hold: <c>&lt;id&gt;/release.json</c> and the archive beside it, directly, below the project's name, or as a whole root
/// (<c>projects/&lt;p&gt;/releases</c>). A mounted disk, or a copy.
/// </summary>
sealed class DirectorySource(string directory) : IReleaseSource
{
    const long LargestRecord = 1 << 20;

    public string Name => directory;

    public Task<Offer?> FindAsync(ProjectName project, WantedRelease wanted, CancellationToken ct)
    {
        if (!Directory.Exists(directory))
        {
            throw new Refusal($"the release store {directory} is not there");
        }

        var offers =
            from place in (string[])[directory, Path.Combine(directory, project.Value), Path.Combine(directory, "projects", project.Value, "releases")]
            where Directory.Exists(place)
            from release in Directory.EnumerateDirectories(place)
            let id = ReleaseId.TryParse(Path.GetFileName(release))
            where id is not null
            orderby id.Value descending
            let offer = Read(release, project, wanted)
            where offer is not null
            select offer;
        return Task.FromResult(offers.FirstOrDefault());
    }

    public async Task<bool> FetchAsync(Offer offer, string file, CancellationToken ct)
    {
        try
        {
            await using var from = File.OpenRead(offer.Location);
            await using var to = new FileStream(file, FileMode.CreateNew, FileAccess.Write);
            await from.CopyToAsync(to, 1 << 20, ct);
            return false;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new Refusal($"the archive {offer.Location} is gone");
        }
    }

    static Offer? Read(string release, ProjectName project, WantedRelease wanted)
    {
        var file = new FileInfo(Path.Combine(release, "release.json"));
        if (!file.Exists || file.Length > LargestRecord)
        {
            return null;
        }

        try
        {
            var record = JsonSerializer.Deserialize<Record>(File.ReadAllBytes(file.FullName), JsonSerializerOptions.Web);
            // A name that leads elsewhere is no archive of this directory.
            return record is { Project: { } named, Commit: { } commit, ContentDigest: { } content, Archive: { File: { } name, Sha256: { } digest } archive }
                && (record.LiveAt is not null || record.Imported) && named == project.Value && name == Path.GetFileName(name) && File.Exists(Path.Combine(release, name))
                && (wanted.Commit is null || wanted.Commit == commit) && (wanted.Number is null || wanted.Number == record.Release)
                ? new Offer(
                    new Provenance(named, commit, digest, content), record.Signature is { Key: { } key, Value: { } value } ? new Signature(key, value) : null,
                    archive.Bytes, $"v{record.Release} in {release}", Path.Combine(release, name))
                {
                    Image = record.Image is { File: { } image, Sha256: { } sum } saved && image == Path.GetFileName(image) && File.Exists(Path.Combine(release, image))
                        ? new OfferedImage(Path.Combine(release, image), sum, saved.Bytes) : null,
                }
                : null;
        }
        catch (JsonException)
        {
            return null; // no record of ours
        }
    }

    sealed record Record(string? Project, int Release, string? Commit, DateTimeOffset? LiveAt, bool Imported, string? ContentDigest, ArchiveRecord? Archive, SignatureRecord? Signature, ArchiveRecord? Image = null);

    sealed record ArchiveRecord(string? File, string? Sha256, long Bytes);

    sealed record SignatureRecord(string? Key, string? Value);
}
