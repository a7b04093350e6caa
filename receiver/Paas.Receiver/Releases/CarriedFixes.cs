using System.Text.Json;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>A manual fix as the tree that holds it tells of it.</summary>
/// <param name="Id">The one that it got where it was made.</param>
/// <param name="Files">Paths in the tree, at most <see cref="PatchStore.MostNamed"/> of them.</param>
sealed record CarriedFix(string Id, string Subject, string By, DateTimeOffset MadeAt, IReadOnlyList<string> Files);

/// <summary>
/// What a tree says of the manual fixes in it: <c>.paas/fixes</c>, a list and the patches themselves, part of the tree and of its archive, so that whoever unpacks it elsewhere knows who changed
/// what. Written by the receiver alone: what was pushed under that name is thrown away.
/// </summary>
static class CarriedFixes
{
    const string Folder = ".paas/fixes";
    const string List = "list.json";

    /// <summary>Of one archive; what is beyond that is not taken in.</summary>
    const int Most = 1000;
    const long LargestList = 16 << 20;
    const int LongestLine = 200;

    static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Into a tree that is not sealed yet, beside those that it holds already.</summary>
    /// <exception cref="Refusal"><c>.paas</c> leads elsewhere, and nothing may be written there.</exception>
    public static void Add(string tree, IReadOnlyList<Patch> patches)
    {
        var held = Read(tree);
        var further = patches.Where(patch => held.All(fix => fix.Id != patch.Origin.Value)).ToList();
        if (further.Count == 0)
        {
            return;
        }

        if (Inode.Of(Path.Combine(tree, ".paas")) is { IsDirectory: false })
        {
            throw new Refusal(".paas is not a directory of this repository; the receiver keeps what it knows of a release there.");
        }

        var folder = Directory.CreateDirectory(Path.Combine(tree, Folder)).FullName;
        foreach (var patch in further)
        {
            foreach (var (text, name) in new[] { (patch.File, OwnOf(patch.Origin)), (patch.BuiltFile, BuiltOf(patch.Origin)) }.Where(text => File.Exists(text.Item1)))
            {
                AtomicFile.Write(Path.Combine(folder, name), File.ReadAllBytes(text));
            }
        }

        AtomicFile.Write(
            Path.Combine(folder, List),
            JsonSerializer.SerializeToUtf8Bytes(held.Concat(further.Select(patch => new CarriedFix(patch.Origin.Value, patch.Subject, patch.By, patch.MadeAt, patch.Files))), Readable));
    }

    /// <summary>Takes out what was pushed as such, or what a build made under that name.</summary>
    public static void Forget(string tree)
    {
        var place = Path.Combine(tree, Folder);
        if (HasOurFolder(tree) && Inode.Of(place) is { } inode)
        {
            if (inode.IsDirectory)
            {
                DirectoryHandle.Delete(place);
            }
            else
            {
                File.Delete(place);
            }
        }
    }

    /// <summary>Whatever is there may have been made by somebody else: what is not as we write it counts for nothing.</summary>
    public static IReadOnlyList<CarriedFix> Read(string tree)
    {
        if (!HasOurFolder(tree) || Inode.Of(Path.Combine(tree, Folder)) is not { IsDirectory: true } || Inode.Of(Path.Combine(tree, Folder, List)) is not { IsFile: true, Size: <= LargestList })
        {
            return [];
        }

        try
        {
            var fixes = JsonSerializer.Deserialize<IReadOnlyList<CarriedFix?>>(File.ReadAllBytes(Path.Combine(tree, Folder, List)), Readable) ?? [];
            return [.. fixes.OfType<CarriedFix>().Where(IsOurs).DistinctBy(fix => fix.Id).Take(Most)];
        }
        catch (JsonException)
        {
            // Of an archive that somebody else made: it may hold anything.
            return [];
        }
    }

    /// <summary>The patch itself, of what the commit has and of what was built; null where nothing of that kind was changed.</summary>
    public static (byte[]? Own, byte[]? Built) TextsOf(string tree, CarriedFix fix) =>
        ReleaseId.TryParse(fix.Id) is { } id ? (TextIn(tree, OwnOf(id)), TextIn(tree, BuiltOf(id))) : (null, null);

    static byte[]? TextIn(string tree, string name)
    {
        // Never through a link: it is the receiver that reads, and it shows what it has read.
        var file = Path.Combine(tree, Folder, name);
        return HasOurFolder(tree) && Inode.Of(Path.Combine(tree, Folder)) is { IsDirectory: true } && Inode.Of(file) is { IsFile: true, Size: <= 2 * TreeChanges.MostBytes } ? File.ReadAllBytes(file) : null;
    }

    static bool IsOurs(CarriedFix fix) =>
        ReleaseId.TryParse(fix.Id) is not null && IsLine(fix.Subject) && IsLine(fix.By) && fix.Files is { Count: <= PatchStore.MostNamed } && fix.Files.All(file => file is { Length: > 0 });

    static bool IsLine(string? text) => text is { Length: > 0 and <= LongestLine } && !text.Any(char.IsControl);

    static bool HasOurFolder(string tree) => Inode.Of(Path.Combine(tree, ".paas")) is { IsDirectory: true };

    static string OwnOf(ReleaseId id) => id.Value + ".patch";

    static string BuiltOf(ReleaseId id) => id.Value + ".built.patch";
}
