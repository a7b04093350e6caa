using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.ServiceControl;

/// <summary>
/// Makes of what a client asks for a commit in the service's repository, whose <c>app.json</c> says which image, and deploys that like any other: history, rollback and logs
/// are the project's own. Tells in events what became of it.
/// </summary>
sealed class Rollouts
{
    readonly ServiceRecords records;
    readonly RegistryServer registry;
    readonly DeploymentQueue queue;
    readonly ProjectStore projects;
    readonly ReleaseStore releases;
    readonly Fleet fleet;
    readonly Journal journal;
    readonly GitProgram git;
    readonly ConcurrentDictionary<string, string> complaints = new(StringComparer.Ordinal);

    public Rollouts(ServiceRecords records, RegistryServer registry, DeploymentQueue queue, ProjectStore projects, ReleaseStore releases, Fleet fleet, Journal journal, GitProgram git)
    {
        (this.records, this.registry, this.queue, this.projects, this.releases, this.fleet, this.journal, this.git) = (records, registry, queue, projects, releases, fleet, journal, git);
        fleet.Lost += Note;
    }

    public static string FullName(Project project) => $"{project.Environment.Name}-{project.Name}";

    /// <summary>Where its health is asked for (reference 3.3): a path that begins with the service's own name is meant as it is.</summary>
    public static string CheckPath(Project project, ServiceCheckWish check) =>
        check.RelPath == FullName(project) || check.RelPath.StartsWith(FullName(project) + "/", StringComparison.Ordinal) ? "/" + check.RelPath : $"/{FullName(project)}/{check.RelPath}";

    /// <summary>Why an instance of it was not well last; null when none ever was unwell.</summary>
    public string? LastComplaint(Project project) => complaints.GetValueOrDefault(project.Key);

    /// <summary>Returns when the update is issued; it goes on behind the client's back.</summary>
    /// <exception cref="ServiceControlException">400: there is no such image, or the port is another one than at first.</exception>
    public async Task BeginAsync(Project project, Definition definition, string by, string from, CancellationToken ct)
    {
        if (records.FirstPort(project) is { } first && first != definition.Port)
        {
            throw new ServiceControlException(StatusCodes.Status400BadRequest, $"container-port is {first} since the first update: delete the service and create it again to change it.");
        }

        var digest = registry.WhyNot is null ? await registry.DigestAsync(project, definition.Tag, ct) : null;
        if (digest is null)
        {
            throw new ServiceControlException(StatusCodes.Status400BadRequest, $"There is no image with the tag {definition.Tag} in the repository of {FullName(project)}.{(registry.WhyNot is { } why ? " " + why : "")}");
        }

        var repository = new GitRepository(project.ProjectRepository, git);
        await repository.CreateAsync(ct);
        var branch = repository.HeadBranch ?? "refs/heads/main";
        var parent = await repository.ReadRefAsync(branch, ct);
        var commit = await CommitAsync(repository, project, definition, digest, parent, ct);
        if (!await repository.MoveRefAsync(branch, commit, parent, ct))
        {
            throw new ServiceControlException(StatusCodes.Status400BadRequest, "Somebody else updates the service at the same moment: try again.");
        }

        records.Add(project, commit, definition, digest);
        var before = TasksOf(project);
        var deployment = queue.Submit(new DeploymentRequest
        {
            Project = project,
            Kind = DeploymentKind.Mark,
            Ref = branch,
            OldCommit = parent,
            NewCommit = commit,
            Mode = Mode.Cooking,
            By = by,
            From = from,
            MayFetch = (_, _) => false,
        });
        _ = FollowAsync(deployment, before);
    }

    static async Task<string> CommitAsync(GitRepository repository, Project project, Definition definition, string digest, string? parent, CancellationToken ct)
    {
        var directory = Path.Combine(project.Build, $"servicectl-{Guid.NewGuid():N}");
        Directory.CreateDirectory(directory);
        try
        {
            await File.WriteAllTextAsync(Path.Combine(directory, AppJson.Name), AppJsonOf(project, definition, digest).ToJsonString(new() { WriteIndented = true }), ct);
            return await repository.CommitAsync(directory, parent, $"Run {definition.Tag} ({digest})", ct);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    static JsonObject AppJsonOf(Project project, Definition definition, string digest)
    {
        var environment = new JsonObject { ["CONTEXT_ROOT"] = "/" + FullName(project) };
        foreach (var (name, value) in definition.Environment)
        {
            environment[name] = value;
        }

        return new JsonObject
        {
            ["env"] = environment,
            ["paas"] = new JsonObject
            {
                ["run"] = "container",
                ["strategy"] = "crossover",
                ["container"] = new JsonObject { ["image"] = "@" + digest, ["port"] = definition.Port, ["memory"] = definition.Limit, ["reservation"] = definition.Reservation },
                ["health"] = HealthOf(project, definition.Check),
            },
        };
    }

    static JsonObject HealthOf(Project project, ServiceCheckWish check) => new()
    {
        ["path"] = CheckPath(project, check),
        ["codes"] = check.StatusCodes,
        ["interval"] = check.Interval,
        ["patience"] = 5,
        ["failures"] = 2,
    };

    /// <summary>In the words of the vendor, in the order in which it happened.</summary>
    async Task FollowAsync(Deployment deployment, IReadOnlyList<string> before)
    {
        var outcome = await deployment.Finished;
        var (project, full) = (deployment.Project, FullName(deployment.Project));
        if (outcome is not (Outcome.Live or Outcome.LiveButUntidy) || projects.Find(project.Key) is null || journal.Find(deployment.ReleaseId)?.FinishedAt is not { } text)
        {
            return;
        }

        complaints.TryRemove(project.Key, out _);
        var now = TasksOf(project);
        var (started, gone) = (now.Except(before).ToList(), before.Except(now).ToList());
        List<string> happened =
        [
            $"has started {started.Count} tasks: {Named(started)}.",
            $"registered {started.Count} targets in (target-group {full})",
            .. gone.Count == 0 ? [] : (string[])[
                $"deregistered {gone.Count} targets in (target-group {full})", $"has begun draining connections on {gone.Count} tasks.", $"has stopped {gone.Count} running tasks: {Named(gone)}."],
        ];
        var at = DateTimeOffset.Parse(text, CultureInfo.InvariantCulture) - TimeSpan.FromMilliseconds(happened.Count);
        records.Note(project, happened.Select((message, index) => (at + TimeSpan.FromMilliseconds(index), $"(service {full}) {message}")));

        static string Named(IEnumerable<string> tasks) => string.Join(' ', tasks.Select(task => $"(task {task})"));
    }

    /// <summary>A task that ended by itself, ran out of memory, or was not well: another one takes its place.</summary>
    void Note(LostInstance lost)
    {
        if (!records.Has(lost.Project))
        {
            return;
        }

        complaints[lost.Project.Key] = lost.Verdict.Reason;
        records.Note(lost.Project, $"(service {FullName(lost.Project)}) has stopped 1 running tasks: (task {lost.Instance}). {lost.Verdict.Reason}");
        records.Note(lost.Project, $"(service {FullName(lost.Project)}) has started 1 tasks in its place.");
    }

    IReadOnlyList<string> TasksOf(Project project) =>
        releases.Current(project) is { } live ? [.. fleet.Status(project, live.Id).Select(instance => instance.Id).Where(id => id.Length > 0)] : [];
}
