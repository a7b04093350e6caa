using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Manifests;
using Paas.Receiver.Notifications;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>The code that projects bring for steps of the pipeline: which a tree has, and the runner of one deployment's.</summary>
sealed class ProjectHooks(Launches launches, DraftBuilder builder, AdditionStore additions, IReadOnlyList<INotificationChannel> channels)
{
    /// <summary>Steps that a tree goes through in every mode, before anything is built.</summary>
    public static readonly IReadOnlyList<string> BeforeBuild = ["gather_variables", "pre_install", "configure"];

    /// <summary>Steps that a tree goes through before it is sealed.</summary>
    public static readonly IReadOnlyList<string> BeforeSeal = [.. BeforeBuild, "build", "post_build", "bundle"];

    /// <param name="pillar">The configuration with this tree's defaults.</param>
    public StepHooks For(Run run, Pillar pillar)
    {
        try
        {
            _ = Wanted.In(pillar.Document, channels);
        }
        catch (Refusal refusal)
        {
            // Whom it is told never decides whether something is deployed (A29); but whoever wrote it should know.
            run.Log.Trouble(refusal.Message);
        }

        return new(launches, builder, additions, new Common(run.Project, run.Id, pillar, run.Log), StepChoice.Of(run.Request.Wishes, pillar), DataPatterns.Of(pillar.Document), run);
    }

    /// <summary>Names of the tasks a tree brings, which never run by themselves.</summary>
    public static IReadOnlyList<string> TasksIn(string tree) =>
        Path.Combine(tree, ".paas", "hooks") is var hooks && Directory.Exists(hooks)
            ? [.. Directory.EnumerateFileSystemEntries(hooks, "task_*").Select(path => Path.GetFileName(path)["task_".Length..]).Order(StringComparer.Ordinal)] : [];

    /// <summary>True when a tree has code of its own for one of these steps.</summary>
    public static bool Any(string tree, params IEnumerable<string> steps) => steps.Any(step => In(tree, step).Any());

    /// <summary>The names, relative to <c>.paas/hooks</c>, of what a tree has for a step: the hook, then the scripts beside it.</summary>
    public static IEnumerable<string> In(string tree, string step)
    {
        var hooks = Path.Combine(tree, ".paas", "hooks");
        if (File.Exists(Path.Combine(hooks, step)))
        {
            yield return step;
        }

        var scripts = Path.Combine(hooks, step + ".d");
        if (Inode.Of(scripts) is { IsDirectory: true })
        {
            foreach (var name in Directory.EnumerateFiles(scripts).Select(Path.GetFileName).OfType<string>().Where(name => name[0] != '.' && !name.EndsWith('~')).Order(StringComparer.Ordinal))
            {
                yield return $"{step}.d/{name}";
            }
        }
    }
}

/// <summary>
/// One deployment's own code (R14.1): <c>.paas/hooks/&lt;step&gt;</c>, then the scripts of <c>.paas/hooks/&lt;step&gt;.d</c> in the order of their names. Each with the tree at
/// <c>run</c>, as the project's own user, with <see cref="Deployments.Common"/> and a time limit; what it prints is in the push.
/// </summary>
sealed class StepHooks(Launches launches, DraftBuilder builder, AdditionStore additions, Common common, StepChoice choice, DataPatterns data, Run run)
{
    /// <summary>Scripts of this step run once for a project's data, not once for a release.</summary>
    const string Once = "upgrade";

    public Common Common => common;

    public StepChoice Choice => choice;

    /// <summary>Which part of the data is backed up.</summary>
    public DataPatterns Data => data;

    /// <summary>Says what was chosen to be left out.</summary>
    public void SayWhatIsLeftOut()
    {
        var leftOut = choice.LeftOut.ToList();
        if (leftOut.Count > 0)
        {
            run.Log.Detail($"left out, as asked for: {string.Join(", ", leftOut)}");
        }

        if (!choice.Runs("backup"))
        {
            run.Log.Trouble("without a backup the data cannot be brought back when this deployment fails");
        }
    }

    /// <summary>What a tree is given by its own code before it is built, in every mode.</summary>
    /// <exception cref="Refusal">A step failed or took too long.</exception>
    public async Task ConfigureAsync(Draft draft, CancellationToken ct)
    {
        foreach (var step in ProjectHooks.BeforeBuild)
        {
            await RunAsync(draft, step, ct);
        }
    }

    /// <summary>The tree's own steps around what its buildpacks and prepare commands do.</summary>
    /// <exception cref="Refusal">A step failed or took too long.</exception>
    public async Task BuildAsync(Draft draft, BuildPlan plan, Manifest? declared, CancellationToken ct)
    {
        await RunAsync(draft, "build", ct);
        if (choice.Runs("build"))
        {
            await builder.CompileAsync(draft, plan, common.Pillar, run.Request.Rebuild, run.Log, ct);
            await builder.PrepareAsync(draft, declared, common.Pillar, run.Request.Rebuild, run.Log, ct);
        }

        await RunAsync(draft, "post_build", ct);
    }

    /// <summary>Before a release is sealed: what the step writes becomes part of it.</summary>
    /// <exception cref="Refusal">It failed or took too long.</exception>
    public async Task RunAsync(Draft draft, string step, CancellationToken ct)
    {
        foreach (var piece in PiecesOf(draft.Directory, step))
        {
            var (directory, file) = common.HandOut(piece);
            draft.Shared = [directory];
            await builder.RunAsync(draft, piece, With(common.Pillar, file), run.Request.Rebuild, run.Log, ct);
            common.TakeBack(piece, directory);
        }
    }

    /// <summary>In a sealed release; what it writes outside <c>data</c> is gone with it.</summary>
    /// <exception cref="Refusal">It failed or took too long.</exception>
    public async Task RunAsync(Release release, string step, ReleaseId archive, CancellationToken ct)
    {
        foreach (var piece in PiecesOf(release.Directory, step))
        {
            var mark = step == Once && Path.GetDirectoryName(piece) is { Length: > 0 } ? Path.GetFileName(piece) : null;
            if (mark is not null && UpgradeMarks.Has(run.Project, mark))
            {
                continue;
            }

            var before = common.Additions;
            var (directory, file) = common.HandOut(piece);
            await launches.RunHookAsync(release, piece, archive, run.Log, ct, [("PAAS_COMMON", file)], directory);
            common.TakeBack(piece, directory);
            if (mark is not null)
            {
                UpgradeMarks.Set(run.Project, mark, release, run.Id);
                run.Log.Detail($"{mark} is done for this project's data and will not run on it again");
            }

            if (release.Id == run.Id && common.Additions != before)
            {
                additions.Keep(release.Id, common.Additions);
            }
        }
    }

    /// <summary>Behind a release that serves, or on the way back: what fails is said and changes nothing.</summary>
    public async Task TryAsync(Release release, string step, ReleaseId archive, CancellationToken ct)
    {
        try
        {
            await RunAsync(release, step, archive, ct);
        }
        catch (Refusal refusal)
        {
            // The release it belongs to is on its way out, or already serves.
            run.Log.Trouble(refusal.Message);
        }
    }

    /// <summary>What the steps before the seal added becomes the release's.</summary>
    public void Keep(Release release)
    {
        common.Tell("release", release.Number);
        common.Tell("release_dir", release.Directory);
        if (common.Additions != Additions.None)
        {
            additions.Keep(release.Id, common.Additions);
        }
    }

    IEnumerable<string> PiecesOf(string tree, string step) => !choice.Runs(step) ? []
        : ProjectHooks.In(tree, step).Where(piece => piece == step || choice.RunsScript(Path.GetFileName(piece)));

    static Pillar With(Pillar pillar, string file) =>
        pillar with { Environment = new Dictionary<string, string>(pillar.Environment) { ["PAAS_COMMON"] = file } };
}
