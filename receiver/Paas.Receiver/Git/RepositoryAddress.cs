using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>Which repository a remote's path names. Formed from text by <see cref="TryParse"/> only, so every part of it is a name that is allowed.</summary>
sealed record RepositoryAddress
{
    const string Suffix = ".git";

    RepositoryAddress(EnvironmentName? environment, ProjectName project, RepositoryKind kind) =>
        (Environment, Project, Kind) = (environment, project, kind);

    /// <summary>Null is the default environment.</summary>
    public EnvironmentName? Environment { get; }

    public ProjectName Project { get; }

    public RepositoryKind Kind { get; }

    /// <summary><c>[ENV/]PROJECT.git</c>, <c>[ENV/]PROJECT/pillar.git</c> or <c>[ENV/]PROJECT/project.git</c>; null for anything else.</summary>
    public static RepositoryAddress? TryParse(string path) => path.Split('/') switch
    {
        // 'pillar' and 'project' are no project's name, so these forms never mean two things.
        [var project, "pillar.git"] => Of(null, project, RepositoryKind.Pillar),
        [var project, "project.git"] => Of(null, project, RepositoryKind.Project),
        [var environment, var project, "pillar.git"] => Of(environment, project, RepositoryKind.Pillar),
        [var environment, var project, "project.git"] => Of(environment, project, RepositoryKind.Project),
        [var environment, var project] when project.EndsWith(Suffix, StringComparison.Ordinal) => Of(environment, project[..^Suffix.Length], RepositoryKind.Project),
        [var project] when project.EndsWith(Suffix, StringComparison.Ordinal) => Of(null, project[..^Suffix.Length], RepositoryKind.Project),
        _ => null,
    };

    /// <summary>A project's own.</summary>
    public static RepositoryAddress Of(Project project) => new(project.Environment.Name, project.Name, RepositoryKind.Project);

    public override string ToString() => $"{(Environment is null ? "" : $"{Environment}/")}{Project}{(Kind == RepositoryKind.Pillar ? "/pillar" : "")}.git";

    static RepositoryAddress? Of(string? environment, string project, RepositoryKind kind)
    {
        EnvironmentName? where = null;
        return (environment is null || EnvironmentName.TryParse(environment, out where)) && ProjectName.TryParse(project, out var name)
            ? new RepositoryAddress(where, name, kind) : null;
    }
}
