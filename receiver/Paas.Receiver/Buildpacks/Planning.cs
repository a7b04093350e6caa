using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// Chooses the buildpacks of a draft: those that are named, else the first that detects it. None where the project has a build hook or its manifest has prepare
/// commands: then it builds itself.
/// </summary>
sealed class Planning(BuildpackShelf shelf, CagedBuild caged)
{
    static readonly TimeSpan LongestDetection = TimeSpan.FromSeconds(60);

    /// <exception cref="Refusal">A name that nobody has, an address that is none, or a named buildpack that finds nothing of its own here.</exception>
    public async Task<BuildPlan> PlanAsync(Draft draft, Manifest? declared, Pillar pillar, CancellationToken ct)
    {
        var wishes = BuildWishes.Read(draft.Directory, declared, pillar.Environment);
        var named = wishes.Buildpacks.Count > 0;
        if (File.Exists(Path.Combine(draft.Directory, ".paas", "hooks", "build")))
        {
            return new BuildPlan { Wishes = wishes, Notices = named ? [$".paas/hooks/build builds this project; the buildpacks of {wishes.NamedBy} are not run"] : [] };
        }

        if (named)
        {
            return new BuildPlan { Wishes = wishes, Packs = [.. wishes.Buildpacks.Select(name => Named(draft, name, wishes.NamedBy!))] };
        }

        return declared?.Application?.PrepareCommands.Count > 0 ? new BuildPlan { Wishes = wishes } : new BuildPlan { Wishes = wishes, Packs = await DetectAsync(draft, ct) };
    }

    async Task<IReadOnlyList<PlannedPack>> DetectAsync(Draft draft, CancellationToken ct)
    {
        foreach (var (pack, found) in shelf.Candidates(draft.Directory))
        {
            // What says which names it looks for promises only to look; any other one is asked where it can do no harm.
            var detected = found is not null ? await AskAsync(pack, draft, ct) : await caged.DetectAsync(draft, pack, LongestDetection, ct);
            if (detected is not null)
            {
                return [new PlannedPack(pack, detected, found ?? "detected")];
            }
        }

        return [];
    }

    /// <summary>Null when it says no.</summary>
    static async Task<string?> AskAsync(Buildpack pack, Draft draft, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(LongestDetection);
        var answer = await new Command(Path.Combine(pack.Directory, "bin", "detect"), draft.Directory).RunAsync(limit.Token);
        return answer.ExitCode == 0 ? NameIn(answer.Output) ?? pack.Name : null;
    }

    /// <summary>The first line that says anything; null when none does.</summary>
    public static string? NameIn(string output) => output.Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0) is { } name ? name[..Math.Min(name.Length, 100)] : null;

    PlannedPack Named(Draft draft, string name, string by)
    {
        if (name.StartsWith("./", StringComparison.Ordinal) || name.StartsWith("../", StringComparison.Ordinal))
        {
            var path = Path.GetFullPath(Path.Combine(draft.Directory, name));
            return path.StartsWith(draft.Directory + "/", StringComparison.Ordinal) && File.Exists(Path.Combine(path, "bin", "compile"))
                ? new PlannedPack(new Buildpack(name, path, BuildpackOrigin.Repository), null, by)
                : throw new Refusal($"{by} names the buildpack '{name}': there is no {name}/bin/compile in this repository");
        }

        if (GitAddress.TryParse(name) is { } address)
        {
            return new PlannedPack(new Buildpack(address.ToString(), "", BuildpackOrigin.Fetched, address), null, by);
        }

        return shelf.Find(name) is { } pack
            ? new PlannedPack(pack, null, by)
            : throw new Refusal($"{by} names the buildpack '{Logs.LogStream.Harmless(name)}', which is not here; there are {string.Join(", ", shelf.Names)}, or give a git address (https://…) or a path of the repository (./…)");
    }
}
