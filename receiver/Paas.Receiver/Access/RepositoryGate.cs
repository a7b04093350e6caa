using Paas.Receiver.Projects;

namespace Paas.Receiver.Access;

/// <summary>What may be done with a repository.</summary>
enum RepositoryAnswer
{
    Granted,

    /// <summary>It may be seen, but not this.</summary>
    Forbidden,

    /// <summary>It is not there, or must look so.</summary>
    Missing,
}

/// <summary>May a caller fetch from or push to a project's repository? One answer for all doors that git comes in by.</summary>
sealed class RepositoryGate(ProjectStore projects, Gatekeeper gatekeeper)
{
    /// <param name="environment">Null is the default one.</param>
    public RepositoryAnswer Ask(Caller caller, EnvironmentName? environment, ProjectName name, bool pillar, bool push)
    {
        if (projects.FindEnvironment(environment) is not { } found)
        {
            return RepositoryAnswer.Missing;
        }

        var key = new Project(found, name).Key;
        var exists = projects.Find(key) is not null;
        if (!gatekeeper.May(caller, Permission.View, key) || (!exists && !push))
        {
            return RepositoryAnswer.Missing;
        }

        return Needed(pillar, push, exists).All(permission => gatekeeper.May(caller, permission, key)) ? RepositoryAnswer.Granted : RepositoryAnswer.Forbidden;
    }

    /// <summary>Which repositories of code a caller may fetch from.</summary>
    public Func<EnvironmentName?, ProjectName, bool> FetchesOf(Caller caller) =>
        (environment, name) => Ask(caller, environment, name, pillar: false, push: false) == RepositoryAnswer.Granted;

    /// <summary>Which projects, there or to be made, a caller may deploy to.</summary>
    public Func<EnvironmentName?, ProjectName, bool> DeploysOf(Caller caller) =>
        (environment, name) => Ask(caller, environment, name, pillar: false, push: true) == RepositoryAnswer.Granted;

    // A push makes what it brings the live release, so it takes both (reference 2.12, "natural mapping for git").
    static IEnumerable<Permission> Needed(bool pillar, bool push, bool exists) =>
    [
        .. pillar ? [Permission.Configure] : Array.Empty<Permission>(),
        .. push ? [Permission.Deploy, Permission.ApplicationRouting] : Array.Empty<Permission>(),
        .. exists ? Array.Empty<Permission>() : [Permission.CreateProject],
    ];
}
