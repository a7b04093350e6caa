using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Backend = Paas.Receiver.Runtimes.Backend;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What people ask of releases that are there already: start one beside the live one, stop one, start all its instances anew, more or fewer of a process type.
/// The wish is durable before anything is done for it, so a crash in the middle ends where the wish leads.
/// </summary>
sealed class Operations(ReleaseStore releases, Formations formations, Launches launches, Bounces bounces, Fleet fleet, Visitors visitors, Limits limits)
{
    public static bool Does(DeploymentKind kind) => kind is DeploymentKind.Start or DeploymentKind.Stop or DeploymentKind.Restart;

    /// <exception cref="Refusal">It cannot be done; says why.</exception>
    /// <exception cref="UnhealthyException">What was started does not come up; it is stopped again, and what ran before runs on.</exception>
    public Task RunAsync(Deployment deployment, CancellationToken ct)
    {
        var release = ReleaseOf(deployment.Request);
        return deployment.Request.Kind switch
        {
            DeploymentKind.Start => StartAsync(release, deployment.Log, ct),
            DeploymentKind.Stop => StopAsync(release, deployment.Log),
            _ => RestartAsync(release, deployment.Log, ct),
        };
    }

    /// <summary>More or fewer, at once and from now on: it holds for releases to come too. Whoever is being answered by an instance that goes is answered to the end.</summary>
    /// <exception cref="Refusal">A type is not declared, or a number is none; nothing was changed.</exception>
    public async Task ScaleAsync(Project project, IReadOnlyDictionary<string, int> quantities)
    {
        var current = releases.Current(project) ?? throw new Refusal("nothing is live yet: push first");
        var declared = (await launches.OfAsync(current)).Types.Select(type => type.Name).ToList();
        var mistakes = quantities.Keys.Except(declared).Select(type => $"{current} has no process type '{type}': it has {string.Join(", ", declared)}")
            .Concat(quantities.Where(wanted => wanted.Value is < 0 or > Formations.Most).Select(wanted => $"{wanted.Key}: {wanted.Value} is not a number from 0 to {Formations.Most}"))
            .ToList();
        if (mistakes.Count > 0)
        {
            throw new Refusal(string.Join('\n', mistakes));
        }

        formations.Scale(project, quantities);
        foreach (var id in fleet.Running(project))
        {
            if (releases.Find(project, id) is { } release)
            {
                await launches.RescaleAsync(release);
            }
        }
    }

    /// <summary>One line of shell in the surroundings of a release, to its end; its exit code.</summary>
    /// <param name="tell">What it prints as it comes; true is its standard error.</param>
    public async Task<int> RunCommandAsync(Project project, ReleaseId id, string line, Func<bool, ReadOnlyMemory<byte>, Task> tell, TimeSpan limit, CancellationToken ct)
    {
        var release = releases.Find(project, id) ?? throw new Refusal("the release is gone");
        var launch = await launches.OfAsync(release, ct);
        return await fleet.RunOnceAsync(launch, ["/bin/sh", "-c", launch.Image is null ? Profile.Before(release.Directory, line) : line], tell, limit, ct);
    }

    async Task StartAsync(Release release, LogStream log, CancellationToken ct)
    {
        var isLive = releases.CurrentId(release.Project) == release.Id;
        log.Title($"Starting {release} of {release.Project}{(isLive ? "" : ", beside the live release")}");
        formations.Want(release.Project, release.Id, isLive ? null : true);
        try
        {
            await launches.BringUpAsync(release, ct);
        }
        catch
        {
            formations.Want(release.Project, release.Id, isLive ? false : null);
            await fleet.StopAsync(release.Project, release.Id);
            visitors.Forget(release.Project, release.Id);
            throw;
        }

        log.Result(isLive ? $"{release} runs at {visitors.Url(release.Project)}" : $"{release} runs at {visitors.Url(release)}");
    }

    /// <summary>PM-67, PM-68, AMB-22: its files stay, and the live release stays the live one.</summary>
    async Task StopAsync(Release release, LogStream log)
    {
        var isLive = releases.CurrentId(release.Project) == release.Id;
        log.Title($"Stopping {release} of {release.Project}");
        formations.Want(release.Project, release.Id, isLive ? false : null);
        await visitors.DrainAsync(release, limits.Stop);
        await fleet.StopAsync(release.Project, release.Id);
        if (!isLive)
        {
            visitors.Forget(release.Project, release.Id);
        }

        log.Result(isLive ? $"{release} is stopped; visitors find nothing until: corpus start {release.Project.Name}" : $"{release} is stopped");
    }

    /// <summary>Brand-new instances with today's environment (AMB-28); beside the old ones where the project may run twice for a moment, else after them while visitors wait.</summary>
    async Task RestartAsync(Release release, LogStream log, CancellationToken ct)
    {
        var project = release.Project;
        if (!fleet.Running(project).Contains(release.Id))
        {
            throw new Refusal($"{release} does not run: corpus start");
        }

        log.Title($"Restarting {release} of {project}");
        var isLive = releases.CurrentId(project) == release.Id;
        var launch = isLive ? await launches.OfAsync(release, ct) : await launches.BesideAsync(release, ct);
        if (bounces.Of(ManifestReader.Read(release.Directory), release) is DownThenUp)
        {
            if (isLive)
            {
                visitors.Hold(project);
            }

            try
            {
                await visitors.DrainAsync(release, limits.Stop);
                await fleet.StopAsync(project, release.Id);
                await launches.BringUpAsync(release, CancellationToken.None);
            }
            finally
            {
                visitors.LetIn(project);
            }
        }
        else if (await fleet.RenewAsync(launch, Drain(release), ct) is { IsHealthy: false } verdict)
        {
            throw new UnhealthyException(verdict);
        }

        log.Result($"{release} runs anew");
    }

    Func<string, IReadOnlyList<Backend>, Task> Drain(Release release) => (type, backends) => visitors.DrainAsync(release, type, backends, limits.Stop);

    Release ReleaseOf(DeploymentRequest request)
    {
        var release = request.TargetRelease is { } number
            ? releases.Find(request.Project, number) ?? throw new Refusal($"there is no release v{number} of {request.Project}")
            : releases.Current(request.Project) ?? throw new Refusal("nothing is live yet: push first");
        return release.Pruned || !Directory.Exists(release.Directory) ? throw new Refusal($"{release} is not kept any more") : release;
    }
}
