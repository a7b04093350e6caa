using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Before a live release is replaced: what people made of it by hand, through <c>corpus fix</c> or past the receiver, and what is to come does not hold. It is said, and kept; where the
/// configuration says <c>drift: refuse</c> the deployment is refused unless it was told to go on without (<c>-o discard-fixes</c>).
/// </summary>
sealed class HandMade(
    PatchStore patches, PatchWriter writer, DraftBuilder builder, Drift drift, TreeAgain trees, ChangeRecorder recorder, Launches launches, GitProgram git, TimeProvider time)
{
    const int MostNamed = 10;

    /// <param name="unpacks">What is to come is known only once its archive is unpacked: then <see cref="LookInAsync"/> says what it does not hold.</param>
    /// <exception cref="Refusal">The configuration wants it so.</exception>
    public async Task LookAsync(Run run, bool unpacks, CancellationToken ct)
    {
        if (run.Old is not { Mode: not Mode.Editable } old)
        {
            return;
        }

        run.Steps.LookAt("manual fixes");
        if (run.Request.Kind != DeploymentKind.Fix && patches.OpenIn(run.Project) is { } open)
        {
            run.Log.Trouble($"{open.By} is fixing v{open.BaseNumber} by hand since {open.MadeAt:HH:mm} UTC: what comes of it is kept as a patch of v{open.BaseNumber}");
        }

        var lost = new List<string>();
        foreach (var patch in unpacks ? [] : await NotInAsync(run, old, ct))
        {
            lost.Add(NotContained(run, old, patch));
        }

        if (await FindDriftAsync(run, old, ct) is { } found)
        {
            lost.Add($"{old} was changed past the receiver: {Named(found.Files)}; it is kept as {found}: corpus patches {run.Project.Name} {found.Number}");
        }

        await SayAsync(run, lost, ct);
    }

    /// <summary>The same of an archive that is unpacked, with what was applied to it again.</summary>
    /// <param name="held">What of it is known to be there.</param>
    /// <exception cref="Refusal">The configuration wants it so.</exception>
    public async Task LookInAsync(Run run, Draft draft, IReadOnlyList<Patch> held, CancellationToken ct)
    {
        if (run.Old is not { Mode: not Mode.Editable } old)
        {
            return;
        }

        var carried = CarriedFixes.Read(draft.Directory).Select(fix => fix.Id).ToHashSet(StringComparer.Ordinal);
        var lost = new List<string>();
        foreach (var patch in patches.In(old).Where(patch => held.All(other => other.Id != patch.Id) && !carried.Contains(patch.Origin.Value)))
        {
            if (patch.Texts is not [var text, ..] || !await builder.HasPatchAsync(draft, $"held-{patch.Number}", text, ct))
            {
                lost.Add(NotContained(run, old, patch));
            }
        }

        builder.Finish(draft);
        await SayAsync(run, lost, ct);
    }

    async Task SayAsync(Run run, List<string> lost, CancellationToken ct)
    {
        lost.ForEach(run.Log.Trouble);
        if (lost.Count > 0 && !run.Request.Wishes.DiscardFixes && run.Request.Kind is not (DeploymentKind.Fix or DeploymentKind.Rollback or DeploymentKind.Current) && await RefusesAsync(run, ct))
        {
            throw new Refusal($"the configuration of {run.Project} says drift: refuse. To go on without: git push -o discard-fixes");
        }

        // What is refused from here on has nothing to do with them.
        run.Steps.LookAt(Steps.Nothing);
    }

    /// <summary>What somebody changed in a sealed tree past the receiver, kept as a patch; null when it is what was sealed.</summary>
    async Task<Patch?> FindDriftAsync(Run run, Release release, CancellationToken ct)
    {
        var touched = await drift.FindAsync(release, ct);
        if (touched.Count == 0)
        {
            return null;
        }

        // The working copy's files are these very files, and git tells by size and second only whether they are what it wrote.
        new GitRepository(release.Project.ProjectRepository, git).ForgetCheckout();
        var deployment = run.Id;
        var original = Path.Combine(release.Project.Build, deployment.Value + ".drift.tmp");
        try
        {
            if (!TreeAgain.CanBeMade(release))
            {
                return patches.Add(release, PatchState.Drift, $"Changed in {release} past the receiver; its archive is gone, so no difference can be told", "unknown", touched, null, null);
            }

            await trees.MakeAsync(run, release, original, ct);
            var changes = await Task.Run(() => TreeChanges.InCopy(original, release.Directory, ct), ct);
            var head = new PatchHead("unknown", $"Changed in {release} past the receiver", "Found before it was replaced.", time.GetUtcNow());
            var texts = await recorder.TextsAsync(release, changes, head, deployment, ct);
            var known = patches.List(release.Project).LastOrDefault(patch => patch.State == PatchState.Drift && patch.Base == release.Id);
            var patch = known is not null && known.Files.SequenceEqual(changes.Paths.Take(PatchStore.MostNamed), StringComparer.Ordinal) && IsSame(known, texts)
                ? known : patches.Add(release, PatchState.Drift, head.Subject, head.Author, changes.Paths, texts.Own?.Text, texts.Built?.Text);
            ShowWith(patch, Path.Combine(release.Project.Archives, deployment.Value));
            return patch;
        }
        catch (Refusal refusal)
        {
            // Too much for a patch, an archive that is damaged, a step that fails: what is to be deployed has no part in it.
            run.Log.Detail(refusal.Message);
            return patches.Add(release, PatchState.Drift, $"Changed in {release} past the receiver; no difference can be told", "unknown", touched, null, null);
        }
        finally
        {
            DirectoryHandle.Delete(original);
        }
    }

    /// <summary>Of what the live release holds; a commit that is deployed again gets it again.</summary>
    async Task<IReadOnlyList<Patch>> NotInAsync(Run run, Release old, CancellationToken ct)
    {
        var held = run.Request.Kind is DeploymentKind.Push or DeploymentKind.Mark or DeploymentKind.Promote or DeploymentKind.Import ? patches.In(old) : [];
        var commit = run.Request.NewCommit;
        var repository = new GitRepository(run.Project.ProjectRepository, git);
        var missing = new List<Patch>();
        foreach (var patch in held.Where(patch => patch.State != PatchState.Kept || patch.Commit != commit))
        {
            if (commit is null || !repository.Exists || !await repository.HasAsync(commit, ct) || !File.Exists(patch.File)
                || !await writer.IsContainedAsync(run.Project.ProjectRepository, commit, [patch.File], Path.Combine(run.Project.Build, run.Id.Value + ".held.tmp"), ct))
            {
                missing.Add(patch);
            }
        }

        return missing;
    }

    async Task<bool> RefusesAsync(Run run, CancellationToken ct)
    {
        var pillar = await launches.PillarAsync(run.Project, await launches.PillarCommitAsync(run.Request, ct), tree: null, run.Request.Wishes, ct);
        return pillar.Document.TryGetProperty("drift", out var wanted) && wanted.ValueKind == System.Text.Json.JsonValueKind.String && wanted.GetString() == "refuse";
    }

    static bool IsSame(Patch known, PatchTexts texts) => WithoutHead(Read(known.File)) == WithoutHead(texts.Own?.Text) && WithoutHead(Read(known.BuiltFile)) == WithoutHead(texts.Built?.Text);

    static byte[]? Read(string file) => File.Exists(file) ? File.ReadAllBytes(file) : null;

    // The time in the head differs.
    static string WithoutHead(byte[]? text) => text is null ? "" : System.Text.Encoding.Latin1.GetString(text) is var words && words.IndexOf("\ndiff --git ", StringComparison.Ordinal) is >= 0 and var at ? words[at..] : "";

    static void ShowWith(Patch patch, string archive)
    {
        Directory.CreateDirectory(archive, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var text in patch.Texts)
        {
            File.Copy(text, Path.Combine(archive, $"drift{Path.GetFileName(text)[patch.Id.Value.Length..]}"), overwrite: true);
        }
    }

    static string NotContained(Run run, Release old, Patch patch) =>
        $"{old} has a manual fix that this {Word(run.Request.Kind)} does not contain: {Named(patch.Files)} ({patch.Subject}); it is kept as {patch}: corpus patches {run.Project.Name} {patch.Number}";

    static string Named(IReadOnlyList<string> files) =>
        string.Join(", ", files.Take(MostNamed).Select(file => LogStream.Harmless(file.Replace('\n', '?')))) + (files.Count > MostNamed ? $" and {files.Count - MostNamed} more" : "");

    static string Word(DeploymentKind kind) => kind switch { DeploymentKind.Promote => "promotion", DeploymentKind.Import => "import", DeploymentKind.Redeploy => "redeployment", _ => "push" };
}
