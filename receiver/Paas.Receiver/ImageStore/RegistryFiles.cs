using System.Text.Json;
using Paas.Receiver.Storage;

namespace Paas.Receiver.ImageStore;

/// <summary>
/// What docker-registry keeps below its directory: each repository's links, and the bytes they lead to, which repositories share. Read at any time; written to only while no
/// registry runs.
/// </summary>
/// <remarks>
/// The registry's own <c>garbage-collect --delete-untagged</c> takes away the parts of images for several machines too, which have no tag of their own
/// (distribution/distribution#3178), and leaves the links of layers behind. So what no tag leads to is found here, and it only collects the bytes.
/// </remarks>
sealed class RegistryFiles(string data)
{
    /// <summary>A manifest that is larger is none.</summary>
    const long LargestManifest = 8 << 20;

    string Version => Path.Combine(data, "docker", "registry", "v2");

    /// <summary>Bytes on the disk that the links of a repository lead to, and what of unfinished uploads is there. What several repositories share counts for each of them.</summary>
    public (long Bytes, long Files) TakenBy(string repository)
    {
        var (bytes, files) = (0L, 0L);
        foreach (var digest in LinksIn(Layers(repository)).Union(LinksIn(Revisions(repository))))
        {
            if (Inode.Of(BlobFile(digest)) is { IsFile: true } blob)
            {
                bytes += blob.Blocks * 512;
                files++;
            }
        }

        var uploads = new Usage().Add(Uploads(repository));
        return (bytes + uploads.Bytes, files + uploads.Files);
    }

    /// <summary>False when there is nothing of it.</summary>
    public bool Remove(string repository)
    {
        var there = Directory.Exists(PlaceOf(repository));
        if (there)
        {
            DirectoryHandle.Delete(PlaceOf(repository));
        }

        return there;
    }

    /// <summary>True when a tag led to something else before, which is still there.</summary>
    public bool HasFormer(string repository, string tag) => NamesIn(Path.Combine(Tags(repository), tag, "index", "sha256")).Skip(1).Any();

    /// <summary>Takes the links of what is not needed any more; nobody may be pushing. True when something stays for a while only.</summary>
    /// <param name="needed">Digests that a repository keeps though no tag leads to them; null when that cannot be said, and all of it stays.</param>
    /// <param name="until">What a tag led to until a moment ago may just be fetched by its digest: it stays when it was replaced later than this.</param>
    public bool Prune(Func<string, IReadOnlySet<string>?> needed, DateTime until)
    {
        var anyFormer = false;
        foreach (var repository in Repositories())
        {
            if (needed(repository) is { } wanted && Reached(repository, wanted, until) is var (manifests, layers))
            {
                Keep(Revisions(repository), manifests);
                Keep(Layers(repository), layers);
                foreach (var tag in NamesIn(Tags(repository)))
                {
                    Keep(Path.Combine(Tags(repository), tag, "index", "sha256"), manifests);
                    anyFormer |= HasFormer(repository, tag);
                }

                DirectoryHandle.Delete(Uploads(repository));
            }
        }

        return anyFormer;
    }

    /// <summary>Manifests that tags lead to, at once or over lists, and all that they name; null when one cannot be read.</summary>
    (HashSet<string> Manifests, HashSet<string> Layers)? Reached(string repository, IReadOnlySet<string> needed, DateTime until)
    {
        var (manifests, layers) = (new HashSet<string>(), new HashSet<string>());
        var ahead = new Stack<string>(Tagged(repository, until).Concat(needed));
        while (ahead.TryPop(out var digest))
        {
            if (!File.Exists(Path.Combine(Revisions(repository), digest, "link")) || !manifests.Add(digest))
            {
                continue;
            }

            if (TryRead(digest) is not { } read)
            {
                return null;
            }

            layers.UnionWith(read.Layers);
            read.Manifests.ForEach(ahead.Push);
        }

        return (manifests, layers);
    }

    IEnumerable<string> Tagged(string repository, DateTime until)
    {
        foreach (var tag in NamesIn(Tags(repository)).Select(name => Path.Combine(Tags(repository), name)))
        {
            var current = Path.Combine(tag, "current", "link");
            if (File.Exists(current))
            {
                yield return Hex(File.ReadAllText(current).Trim());
                foreach (var former in File.GetLastWriteTimeUtc(current) > until ? NamesIn(Path.Combine(tag, "index", "sha256")) : [])
                {
                    yield return former;
                }
            }
        }
    }

    (List<string> Manifests, List<string> Layers)? TryRead(string digest)
    {
        var file = new FileInfo(BlobFile(digest));
        if (!file.Exists || file.Length > LargestManifest)
        {
            return null;
        }

        try
        {
            using var manifest = JsonDocument.Parse(File.ReadAllBytes(file.FullName));
            var root = manifest.RootElement;
            return (All(root, "manifests", "digest"), [.. All(root, "layers", "digest"), .. All(root, "fsLayers", "blobSum"), .. root.TryGetProperty("config", out var config) ? [DigestOf(config, "digest")] : (string[])[]]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            // Of a kind that is not known here: better kept for ever than half taken away.
            return null;
        }
    }

    static List<string> All(JsonElement manifest, string list, string key) =>
        manifest.TryGetProperty(list, out var entries) && entries.ValueKind == JsonValueKind.Array ? [.. entries.EnumerateArray().Select(entry => DigestOf(entry, key))] : [];

    static string DigestOf(JsonElement entry, string key) => Hex(entry.GetProperty(key).GetString() ?? "");

    static string Hex(string digest) => digest.StartsWith("sha256:", StringComparison.Ordinal) ? digest["sha256:".Length..] : digest;

    static void Keep(string directory, HashSet<string> kept)
    {
        foreach (var name in NamesIn(directory).Where(name => !kept.Contains(name)).ToList())
        {
            DirectoryHandle.Delete(Path.Combine(directory, name));
        }
    }

    /// <summary><c>&lt;env&gt;/&lt;project&gt;</c>, as the receiver names them; nothing else comes here.</summary>
    IEnumerable<string> Repositories() =>
        from environment in NamesIn(Path.Combine(Version, "repositories"))
        from project in NamesIn(Path.Combine(Version, "repositories", environment))
        where !project.StartsWith('_')
        select $"{environment}/{project}";

    static IEnumerable<string> LinksIn(string directory) => NamesIn(directory).Where(name => File.Exists(Path.Combine(directory, name, "link")));

    static IEnumerable<string> NamesIn(string directory) => Directory.Exists(directory) ? Directory.EnumerateDirectories(directory).Select(Path.GetFileName).OfType<string>() : [];

    string PlaceOf(string repository) => Path.Combine(Version, "repositories", repository);

    string Layers(string repository) => Path.Combine(PlaceOf(repository), "_layers", "sha256");

    string Revisions(string repository) => Path.Combine(PlaceOf(repository), "_manifests", "revisions", "sha256");

    string Tags(string repository) => Path.Combine(PlaceOf(repository), "_manifests", "tags");

    string Uploads(string repository) => Path.Combine(PlaceOf(repository), "_uploads");

    string BlobFile(string hex) => hex.Length < 2 ? Path.Combine(Version, "none") : Path.Combine(Version, "blobs", "sha256", hex[..2], hex, "data");
}
