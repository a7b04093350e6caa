using System.Text.Json;
using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>Our own records as the ones that travel.</summary>
sealed class Summaries(ReleaseStore releases, Journal journal, Fleet fleet, Visitors visitors, PatchStore patches, Drift drift, Space space)
{
    const int DeploymentsLookedAt = 50;

    /// <summary>Paths that a status names.</summary>
    const int MostDrifted = 20;

    public ProjectSummary Of(Project project) => new()
    {
        Environment = project.Environment.Name.Value,
        Name = project.Name.Value,
        Url = visitors.Url(project),
        Release = releases.Current(project)?.Number,
    };

    /// <param name="verify">Every file of the live release is read, not only what was touched.</param>
    public async Task<ProjectStatus> StatusOfAsync(Project project, bool verify, CancellationToken ct)
    {
        var current = releases.Current(project);
        var deployments = journal.Of(project, DeploymentsLookedAt);
        return new ProjectStatus
        {
            Environment = project.Environment.Name.Value,
            Name = project.Name.Value,
            Mode = Word(project.Environment.Mode),
            Url = visitors.Url(project),
            Current = current is null ? null : Of(current, current.Id),
            Drift = await DriftOfAsync(current, verify, ct) is { Count: > 0 } drifted ? drifted : null,
            FixedBy = patches.OpenIn(project)?.By,
            Space = space.LastOf(project) is { } count ? new SpaceTaken(count.Used, count.QuotaGigabytes, count.At) : null,
            Instances =
            [
                .. from id in fleet.Running(project).OrderByDescending(id => id == current?.Id).ThenByDescending(id => id.Value, StringComparer.Ordinal)
                   let release = id == current?.Id ? current : releases.Find(project, id)
                   where release is not null
                   from instance in fleet.Status(project, id)
                   select Of(instance, release.Number),
            ],
            Running = deployments.FirstOrDefault(entry => entry.State == "running") is { } running ? Of(running) : null,
            Waiting = [.. deployments.Where(entry => entry.State == "waiting").Reverse().Select(entry => Of(entry))],
            Last = deployments.FirstOrDefault(entry => entry.State == "finished") is { } last ? Of(last) : null,
        };
    }

    async Task<IReadOnlyList<string>> DriftOfAsync(Release? current, bool verify, CancellationToken ct)
    {
        if (current is null || current.Mode == Mode.Editable)
        {
            return [];
        }

        var touched = await drift.FindAsync(current, ct);
        return touched.Count == 0 && verify && !await Drift.VerifyAsync(current, ct) ? ["(by content)"]
            : [.. touched.Take(MostDrifted).Select(path => Logs.LogStream.Harmless(path))];
    }

    /// <param name="commit">Only of this one; null is all.</param>
    /// <param name="most">Of those with a smaller number than <paramref name="before"/>, the newest.</param>
    public IReadOnlyList<ReleaseSummary> ReleasesOf(Project project, string? commit, int most, int before)
    {
        var current = releases.CurrentId(project);
        var (made, held) = (patches.List(project).Where(patch => patch.State != PatchState.Brought).ToLookup(patch => patch.Base), patches.ByRelease(project));
        return [.. releases.List(project, commit is null ? most : int.MaxValue, before).Where(release => commit is null || release.Commit == commit).Take(most).Select(release => Of(release, current) with { Patches = Numbers(made[release.Id]), Fixes = Numbers(held[release.Id.Value]) })];
    }

    public DeploymentSummary Of(JournalEntry entry, bool withSteps = false) => new()
    {
        Id = entry.Id,
        Environment = entry.Environment,
        Project = entry.Project,
        Kind = JsonNamingPolicy.CamelCase.ConvertName(entry.Kind),
        State = entry.State,
        Outcome = entry.Outcome is { } outcome ? JsonNamingPolicy.CamelCase.ConvertName(outcome) : null,
        Failure = entry.Failure,
        Ref = entry.Ref,
        Commit = entry.NewCommit,
        Release = entry.ReleaseNumber ?? entry.TargetRelease,
        By = entry.By,
        From = entry.From,
        AskedAt = DateTimeOffset.Parse(entry.AskedAt),
        StartedAt = Time(entry.StartedAt),
        FinishedAt = Time(entry.FinishedAt),
        Steps = withSteps ? [.. journal.Steps(entry.ReleaseId).Select(step => new StepSummary(step.Name, step.Milliseconds))] : null,
    };

    public static TokenSummary Of(Token token) => new()
    {
        Id = token.Id,
        Name = token.Name,
        Admin = token.IsAdmin,
        Project = token.OnlyProject,
        User = token.User,
        Permissions = token.Scope == PermissionSet.All ? null : token.Scope.List(),
        MadeAt = token.MadeAt,
        ExpiresAt = token.ExpiresAt,
        UsedAt = token.UsedAt,
    };

    public static KeySummary Of(AccessKey key) => new()
    {
        Id = key.Id,
        Name = key.Name,
        Type = key.Type,
        Fingerprint = key.Fingerprint,
        User = key.User,
        Project = key.OnlyProject,
        Push = key.MayPush,
        MadeAt = key.MadeAt,
        UsedAt = key.UsedAt,
    };

    public static UserSummary Of(User user) => new()
    {
        Name = user.Name,
        FullName = user.FullName,
        Email = user.Email,
        Source = user.Source,
        Disabled = user.Disabled,
        HasPassword = user.HasPassword,
        MadeAt = user.MadeAt,
        Roles = [.. user.Grants.Select(grant => new GrantSummary(grant.Role, grant.Environment, grant.Source))],
    };

    public static RoleSummary Of(Role role) => new(role.Name, role.Permissions.List());

    public static OutcomeEvent Of(Outcome outcome) => new(Word(outcome), outcome is Outcome.Live or Outcome.LiveButUntidy or Outcome.Done);

    public static PatchSummary Of(Patch patch) => new()
    {
        Number = patch.Number,
        Release = patch.BaseNumber,
        Commit = patch.Commit,
        State = Word(patch.State),
        Subject = patch.Subject,
        By = patch.By,
        MadeAt = patch.MadeAt,
        Files = patch.Files,
        Bytes = patch.Texts.Sum(text => new FileInfo(text).Length),
    };

    public ReleaseSummary Of(Release release) => Of(release, releases.CurrentId(release.Project));

    static IReadOnlyList<int>? Numbers(IEnumerable<Patch> patches) => patches.Select(patch => patch.Number).ToList() is { Count: > 0 } numbers ? numbers : null;

    ReleaseSummary Of(Release release, ReleaseId? current) => new()
    {
        Number = release.Number,
        Id = release.Id.Value,
        Commit = release.Commit,
        PillarCommit = release.PillarCommit,
        Mode = Word(release.Mode),
        MadeAt = release.MadeAt,
        LiveAt = release.LiveAt,
        IsCurrent = release.Id == current,
        Pruned = release.Pruned,
        Imported = release.Imported,
        Archives = releases.PartsOf(release.Id) is { Count: > 0 } parts ? [.. parts.Select(part => new ArchivePartSummary(part.Name, part.Digest, part.Bytes, part.Trouble))] : null,
        CheckedAt = release.CheckedAt,
        ArchiveTrouble = release.Trouble,
        ArchiveDigest = release.ArchiveDigest,
        ArchiveBytes = release.ArchiveBytes,
        ContentDigest = release.ContentDigest,
        ImageDigest = release.ImageDigest,
        ImageBytes = release.ImageBytes,
        Signature = release.Signature,
        SignedBy = release.SignedBy,
    };

    static InstanceSummary Of(InstanceStatus instance, int release) => new()
    {
        Type = instance.Type,
        Number = instance.Number,
        Crashes = instance.Crashes,
        LastExitCode = instance.LastExitCode,
        Id = instance.Id,
        State = instance.Healthy ? "healthy" : instance.Crashes > 0 ? "failing" : "starting",
        Port = instance.Port,
        Release = release,
    };

    static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    static DateTimeOffset? Time(string? text) => text is null ? null : DateTimeOffset.Parse(text);
}
