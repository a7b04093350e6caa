using System.Text.Json;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// Runs a project's own <c>.paas/hooks/&lt;step&gt;</c> against a draft, which it sees at <c>run</c> and may write to: on an overlay where the kernel
/// allows one, since the draft's files are shared with the checkout and with earlier releases.
/// </summary>
/// <param name="root"><c>PAAS_ROOT</c>, whichever environment the project is in: nothing else below it is there for a build.</param>
sealed class DraftBuilder(Cage cage, string root, TimeSpan longest)
{
    static readonly string[] BuildSteps = ["configure", "build", "post_build"];

    /// <summary>True when a build's writes land beside the draft, so that the draft may share its files.</summary>
    public bool WritesElsewhere => cage.Kind == CageKind.Overlay;

    /// <summary>True when the project builds anything.</summary>
    public bool HasWork(Draft draft) => BuildSteps.Any(step => File.Exists(HookOf(draft, step)));

    /// <summary>Runs one step; false when the project has none. Its output goes to the log line by line; at the time limit everything it started is killed.</summary>
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
        await RunAsync(draft, step, hook, new Command(Path.Combine(draft.Project.Run, hook)), pillar, rebuild, log, ct);
        return true;
    }

    /// <summary>Runs a manifest's prepare scripts in their order (PM-*, <c>paasmaker.prepare.shell</c>), as a build hook is run.</summary>
    /// <exception cref="Refusal">One failed or took too long.</exception>
    public async Task RunScriptsAsync(Draft draft, IReadOnlyList<string> scripts, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        foreach (var (number, script) in scripts.Index())
        {
            log.Title($"Running prepare command {number + 1} of {scripts.Count}");
            await RunAsync(draft, $"prepare-{number + 1}", $"prepare command {number + 1}", new Command("/bin/bash", "-c", script), pillar, rebuild, log, ct);
        }
    }

    async Task RunAsync(Draft draft, string step, string what, Command command, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        var project = draft.Project;
        var cache = Path.Combine(project.Build, "cache");
        if (rebuild && Directory.Exists(cache))
        {
            Directory.Delete(cache, recursive: true);
        }

        // Each start has a scratch directory of its own, below one that bears the release's id: what is found running there after a crash is ours.
        var scratch = Path.Combine(draft.Scratch, step);
        Directory.CreateDirectory(cache);
        Directory.CreateDirectory(draft.Scratch);
        var told = (command with { Directory = project.Run, OwnGroup = true })
            .With(pillar.Environment)
            .With(new Dictionary<string, string>
            {
                ["HOME"] = project.Run,
                ["PAAS_STEP"] = step,
                ["PAAS_PROJECT"] = project.Name.Value,
                ["PAAS_ENVIRONMENT"] = project.Environment.Name.Value,
                ["PAAS_ENVIRONMENT_TYPE"] = project.Environment.Type.ToString().ToLowerInvariant(),
                ["PAAS_ENVIRONMENT_TAGS"] = JsonSerializer.Serialize(project.Environment.Tags),
                ["PAAS_CACHE_DIR"] = cache,
                ["PAAS_REBUILD"] = rebuild ? "1" : "0",
                ["SOURCE_VERSION"] = draft.Commit,
            });
        var view = ViewOf(draft, scratch, cache);
        var code = await CagedRun.ToEndAsync(draft.Id.Value, cage.Enter(view, told), log.Output, longest, ct);
        if (cage.RanOutOfMemory(view.Group))
        {
            log.Trouble("the kernel ended something of it: the memory limit was reached");
        }

        cage.Forget(view.Group);
        if (code != 0)
        {
            throw new Refusal(code == CagedRun.TookTooLong
                ? $"{what} took longer than {Readable(longest)} and was ended"
                : $"{what} ended with exit code {code}");
        }

        draft.Absorb(Path.Combine(scratch, "upper"));
        await Cage.RemoveAsync(scratch);
    }

    /// <summary>No further step: what served the steps goes.</summary>
    public static void Finish(Draft draft)
    {
        if (Directory.Exists(draft.Scratch))
        {
            Directory.Delete(draft.Scratch, recursive: true);
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

    static string Readable(TimeSpan time) => time.TotalMinutes >= 2 ? $"{time.TotalMinutes:0.#} minutes" : $"{time.TotalSeconds:0} s";

    static string HookOf(Draft draft, string step) => Path.Combine(draft.Directory, ".paas", "hooks", step);

    CageView ViewOf(Draft draft, string scratch, string cache) => new()
    {
        Root = root,
        ProjectDirectory = draft.Project.Directory,
        RunSource = draft.Directory,
        CopyOnWrite = WritesElsewhere,
        Scratch = scratch,
        Writable = [cache, .. draft.Shared],
        Group = Path.GetFileName(draft.Scratch) + "-" + Path.GetFileName(scratch),
    };
}
