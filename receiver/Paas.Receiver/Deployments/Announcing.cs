using System.Globalization;
using Paas.Receiver.Notifications;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Tells people and programs how a deployment ended (R9.13, R10.14, R11), which instances end again and again, and who fills the disk: whatever goes wrong here changes nothing about it (A29).
/// </summary>
sealed partial class Announcing
{
    readonly Launches launches;
    readonly ReleaseStore releases;
    readonly Journal journal;
    readonly Visitors visitors;
    readonly Outbox outbox;
    readonly TellingOptions options;
    readonly TimeProvider time;
    readonly ILogger<Announcing> logger;

    public Announcing(
        Launches launches, ReleaseStore releases, Journal journal, Visitors visitors, Fleet fleet, Outbox outbox, TellingOptions options, TimeProvider time, ILogger<Announcing> logger)
    {
        this.launches = launches;
        this.releases = releases;
        this.journal = journal;
        this.visitors = visitors;
        this.outbox = outbox;
        this.options = options;
        this.time = time;
        this.logger = logger;
        fleet.CrashLooping += loop => _ = Task.Run(() => TellAsync(loop));
    }

    /// <summary>In the background: nobody who pushes waits for it.</summary>
    public void Tell(Deployment deployment, Outcome outcome, string? failure)
    {
        if (deployment.Request.Kind != DeploymentKind.Task && (deployment.Request.Mode ?? deployment.Project.Environment.Mode) != Mode.Editable)
        {
            _ = Task.Run(() => TellAsync(deployment, outcome, failure));
        }
    }

    async Task TellAsync(Deployment deployment, Outcome outcome, string? failure)
    {
        try
        {
            var succeeded = outcome is Outcome.Live or Outcome.LiveButUntidy or Outcome.Done;
            var (wanted, pillar) = await WantedAsync(deployment.Project);
            var recipients = wanted.Where(one => succeeded ? one.Successes : one.Failures).Select(one => one.Recipient).Concat(options.Operators).ToList();
            if (recipients.Count > 0)
            {
                outbox.Put(NoticeOf(deployment, outcome, succeeded, Masked(failure, pillar)), recipients);
            }
        }
        catch (Exception e)
        {
            // Nobody awaits this, and the deployment has ended as it has.
            Log.NotTold(logger, e, deployment.Project.Key, deployment.Id);
        }
    }

    async Task TellAsync(CrashLoop loop)
    {
        var release = releases.Find(loop.Project, loop.Release) is { } found ? $"{found}" : null;
        Log.Looping(logger, loop.Project.Key, release, loop.Type, loop.Number, loop.Times, loop.ExitCode);
        await TellOfTroubleAsync(loop.Project, () => NoticeOf(loop, release));
    }

    /// <summary>Never throws.</summary>
    public async Task TellAsync(SpacePassed passed)
    {
        Log.Filling(logger, passed.Project.Key, Space.Readable(passed.Used), passed.QuotaGigabytes);
        await TellOfTroubleAsync(passed.Project, () => NoticeOf(passed));
    }

    async Task TellOfTroubleAsync(Project project, Func<Notice> notice)
    {
        try
        {
            var (wanted, _) = await WantedAsync(project);
            var recipients = wanted.Where(one => one.Failures).Select(one => one.Recipient).Concat(options.Operators).ToList();
            if (recipients.Count > 0)
            {
                outbox.Put(notice(), recipients);
            }
        }
        catch (Exception e)
        {
            // Nobody waits for it, and the trouble is what it is whoever knows of it.
            Log.TroubleNotTold(logger, e, project.Key);
        }
    }

    Notice NoticeOf(SpacePassed passed)
    {
        var project = passed.Project;
        return TroubleOf(
            project, "quota", $"{project} takes {Space.Readable(passed.Used)} of {passed.QuotaGigabytes} GB",
            [
                passed.Percent >= 100 ? "It goes on running and writing; nothing more is deployed to it until there is room." : "It goes on running and writing. Beyond its quota nothing more is deployed to it.",
                $"     corpus doctor {project.Name} shows where the bytes are; corpus enlarge gives it 5 GB more",
            ],
            new Dictionary<string, string?>
            {
                ["bytes"] = passed.Used.ToString(CultureInfo.InvariantCulture),
                ["quotaGigabytes"] = passed.QuotaGigabytes.ToString(CultureInfo.InvariantCulture),
                ["percent"] = passed.Percent.ToString(CultureInfo.InvariantCulture),
            });
    }

    Notice NoticeOf(CrashLoop loop, string? release)
    {
        var project = loop.Project;
        var why = loop.ExitCode is { } code ? code > 128 ? $"signal {code - 128}" : $"exit code {code}" : "nobody knows how";
        var serving = visitors.Serving(project)?.ToString();
        return TroubleOf(
            project, "crash-loop", $"{project}: {loop.Type}.{loop.Number} of {release} ends again and again",
            [
                $"{loop.Times} times in a row, last with {why}. It is tried again, with pauses of up to a minute.",
                $"Serves now: {serving ?? "nothing"}, {visitors.Url(project)}",
                $"     corpus logs -t {loop.Type} {project.Name}",
            ],
            new Dictionary<string, string?>
            {
                ["release"] = release,
                ["type"] = loop.Type,
                ["number"] = loop.Number.ToString(CultureInfo.InvariantCulture),
                ["exitCode"] = loop.ExitCode?.ToString(CultureInfo.InvariantCulture),
                ["times"] = loop.Times.ToString(CultureInfo.InvariantCulture),
                ["serving"] = serving,
            });
    }

    /// <summary>What happens apart from any deployment.</summary>
    /// <param name="facts">Besides those of the project.</param>
    Notice TroubleOf(Project project, string kind, string subject, IEnumerable<string> lines, IReadOnlyDictionary<string, string?> facts) => new()
    {
        Id = Guid.CreateVersion7(time.GetUtcNow()).ToString("D"),
        Event = kind,
        Subject = subject,
        Text = string.Join('\n', [subject, "", .. lines, ""]),
        Facts = new Dictionary<string, string?>(facts)
        {
            ["project"] = project.Name.Value,
            ["environment"] = project.Environment.Name.Value,
            ["environmentType"] = project.Environment.Type.ToString().ToLowerInvariant(),
            ["succeeded"] = "false",
            ["url"] = visitors.Url(project),
        },
    };

    /// <summary>The configuration as it is now: a deployment that failed has none of its own. One that cannot be used is told to the operators only.</summary>
    async Task<(IReadOnlyList<Wanted>, Pillar)> WantedAsync(Project project)
    {
        try
        {
            var pillar = await launches.PillarToShowAsync(project, releases.Current(project)?.Directory);
            return (StepChoice.Of(Wishes.None, pillar).Runs("notify") ? Wanted.In(pillar.Document, outbox.Channels) : [], pillar);
        }
        catch (Refusal refusal)
        {
            Log.Unusable(logger, project.Key, refusal.Message);
            return ([], Pillar.Empty);
        }
    }

    Notice NoticeOf(Deployment deployment, Outcome outcome, bool succeeded, string? failure)
    {
        var (project, request) = (deployment.Project, deployment.Request);
        var entry = journal.Find(deployment.ReleaseId);
        var serving = visitors.Serving(project)?.ToString();
        var word = System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(outcome.ToString());
        var release = entry?.ReleaseNumber is { } number ? $"v{number}" : null;
        var subject = $"{project}: {(succeeded ? $"{release ?? request.Kind.ToString().ToLowerInvariant()} is {(outcome == Outcome.Done ? "done" : "live")}" : $"{request.Kind.ToString().ToLowerInvariant()} {Words(outcome)}")}";
        return new Notice
        {
            Id = deployment.Id,
            Event = "deployment",
            Subject = subject,
            Text = string.Join('\n', [
                subject,
                "",
                .. failure is null ? Array.Empty<string>() : [$"Why: {failure}", ""],
                $"Serves now: {serving ?? "nothing"}, {visitors.Url(project)}",
                .. request.NewCommit is { } commit ? [$"Commit: {commit}"] : Array.Empty<string>(),
                $"Asked for by {request.By} from {request.From}",
                .. succeeded ? Array.Empty<string>() : [$"What failed is kept in {Path.Combine(project.Archives, deployment.Id)}"],
                $"Log: {deployment.Log.Path}",
                $"     corpus status {project.Name}",
                "",
            ]),
            Facts = new Dictionary<string, string?>
            {
                ["deployment"] = deployment.Id,
                ["kind"] = request.Kind.ToString().ToLowerInvariant(),
                ["project"] = project.Name.Value,
                ["environment"] = project.Environment.Name.Value,
                ["environmentType"] = project.Environment.Type.ToString().ToLowerInvariant(),
                ["outcome"] = word,
                ["succeeded"] = succeeded ? "true" : "false",
                ["failure"] = failure,
                ["release"] = release,
                ["serving"] = serving,
                ["url"] = visitors.Url(project),
                ["ref"] = request.Ref,
                ["commit"] = request.NewCommit,
                ["by"] = request.By,
                ["askedAt"] = entry?.AskedAt,
                ["finishedAt"] = entry?.FinishedAt,
                ["log"] = $"/api/v1/deployments/{deployment.Id}/log",
            },
        };
    }

    static string Words(Outcome outcome) => outcome switch
    {
        Outcome.RolledBack => "failed and was taken back",
        Outcome.NeedsAttention => "failed, and so did the way back: somebody has to look",
        Outcome.Interrupted => "was interrupted and taken back",
        Outcome.Superseded => "was superseded by a newer push",
        Outcome.Cancelled => "was cancelled",
        _ => "was refused",
    };

    static string? Masked(string? text, Pillar pillar) =>
        text is null ? null : pillar.Secrets.Where(secret => secret.Length >= 4).Aggregate(text, (masked, secret) => masked.Replace(secret, Pillar.Stars, StringComparison.Ordinal));

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{project} {release}: {type}.{number} ended {times} times in a row, last with {code}")]
        public static partial void Looping(ILogger logger, string project, string? release, string type, int number, int times, int? code);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project} takes {used} of {quota} GB")]
        public static partial void Filling(ILogger logger, string project, string used, int quota);

        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: nobody could be told of its trouble")]
        public static partial void TroubleNotTold(ILogger logger, Exception exception, string project);

        [LoggerMessage(Level = LogLevel.Error, Message = "{project}: nobody could be told of deployment {id}")]
        public static partial void NotTold(ILogger logger, Exception exception, string project, string id);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{project}: only the operators are told: {why}")]
        public static partial void Unusable(ILogger logger, string project, string why);
    }
}
