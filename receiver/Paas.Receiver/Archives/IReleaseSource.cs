using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>Which release is wanted of a source: that of a commit, that with a number, or with neither the one that is live there.</summary>
sealed record WantedRelease(string? Commit = null, int? Number = null)
{
    public override string ToString() => Commit is not null ? $"commit {Commit[..Math.Min(8, Commit.Length)]}" : Number is { } number ? $"release v{number}" : "live release";
}

/// <summary>An archive that a source has.</summary>
/// <param name="Title">For people: <c>v12 of staging</c>.</param>
/// <param name="Location">What the source finds it by.</param>
/// <param name="Repository">A git repository on this machine that has the commit; null where there is none.</param>
sealed record Offer(Provenance Provenance, Signature? Signature, long Bytes, string Title, string Location, string? Repository = null)
{
    /// <summary>The archive of the image that it runs as, beside it; null for processes.</summary>
    public OfferedImage? Image { get; init; }

    /// <summary>Known where it is kept: it is not what was packed, and nobody may unpack it. Null while nothing is wrong with it.</summary>
    public string? Trouble { get; init; }

    /// <summary>That archive as something to be fetched.</summary>
    public Offer? OfImage() =>
        Image is null ? null : this with { Provenance = Provenance with { ArchiveDigest = Image.Digest }, Signature = null, Bytes = Image.Bytes, Title = $"the image of {Title}", Location = Image.Location, Image = null };
}

/// <param name="Digest">Of the file. Which image must be in it is what the signed tree says.</param>
sealed record OfferedImage(string Location, string Digest, long Bytes);

/// <summary>
/// Where final mode takes archives from (R10.2): an environment of this receiver, a directory, another receiver. What it says is believed only as far as a trusted signature goes,
/// and what it hands over only as far as the digest goes.
/// </summary>
interface IReleaseSource
{
    /// <summary>For people.</summary>
    string Name { get; }

    /// <summary>The newest release that fits, was live there (or was imported) and still has its archive, one with <see cref="Offer.Trouble"/> only where there is no other; null when there is none.</summary>
    /// <exception cref="Refusal">The source cannot be asked; says why.</exception>
    Task<Offer?> FindAsync(ProjectName project, WantedRelease wanted, CancellationToken ct);

    /// <summary>Puts the archive's bytes into a file that does not exist yet. True when they were held against the offer's digest on the way.</summary>
    /// <exception cref="Refusal">They cannot be had, or are others.</exception>
    Task<bool> FetchAsync(Offer offer, string file, CancellationToken ct);
}
