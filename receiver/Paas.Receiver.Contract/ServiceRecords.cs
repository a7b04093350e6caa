namespace Paas.Receiver.Contract;

/// <summary>Asks that a commit is marked for a deploy group.</summary>
/// <param name="Commit">Whole, or the beginning of one that a branch or tag leads to.</param>
/// <param name="RolledBackFrom">The commit to note as bad.</param>
public sealed record MarkOrder(string? Group = null, string? Commit = null, string? ImageVersion = null, string? RolledBackFrom = null);

/// <summary>What a mark led to.</summary>
/// <param name="Ref">The tag that was made.</param>
/// <param name="Said">What a bot would have read.</param>
public sealed record MarkMade(string Ref, string Group, string Commit, IReadOnlyList<string> Said);

/// <summary>Asks that an instance of a service is started anew or stopped.</summary>
/// <param name="Instance"><c>cluster.instance</c>.</param>
public sealed record ControlOrder(string? Instance = null, bool Runs = true);

/// <summary>A mark as it was made.</summary>
public sealed record MarkSummary(string Stamp, string Commit, string? ImageVersion, bool RolledBack);

/// <summary>A deploy group of a service: what it is marked with, and how far that is.</summary>
public sealed record DeployGroupSummary
{
    public required string Name { get; init; }

    /// <summary>Null while nothing is marked.</summary>
    public string? Commit { get; init; }

    public string? ImageVersion { get; init; }

    /// <summary>Where its instances are.</summary>
    public required IReadOnlyList<GroupPlace> Places { get; init; }

    /// <summary>The newest ten, newest first.</summary>
    public required IReadOnlyList<MarkSummary> Marks { get; init; }
}

/// <summary>A deploy group in one environment.</summary>
/// <param name="State"><c>live</c>, <c>deploying</c>, <c>failed</c>, or <c>waiting</c>: for other groups of the environment, or for an environment that is not there.</param>
/// <param name="Commit">What is live there now.</param>
/// <param name="Failure">Why it failed, or what it waits for.</param>
public sealed record GroupPlace(string Environment, IReadOnlyList<string> Instances, string State, string? Commit = null, string? Deployment = null, string? Failure = null);

/// <summary>Something that a service's configuration must have, and whether it does.</summary>
public sealed record CheckFinding(bool Good, string Text);

/// <summary>A session at CloudFlow's door, good for one environment. This is the only time its token is shown.</summary>
public sealed record SessionMade(string Token, string Project, DateTimeOffset ExpiresAt);

/// <summary>Asks for a pipeline to run.</summary>
/// <param name="Commit">Null is what the deploy branch is at.</param>
public sealed record PipelineOrder(string? Commit = null);

/// <summary>A run of a service's pipeline.</summary>
/// <param name="State"><c>running</c>, <c>waiting</c> for an approval, <c>done</c>, <c>failed</c> or <c>aborted</c>.</param>
/// <param name="Stage">How many stages are over.</param>
/// <param name="Stages">The steps of each stage, those of one with a comma between.</param>
public sealed record PipelineSummary(long Id, string Commit, string By, string State, int Stage, IReadOnlyList<string> Stages, string? Detail = null);
