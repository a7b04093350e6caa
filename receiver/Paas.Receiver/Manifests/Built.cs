using System.Text.Json;
using System.Text.Json.Serialization;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Manifests;

/// <summary>
/// What a build found out and a release has to remember: <c>.paas/built.json</c>, part of the sealed tree and of its archive, so that a release means the same
/// wherever it is unpacked. Written by the receiver alone: one that was pushed is thrown away.
/// </summary>
sealed record Built
{
    public const string Name = ".paas/built.json";

    public static readonly Built Nothing = new();

    static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>The manifest that was asked for instead of the usual one.</summary>
    public string? Manifest { get; init; }

    /// <summary>The buildpacks that built it, in their order, each with what it said it had found.</summary>
    public IReadOnlyList<BuiltBy> Buildpacks { get; init; } = [];

    /// <summary>Versions of languages that it runs with, beside the machine's own; found again on whichever machine it is started.</summary>
    public IReadOnlyList<WantedToolchain> Toolchains { get; init; } = [];

    /// <summary>Variables that buildpacks give, unless the project's configuration has others.</summary>
    public IReadOnlyDictionary<string, string> ConfigVars { get; init; } = new Dictionary<string, string>();

    /// <summary>What runs where the repository itself does not say.</summary>
    public IReadOnlyDictionary<string, string> ProcessTypes { get; init; } = new Dictionary<string, string>();

    /// <summary>What it runs as containers of; null for processes.</summary>
    public BuiltImage? Image { get; init; }

    /// <summary>Archives beside the one of the whole tree: a name, and the patterns of what is in it.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Archives { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Who says what runs, for people.</summary>
    [JsonIgnore]
    public string Source => $"the buildpack {string.Join(", ", Buildpacks.Select(pack => pack.Name))}";

    bool IsNothing => Manifest is null && Buildpacks.Count == 0 && Toolchains.Count == 0 && Archives.Count == 0 && Image is null;

    public static Built Read(string directory)
    {
        var file = Path.Combine(directory, Name);
        if (!HasOurFolder(directory) || Inode.Of(file) is not { IsFile: true })
        {
            return Nothing;
        }

        try
        {
            return JsonSerializer.Deserialize<Built>(File.ReadAllBytes(file), Readable) ?? Nothing;
        }
        catch (JsonException)
        {
            // Of an archive that somebody else made: it may hold anything.
            return Nothing;
        }
    }

    /// <summary>Into a tree that is not sealed yet; nothing to say leaves no file.</summary>
    /// <exception cref="Refusal"><c>.paas</c> leads elsewhere, and nothing may be written there.</exception>
    public void Write(string directory)
    {
        Forget(directory);
        if (IsNothing)
        {
            return;
        }

        var folder = Path.GetDirectoryName(Path.Combine(directory, Name))!;
        if (Inode.Of(folder) is { IsDirectory: false })
        {
            throw new Refusal(".paas is not a directory of this repository; the receiver keeps what it knows of a release there.");
        }

        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(directory, Name), JsonSerializer.SerializeToUtf8Bytes(this, Readable));
    }

    /// <summary>Takes out what was pushed as such.</summary>
    public static void Forget(string directory)
    {
        var file = Path.Combine(directory, Name);
        if (HasOurFolder(directory) && Inode.Of(file) is { } inode)
        {
            if (inode.IsDirectory)
            {
                Directory.Delete(file, recursive: true);
            }
            else
            {
                File.Delete(file);
            }
        }
    }

    // Through a link it would be somebody else's file.
    static bool HasOurFolder(string directory) => Inode.Of(Path.GetDirectoryName(Path.Combine(directory, Name))!) is { IsDirectory: true };
}

/// <param name="Found">What its <c>bin/detect</c> said: <c>Node.js</c>.</param>
sealed record BuiltBy(string Name, string Found);

/// <summary>The image of a release: exactly these bytes, whatever its name leads to later.</summary>
/// <param name="Id"><c>sha256:…</c>.</param>
/// <param name="Name">Its name and tag when it was made: <c>services-shop:paasta-&lt;commit&gt;</c>.</param>
/// <param name="Port">Where a web container listens, inside.</param>
/// <param name="User">The number of the user it runs as; 0 is root.</param>
sealed record BuiltImage(string Id, string Name, int Port, uint User = 0);
