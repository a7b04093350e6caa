using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>An environment of this receiver: its archives are further names of the same files.</summary>
/// <param name="fits">Of what is on offer there, what may be taken; null is all.</param>
sealed class NeighbourSource(ProjectStore projects, ReleaseStore releases, Environment environment, Func<Release, bool>? fits = null) : IReleaseSource
{
    public string Name => environment.Name.Value;

    public Task<Offer?> FindAsync(ProjectName project, WantedRelease wanted, CancellationToken ct) =>
        Task.FromResult(projects.Find(environment.Name, project) is { } found && Of(found, wanted) is { } release ? OfferOf(release) : null);

    public Task<bool> FetchAsync(Offer offer, string file, CancellationToken ct)
    {
        using var from = DirectoryHandle.Open(Path.GetDirectoryName(offer.Location)!);
        using var to = DirectoryHandle.Open(Path.GetDirectoryName(file)!);
        if (!from.TryLink(Kernel.Name(Path.GetFileName(offer.Location)), to, Kernel.Name(Path.GetFileName(file))))
        {
            if (!File.Exists(offer.Location))
            {
                throw new Refusal($"the archive of {offer.Title} is gone");
            }

            File.Copy(offer.Location, file); // another file system
        }

        return Task.FromResult(false);
    }

    Release? Of(Project project, WantedRelease wanted)
    {
        var current = wanted is { Commit: null, Number: null } ? releases.CurrentId(project) : null;
        return releases.List(project).OrderBy(release => release.Trouble is not null).FirstOrDefault(release =>
            release.IsOnOffer
            && (wanted.Commit is null ? wanted.Number is null ? release.Id == current : release.Number == wanted.Number : release.Commit == wanted.Commit)
            && File.Exists(release.ArchiveFile) && fits?.Invoke(release) != false);
    }

    static Offer OfferOf(Release release) => new(
        new Provenance(release.Project.Name.Value, release.Commit, release.ArchiveDigest!, release.ContentDigest!),
        release.Signature is null ? null : new Signature(release.SignedBy!, release.Signature), release.ArchiveBytes ?? 0,
        $"{release} of {release.Project.Environment.Name}", release.ArchiveFile, release.Project.ProjectRepository)
    {
        Image = release.ImageDigest is { } digest && File.Exists(release.ImageFile) ? new OfferedImage(release.ImageFile, digest, release.ImageBytes ?? 0) : null,
        Trouble = release.Trouble,
    };
}
