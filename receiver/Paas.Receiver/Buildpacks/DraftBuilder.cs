using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// Makes a draft runnable. Each step is provided by the project (<c>.paas/hooks/&lt;step&gt;</c>), else by buildpacks, else there is nothing to do; all of it runs
/// in a cage, where it sees the draft at <c>run</c>.
/// </summary>
sealed class DraftBuilder
{
    readonly CagedBuild caged;
    readonly BuildCache cache;
    readonly Planning planning;
    readonly BuildSettings settings;

    public DraftBuilder(Cage cage, BuildSettings settings)
    {
        this.settings = settings;
        Limits = cage.LimitsFor(CageLimits.None);
        cache = new BuildCache(settings.LargestCache);
        caged = new CagedBuild(cage, settings, cache);
        planning = new Planning(settings.Shelf, settings.Toolchains, caged);
    }

    /// <summary>True when a build's writes land beside the draft, so that the draft may share its files.</summary>
    public bool WritesElsewhere => caged.WritesElsewhere;

    /// <summary>What the tree declares, before it is built: null where it declares nothing.</summary>
    /// <param name="manifestPath">Of a manifest with another name; null for the usual one.</param>
    /// <exception cref="Refusal">It has mistakes, or names a prepare command that nobody here has.</exception>
    public Manifest? Declared(Draft draft, string? manifestPath = null) => ManifestReader.Find(draft.Directory, manifestPath, settings.Prepares);

    /// <summary>What one build may take of the machine.</summary>
    public CageLimits Limits { get; }

    /// <summary>Finds out who builds the draft. What its repository wants left out goes now, before anything is built.</summary>
    /// <exception cref="Refusal">It asks for what cannot be had.</exception>
    public async Task<BuildPlan> PlanAsync(Draft draft, Manifest? declared, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        if (rebuild)
        {
            BuildCache.Clear(draft.Project);
        }

        var plan = await planning.PlanAsync(draft, declared, pillar, ct);
        draft.Wishes = plan.Wishes;
        if (ToolchainShelf.PathWith(plan.Toolchains.Select(one => one.Found)) is { } path)
        {
            draft.Platform = new Dictionary<string, string>(draft.Platform) { ["PATH"] = path };
        }

        foreach (var (wish, found) in plan.Toolchains)
        {
            log.Detail($"{wish.Toolchain.Language} {found.Version} (asked for: {LogStream.Harmless(wish.Toolchain.Version)}, {wish.By})");
        }

        // In editable mode the files are people's own.
        if (!draft.InPlace && plan.Wishes.LeftOut.Count > 0 && LeftOut.RemoveFrom(draft.Directory, plan.Wishes.LeftOut) is > 0 and var removed)
        {
            log.Detail($"{removed} files and directories are left out (.slugignore)");
        }

        if (File.Exists(Path.Combine(draft.Directory, ".env")))
        {
            log.Detail("note: .env is part of the repository and is not read: configuration and secrets belong into the pillar");
        }

        foreach (var notice in plan.Notices)
        {
            log.Detail($"note: {notice}");
        }

        return plan;
    }

    /// <summary>Runs one step of the project's own; false when it has none. Its output goes to the log line by line; at the time limit everything it started is killed.</summary>
    /// <exception cref="Refusal">It failed or took too long.</exception>
    public async Task<bool> RunAsync(Draft draft, string step, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        if (!File.Exists(HookOf(draft, step)))
        {
            return false;
        }

        RefuseUnlessExecutable(HookOf(draft, step), step);
        var hook = Path.Combine(".paas", "hooks", step);
        log.Title($"Running {hook}");
        await RunOwnAsync(draft, step, hook, new Command("./" + hook), pillar, rebuild, log, ct);
        return true;
    }

    /// <summary>Runs the buildpacks in their order; what they said of what is run is in the tree from then on.</summary>
    /// <exception cref="Refusal">One failed or took too long.</exception>
    public async Task CompileAsync(Draft draft, BuildPlan plan, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        var built = plan.Packs.Count == 0 ? Built.Nothing : await caged.CompileAsync(draft, plan, pillar.Environment, rebuild, log, ct);
        (built with { Toolchains = [.. plan.Toolchains.Where(one => one.Found.Bin is not null).Select(one => one.Wish.Toolchain)] }).Write(draft.Directory);
    }

    /// <summary>Runs what the tree declares to be run while it is built, in its order and as a build hook is run: a manifest's prepare commands (PM-45), an <c>app.json</c>'s <c>predeploy</c>.</summary>
    /// <exception cref="Refusal">One failed or took too long.</exception>
    public async Task PrepareAsync(Draft draft, Manifest? declared, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        foreach (var script in declared?.BuildCommands ?? [])
        {
            log.Title("Running predeploy of app.json");
            await RunOwnAsync(draft, "predeploy", "predeploy of app.json", new Command("/bin/bash", "-c", script), pillar, rebuild, log, ct);
        }

        var prepares = declared?.Prepares ?? [];
        foreach (var (number, prepare) in prepares.Index())
        {
            log.Title($"Running prepare command {number + 1} of {prepares.Count} ({prepare.Command.Name})");
            var (command, place) = CagedBuild.PlaceOf(draft, prepare, $"prepare-{number + 1}.in");
            await RunOwnAsync(draft, $"prepare-{number + 1}", $"prepare command {number + 1} ({prepare.Command.Name})", command, pillar, rebuild, log, ct, fetches: prepare.Command.FetchesDependencies, place);
        }
    }

    /// <summary>Runs a target of the project's Makefile; what it writes into the tree is gone with it.</summary>
    /// <param name="shared">A directory that it may use as it is.</param>
    /// <exception cref="Refusal">There is none, it failed or took too long.</exception>
    public async Task MakeAsync(Draft draft, string target, IReadOnlyDictionary<string, string> variables, string shared, bool rebuild, LogStream log, CancellationToken ct)
    {
        // make's own answer to a target that is not there is its answer to one that fails.
        const int NoSuchTarget = 2;
        var step = new CagedStep(target, new Command("/bin/sh", "-c", $"make --question {target} >/dev/null 2>&1; [ $? -ne {NoSuchTarget} ] || exit {NoTarget}; exec make {target}"))
        {
            Writable = [shared],
            Keep = false,
            Network = caged.MayReachOut(fetches: false, draft.Wishes),
            Anew = rebuild,
            Environment = Over(draft.Wishes.Environment, variables),
        };
        var code = await caged.RunAsync(draft, step, log.Output, ct);
        if (code != 0)
        {
            throw new Refusal(code switch
            {
                NoTarget => File.Exists(Path.Combine(draft.Directory, "Makefile")) ? $"the Makefile has no target {target}" : "there is no Makefile in this repository",
                CagedRun.TookTooLong => $"make {target} took longer than {CagedBuild.Readable(settings.Longest)} and was ended",
                _ => $"make {target} ended with exit code {code}",
            });
        }
    }

    /// <summary>Applies a patch as git does, all of it or nothing, as the project's user: whatever it says, nothing outside of the draft is written. False when the draft has all of it already.</summary>
    /// <param name="label">A word for the scratch directory.</param>
    /// <exception cref="Refusal">It does not apply; git's own words are in the log.</exception>
    public async Task<bool> PatchAsync(Draft draft, string label, string file, LogStream log, CancellationToken ct)
    {
        var code = await GitAppliesAsync(draft, label, file, keep: true, log.Output, ct);
        return code == 0 || (code == HasIt ? false : throw new Refusal($"{label} does not apply (git apply ended with exit code {code})"));
    }

    /// <summary>True when the draft has all that a patch says.</summary>
    /// <param name="label">A word for the scratch directory.</param>
    public async Task<bool> HasPatchAsync(Draft draft, string label, string file, CancellationToken ct) => await GitAppliesAsync(draft, label, file, keep: false, _ => { }, ct) == HasIt;

    const int HasIt = 3;

    /// <summary>The exit code of <c>git apply</c> in a cage; <see cref="HasIt"/> when there was nothing to apply.</summary>
    async Task<int> GitAppliesAsync(Draft draft, string label, string file, bool keep, Action<string> tell, CancellationToken ct)
    {
        const string Apply = """
            git apply --check --reverse -- "$1" 2>/dev/null && exit 3
            [ "$2" = keep ] || exit 1
            exec git apply --whitespace=nowarn -- "$1"
            """;
        var place = Directory.CreateDirectory(Path.Combine(draft.Scratch, label + ".in")).FullName;
        var copy = Path.Combine(place, "patch");
        File.Copy(file, copy);
        File.SetUnixFileMode(copy, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return await caged.RunAsync(
            draft,
            new CagedStep(label, new Command("/bin/sh", "-c", Apply, "patch", copy, keep ? "keep" : "look"))
            {
                Keep = keep,
                Writable = [place],
                Environment = new Dictionary<string, string>
                {
                    ["GIT_CEILING_DIRECTORIES"] = $"{draft.Project.Directory}:{draft.Project.Build}",
                    ["GIT_CONFIG_NOSYSTEM"] = "1",
                    ["GIT_CONFIG_GLOBAL"] = "/dev/null",
                },
            },
            tell, ct);
    }

    /// <summary>The release will be read by this manifest, wherever it is unpacked.</summary>
    /// <param name="archives">Those that the steps have named.</param>
    public static void Remember(Draft draft, string? manifest, IReadOnlyDictionary<string, IReadOnlyList<string>>? archives)
    {
        if (manifest is not null || archives is not null)
        {
            var built = Built.Read(draft.Directory);
            (built with { Manifest = manifest ?? built.Manifest, Archives = archives ?? built.Archives }).Write(draft.Directory);
        }
    }

    /// <summary>No further step: what served the steps goes.</summary>
    public void Finish(Draft draft)
    {
        if (Directory.Exists(draft.Scratch))
        {
            Directory.Delete(draft.Scratch, recursive: true);
            cache.Trim(draft.Project);
        }
    }

    /// <summary>A code that no make ends with.</summary>
    const int NoTarget = 93;

    static Dictionary<string, string> Over(IReadOnlyDictionary<string, string> some, IReadOnlyDictionary<string, string> others)
    {
        var merged = new Dictionary<string, string>(some);
        foreach (var (name, value) in others)
        {
            merged[name] = value;
        }

        return merged;
    }

    async Task RunOwnAsync(Draft draft, string step, string what, Command command, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct, bool fetches = false, string? place = null)
    {
        var network = caged.MayReachOut(fetches, draft.Wishes);
        var variables = Over(draft.Wishes.Environment, pillar.Environment);
        var signs = new NetworkSigns(log.Output);
        var code = await caged.RunAsync(draft, new CagedStep(step, command) { Environment = variables, Network = network, Anew = rebuild, Writable = place is null ? [] : [place] }, signs.Tell, ct);
        if (code != 0)
        {
            throw new Refusal(code == CagedRun.TookTooLong
                ? $"{what} took longer than {CagedBuild.Readable(settings.Longest)} and was ended"
                : $"{what} ended with exit code {code}{(network ? "" : signs.Hint)}");
        }
    }

    /// <exception cref="Refusal">It was committed without the right to be run.</exception>
    public static void RefuseUnlessExecutable(string hook, string step)
    {
        if ((File.GetUnixFileMode(hook) & UnixFileMode.UserExecute) == UnixFileMode.None)
        {
            throw new Refusal($".paas/hooks/{step} is not executable: git update-index --chmod=+x .paas/hooks/{step}");
        }
    }

    static string HookOf(Draft draft, string step) => Path.Combine(draft.Directory, ".paas", "hooks", step);
}
