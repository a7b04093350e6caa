using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Containers;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>The image of a release as a file beside the archive of its tree: what a promotion takes along, and what brings the image back where the engine has lost it.</summary>
sealed class ReleaseImages(Engine engine, ImageBuilder images, ImageBundler bundler, ReleaseStore releases)
{
    /// <summary>Saves the image where the release has one and its file is not there yet. An image that an earlier release has saved is a further name of that file.</summary>
    public async Task KeepAsync(Release release, CancellationToken ct)
    {
        if (release.Mode == Mode.Editable || Built.Read(release.Directory).Image is not { } image || release is { ImageDigest: not null, ImageTrouble: null } && File.Exists(release.ImageFile))
        {
            return;
        }

        var same = releases.List(release.Project).FirstOrDefault(other =>
            other is { Pruned: false, ImageDigest: not null, ImageTrouble: null, Mode: not Mode.Editable } && other.Id != release.Id && Built.Read(other.Directory).Image?.Id == image.Id);
        if (same is not null && TryLink(same.ImageFile, release.ImageFile))
        {
            releases.RecordImage(release, same.ImageDigest!, same.ImageBytes ?? 0, same.ImageContent);
            return;
        }

        var bundle = await bundler.PackAsync(image.Id, release.ImageFile, ct);
        releases.RecordImage(release, bundle.Digest, bundle.Bytes, bundle.Content);
    }

    /// <summary>The engine has the image, and the project's own name for it, when this returns.</summary>
    /// <exception cref="Refusal">It has not, and the release brings none along.</exception>
    public async Task EnsureAsync(Release release, LogStream? log, CancellationToken ct)
    {
        if (release.Mode != Mode.Editable && Built.Read(release.Directory).Image is { } image)
        {
            await EnsureAsync(release.Project, image, release.ImageDigest is null ? null : release.ImageFile, release.ImageDigest, log, ct);
        }
    }

    /// <summary>The same for a tree that is no release yet.</summary>
    public async Task EnsureAsync(Project project, BuiltImage image, string? file, string? digest, LogStream? log, CancellationToken ct)
    {
        if (await engine.WhyNotAsync(ct) is { } why)
        {
            throw new Refusal($"it runs as containers, and {why}");
        }

        if (await engine.FindImageAsync(image.Id, ct) is null)
        {
            if (file is null || digest is null || !File.Exists(file))
            {
                throw new Refusal($"it runs as the image {image.Id}, which the Docker engine does not have, and no archive of it came along");
            }

            log?.Detail($"loading {image.Name}");
            await bundler.LoadAsync(image.Id, file, digest, ct);
        }

        await images.PinAsync(project, image, ct);
    }

    static bool TryLink(string existing, string further)
    {
        if (!File.Exists(existing))
        {
            return false;
        }

        using var from = DirectoryHandle.Open(Path.GetDirectoryName(existing)!);
        using var to = DirectoryHandle.Open(Path.GetDirectoryName(further)!);
        return from.TryLink(Kernel.Name(Path.GetFileName(existing)), to, Kernel.Name(Path.GetFileName(further)));
    }
}
