using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>
/// Whether a tree is run as processes or as containers: what the pillar's <c>paas: run:</c> says, else the manifest's or <c>app.json</c>'s <c>paas</c> section, else containers
/// where there is a Dockerfile and neither a manifest nor a Procfile nor a named buildpack nor a build hook.
/// </summary>
static class RunsAs
{
    public const string Rule = "neither 'processes' nor 'container'";

    public static RunAs? TryParse(string text) => text switch
    {
        "container" or "containers" => RunAs.Container,
        "processes" or "process" => RunAs.Processes,
        _ => null,
    };

    /// <param name="declared">What the tree declares, if anything.</param>
    /// <param name="isSaid">False where only the Dockerfile speaks for it.</param>
    /// <exception cref="Refusal">The pillar says something that is neither.</exception>
    public static RunAs Of(string directory, Manifest? declared, Pillar pillar, out bool isSaid)
    {
        var said = pillar.Run is { } text ? TryParse(text) ?? throw new Refusal($"paas.run: '{text}' is {Rule}") : declared?.Run;
        if (said is null && declared is null)
        {
            var mistakes = new Mistakes(AppJson.Name);
            said = AppJson.Read(directory, mistakes).Paas.Run;
            mistakes.Throw();
        }

        isSaid = said is not null;
        return said ?? (declared is null && File.Exists(Path.Combine(directory, ManifestReader.Dockerfile)) && !File.Exists(Path.Combine(directory, ".paas", "hooks", "build"))
            && BuildWishes.Read(directory, declared, pillar.Environment).Buildpacks.Count == 0 ? RunAs.Container : RunAs.Processes);
    }
}
