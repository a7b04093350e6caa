namespace Paas.Receiver.Buildpacks;

/// <summary>A folder with <c>bin/detect</c>, <c>bin/compile</c> and <c>bin/release</c>: Heroku's interface, whoever wrote it.</summary>
/// <param name="Name">What people call it: <c>node</c>, or the address it comes from.</param>
/// <param name="Directory">Where it is on the host; empty while it is not fetched.</param>
/// <param name="Address">Where it is fetched from.</param>
sealed record Buildpack(string Name, string Directory, BuildpackOrigin Origin, GitAddress? Address = null)
{
    /// <summary>Its builds may reach the network unless the operator says none may. Ours say so with an empty file; others are not asked.</summary>
    public bool FetchesDependencies => Origin != BuildpackOrigin.Shelf || File.Exists(Path.Combine(Directory, "network"));

    /// <summary>
    /// The names, one a line, of which one must be in a tree for <c>bin/detect</c> to be worth starting; <c>*</c> stands for any letters but <c>/</c>.
    /// Empty: it is always asked.
    /// </summary>
    public IReadOnlyList<string> LooksFor => looksFor.Value;

    readonly Lazy<IReadOnlyList<string>> looksFor = new(() =>
        Path.Combine(Directory, "looks-for") is var file && File.Exists(file)
            ? [.. File.ReadLines(file).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')]
            : []);

    public override string ToString() => Name;
}

/// <summary>Who answers for a buildpack.</summary>
enum BuildpackOrigin
{
    /// <summary>The operator: one of ours, or of the directories in <c>PAAS_BUILDPACKS</c>. Its <c>bin/detect</c> only looks whether files are there.</summary>
    Shelf,

    /// <summary>The pushed repository brings it along.</summary>
    Repository,

    /// <summary>Fetched from a git address that the repository names.</summary>
    Fetched,
}
