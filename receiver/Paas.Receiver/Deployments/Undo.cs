using System.Text.Json.Serialization;
using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// One way back: data, not a closure, so that the same record unwinds in the process after a failure and at start-up after a crash.
/// Each is harmless to walk twice or in vain, and none takes a cancellation token: taking back must not be cancelled.
/// </summary>
[JsonDerivedType(typeof(SetAside), "set-aside")]
[JsonDerivedType(typeof(ForgetInPlace), "forget-in-place")]
[JsonDerivedType(typeof(PutEditsBack), "put-edits-back")]
[JsonDerivedType(typeof(PutCheckoutBack), "put-checkout-back")]
[JsonDerivedType(typeof(DropArchive), "drop-archive")]
[JsonDerivedType(typeof(LetVisitorsIn), "let-visitors-in")]
[JsonDerivedType(typeof(StartAgain), "start-again")]
[JsonDerivedType(typeof(RestoreData), "restore-data")]
[JsonDerivedType(typeof(ReloadDumps), "reload-dumps")]
[JsonDerivedType(typeof(StopRelease), "stop-release")]
[JsonDerivedType(typeof(StartExclusiveAgain), "start-exclusive-again")]
[JsonDerivedType(typeof(FillUpAgain), "fill-up-again")]
[JsonDerivedType(typeof(PointCurrentAt), "point-current-at")]
[JsonDerivedType(typeof(TurnVisitorsBack), "turn-visitors-back")]
abstract record Undo
{
    public abstract Task TakeBackAsync(WayBack way);
}

/// <summary>What the ways back are walked with.</summary>
sealed record WayBack(
    Project Project, ReleaseId Deployment, LogStream Log, ReleaseStore Releases, Fleet Fleet, Visitors Visitors, Archivist Archivist, GitProgram Git, Launches Launches)
{
    /// <summary>R11.2: where the failed tree is kept.</summary>
    public string FailedTree => Path.Combine(Project.Archives, Deployment.Value, "run.failed");
}

/// <summary>R11.2: the failed tree, drafted or sealed, ends in <c>archives/&lt;id&gt;/run.failed</c> for inspection.</summary>
sealed record SetAside(string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        var id = ReleaseId.TryParse(Release)!;

        // After a crash its build may still be running.
        await Stragglers.KillAsync(id.Value);
        way.Releases.Forget(id);
        var failed = way.FailedTree;
        foreach (var tree in (string[])[Path.Combine(way.Project.Deploy, id.Value), Path.Combine(way.Project.Build, id.Value)])
        {
            if (Directory.Exists(tree) && !Directory.Exists(failed))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(failed)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                AtomicFile.Rename(tree, failed);
            }
        }

        // What was being unpacked when the receiver died.
        foreach (var begun in Directory.EnumerateDirectories(way.Project.Build, id.Value + ".*.tmp"))
        {
            Storage.DirectoryHandle.Delete(begun);
        }

        var scratch = Path.Combine(way.Project.Build, id.Value + ".work");
        if (Directory.Exists(scratch))
        {
            await Cage.RemoveAsync(scratch);
        }
    }
}

/// <summary>A release in editable mode that never served: its number and its place are all there is of it, the files stay.</summary>
sealed record ForgetInPlace(string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        var id = ReleaseId.TryParse(Release)!;
        await Stragglers.KillAsync(id.Value);
        way.Releases.Forget(id);
        var place = new FileInfo(Path.Combine(way.Project.Deploy, id.Value));
        if (place.LinkTarget is not null)
        {
            place.Delete();
        }

        var scratch = Path.Combine(way.Project.Build, id.Value + ".work");
        if (Directory.Exists(scratch))
        {
            await Cage.RemoveAsync(scratch);
        }
    }
}

/// <summary>Another mode's deployment came to nothing: the edited files are the working copy again.</summary>
sealed record PutEditsBack(string Release) : Undo
{
    /// <summary>Below the name of the release that was edited: below the deployment's, what still runs there would look like something that the deployment had started.</summary>
    public static string PlaceOf(Project project, ReleaseId edited) => Path.Combine(project.Archives, edited.Value, "project.edited");

    public override Task TakeBackAsync(WayBack way)
    {
        var edited = PlaceOf(way.Project, ReleaseId.TryParse(Release)!);
        if (Directory.Exists(edited))
        {
            if (Directory.Exists(way.Project.Checkout))
            {
                Directory.Delete(way.Project.Checkout, recursive: true);
            }

            AtomicFile.Rename(edited, way.Project.Checkout);
            way.Releases.ShowRun(way.Project);
        }

        return Task.CompletedTask;
    }
}

/// <summary>The working copy shows what is deployed (R5.3), so a failed deployment gives it back.</summary>
/// <param name="PillarCommit">What the pillar's working copy shows (R5.4); null leaves it.</param>
sealed record PutCheckoutBack(string? Commit, string? PillarCommit = null) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        var repository = new GitRepository(way.Project.ProjectRepository, way.Git);
        if (way.Releases.Current(way.Project) is { Mode: Mode.Editable } edited)
        {
            // The edited files come back as a whole; a checkout over them would be the loss that they are kept from.
            await new PutEditsBack(edited.Id.Value).TakeBackAsync(way);
        }
        else if (Commit is not null)
        {
            try
            {
                await repository.CheckOutIfThereAsync(Commit, way.Project.Checkout);
            }
            catch (CommandFailedException) when (Directory.Exists(way.FailedTree))
            {
                // The failed tree may be what fills the disk, and what is live goes before evidence.
                Directory.Delete(way.FailedTree, recursive: true);
                way.Log.Detail("the failed release's tree was given up to make room");
                await repository.CheckOutIfThereAsync(Commit, way.Project.Checkout);
            }
        }
        else
        {
            await repository.EmptyCheckoutAsync(way.Project.Checkout);
        }

        if (PillarCommit is not null)
        {
            await new GitRepository(way.Project.PillarRepository, way.Git).CheckOutAsync(PillarCommit, way.Project.PillarCheckout);
        }
    }
}

/// <summary>A release that never served leaves no deliverable.</summary>
sealed record DropArchive(string Release) : Undo
{
    public override Task TakeBackAsync(WayBack way)
    {
        var deliverables = Path.Combine(way.Project.Releases, ReleaseId.TryParse(Release)!.Value);
        if (Directory.Exists(deliverables))
        {
            Directory.Delete(deliverables, recursive: true);
        }

        return Task.CompletedTask;
    }
}

/// <summary>Whoever waits goes on to whatever serves now. Walked last: after the data is back and the old release answers.</summary>
sealed record LetVisitorsIn : Undo
{
    public override Task TakeBackAsync(WayBack way)
    {
        // After a restart nothing is known to visitors before it is up again: the recovery lets them in behind that.
        if (way.Visitors.Serving(way.Project) is not null || way.Releases.CurrentId(way.Project) is null)
        {
            way.Visitors.LetIn(way.Project);
        }

        return Task.CompletedTask;
    }
}

/// <summary>R11.6: the old release runs again and gets the visitors.</summary>
sealed record StartAgain(string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        if (way.Releases.Find(way.Project, ReleaseId.TryParse(Release)!) is { } release)
        {
            if (release.Mode == Mode.Editable)
            {
                // It runs in files that were put aside before it was stopped.
                await new PutEditsBack(Release).TakeBackAsync(way);
            }

            await way.Launches.TryHooksAsync(release, "pre_start", way.Deployment, way.Log);
            await way.Launches.BringUpAsync(release);
            await way.Launches.TryHooksAsync(release, "post_start", way.Deployment, way.Log);
            way.Log.Detail($"{release} runs again");
        }
    }
}

/// <summary>AMB-20: what ran in the old release only runs there again.</summary>
sealed record StartExclusiveAgain(string Release, string Next) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        await way.Fleet.StopExclusiveAsync(way.Project, ReleaseId.TryParse(Next)!);
        if (way.Releases.Find(way.Project, ReleaseId.TryParse(Release)!) is { } release)
        {
            await way.Launches.RescaleAsync(release);
        }
    }
}

/// <summary>The old release has all its instances again, in the places of those that had gone, and visitors meet it alone.</summary>
sealed record FillUpAgain(string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        // After a restart visitors wait until the recovery has brought up the whole of it: to meet it before would let them in to nobody.
        if (way.Releases.Find(way.Project, ReleaseId.TryParse(Release)!) is { } release && way.Fleet.Running(way.Project).Contains(release.Id) && way.Visitors.Serving(way.Project) is not null)
        {
            await way.Launches.RescaleAsync(release);
            var verdict = await way.Fleet.HealthyAsync(way.Project, release.Id, CancellationToken.None);
            way.Visitors.Meet(release);
            way.Log.Detail(verdict.IsHealthy ? $"{release} runs with all its instances again" : $"{release} serves, not with all its instances: {verdict.Reason}");
        }
    }
}

/// <summary>R11.5: the data as it was backed up by deployment <see cref="Backup"/>; what it is now is kept beside it, writes since the backup included.</summary>
sealed record RestoreData(string Backup) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        var restored = await way.Archivist.RestoreAsync(way.Project, ReleaseId.TryParse(Backup)!, way.Deployment);
        await way.Launches.GiveDataAsync(way.Project);
        if (restored is { Aside: > 0, Evidence: { } evidence })
        {
            way.Log.Detail($"data is back as it was; what the failed release made of it is kept in {evidence}");
        }
    }
}

/// <summary>R11.4: the project's own restore hook reloads the dumps that its backup hook made.</summary>
sealed record ReloadDumps(string Backup, string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        if (way.Releases.Find(way.Project, ReleaseId.TryParse(Release)!) is { } release)
        {
            await way.Launches.RunHooksAsync(release, "restore", ReleaseId.TryParse(Backup)!, way.Log, CancellationToken.None);
        }
    }
}

/// <summary>R11.1: every instance of the failed release ends, with all it started.</summary>
sealed record StopRelease(string Release) : Undo
{
    public override async Task TakeBackAsync(WayBack way)
    {
        await way.Fleet.StopAsync(way.Project, ReleaseId.TryParse(Release)!);
        way.Visitors.Forget(way.Project, ReleaseId.TryParse(Release)!);
    }
}

/// <summary>Which release is the live one, and the history beside it: a rollback that failed must not cost its target the data kept for it.</summary>
/// <param name="Promoted">The release that was to take its place, and <paramref name="PromotedReplacedBy"/> the deployment that had replaced that one before.</param>
sealed record PointCurrentAt(string? Release, string Promoted, string? PromotedReplacedBy) : Undo
{
    public override Task TakeBackAsync(WayBack way)
    {
        way.Releases.PointCurrentAt(way.Project, ReleaseId.TryParse(Release));
        way.Releases.UnrecordPromotion(ReleaseId.TryParse(Promoted)!, ReleaseId.TryParse(PromotedReplacedBy), ReleaseId.TryParse(Release), way.Deployment);
        return Task.CompletedTask;
    }
}

/// <summary>Visitors leave the failed release before it ends: to the old one where that still runs, else they wait until it does again.</summary>
sealed record TurnVisitorsBack(string? Old, string Next) : Undo
{
    /// <summary>How long those that the failed release is still answering may take: it has lost the others already.</summary>
    static readonly TimeSpan Courtesy = TimeSpan.FromSeconds(2);

    public override async Task TakeBackAsync(WayBack way)
    {
        if (Old is not null && way.Releases.Find(way.Project, ReleaseId.TryParse(Old)!) is { } old && way.Fleet.Running(way.Project).Contains(old.Id) && way.Visitors.Serving(way.Project) is not null)
        {
            way.Visitors.Meet(old);
        }
        else if (Old is null)
        {
            way.Visitors.Close(way.Project);
        }
        else
        {
            way.Visitors.Hold(way.Project);
        }

        if (way.Releases.Find(way.Project, ReleaseId.TryParse(Next)!) is { } next)
        {
            await way.Visitors.DrainAsync(next, Courtesy);
        }
    }
}
