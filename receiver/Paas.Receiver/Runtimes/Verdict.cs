using System.Net;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>How a start came out.</summary>
enum Health
{
    Healthy,

    /// <summary>A web instance was still up when its time to listen was over.</summary>
    NeverListened,

    /// <summary>Like <see cref="NeverListened"/>, and it listens on another port than it was given.</summary>
    ListensElsewhere,

    /// <summary>It listens, or runs, and does not answer its health check as it should.</summary>
    Unwell,

    /// <summary>An instance ended before it was healthy.</summary>
    Exited,

    /// <summary>An instance could not be started at all: ours or the machine's trouble.</summary>
    NotStarted,

    /// <summary>The release was stopped, or is not running, before it could show itself healthy.</summary>
    Stopped,
}

/// <summary>Healthy, or why not, for the pusher: the reason in a sentence and the last lines the instance printed.</summary>
/// <param name="ExitCode">Of <see cref="Health.Exited"/>, 128+N for signal N; null when it could not be learnt.</param>
sealed record Verdict(Health Health, string Reason, int? ExitCode = null)
{
    public static readonly Verdict Healthy = new(Health.Healthy, "healthy");

    public static readonly Verdict Stopped = new(Health.Stopped, "it was stopped before it was healthy");

    public IReadOnlyList<string> LastLines { get; init; } = [];

    public bool IsHealthy => Health == Health.Healthy;
}

/// <summary>A healthy web instance: where requests for it go.</summary>
sealed record Backend(string Instance, IPEndPoint Address);

/// <summary>One running copy, for <c>ps</c>.</summary>
/// <param name="Port">Null for a type that does not listen.</param>
/// <param name="Process">The process id of what the command started; null between two attempts.</param>
/// <param name="Crashes">In a row; 0 once it has stayed up.</param>
sealed record InstanceStatus(string Id, string Type, int Number, int? Port, int? Process, bool Healthy, int Crashes, int? LastExitCode);

/// <summary>An instance that ended although nobody told it to.</summary>
/// <param name="Verdict">How it ended, in words.</param>
sealed record LostInstance(Project Project, ReleaseId Release, string Instance, Verdict Verdict);

/// <summary>An instance that ends again and again, reported once until it stays up.</summary>
sealed record CrashLoop(Project Project, ReleaseId Release, string Type, int Number, int? ExitCode, int Times);
