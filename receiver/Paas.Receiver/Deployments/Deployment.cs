using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>Why a deployment is wanted.</summary>
enum DeploymentKind
{
    /// <summary>A ref is to move to a new commit.</summary>
    Push,

    /// <summary>The commit that is deployed, again, with today's pillar.</summary>
    Redeploy,

    /// <summary>The archive of a release that another environment, or another receiver, has cooked.</summary>
    Promote,

    /// <summary>A kept release, its configuration and its data.</summary>
    Rollback,

    /// <summary>A ref of the pillar is to move to a new commit, and what is deployed is deployed again with that configuration.</summary>
    Reconfigure,

    /// <summary>The data of the live release, backed up now.</summary>
    Backup,

    /// <summary>The data as a backup has it; the live release stays.</summary>
    Restore,

    /// <summary>One of the project's own tasks.</summary>
    Task,

    /// <summary>A release is made the live one beside the old one, which runs on; data is not touched.</summary>
    Current,

    /// <summary>A release runs: the live one, or another beside it.</summary>
    Start,

    /// <summary>A release ends; its files stay.</summary>
    Stop,

    /// <summary>Brand-new instances of a release that runs.</summary>
    Restart,

    /// <summary>An archive that was made elsewhere is taken over, and made live where that is asked for.</summary>
    Import,

    /// <summary>The live release with a patch that somebody made by hand.</summary>
    Fix,

    /// <summary>A commit that a ref marks for this environment; the ref stays whatever becomes of it.</summary>
    Mark,
}

/// <summary>How a deployment ended. A closed list: there were never just two.</summary>
enum Outcome
{
    /// <summary>The new release serves.</summary>
    Live,

    /// <summary>The new release serves, but housekeeping failed (an archive, a pruning).</summary>
    LiveButUntidy,

    /// <summary>It failed and the old state is back: code, configuration and data.</summary>
    RolledBack,

    /// <summary>It failed and so did the way back. Somebody has to look.</summary>
    NeedsAttention,

    /// <summary>The receiver died in it; found and driven to the old release at the next start.</summary>
    Interrupted,

    /// <summary>A newer push to the same ref took its place while it waited.</summary>
    Superseded,

    /// <summary>Somebody cancelled it; the old state is back.</summary>
    Cancelled,

    /// <summary>Refused before anything was touched.</summary>
    Refused,

    /// <summary>What was asked for is done, and it was no deployment: a backup, a restore, a task.</summary>
    Done,
}

/// <summary>What is asked of the conductor. Ref and commits for a push, a target for a rollback.</summary>
sealed record DeploymentRequest
{
    public required Project Project { get; init; }

    public required DeploymentKind Kind { get; init; }

    /// <summary>Full name, <c>refs/heads/main</c>.</summary>
    public string? Ref { get; init; }

    /// <summary>Where the pusher saw the ref; null when it did not exist.</summary>
    public string? OldCommit { get; init; }

    public string? NewCommit { get; init; }

    /// <summary>For a rollback; null means the one before the live one. For a promotion, the source's number.</summary>
    public int? TargetRelease { get; init; }

    /// <summary>Null means the environment's.</summary>
    public Mode? Mode { get; init; }

    /// <summary>Build caches are not used.</summary>
    public bool Rebuild { get; init; }

    /// <summary>The ref moves at once; the deployment goes on in the background.</summary>
    public bool Async { get; init; }

    /// <summary>A rollback leaves the data as it is.</summary>
    public bool CodeOnly { get; init; }

    public Wishes Wishes { get; init; } = Wishes.None;

    /// <summary>Who asks, for the record and for other people's messages.</summary>
    public required string By { get; init; }

    /// <summary>Where from: an address, or a local door.</summary>
    public required string From { get; init; }

    public string? PushId { get; init; }

    /// <summary>The trace of the push that asks for it.</summary>
    public string? Trace { get; init; }

    /// <summary>
    /// Whether the pusher may read another project's code, which a submodule would put into this release. Null when nobody can be asked any more;
    /// what is deployed again was allowed when it was pushed.
    /// </summary>
    public Func<EnvironmentName?, ProjectName, bool>? MayFetch { get; init; }

    /// <summary>Its ref follows what becomes of it: somebody's git waits to hear whether it may move.</summary>
    public bool MovesRef => Kind is DeploymentKind.Push or DeploymentKind.Reconfigure;

    /// <summary>The repository that <see cref="Ref"/> is in.</summary>
    public string Repository => Kind == DeploymentKind.Reconfigure ? Project.PillarRepository : Project.ProjectRepository;
}

/// <summary>One run of the pipeline: its log can be followed by anyone, its end awaited by anyone; neither stops it.</summary>
sealed class Deployment(ReleaseId id, DeploymentRequest request, LogStream log) : IDisposable
{
    /// <summary>What it is followed by; null while nobody listens. Begins when it is asked for.</summary>
    public System.Diagnostics.Activity? Trace { get; } = Tracing.Traces.Deployment(request.Trace, request.Project.Key, id.Value, request.Kind.ToString());

    readonly TaskCompletionSource<Outcome> finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource refMoved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly CancellationTokenSource cancel = new();

    /// <summary>The deployment's id is its release's: <c>&lt;DATETIME&gt;-&lt;UUID&gt;</c>.</summary>
    public string Id => ReleaseId.Value;

    public ReleaseId ReleaseId => id;

    public DeploymentRequest Request => request;

    public Project Project => request.Project;

    public LogStream Log => log;

    public Task<Outcome> Finished => finished.Task;

    /// <summary>Completes when git has moved the ref that this deployment stands for.</summary>
    public Task RefMoved => refMoved.Task;

    /// <summary>Asked to stop, by whom; null while nobody did.</summary>
    public string? CancelledBy { get; private set; }

    public CancellationToken Cancellation => cancel.Token;

    public void Cancel(string by)
    {
        CancelledBy = by;
        cancel.Cancel();
    }

    public void MarkRefMoved() => refMoved.TrySetResult();

    public void Finish(Outcome outcome) => finished.TrySetResult(outcome);

    public void Dispose() => cancel.Dispose();
}
