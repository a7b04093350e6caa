using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// Chooses the buildpacks of a draft: those that are named, else the first that detects it. None where the project has a build hook or its manifest has prepare
/// commands: then it builds itself.
/// </summary>
sealed class Planning(BuildpackShelf shelf, ToolchainShelf toolchains, CagedBuild caged)
{
    static readonly TimeSpan LongestDetection = TimeSpan.FromSeconds(60);

    /// <exception cref="Refusal">A name that nobody has, an address that is none, or a named buildpack that finds nothing of its own here.</exception>
    public async Task<BuildPlan> PlanAsync(Draft draft, Manifest? declared, Pillar pillar, CancellationToken ct)
    {
        var plan = await ChooseAsync(draft, declared, pillar, ct);
        var wishes = plan.Packs.Where(planned => planned.Pack.Origin == BuildpackOrigin.Shelf).Select(planned => Wanted.Of(draft.Directory, planned.Pack.Name)).OfType<Wanted.Wish>().ToList();
        if (declared?.Application?.PrepareRuntime is { Version: { } version } runtime && Plugins.LanguageOf(runtime.Name) is { } language)
        {
            wishes.Insert(0, new Wanted.Wish(new WantedToolchain(language, version), $"{declared.Source}'s prepare"));
        }

        var found = new List<(Wanted.Wish, Toolchain)>();
        foreach (var wish in wishes)
        {
            // A language that is not here at all is what its buildpack has a better line for.
            if ((await toolchains.VersionsAsync(wish.Toolchain.Language)).Count > 0)
            {
                found.Add((wish, await toolchains.FindAsync(wish.Toolchain, wish.By)));
            }
        }

        return plan with { Toolchains = found };
    }

    async Task<BuildPlan> ChooseAsync(Draft draft, Manifest? declared, Pillar pillar, CancellationToken ct)
    {
        var wishes = BuildWishes.Read(draft.Directory, declared, pillar.Environment);
        var named = wishes.Buildpacks.Count > 0;
        if (File.Exists(Path.Combine(draft.Directory, ".paas", "hooks", "build")))
        {
            return new BuildPlan { Wishes = wishes, Notices = named ? [$".paas/hooks/build builds this project; the buildpacks of {wishes.NamedBy} are not run"] : [] };
        }

        if (named)
        {
            return new BuildPlan { Wishes = wishes, Packs = [.. wishes.Buildpacks.Select(name => Named(draft, name, wishes.NamedBy!)), .. OfRuntimes(declared)] };
        }

        var ofRuntimes = OfRuntimes(declared).ToList();
        return ofRuntimes.Count > 0 || declared?.Application?.PrepareCommands.Count > 0
            ? new BuildPlan { Wishes = wishes, Packs = ofRuntimes }
            : new BuildPlan { Wishes = wishes, Packs = await DetectAsync(draft, ct) };
    }

    /// <summary>A manifest's runtimes that serve a folder need what our buildpacks of that kind put beside it.</summary>
    IEnumerable<PlannedPack> OfRuntimes(Manifest? declared) =>
        from use in (declared?.Application?.Instances ?? []).Select(instance => instance.Runtime.Name).Distinct()
        let name = use switch { Plugins.PhpRuntime => "php", Plugins.StaticRuntime => "static", _ => null }
        where name is not null
        let pack = shelf.Find(name)
        where pack is not null
        select new PlannedPack(pack, name == "php" ? "PHP" : "Static files", declared!.Source);

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
