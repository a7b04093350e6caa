using System.Globalization;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>What somebody wants to come of a fix.</summary>
/// <param name="Subject">One line; null says who fixed what.</param>
/// <param name="NoDeploy">The patch is kept and nothing else.</param>
/// <param name="Discard">The difference is shown and given up.</param>
sealed record FixWish(string? Subject = null, bool NoDeploy = false, bool Discard = false)
{
    const int LongestSubject = 200;

    /// <exception cref="Refusal">The subject is no line, or two wishes exclude each other.</exception>
    public static FixWish Of(string? subject, bool noDeploy, bool discard) =>
        subject is not null && (subject.Trim().Length is 0 or > LongestSubject || subject.Any(char.IsControl)) ? throw new Refusal($"The message is one line of at most {LongestSubject} characters.")
        : noDeploy && discard ? throw new Refusal("To keep the changes and to give them up exclude each other.")
        : new FixWish(subject?.Trim(), noDeploy, discard);
}

/// <summary>A fix that is being made: where, and how its command is to run.</summary>
sealed record OpenFix(Patch Patch, Release Release, Launch Launch)
{
    /// <summary>Words of a program, changed so that nothing but the work of the visitor shows in the difference: no shell history, no byte code.</summary>
    public static IReadOnlyList<string> Tidy(IReadOnlyList<string> words) => ["/usr/bin/env", "HOME=/tmp", "HISTFILE=", "PYTHONDONTWRITEBYTECODE=1", .. words];
}

/// <summary>The one who made it, at the other end of a line.</summary>
/// <param name="Ask">Puts a question and returns what was typed, null when nobody is there any more; null where nobody can be asked.</param>
sealed record FixVisitor(Func<string, Task> Say, Func<string, Task<string?>>? Ask = null);

/// <summary>
/// R7.6: somebody changes the live release by hand, in a view of it that nobody else sees. What came of it is shown, kept as a patch of that release, and
/// deployed like everything else. It is lost in no case: a shell that is cut off, a receiver that is killed, a disk that is full.
/// </summary>
sealed partial class ManualFixes(
    ReleaseStore releases, PatchStore patches, ChangeRecorder recorder, Launches launches, DeploymentQueue queue, Journal journal, ProjectStore projects, ILogger<ManualFixes> logger)
{
    /// <summary>What a command ends with whose visitor is gone.</summary>
    public const int HungUp = 129;

    /// <summary>Of a difference, on a terminal; the patch has all of it.</summary>
    const int MostLines = 400;

    /// <summary>Begins one in the live release; nobody else begins one there until <see cref="ConcludeAsync"/>.</summary>
    /// <exception cref="Refusal">Nothing is live, it cannot be fixed, or somebody is at it already.</exception>
    public async Task<OpenFix> OpenAsync(Project project, string by, CancellationToken ct)
    {
        var release = releases.Current(project) ?? throw new Refusal($"Nothing of {project.Name} is live yet: push first.");
        FixWorkflow.RefuseUnlessSealed(release);
        var launch = await launches.OfAsync(release, ct);
        return new OpenFix(patches.Begin(release, by), release, launch);
    }

    /// <summary>Its command has ended: everything it started is gone. Returns what the visitor's own command ends with.</summary>
    /// <param name="code">The command's exit code; <see cref="HungUp"/> when the visitor went away.</param>
    public async Task<int> ConcludeAsync(OpenFix fix, int code, FixWish wish, FixVisitor visitor, string from, CancellationToken ct)
    {
        Patch? kept;
        bool deploy;
        try
        {
            Faults.At("record", "before");
            var (changes, texts) = await RecordAsync(fix.Patch, fix.Release, wish, CancellationToken.None);
            Faults.At("record", "after");
            foreach (var line in changes.LeftOut)
            {
                await TrySayAsync(() => visitor.Say($" !     {line}"));
            }

            if (changes.Paths.Count == 0 || (wish.Discard && code != HungUp))
            {
                await ForgetAsync(fix.Patch);
                await TrySayAsync(() => ShowAsync(texts, fix.Patch, visitor));
                await TrySayAsync(() => visitor.Say(changes.Paths.Count == 0 ? "-----> Nothing was changed" : "-----> The changes are given up, as asked for"));
                return code;
            }

            // Durable before anybody is asked anything.
            kept = Keep(fix.Patch, wish, changes, texts, wish.NoDeploy && code == 0 ? PatchState.Kept : PatchState.Aside);
            Faults.At("keep", "after");
            await Cage.RemoveAsync(fix.Patch.Scratch);
            await TrySayAsync(() => ShowAsync(texts, kept, visitor));
            deploy = code == 0 && !wish.NoDeploy;
            if (code is not (0 or HungUp) && visitor.Ask is { } ask)
            {
                switch ((await ask($"The shell ended with {code}. Deploy the changes, keep them as a patch, or give them up? [d/K/g] "))?.Trim().ToLowerInvariant())
                {
                    case "d":
                        (deploy, code) = (true, 0);
                        break;
                    case "g":
                        patches.Mark(kept, PatchState.Dropped);
                        await visitor.Say($"-----> {kept} is given up");
                        return code;
                }
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The disk may be full, a file may be unreadable: what was written stays where it is, and the next start of the receiver tries again.
            Log.NotRecorded(logger, e, fix.Release.Project.Key, fix.Patch.Scratch);
            await TrySayAsync(() => visitor.Say($" !     what was changed could not be made a patch: {(e is Refusal or IOException ? e.Message : "the operator's log says why")}. Nothing is lost: it is in {fix.Patch.Scratch}"));
            return code == 0 ? 1 : code;
        }
        finally
        {
            patches.Close(fix.Patch);
        }

        var name = fix.Release.Project.Name;
        if (!deploy)
        {
            await TrySayAsync(() => visitor.Say(code == HungUp || code != 0
                ? $"-----> Kept as {kept} of {fix.Release} and not deployed. To deploy it: corpus fix {name} --apply {kept.Number}"
                : $"-----> Kept as {kept} of {fix.Release}. It is applied when the same commit is deployed again: corpus redeploy {name}"));
            return code;
        }

        return await DeployAsync(kept, fix.Release.Number, from, visitor, ct);
    }

    /// <summary>A patch that was kept, on what is live now.</summary>
    /// <exception cref="Refusal">There is no such patch.</exception>
    public Task<int> ApplyAsync(Project project, int number, string by, string from, FixVisitor visitor, CancellationToken ct) =>
        patches.Find(project, number) is { State: not (PatchState.Open or PatchState.Dropped) } patch
            ? DeployAsync(patch with { By = by }, null, from, visitor, ct)
            : throw new Refusal($"There is no fix {number} of {project.Name}; corpus patches {project.Name} shows what there is.");

    /// <summary>Start-up: shells of a former run are gone, what they wrote is kept.</summary>
    public async Task RecoverAsync(CancellationToken ct)
    {
        foreach (var patch in projects.List().SelectMany(project => patches.LeftOpen(project).Concat(patches.List(project).Where(patch => Directory.Exists(patch.Scratch)))))
        {
            try
            {
                if (patch.State != PatchState.Open)
                {
                    await Cage.RemoveAsync(patch.Scratch); // its text is durable
                }
                else if (!Directory.Exists(patch.Scratch))
                {
                    patches.Forget(patch);
                }
                else if (releases.Find(patch.Project, patch.Base) is { Pruned: false } release)
                {
                    var (changes, texts) = await RecordAsync(patch, release, new FixWish(), ct);
                    if (changes.Paths.Count == 0)
                    {
                        await ForgetAsync(patch);
                    }
                    else
                    {
                        Keep(patch, new FixWish(), changes, texts, PatchState.Aside);
                        await Cage.RemoveAsync(patch.Scratch);
                        Log.Found(logger, patch.Project.Key, patch.Number, patch.By);
                    }
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One project's half-made fix must not keep the receiver from starting.
                Log.NotRecorded(logger, e, patch.Project.Key, patch.Scratch);
            }
        }
    }

    async Task<int> DeployAsync(Patch patch, int? onto, string from, FixVisitor visitor, CancellationToken ct)
    {
        // What the live release was called with is part of how it runs.
        var call = releases.Current(patch.Project) is { } live ? Wishes.FromJson(journal.Find(live.Id)?.Wishes).Set : null;
        var deployment = queue.Submit(new DeploymentRequest
        {
            Project = patch.Project,
            Kind = DeploymentKind.Fix,
            TargetRelease = onto,
            Wishes = new Wishes { Set = call, Patch = patch.Number },
            By = patch.By,
            From = from,
        });
        await TrySayAsync(async () =>
        {
            await foreach (var line in deployment.Log.FollowAsync(ct: ct))
            {
                await visitor.Say(line);
            }
        });
        if (await deployment.Finished is Outcome.Live or Outcome.LiveButUntidy)
        {
            return 0;
        }

        KeepWithWhatFailed(patch, deployment.ReleaseId);
        await TrySayAsync(() => visitor.Say($" !     {patch} is kept: corpus patches {patch.Project.Name} {patch.Number}; to try again: corpus fix {patch.Project.Name} --apply {patch.Number}"));
        return 1;
    }

    /// <summary>R11.2: beside the tree that did not come up.</summary>
    static void KeepWithWhatFailed(Patch patch, ReleaseId deployment)
    {
        var archive = Path.Combine(patch.Project.Archives, deployment.Value);
        if (Directory.Exists(archive))
        {
            foreach (var text in patch.Texts)
            {
                File.Copy(text, Path.Combine(archive, $"fix-{patch.Number}{Path.GetFileName(text)[patch.Id.Value.Length..]}"), overwrite: true);
            }
        }
    }

    async Task<(TreeChanges Changes, PatchTexts Texts)> RecordAsync(Patch patch, Release release, FixWish wish, CancellationToken ct)
    {
        var upper = Path.Combine(patch.Scratch, "upper");
        var changes = await Task.Run(() => Directory.Exists(upper) ? TreeChanges.InLayer(release.Directory, upper, ct) : TreeChanges.InCopy(release.Directory, Path.Combine(patch.Scratch, "copy"), ct), ct);
        return (changes, changes.Paths.Count == 0 ? PatchTexts.None : await recorder.TextsAsync(release, changes, new PatchHead(patch.By, SubjectOf(patch, wish), BodyOf(patch), patch.MadeAt), patch.Id, ct));
    }

    Patch Keep(Patch patch, FixWish wish, TreeChanges changes, PatchTexts texts, PatchState state) =>
        patches.Keep(patch, state, SubjectOf(patch, wish), changes.Paths, texts.Own?.Text, texts.Built?.Text);

    async Task ForgetAsync(Patch patch)
    {
        await Cage.RemoveAsync(patch.Scratch);
        patches.Forget(patch);
    }

    static string SubjectOf(Patch patch, FixWish wish) => wish.Subject is { Length: > 0 } subject ? subject : patch.Subject;

    static string BodyOf(Patch patch) => string.Create(CultureInfo.InvariantCulture, $"Made in v{patch.BaseNumber} of {patch.Project.Key}, commit {patch.Commit}.");

    static async Task ShowAsync(PatchTexts texts, Patch patch, FixVisitor visitor)
    {
        var lines = texts.Shown.Split('\n');
        foreach (var line in lines.Take(MostLines))
        {
            await visitor.Say(LogStream.Harmless(line));
        }

        if (lines.Length > MostLines)
        {
            await visitor.Say($"… {lines.Length - MostLines} lines more: corpus patches {patch.Project.Name} {patch.Number}");
        }
    }

    static async Task TrySayAsync(Func<Task> say)
    {
        try
        {
            await say();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The visitor is gone: what was begun goes on.
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: a manual fix could not be made a patch; what was changed is in {scratch}")]
        public static partial void NotRecorded(ILogger logger, Exception exception, string project, string scratch);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: a manual fix of {by} was interrupted; it is kept as fix {number}")]
        public static partial void Found(ILogger logger, string project, int number, string by);
    }
}
