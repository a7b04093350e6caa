using System.Collections.Concurrent;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>One part of what a project takes.</summary>
sealed record SpacePart(string Name, long Bytes, long Files);

/// <summary>What a project takes and may take. Bytes on the disk; a file with several names counts once.</summary>
sealed record SpaceReport(IReadOnlyList<SpacePart> Parts, int? QuotaGigabytes)
{
    public long Used { get; } = Parts.Sum(part => part.Bytes);
}

/// <summary>A project has just passed a share of its quota, upwards.</summary>
/// <param name="Percent">90 or 100.</param>
sealed record SpacePassed(Project Project, int Percent, long Used, int QuotaGigabytes);

/// <summary>What was counted when a project was last looked at.</summary>
sealed record SpaceCount(long Used, int QuotaGigabytes, DateTimeOffset At);

/// <summary>
/// How much a project may take (R9.3, R15.8, R15.9, A19): counted over all its directories, grown and shrunk in steps of 5 GB, looked at before each deployment. It bounds
/// what the receiver begins; what a running application writes into <c>data</c> is only counted, and told (<see cref="SpaceWatch"/>).
/// </summary>
/// <param name="defaultQuota"><c>PAAS_QUOTA</c>, gigabytes; null is no limit.</param>
/// <param name="gigabyte">Its bytes; tests have smaller ones.</param>
sealed class Space(Database database, ProjectStore projects, ReleaseStore releases, DeploymentLogs logs, RegistryServer registry, TimeProvider time, int? defaultQuota, long gigabyte = 1_000_000_000)
{
    /// <summary>Of its quota, in percent: where a project is told of. Told again only once it was this much below.</summary>
    static readonly int[] Levels = [100, Near];
    const int Slack = 5;

    /// <summary>Percent of a quota from which on somebody should look.</summary>
    public const int Near = 90;

    readonly ConcurrentDictionary<string, SpaceCount> counts = new();

    static object Of(Project project, int? quota = null) => new { Environment = project.Environment.Name.Value, Project = project.Name.Value, quota };

    public int? QuotaOf(Project project)
    {
        var row = database.ReadOne<QuotaRow>("SELECT quota_gigabytes AS QuotaGigabytes FROM project_space WHERE environment = @Environment AND project = @Project", Of(project));
        return row is null ? defaultQuota : row.QuotaGigabytes;
    }

    /// <param name="quota">Gigabytes, a multiple of 5; null is no limit.</param>
    /// <exception cref="Refusal">It is less than the project takes, or more than its environment may have.</exception>
    public void SetQuota(Project project, int? quota)
    {
        if (quota is { } wanted)
        {
            if (wanted <= 0 || wanted % Projects.Environment.QuotaStep != 0)
            {
                throw new Refusal($"a quota is a multiple of {Projects.Environment.QuotaStep} GB, not {wanted}");
            }

            var used = Measure(project).Used;
            if (wanted * gigabyte < used)
            {
                throw new Refusal($"{project} takes {Readable(used)}: it cannot be trimmed to {wanted} GB; corpus doctor {project.Name} shows where the bytes are");
            }

            if (WhyNotEnlarge(project, wanted) is { } why)
            {
                throw new Refusal(why);
            }
        }

        Keep(project, quota);
    }

    /// <summary>R15.9.</summary>
    /// <exception cref="Refusal">There is no limit to move, or the environment has no more.</exception>
    public int Enlarge(Project project) => Resize(project, Projects.Environment.QuotaStep);

    /// <summary>R15.8.</summary>
    /// <exception cref="Refusal">There is no limit to move, or the project takes more.</exception>
    public int Trim(Project project) => Resize(project, -Projects.Environment.QuotaStep);

    /// <summary>Where the bytes are. Costs a look at each file.</summary>
    public SpaceReport Measure(Project project)
    {
        var usage = new Usage();
        (string Name, string Directory)[] places =
        [
            ("data", project.Data), ("checkout", project.Checkout), ("releases", project.Deploy), ("archives of releases", project.Releases),
            ("backups and what failed", project.Archives), ("build caches", Path.Combine(project.Build, "cache")), ("drafts", project.Build), ("repositories", Path.Combine(project.Directory, "git")),
            ("pillar", project.PillarCheckout), ("logs of deployments", logs.DirectoryOf(project)),
        ];
        var parts = places.Select(place => (place.Name, Taken: usage.Add(place.Directory))).ToList().Append((Name: "images", Taken: registry.TakenBy(project))).Select(place => new SpacePart(place.Name, place.Taken.Bytes, place.Taken.Files));
        var report = new SpaceReport([.. parts], QuotaOf(project));
        if (report.QuotaGigabytes is { } quota)
        {
            counts[project.Key] = new SpaceCount(report.Used, quota, time.GetUtcNow());
        }

        return report;
    }

    /// <summary>Of its quota; 0 where it has none.</summary>
    public long PercentOf(SpaceReport report) => report.QuotaGigabytes is { } quota ? report.Used * 100 / (quota * gigabyte) : 0;

    /// <summary>As it was counted last; null where there is no quota, or where nobody has counted since the receiver started.</summary>
    public SpaceCount? LastOf(Project project) => counts.GetValueOrDefault(project.Key) is { } count && QuotaOf(project) == count.QuotaGigabytes ? count : null;

    /// <summary>Between deployments: counts, and says when a project with a quota has passed 90 or 100 percent of it since it was last looked at, across restarts.</summary>
    public SpacePassed? Look(Project project)
    {
        if (Measure(project) is not { QuotaGigabytes: { } quota } report)
        {
            return null;
        }

        var percent = PercentOf(report);
        var level = Levels.FirstOrDefault(level => percent >= level);
        var told = database.ReadOne<int>("SELECT percent FROM space_levels WHERE environment = @Environment AND project = @Project", Of(project));
        if (level > told || percent < told - Slack)
        {
            database.Write("INSERT OR REPLACE INTO space_levels (environment, project, percent) VALUES (@Environment, @Project, @level)",
                new { Environment = project.Environment.Name.Value, Project = project.Name.Value, level });
        }

        return level > told ? new SpacePassed(project, level, report.Used, quota) : null;
    }

    /// <summary>
    /// Before a deployment (R9.3): when there is little room, build caches go first; then the project gets 5 GB more, as often as its environment allows; then it is refused.
    /// </summary>
    /// <exception cref="Refusal">There is no room for another release.</exception>
    public void MakeRoom(Project project, LogStream log)
    {
        if (QuotaOf(project) is not { } quota)
        {
            return;
        }

        var report = Measure(project);
        var release = releases.CurrentId(project) is { } current ? new Usage().Add(Path.Combine(project.Deploy, current.Value)).Bytes : 0;
        if (!IsLow(report, release))
        {
            return;
        }

        var cache = Path.Combine(project.Build, "cache");
        if (report.Parts.First(part => part.Name == "build caches").Bytes > 0)
        {
            DirectoryHandle.Delete(cache);
            log.Detail($"little room is left of {quota} GB: the build caches went");
            report = Measure(project);
        }

        while (IsLow(report, release) && WhyNotEnlarge(project, quota + Projects.Environment.QuotaStep) is null)
        {
            quota = Enlarge(project, quota);
            log.Detail($"little room is left: {project} may take {quota} GB now");
            report = report with { QuotaGigabytes = quota };
        }

        if (report.Used + release > quota * gigabyte)
        {
            throw new Refusal(
                $"{project} takes {Readable(report.Used)} of {quota} GB, and another release would not fit: {WhyNotEnlarge(project, quota + Projects.Environment.QuotaStep)}; "
                + $"corpus doctor {project.Name} shows where the bytes are");
        }

        if (IsLow(report, release))
        {
            log.Trouble($"{project} takes {Readable(report.Used)} of {quota} GB, and it cannot be enlarged: {WhyNotEnlarge(project, quota + Projects.Environment.QuotaStep)}");
        }
    }

    /// <summary>
    /// Before a part of an image is taken in: bytes that may still come, after the project was given 5 GB more as often as they do not fit and its environment allows; null is no limit.
    /// </summary>
    /// <exception cref="Refusal">They do not fit.</exception>
    public long? RoomFor(Project project, long bytes)
    {
        if (QuotaOf(project) is not { } quota)
        {
            return null;
        }

        var used = Measure(project).Used;
        while (used + bytes > quota * gigabyte)
        {
            if (WhyNotEnlarge(project, quota + Projects.Environment.QuotaStep) is { } why)
            {
                throw new Refusal($"{project} takes {Readable(used)} of {quota} GB, and this would not fit: {why}");
            }

            quota = Enlarge(project, quota);
        }

        return quota * gigabyte - used;
    }

    /// <summary>One step more (A19); returns what it may take then.</summary>
    int Enlarge(Project project, int quota)
    {
        quota += Projects.Environment.QuotaStep;
        Keep(project, quota);
        return quota;
    }

    void Keep(Project project, int? quota) =>
        database.Write("INSERT OR REPLACE INTO project_space (environment, project, quota_gigabytes) VALUES (@Environment, @Project, @quota)", Of(project, quota));

    // A19: less than a tenth, or than two releases.
    bool IsLow(SpaceReport report, long release) =>
        report.QuotaGigabytes * gigabyte is { } quota && quota - report.Used < Math.Max(quota / 10, 2 * release);

    int Resize(Project project, int step)
    {
        if (QuotaOf(project) is not { } quota)
        {
            throw new Refusal($"{project} has no limit that could be moved (PUT …/space sets one, PAAS_QUOTA one for every project)");
        }

        if (quota + step <= 0)
        {
            throw new Refusal($"{project} may take {quota} GB: that is the least");
        }

        SetQuota(project, quota + step);
        return quota + step;
    }

    /// <summary>What stands against a project taking so much; null when nothing does.</summary>
    string? WhyNotEnlarge(Project project, int wanted)
    {
        var environment = projects.FindEnvironment(project.Environment.Name) ?? project.Environment;
        var now = QuotaOf(project) ?? 0;
        if (environment.QuotaGigabytes is { } limit)
        {
            var given = projects.List(environment).Where(other => other.Key != project.Key).Sum(other => QuotaOf(other) ?? 0);
            return given + wanted > limit ? $"the environment {environment.Name} may take {limit} GB, and {given} GB of it are its other projects'" : null;
        }

        var free = new DriveInfo(project.Directory).AvailableFreeSpace;
        return wanted > now && free < (wanted - now) * gigabyte ? $"the disk has {Readable(free)} left" : null;
    }

    public static string Readable(long bytes) => bytes < 1_000_000_000 ? $"{bytes / 1_000_000} MB" : $"{bytes / 1e9:0.0} GB";

    sealed class QuotaRow
    {
        public int? QuotaGigabytes { get; set; }
    }
}
