using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>How a repository wants to be built: by which buildpacks, with which variables, without which files. Immutable.</summary>
sealed record BuildWishes
{
    const int MostBuildpacks = 20;

    public static readonly BuildWishes None = new();

    /// <summary>Names, paths of the repository (<c>./tools/pack</c>) or addresses of git repositories, in their order; empty: find out.</summary>
    public IReadOnlyList<string> Buildpacks { get; init; } = [];

    /// <summary>The file or variable that named them.</summary>
    public string? NamedBy { get; init; }

    /// <summary>For the build alone (a <c>project.toml</c>'s <c>build.env</c>).</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The project says whether its own commands need the network to be built; null when it does not say.</summary>
    public bool? Network { get; init; }

    /// <summary>Patterns of <c>.slugignore</c> and of a <c>project.toml</c>'s <c>exclude</c>: what is left out of the release.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>
    /// What the tree says. Who names buildpacks: the pillar's <c>BUILDPACK_URL</c>, else the manifest's or <c>app.json</c>'s <c>paas</c> section, else <c>.buildpacks</c>, else
    /// <c>app.json</c>'s <c>buildpacks</c>, else <c>project.toml</c>.
    /// </summary>
    /// <param name="manifest">What the tree declares, if anything: its <c>paas</c> section.</param>
    /// <exception cref="Refusal">A file has mistakes.</exception>
    public static BuildWishes Read(string directory, Manifest? manifest, IReadOnlyDictionary<string, string> pillar)
    {
        var mistakes = new Mistakes(ProjectToml.Name);
        var project = ProjectToml.Read(directory, mistakes);
        mistakes.Throw();
        var extraMistakes = new Mistakes(AppJson.Name);
        var app = AppJson.Read(directory, extraMistakes);
        extraMistakes.Throw();
        (IReadOnlyList<string> Buildpacks, string? NamedBy) named =
            pillar.GetValueOrDefault("BUILDPACK_URL") is { Length: > 0 } url ? ([url], "BUILDPACK_URL")
            : manifest is { Application: not null, Build.Buildpacks: { Count: > 0 } wished } ? (wished, manifest.Source)
            : app.Paas.Build.Buildpacks is { Count: > 0 } section ? (section, $"{AppJson.Name}'s paas section")
            : Lines(directory, ".buildpacks") is { Count: > 0 } lines ? (lines, ".buildpacks")
            : app.Buildpacks.Count > 0 ? (app.Buildpacks, AppJson.Name)
            : project.Buildpacks.Count > 0 ? (project.Buildpacks, ProjectToml.Name)
            : ([], null);
        if (named.Buildpacks.Count > MostBuildpacks)
        {
            throw new Refusal($"{named.NamedBy} names {named.Buildpacks.Count} buildpacks; at most {MostBuildpacks} are run.");
        }

        return new BuildWishes
        {
            Buildpacks = named.Buildpacks,
            NamedBy = named.NamedBy,
            Environment = project.Environment,
            Network = manifest?.Build.Network ?? app.Paas.Build.Network,
            LeftOut = [.. Lines(directory, ".slugignore"), .. project.LeftOut],
        };
    }

    static List<string> Lines(string directory, string name) =>
        ProjectFile.Read(directory, name) is { } file
            ? [.. file.Text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')]
            : [];
}
