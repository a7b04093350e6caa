using System.Collections.Concurrent;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>On whose behalf marks are acted on.</summary>
/// <param name="MayDeploy">To projects beside the one whose repository was pushed to; nobody asked, nothing granted.</param>
sealed record Marker(string By, string From, Func<EnvironmentName?, ProjectName, bool> MayFetch, Func<EnvironmentName?, ProjectName, bool> MayDeploy);

/// <summary>How far a mark is in one environment.</summary>
enum PlaceState
{
    /// <summary>For other groups, for an environment, or for a first mark.</summary>
    Waiting,

    Deploying,

    Live,

    Failed,
}

/// <param name="Live">The commit that is live there now.</param>
/// <param name="Why">What it waits for, or why it failed.</param>
sealed record MarkedPlace(string Cluster, IReadOnlyList<string> Instances, PlaceState State, string? Live = null, string? Deployment = null, string? Why = null);

/// <summary>
/// Refs of PaaSTA's say which commit is wanted where (reference 3.2 to 3.4): this makes it so. The service's repository is the one the refs were pushed to; each cluster is an
/// environment, and the project of the same name there is deployed to, behind the pusher's back. What is wanted is calculated from the refs each time, so that doing it
/// twice does nothing, and the next start does what this one was kept from.
/// </summary>
sealed partial class Marks(
    ProjectStore projects, GitProgram git, MarkStore store, DeploymentQueue queue, Journal journal, ReleaseStore releases, Launches launches, TimeProvider time, ILogger<Marks> logger)
{
    static readonly string[] Patterns = ["refs/tags/", "refs/heads/paasta-*"];

    /// <summary>How far ahead of ours the clock of a bot may be.</summary>
    static readonly TimeSpan LongestAhead = TimeSpan.FromHours(1);

    readonly ConcurrentDictionary<string, SemaphoreSlim> gates = new();

    /// <summary>What is wanted of a service, by its refs and its pillar.</summary>
    /// <exception cref="Refusal">The pillar's files for it cannot be read.</exception>
    public async Task<DesiredState> OfAsync(Project home, CancellationToken ct = default) => new(await MarksOfAsync(home, ct), await ConfigOfAsync(home, ct));

    /// <summary>The pillar read as a folder of soa-configs.</summary>
    /// <exception cref="Refusal">A file cannot be read.</exception>
    public async Task<ServiceConfig> ConfigOfAsync(Project home, CancellationToken ct = default) =>
        await launches.PillarCommitAsync(home, ct) is { } commit ? await ConfigAtAsync(home, commit, ct) : ServiceConfig.None;

    /// <exception cref="Refusal">A file cannot be read.</exception>
    public async Task<ServiceConfig> ConfigAtAsync(Project home, string commit, CancellationToken ct = default) =>
        await FilesAtAsync(home, commit, ServiceConfig.Knows, ct) is { Count: > 0 } files ? ServiceConfig.Read(files, home.Name) : ServiceConfig.None;

    /// <summary>Everything in the pillar that <see cref="ServiceCheck"/> looks at.</summary>
    public async Task<IReadOnlyList<ProjectFile>> FilesAsync(Project home, CancellationToken ct = default) =>
        await launches.PillarCommitAsync(home, ct) is { } commit ? await FilesAtAsync(home, commit, ServiceCheck.Knows, ct) : [];

    async Task<IReadOnlyList<ProjectFile>> FilesAtAsync(Project home, string commit, Func<string, bool> knows, CancellationToken ct)
    {
        var repository = new GitRepository(home.PillarRepository, git);
        var files = new List<ProjectFile>();
        foreach (var entry in (await repository.ListAsync(commit, ct)).Where(entry => knows(entry.Path)))
        {
            var text = await repository.ReadFileAsync(commit, entry.Path, ct) ?? "";
            if (entry.IsSymbolicLink)
            {
                // Clusters share a file so; a link to anywhere else is nothing.
                text = text.Contains('/', StringComparison.Ordinal) ? "" : await repository.ReadFileAsync(commit, text.Trim(), ct) ?? "";
            }

            files.Add(new ProjectFile(entry.Path, text));
        }

        return files;
    }

    /// <summary>Before anything of a push is stored: every reason against its marks.</summary>
    public async Task<IReadOnlyList<string>> CheckAsync(Project home, IReadOnlyList<RefUpdate> updates, Marker marker, CancellationToken ct)
    {
        var marks = updates.Select(update => MarkRef.TryParse(update.Name)).OfType<MarkRef>().Where(mark => mark.Kind != MarkKind.Rollback).ToList();
        if (marks.Count == 0)
        {
            return [];
        }

        try
        {
            var pushed = updates.Select(update => MarkRef.TryParse(update.Name) is { } mark ? new Marked(update.Name, mark, update.New, mark.Stamp) : null).OfType<Marked>().ToList();
            var state = new DesiredState([.. await MarksOfAsync(home, ct), .. pushed], await ConfigOfAsync(home, ct));
            return
            [
                .. state.Instances.Where(instance => marks.Any(mark => mark.IsFor(instance.DeployGroup) || mark.IsFor(instance.FullName)))
                    .Select(instance => EnvironmentOf(instance.Cluster)).OfType<Environment>().DistinctBy(environment => environment.Name)
                    .Where(environment => environment.Name != home.Environment.Name && !marker.MayDeploy(environment.Name, home.Name))
                    .Select(environment => $"You may not deploy {home.Name} to {environment.Name}, which this mark is for."),
            ];
        }
        catch (Refusal refusal)
        {
            return [refusal.Message];
        }
    }

    /// <summary>Marks a commit as a bot's push does, for people and pipelines, and begins what follows from it.</summary>
    /// <param name="rolledBackFrom">Noted as bad, for whoever marks it again.</param>
    /// <exception cref="Refusal">It cannot be marked.</exception>
    public async Task<(Marked Made, IReadOnlyList<string> Said)> MarkAsync(
        Project home, string group, string commit, string? imageVersion, string? rolledBackFrom, Marker marker, CancellationToken ct)
    {
        if (!MarkRef.IsGroup(group) || (imageVersion is not null && !MarkRef.IsImageVersion(imageVersion)))
        {
            throw new Refusal("A deploy group and an image's version are 1 to 100 letters, digits, '.', '_' and '-'.");
        }

        var (full, bad) = (await CommitAsync(home, commit, ct), rolledBackFrom is null ? null : await CommitAsync(home, rolledBackFrom, ct));
        var newest = (await MarksOfAsync(home, ct)).Where(one => one.Mark.Kind is MarkKind.Deploy or MarkKind.Branch && one.Mark.IsFor(group)).Max(one => one.Stamp);
        var made = await TagAsync(home, full, stamp => MarkRef.Name(MarkKind.Deploy, group, stamp, imageVersion), newest, marker, ct);
        if (bad is not null)
        {
            await TagAsync(home, bad, stamp => MarkRef.Name(MarkKind.Rollback, group, stamp), null, marker, ct);
        }

        return (made, await ConvergeAsync(home, [made.Ref], marker));
    }

    /// <summary>Starts an instance anew, or stops it until another commit is marked.</summary>
    /// <param name="instance"><c>cluster.instance</c>.</param>
    /// <exception cref="Refusal">There is nothing to start or stop.</exception>
    public async Task<(Marked Made, IReadOnlyList<string> Said)> ControlAsync(Project home, string instance, bool runs, Marker marker, CancellationToken ct)
    {
        var state = await OfAsync(home, ct);
        var group = state.Instances.FirstOrDefault(one => one.FullName == instance)?.DeployGroup
            ?? (MarkRef.IsGroup(instance) && !state.IsConfigured ? state.Instances.FirstOrDefault(one => instance.StartsWith(one.Cluster + ".", StringComparison.Ordinal))?.DeployGroup : null)
            ?? throw new Refusal($"{home.Name} has no instance {LogStream.Harmless(instance)}; it has {string.Join(", ", state.Instances.Select(one => one.FullName))}");
        var wanted = state.MarkOf(group) ?? throw new Refusal($"No deploy tags found for {group}. Has {home.Name} been deployed there yet?");
        var newest = (await MarksOfAsync(home, ct)).Where(one => one.Mark.Kind is MarkKind.Start or MarkKind.Stop && one.Commit == wanted.Commit && one.Mark.IsFor(instance)).Max(one => one.Stamp);
        var made = await TagAsync(home, wanted.Commit, stamp => MarkRef.Name(runs ? MarkKind.Start : MarkKind.Stop, instance, stamp), newest, marker, ct);
        return (made, await ConvergeAsync(home, [made.Ref], marker));
    }

    /// <summary>Where a group's instances are, and how far its mark is there.</summary>
    public IReadOnlyList<MarkedPlace> PlacesOf(Project home, string group, DesiredState state) =>
    [
        .. state.Instances.Where(instance => instance.DeployGroup == group).GroupBy(instance => instance.Cluster, StringComparer.Ordinal)
            .Select(cluster => PlaceOf(home, cluster.Key, [.. cluster.Select(instance => instance.Name)], state.MarkOf(group), [.. state.Instances.Where(instance => instance.Cluster == cluster.Key)], state)),
    ];

    /// <summary>Returns when nothing of a group is being deployed any more: null when it has the commit, or waits for other groups to have it too; else why it has not.</summary>
    /// <exception cref="Refusal">The pillar cannot be read.</exception>
    public async Task<string?> SettledAsync(Project home, string group, string commit)
    {
        while (true)
        {
            var state = await OfAsync(home);
            if (state.MarkOf(group)?.Commit != commit)
            {
                return "another commit was marked meanwhile";
            }

            var places = PlacesOf(home, group, state);
            if (places.FirstOrDefault(place => place.State == PlaceState.Deploying) is not { } busy)
            {
                return places.Count == 0 ? "no instance has this deploy group" : places.FirstOrDefault(place => place.State == PlaceState.Failed) is { } failed ? $"{failed.Cluster}: {failed.Why}" : null;
            }

            await (queue.Find(busy.Deployment!)?.Finished ?? Task.CompletedTask);
        }
    }

    MarkedPlace PlaceOf(Project home, string cluster, IReadOnlyList<string> names, Marked? mark, IReadOnlyList<ServiceInstance> all, DesiredState state)
    {
        var place = new MarkedPlace(cluster, names, PlaceState.Waiting);
        if (EnvironmentOf(cluster) is not { } environment)
        {
            return place with { Why = $"there is no environment {cluster} here" };
        }

        if (projects.Find(environment.Name, home.Name) is not { } project)
        {
            return place with { Why = mark is null ? "nothing is marked" : "it has not begun" };
        }

        var (live, last) = (releases.Current(project)?.Commit, LastBegun(project));
        place = place with { Live = live };
        return mark is null ? place with { Why = "nothing is marked" }
            : live == mark.Commit ? place with { State = PlaceState.Live, Deployment = last?.NewCommit == mark.Commit ? last.Id : null }
            : Wanted(state, all, [], []) is null ? place with { Why = "other groups of this environment are at other commits" }
            : last?.NewCommit != mark.Commit ? place with { Why = "it has not begun" }
            : last.State == "finished" ? place with { State = PlaceState.Failed, Deployment = last.Id, Why = last.Failure ?? last.Outcome }
            : place with { State = PlaceState.Deploying, Deployment = last.Id };
    }

    /// <summary>As git's hooks would: whether it may be is asked before it is.</summary>
    async Task<Marked> TagAsync(Project home, string commit, Func<string, string> name, string? newest, Marker marker, CancellationToken ct)
    {
        var repository = new GitRepository(home.ProjectRepository, git);

        // Two marks of one second: the later one must win, and a tag of that name may be there. So may one from a clock that is ahead.
        for (var moment = time.GetUtcNow(); ; moment += TimeSpan.FromSeconds(1))
        {
            var tag = name(MarkRef.StampOf(moment));
            if (!RefRules.IsWellFormed(tag) || MarkRef.TryParse(tag) is not { } mark)
            {
                throw new Refusal($"'{LogStream.Harmless(tag)}' is no name that a ref can have.");
            }

            if (string.CompareOrdinal(mark.Stamp, newest) <= 0)
            {
                if (string.CompareOrdinal(MarkRef.StampOf(moment + LongestAhead), newest) < 0)
                {
                    throw new Refusal($"There is a mark from the future, {newest}: delete its tag first.");
                }

                continue;
            }

            if (await CheckAsync(home, [new RefUpdate(tag, RefUpdate.NoObject, commit)], marker, ct) is { Count: > 0 } reasons)
            {
                throw new Refusal(string.Join('\n', reasons));
            }

            if (await repository.ReadRefAsync(tag, ct) is null && await repository.MoveRefAsync(tag, commit, null, CancellationToken.None))
            {
                return new Marked(tag, mark, commit, mark.Stamp);
            }
        }
    }

    /// <exception cref="Refusal">There is no such commit.</exception>
    public async Task<string> CommitAsync(Project home, string commit, CancellationToken ct)
    {
        var repository = new GitRepository(home.ProjectRepository, git);
        return (repository.Exists ? await ResolveAsync(repository, commit, ct) : null)
            ?? throw new Refusal($"There is no commit {LogStream.Harmless(commit.Length > 60 ? commit[..60] : commit)} in {home}. Have you pushed your commit?");
    }

    /// <summary>Refs have come or moved: everything that follows from that is begun. Returns what to say of it.</summary>
    /// <param name="news">Names of the refs; empty where nobody hears.</param>
    public async Task<IReadOnlyList<string>> ConvergeAsync(Project home, IReadOnlyCollection<string> news, Marker marker)
    {
        // Two pushes at once: each sees all refs, so the second one has nothing left to do.
        var gate = gates.GetOrAdd(home.Key, _ => new SemaphoreSlim(1));
        await gate.WaitAsync();
        try
        {
            var state = await OfAsync(home);
            var said = Remarks(home, state, news).ToList();
            if (state.Instances.Count == 0)
            {
                return said;
            }

            store.Remember(home);
            foreach (var cluster in state.Instances.GroupBy(instance => instance.Cluster, StringComparer.Ordinal))
            {
                if (EnvironmentOf(cluster.Key) is { } environment && Wanted(state, [.. cluster], news, said) is { } wanted
                    && (environment.Name == home.Environment.Name || marker.MayDeploy(environment.Name, home.Name)))
                {
                    await ConvergeAsync(home, environment, [.. cluster], state, wanted, marker, news.Contains(wanted.Ref), said);
                }
            }

            return said;
        }
        catch (Refusal refusal)
        {
            return [.. refusal.Message.Split('\n').Select(line => " !     " + LogStream.Harmless(line))];
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>After a start: what was marked and not begun when the receiver ended. Who marked it was allowed to.</summary>
    public async Task CatchUpAsync(CancellationToken ct)
    {
        foreach (var home in store.Services().Select(projects.Find).OfType<Project>())
        {
            ct.ThrowIfCancellationRequested();
            try
            {
                await ConvergeAsync(home, [], new Marker("receiver", "start", (_, _) => false, (_, _) => true));
            }
            catch (Exception e)
            {
                // One service's repository must not keep the others from it.
                Log.NotConverged(logger, e, home.Key);
            }
        }
    }

    /// <summary>Which commit an environment is to have; null while that is not settled. Its process types are one release, so its groups must agree.</summary>
    static Marked? Wanted(DesiredState state, IReadOnlyList<ServiceInstance> instances, IReadOnlyCollection<string> news, List<string> said)
    {
        var groups = instances.Select(instance => instance.DeployGroup).Distinct(StringComparer.Ordinal).Select(group => (Group: group, Mark: state.MarkOf(group))).ToList();
        var newest = groups.Select(group => group.Mark).OfType<Marked>().MaxBy(mark => mark.Stamp, StringComparer.Ordinal);
        if (newest is null || !state.IsConfigured || groups.TrueForAll(group => group.Mark?.Commit == newest.Commit))
        {
            return newest;
        }

        if (groups.Exists(group => group.Mark is { } mark && news.Contains(mark.Ref)))
        {
            said.Add($" !     {instances[0].Cluster} waits: {string.Join(", ", groups.Select(group => $"{group.Group} is {(group.Mark is { } mark ? $"at {mark.Commit[..8]}" : "not marked")}"))}.");
            said.Add("       The process types of one environment are one release: it is deployed when all its groups are marked with the same commit.");
        }

        return null;
    }

    async Task ConvergeAsync(
        Project home, Environment environment, IReadOnlyList<ServiceInstance> instances, DesiredState state, Marked wanted, Marker marker, bool isNews, List<string> said)
    {
        var project = projects.FindOrCreate(environment.Name, home.Name);
        var (live, version) = (releases.Current(project), wanted.Mark.ImageVersion);
        var isLive = live?.Commit == wanted.Commit && WishesOf(live).ImageVersion == version;
        if (isLive && isNews)
        {
            said.Add($"       {project} has {wanted.Commit[..8]} already: {live} is live.");
        }
        else if (!isLive && !HasBegun(project, wanted))
        {
            await BringAsync(home, project, wanted);
            var deployment = queue.Submit(new DeploymentRequest
            {
                Project = project,
                Kind = DeploymentKind.Mark,
                Ref = wanted.Ref,
                OldCommit = live?.Commit,
                NewCommit = wanted.Commit,
                Wishes = new Wishes { Group = string.Join(',', instances.Select(instance => instance.DeployGroup).Distinct()), ImageVersion = version, Instances = state.IsConfigured ? InstancesOf(instances) : null },
                By = marker.By,
                From = marker.From,
                MayFetch = marker.MayFetch,
            });
            said.Add($"-----> Deployment {deployment.Id} of {wanted.Commit[..8]} to {project} goes on in the background");
            said.Add($"       See how it goes: corpus status {(environment.IsDefault ? "" : $"-e {environment.Name} ")}{project.Name}");
        }

        foreach (var instance in instances)
        {
            Obey(project, instance, state.ControlOf(instance, wanted.Commit), marker, said);
        }
    }

    /// <summary>The newest mark that was begun in this project is this one, however it ended: a failed one is not tried for ever.</summary>
    bool HasBegun(Project project, Marked wanted) => LastBegun(project) is { } last && last.Ref == wanted.Ref && last.NewCommit == wanted.Commit && last.Outcome != nameof(Outcome.Superseded);

    JournalEntry? LastBegun(Project project) => journal.Of(project, most: 1000).FirstOrDefault(entry => entry.Kind == nameof(DeploymentKind.Mark));

    async Task BringAsync(Project home, Project project, Marked wanted)
    {
        if (project != home)
        {
            var repository = new GitRepository(project.ProjectRepository, git);
            await repository.CreateAsync();
            await repository.BringAsync(new GitRepository(home.ProjectRepository, git), wanted.Ref);
        }
    }

    void Obey(Project project, ServiceInstance instance, Control control, Marker marker, List<string> said)
    {
        var before = store.Controls(project).GetValueOrDefault(instance.Name);
        if (before == control || (before is null && control is { Runs: true, ForceBounce: null }))
        {
            return;
        }

        store.Keep(project, instance.Name, control);
        var ran = before is not { Runs: false } || before.Commit != control.Commit;
        if (releases.Current(project) is not { } live || live.Commit != control.Commit)
        {
            // Kept before it was looked: a change-over that is just going on looks again when it is through.
            if (ran != control.Runs)
            {
                said.Add($"-----> {instance.FullName} {(control.Runs ? "starts" : "stops")} when {control.Commit[..8]} is live");
            }

            return;
        }

        if (ran != control.Runs)
        {
            said.Add($"-----> {instance.FullName} {(control.Runs ? "starts" : "stops")}");
            _ = RescaleAsync(live);
        }
        else if (control is { Runs: true, ForceBounce: { } token } && token != before?.ForceBounce)
        {
            queue.Submit(new DeploymentRequest { Project = project, Kind = DeploymentKind.Restart, By = marker.By, From = marker.From });
            said.Add($"-----> {project} starts anew");
        }
    }

    async Task RescaleAsync(Release live)
    {
        try
        {
            await launches.RescaleAsync(live);
        }
        catch (Exception e)
        {
            // The wish is kept: the next change-over or start obeys it.
            Log.NotRescaled(logger, e, live.Project.Key);
        }
    }

    IEnumerable<string> Remarks(Project home, DesiredState state, IReadOnlyCollection<string> news)
    {
        foreach (var name in news)
        {
            if (MarkRef.TryParse(name) is not { } mark)
            {
                continue;
            }

            var groups = state.Groups.Where(mark.IsFor).ToList();
            if (mark.Kind is MarkKind.Start or MarkKind.Stop)
            {
                if (state.Instances.FirstOrDefault(instance => mark.IsFor(instance.FullName)) is { } instance)
                {
                    foreach (var line in RemarksOnControl(state, instance, name, mark))
                    {
                        yield return line;
                    }
                }
            }
            else if (groups.Count == 0 || !state.Instances.Any(instance => groups.Contains(instance.DeployGroup) && EnvironmentOf(instance.Cluster) is not null))
            {
                yield return $" !     No instance of {home.Name} has the deploy group {mark.Target}: the mark is kept, nothing is deployed.";
            }
            else if (mark.Kind == MarkKind.Rollback)
            {
                yield return $"       Noted that {mark.Target} was rolled back; nothing is deployed for it.";
            }
            else if (state.MarkOf(groups[0]) is { } newest && newest.Ref != name)
            {
                yield return $" !     Ignored: {groups[0]} has a newer mark, {newest.Stamp}, on {newest.Commit[..8]}.";
            }
            else if (state.MarkOf(groups[0]) is { } marked)
            {
                yield return $"-----> {groups[0]} is marked with {marked.Commit[..8]}";
                if (state.WasRolledBack(groups[0], marked.Commit))
                {
                    yield return $" !     {marked.Commit[..8]} was rolled back from before.";
                }
            }
        }
    }

    static IEnumerable<string> RemarksOnControl(DesiredState state, ServiceInstance instance, string name, MarkRef mark)
    {
        if (state.MarkOf(instance.DeployGroup) is not { } wanted)
        {
            yield return $" !     No deploy tags found for {instance.DeployGroup}. Has it been deployed there yet?";
        }
        else if (state.ControlOf(instance, wanted.Commit).ForceBounce is var token && string.CompareOrdinal(token, mark.Stamp) > 0)
        {
            yield return $" !     Ignored: a newer control tag, {token}, is there for {instance.FullName}.";
        }
        else if (token is null)
        {
            yield return $" !     Ignored: {name["refs/tags/".Length..]} is not on {wanted.Commit[..8]}, which {instance.DeployGroup} is marked with.";
        }
    }

    async Task<IReadOnlyList<Marked>> MarksOfAsync(Project home, CancellationToken ct)
    {
        var now = MarkRef.StampOf(time.GetUtcNow());
        var found = new List<Marked>();
        foreach (var (name, commit) in await new GitRepository(home.ProjectRepository, git).ListRefsAsync(Patterns, ct))
        {
            if (MarkRef.TryParse(name) is { } mark)
            {
                found.Add(new Marked(name, mark, commit, mark.Kind == MarkKind.Branch ? store.StampOf(home, name, commit, now) : mark.Stamp));
            }
        }

        return found;
    }

    /// <summary>A whole id of a commit that is here, or the beginning of one that a branch or tag leads to.</summary>
    static async Task<string?> ResolveAsync(GitRepository repository, string commit, CancellationToken ct)
    {
        if (RefUpdate.IsObjectId(commit))
        {
            return await repository.HasAsync(commit, ct) ? commit : null;
        }

        var tips = commit.Length >= 4 && commit.All(char.IsAsciiHexDigitLower)
            ? (await repository.ListRefsAsync(["refs/heads/", "refs/tags/"], ct)).Select(tip => tip.Commit).Where(tip => tip.StartsWith(commit, StringComparison.Ordinal)).Distinct().ToList() : [];
        return tips is [var only] ? only : null;
    }

    static Dictionary<string, WantedInstance> InstancesOf(IReadOnlyList<ServiceInstance> instances) =>
        instances.ToDictionary(instance => instance.Name, instance => new WantedInstance(instance.Quantity, instance.Command, instance.Environment.Count > 0 ? instance.Environment : null, instance.DeployGroup, instance.Bounce, instance.BounceMargin));

    Wishes WishesOf(Release? release) => release is null ? Wishes.None : launches.MarkedWith(release);

    Environment? EnvironmentOf(string cluster) => EnvironmentName.TryParse(cluster, out var name) ? projects.FindEnvironment(name) : null;

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "What is marked of {service} could not be made so")]
        public static partial void NotConverged(ILogger logger, Exception e, string service);

        [LoggerMessage(Level = LogLevel.Error, Message = "Instances of {project} could not be started or stopped as a control tag says")]
        public static partial void NotRescaled(ILogger logger, Exception e, string project);
    }
}
