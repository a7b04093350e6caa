using Paas.Receiver.Archives;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>A kept release again (R11.*): its code, its configuration and, unless told otherwise, the data as it left it. Builds nothing.</summary>
sealed class RollbackWorkflow(ReleaseStore releases, GitProgram git, TreeAgain trees, Drift drift, Archivist archivist, Launches launches, ProjectHooks projectHooks, Bounces bounces, Fleet fleet, Visitors visitors, Journal journal, ReleaseImages images)
{
    const int MostNamed = 10;

    public async Task<Release> RunAsync(Run run, CancellationToken ct)
    {
        var target = TargetOf(run);
        if (run.Request.Wishes.WithData && !(target.ReplacedBy is { } by && archivist.Has(run.Project, by)))
        {
            throw new Refusal($"there is no backup of the data as {target} left it: --code-only goes back to its code alone");
        }

        journal.LeadsTo(run.Id, target.Id, target.Number);
        run.Log.Title($"Rolling {run.Project} back from {run.Old} to {target} ({target.Commit[..8]})");

        await MakeReadyAsync(run, target, ct);
        var dataFrom = !run.Request.CodeOnly && target.ReplacedBy is { } replaced && archivist.Has(run.Project, replaced) ? replaced : null;
        if (dataFrom is null && !run.Request.CodeOnly)
        {
            run.Log.Detail($"there is no backup of the data as {target} left it: the data stays as it is");
        }

        var pillar = await launches.PillarAsync(target, ct);
        run.Log.Mask(pillar.Secrets);

        await StopBesideAsync(target);
        await bounces.OfRollback(target, dataFrom).ChangeOverAsync(bounces.Prepare(run, target, projectHooks.For(run, pillar), dataFrom), ct);
        return target;
    }

    /// <summary>A release that is there already becomes the live one (PM-62): it starts where it does not run yet, and the old one runs on.</summary>
    public async Task<Release> MakeCurrentAsync(Run run, CancellationToken ct)
    {
        var all = releases.List(run.Project).Where(release => release is { Pruned: false, Mode: not Mode.Editable } && (release.LiveAt is not null || Directory.Exists(release.Directory))).ToList();
        var target = all.FirstOrDefault(release => release.Number == run.Request.TargetRelease)
            ?? throw new Refusal($"there is no release v{run.Request.TargetRelease} of {run.Project} that could be made current{Kept(all)}");
        if (target.Id == run.Old?.Id)
        {
            throw new Refusal($"{target} is live already");
        }

        journal.LeadsTo(run.Id, target.Id, target.Number);
        run.Log.Title($"Making {target} ({target.Commit[..8]}) the live release of {run.Project}");
        await MakeReadyAsync(run, target, ct);
        var pillar = await launches.PillarAsync(target, ct);
        run.Log.Mask(pillar.Secrets);

        await Bounces.ByHand.ChangeOverAsync(bounces.Prepare(run, target, projectHooks.For(run, pillar)), ct);
        return target;
    }

    /// <summary>A tree that is gone comes back from its archive, and where people edited the working copy it is put away first. Mostly there is nothing to do: the working copy follows once the release is live.</summary>
    async Task MakeReadyAsync(Run run, Release target, CancellationToken ct)
    {
        var isEdited = run.Old?.Mode == Mode.Editable;
        var isTouched = await IsTouchedAsync(run, target, ct);
        if (isEdited || isTouched || !Directory.Exists(target.Directory))
        {
            await run.Steps.RunAsync(
                Step.CheckOut,
                async () =>
                {
                    if (isEdited)
                    {
                        await new GitRepository(run.Project.ProjectRepository, git).CheckOutIfThereAsync(target.Commit, run.Project.Checkout, ct);
                    }

                    await (isTouched ? UnpackAgainAsync(run, target, ct) : UnpackIfGoneAsync(run, target, ct));
                },
                new PutCheckoutBack(run.Old?.Commit, run.Old?.PillarCommit));
        }

        await images.EnsureAsync(target, run.Log, ct);
    }

    /// <summary>A release that somebody started beside the live one must not be at the data while that is exchanged.</summary>
    async Task StopBesideAsync(Release target)
    {
        visitors.Forget(target.Project, target.Id);
        await fleet.StopAsync(target.Project, target.Id);
    }

    /// <summary>Refused before anything is touched: no such release, not kept any more, live already.</summary>
    Release TargetOf(Run run)
    {
        var all = releases.List(run.Project).Where(release => release is { LiveAt: not null, Mode: not Mode.Editable }).ToList();
        var target = run.Request.TargetRelease is { } number
            ? all.FirstOrDefault(release => release.Number == number) ?? throw new Refusal($"there is no release v{number} of {run.Project} that was ever live{Kept(all)}")
            : all.FirstOrDefault(release => release.Number < (run.Old?.Number ?? int.MaxValue) && !release.Pruned)
                ?? throw new Refusal($"{run.Project} has no earlier release to go back to");
        if (target.Pruned)
        {
            throw new Refusal($"{target} is not kept any more{Kept(all)}");
        }

        return target.Id == run.Old?.Id ? throw new Refusal($"{target} is live already") : target;
    }

    static string Kept(List<Release> all)
    {
        var kept = string.Join(", ", all.Where(release => !release.Pruned));
        return kept.Length > 0 ? $"; kept are {kept}" : "";
    }

    /// <summary>
    /// Whether the kept tree has to be exchanged for what its archive holds, since somebody wrote into it: files that do not differ from release to release are names of one file,
    /// so whoever writes into the live one writes into them all.
    /// </summary>
    async Task<bool> IsTouchedAsync(Run run, Release release, CancellationToken ct)
    {
        if (await drift.FindAsync(release, ct) is not { Count: > 0 } touched)
        {
            return false;
        }

        var named = string.Join(", ", touched.Take(MostNamed).Select(path => Logs.LogStream.Harmless(path)));
        if (fleet.Running(run.Project).Any(running => running == release.Id))
        {
            run.Log.Trouble($"{release} was changed past the receiver: {named}; it runs like that already and is left as it is");
            return false;
        }

        if (!TreeAgain.CanBeMade(release))
        {
            run.Log.Trouble($"{release} was changed past the receiver: {named}; its archive is gone, so it starts as it is");
            return false;
        }

        run.Log.Trouble($"{release} was changed past the receiver: {named}; it is unpacked from its archive again");
        return true;
    }

    /// <summary>Whatever happens meanwhile: there is the archive.</summary>
    async Task UnpackAgainAsync(Run run, Release release, CancellationToken ct)
    {
        var aside = Path.Combine(run.Project.Build, run.Id.Value + ".touched.tmp");
        AtomicFile.Rename(release.Directory, aside);
        try
        {
            await UnpackIfGoneAsync(run, release, ct);
        }
        catch
        {
            DirectoryHandle.Delete(release.Directory);
            AtomicFile.Rename(aside, release.Directory);
            throw;
        }
        finally
        {
            DirectoryHandle.Delete(aside);
        }
    }

    async Task UnpackIfGoneAsync(Run run, Release release, CancellationToken ct)
    {
        if (Directory.Exists(release.Directory))
        {
            return;
        }

        if (!TreeAgain.CanBeMade(release))
        {
            throw new Refusal($"{release} has neither its directory nor its archive any more");
        }

        await trees.MakeAsync(run, release, release.Directory, ct);
        if (release.TreeDigest is not null)
        {
            // Configured again it may be another one, by a time of day for instance.
            releases.RecordTree(release, await Task.Run(() => Drift.DigestOf(release.Directory, ct), ct));
        }
    }
}
