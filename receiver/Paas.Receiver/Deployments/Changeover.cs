using Paas.Receiver.Archives;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// One change of releases: from what, to what, and the moves that every strategy is made of. A move is a step with its ways back;
/// a strategy only puts them in order.
/// </summary>
sealed class Changeover(
    Release? old, Release next, ReleaseId deployment, ReleaseId? dataFrom, StepHooks hooks, Steps steps, UndoLog undo, LogStream log,
    ReleaseStore releases, Launches launches, Fleet fleet, Visitors visitors, Archivist archivist, Limits limits)
{
    Launch? launch;
    bool oldIsStopped;
    bool isWhole;
    Task leaving = Task.CompletedTask;

    /// <summary>Visitors wait from here on.</summary>
    public Task HoldAsync() => steps.RunAsync(
        Step.Hold,
        () =>
        {
            visitors.Hold(next.Project);
            return Task.CompletedTask;
        },
        new LetVisitorsIn());

    /// <summary>The old release ends; nothing of it is left when this returns.</summary>
    public Task StopOldAsync(bool drain, CancellationToken ct) => old is null || launches.IsStopped(old) ? Task.CompletedTask : steps.RunAsync(
        Step.Stop,
        async () =>
        {
            await hooks.RunAsync(old, "pre_stop", deployment, ct);
            if (drain)
            {
                await visitors.DrainAsync(old, limits.Stop);
            }

            await fleet.StopAsync(old.Project, old.Id);
            oldIsStopped = true;
            await hooks.RunAsync(old, "post_stop", deployment, ct);
        },
        new StartAgain(old.Id.Value));

    /// <summary>Data as it is, then the project's own dumps (R9.4, R9.5). A failure here has touched nothing (A15).</summary>
    public Task BackUpAsync(CancellationToken ct) => steps.RunAsync(Step.BackUp, async () =>
    {
        if (!hooks.Choice.Runs("backup"))
        {
            return;
        }

        await launches.GiveDataAsync(next.Project);
        var report = await archivist.TakeAsync(next.Project, deployment, ct, hooks.Data);
        if (report.Files > 0)
        {
            log.Detail($"data backed up: {report.Files} files, {report.Bytes} bytes, {report.Shared} files unchanged since the last time");
        }

        if (old is not null)
        {
            await hooks.RunAsync(old, "backup", deployment, ct);
        }
    });

    /// <summary>Brings the data back as the wanted release left it; for a rollback that takes its data along, else nothing.</summary>
    public Task RestoreAsync(CancellationToken ct) => dataFrom is null ? Task.CompletedTask : steps.RunAsync(
        Step.Restore,
        async () =>
        {
            await archivist.RestoreAsync(next.Project, dataFrom, deployment);
            await launches.GiveDataAsync(next.Project);
            await hooks.RunAsync(next, "restore", dataFrom, ct);
            log.Detail($"data is as {(next.ReplacedBy == dataFrom ? $"{next} left it" : $"backup {dataFrom} has it")}; what it was until now is kept in {Path.Combine(next.Project.Archives, deployment.Value)}");
        },
        WaysBackToTheData());

    /// <summary>A Procfile's <c>release:</c>; not for a release that served before, which has changed the data already. From here on something may touch the data, so from here on a failure brings it back.</summary>
    public Task RunReleaseCommandAsync(CancellationToken ct) => steps.RunAsync(
        Step.Release,
        async () =>
        {
            if (!next.HasServed && hooks.Choice.Runs("release"))
            {
                await launches.RunReleaseCommandAsync(next, log, ct);
            }

            await hooks.RunAsync(next, "deploy", deployment, ct);
        },
        dataFrom is null ? WaysBackToTheData() : []);

    public Task StartAsync(CancellationToken ct) => steps.RunAsync(
        Step.Start,
        async () =>
        {
            await hooks.RunAsync(next, "pre_start", deployment, ct);
            var whole = await LaunchAsync(ct);
            isWhole = old is null || oldIsStopped || !fleet.Running(old.Project).Contains(old.Id);
            await fleet.StartAsync(isWhole ? whole : Launches.WithoutExclusive(whole), ct);
        },
        fleet.Running(next.Project).Contains(next.Id) ? [] : [new StopRelease(next.Id.Value)]);

    /// <summary>Every instance answers, or the reason why not with the application's own last words.</summary>
    public Task AwaitHealthyAsync(CancellationToken ct) => AwaitAsync(() => fleet.HealthyAsync(next.Project, next.Id, ct), ct);

    /// <summary>One instance of each process type answers: <see cref="CrossOverAsync"/> waits for the others.</summary>
    public Task AwaitFirstsAsync(CancellationToken ct) => AwaitAsync(() => fleet.FirstsHealthyAsync(next.Project, next.Id, ct), ct);

    Task AwaitAsync(Func<Task<Verdict>> healthy, CancellationToken ct) => steps.RunAsync(Step.Healthy, async () =>
    {
        var verdict = await healthy();
        if (!verdict.IsHealthy)
        {
            throw new UnhealthyException(verdict);
        }

        visitors.Introduce(next, await LaunchAsync(ct));
        await hooks.RunAsync(next, "post_start", deployment, ct);
    });

    /// <summary>What a healthy release does before its visitors arrive; an upgrade not again for one that served before (R14 post_deploy, upgrade, post_install).</summary>
    public Task UpgradeAsync(CancellationToken ct) => steps.RunAsync(Step.Upgrade, async () =>
    {
        await hooks.RunAsync(next, "post_deploy", deployment, ct);
        if (!next.HasServed)
        {
            await hooks.RunAsync(next, "upgrade", deployment, ct);
            await launches.RunPostDeployAsync(next, first: old is null, log, ct);
        }

        await hooks.RunAsync(next, "post_install", deployment, ct);
    });

    /// <summary>
    /// Visitors meet both releases, and of each process type that both have an old instance goes for each new one that is healthy, drained first (3.9). One old instance
    /// stays until the new release has settled. When a new one does not come up, the old release has all its instances again.
    /// </summary>
    /// <param name="margin"><c>bounce_margin_factor</c>.</param>
    public async Task CrossOverAsync(decimal margin, CancellationToken ct)
    {
        var exchange = old is null || isWhole ? null : new Exchange(old, next, margin, (await LaunchAsync(ct)).Types, fleet, visitors, limits.Stop);
        if (exchange is not { HasWork: true })
        {
            await AllAsync();
            return;
        }

        await steps.RunAsync(
            Step.CrossOver,
            async () =>
            {
                visitors.MeetBoth(old!, next);
                try
                {
                    await exchange.RunAsync(ct);
                }
                finally
                {
                    leaving = exchange.Gone;
                }

                await AllAsync();
            },
            new FillUpAgain(old!.Id.Value));

        async Task AllAsync()
        {
            if (await fleet.HealthyAsync(next.Project, next.Id, ct) is { IsHealthy: false } verdict)
            {
                throw new UnhealthyException(verdict);
            }
        }
    }

    /// <summary>
    /// What may run in one release only changes over by break before make (PM-31): all of the old release's ends, then all of the new one's starts (AMB-18, AMB-19).
    /// When that does not come up, the old release's runs again and it stays the live one (AMB-20).
    /// </summary>
    public async Task ExchangeExclusiveAsync(CancellationToken ct)
    {
        var mine = Exclusive((await LaunchAsync(ct)).Types);
        var theirs = old is null ? [] : Exclusive((await launches.OfAsync(old, ct)).Types);
        if (isWhole || mine.Count + theirs.Count == 0)
        {
            return;
        }

        await steps.RunAsync(
            Step.Exclusive,
            async () =>
            {
                await fleet.ScaleAsync(old!.Project, old.Id, theirs.ToDictionary(type => type.Key, _ => 0), (type, leavers) => visitors.DrainAsync(old, type, leavers, limits.Stop));
                await fleet.ScaleAsync(next.Project, next.Id, mine);
                var verdict = await fleet.HealthyAsync(next.Project, next.Id, ct);
                if (!verdict.IsHealthy)
                {
                    throw new UnhealthyException(verdict);
                }
            },
            new StartExclusiveAgain(old!.Id.Value, next.Id.Value));

        static Dictionary<string, int> Exclusive(IEnumerable<Projects.ProcessType> types) => types.Where(type => type.Exclusive).ToDictionary(type => type.Name, type => type.Quantity);
    }

    /// <summary>The last thing that can fail happens before the first visitor arrives.</summary>
    public Task PromoteAsync() => steps.RunAsync(
        Step.Promote,
        () =>
        {
            releases.Promote(next, deployment);
            return Task.CompletedTask;
        },
        new PointCurrentAt(old?.Id.Value, next.Id.Value, next.ReplacedBy?.Value));

    /// <summary>In memory, cannot fail.</summary>
    public Task SwitchAsync() => steps.RunAsync(
        Step.Switch,
        () =>
        {
            visitors.Meet(next);
            return Task.CompletedTask;
        },
        new TurnVisitorsBack(old?.Id.Value, next.Id.Value));

    /// <summary>The same for an old release that runs on: visitors meet both, then the new one alone.</summary>
    public Task SwitchBesideAsync() => steps.RunAsync(
        Step.Switch,
        () =>
        {
            if (old is not null)
            {
                launches.Keep(old);
                visitors.MeetBoth(old, next);
            }

            visitors.Meet(next);
            return Task.CompletedTask;
        },
        new TurnVisitorsBack(old?.Id.Value, next.Id.Value));

    /// <summary>
    /// What listens and dies a moment later is not live: only the pusher waits here, and until it is over everything can be taken back.
    /// Behind it nothing is.
    /// </summary>
    public Task SettleAsync(CancellationToken ct) => steps.RunAsync(Step.Settle, async () =>
    {
        var verdict = await fleet.SettleAsync(next.Project, next.Id, limits.Settle, ct);
        if (!verdict.IsHealthy)
        {
            throw new UnhealthyException(verdict);
        }

        undo.Keep();
    });

    /// <summary>Whoever is still being answered by the old release is answered to the end, within the deadline; then it ends.</summary>
    public Task RetireAsync() => old is null ? Task.CompletedTask : steps.RunAsync(Step.Retire, async () =>
    {
        if (!oldIsStopped)
        {
            await hooks.TryAsync(old, "pre_stop", deployment, CancellationToken.None);
        }

        await Task.WhenAll(leaving, visitors.DrainAsync(old, limits.Stop));
        if (ProjectHooks.Any(old.Directory, "post_stop"))
        {
            await fleet.StopAsync(old.Project, old.Id);
            await (oldIsStopped ? Task.CompletedTask : hooks.TryAsync(old, "post_stop", deployment, CancellationToken.None));
        }
        else
        {
            await fleet.RetireAsync(old.Project, old.Id);
        }

        visitors.Forget(old.Project, old.Id);
        launches.Unkeep(old);
        await launches.RescaleIfAskedAsync(next);
    });

    /// <summary>PM-66: it runs without the project's names, under its own. Nothing of it ends, so nobody waits for those whom it still answers: a WebSocket may stay for days.</summary>
    public Task LeaveOldAsync() => old is null ? Task.CompletedTask : steps.RunAsync(Step.Retire, async () =>
    {
        launches.Unkeep(next);
        await launches.RescaleIfAskedAsync(next);
        log.Detail($"{old} runs on at {visitors.Url(old)}, until: corpus stop {old.Project.Name} {old}");
    });

    /// <summary>Put together once: it reads the release's manifest, and its pillar out of git.</summary>
    async Task<Launch> LaunchAsync(CancellationToken ct) => launch ??= await launches.OfAsync(next, ct);

    IReadOnlyList<Undo> WaysBackToTheData() => !hooks.Choice.Runs("backup") ? [] : old is null
        ? [new RestoreData(deployment.Value)]
        : [new ReloadDumps(deployment.Value, old.Id.Value), new RestoreData(deployment.Value)];
}
