using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>Which of a project's two repositories.</summary>
enum RepositoryKind
{
    Project,
    Pillar,
}

/// <summary>One ref that a push creates, moves or deletes.</summary>
/// <param name="Name">The whole name, <c>refs/heads/main</c>.</param>
/// <param name="Old">Where the pusher saw it; <see cref="NoObject"/> when it is new.</param>
/// <param name="New">Where it is to be; <see cref="NoObject"/> when it is to go.</param>
sealed record RefUpdate(string Name, string Old, string New)
{
    public const string NoObject = "0000000000000000000000000000000000000000";

    public bool IsCreation => Old == NoObject;

    public bool IsDeletion => New == NoObject;

    /// <summary>The name as people say it: without <c>refs/heads/</c> or <c>refs/tags/</c>.</summary>
    public string ShortName =>
        Name.StartsWith("refs/heads/", StringComparison.Ordinal) ? Name["refs/heads/".Length..]
        : Name.StartsWith("refs/tags/", StringComparison.Ordinal) ? Name["refs/tags/".Length..]
        : Name;

    public static bool IsObjectId(string text) => text.Length == NoObject.Length && text.All(char.IsAsciiHexDigitLower);
}

/// <summary>One <c>git push</c>: to what, by whom, from where, and once git has told us, with which options and refs.</summary>
/// <param name="By">The caller's name.</param>
/// <param name="From">Where the caller is, for the record: an address.</param>
sealed record Push(string Id, Project Project, RepositoryKind Kind, string By, string From)
{
    /// <summary>Whether the pusher may read the code of a project; nobody asked, nothing granted.</summary>
    public Func<EnvironmentName?, ProjectName, bool> MayFetch { get; init; } = (_, _) => false;

    /// <summary>Whether the pusher may deploy to a project of another environment, which a mark can be for; nobody asked, nothing granted.</summary>
    public Func<EnvironmentName?, ProjectName, bool> MayDeploy { get; init; } = (_, _) => false;

    /// <summary>The trace that it is followed by; null while nobody listens.</summary>
    public string? Trace { get; init; }

    public PushOptions Options { get; init; } = PushOptions.None;

    public IReadOnlyList<RefUpdate> Updates { get; init; } = [];

    public string RepositoryPath => Kind == RepositoryKind.Pillar ? Project.PillarRepository : Project.ProjectRepository;
}
