using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>
/// What every route asks first: which project is meant, and may this caller do that with it. Names become <see cref="Project"/>s here; what may not
/// be seen is missing, what may be seen but not done is forbidden.
/// </summary>
sealed class Desk(ProjectStore projects, Gatekeeper gatekeeper, Journal journal)
{
    /// <summary>Stands for the default environment in a path.</summary>
    public const string DefaultEnvironment = "-";

    public IReadOnlyList<Project> Visible(HttpContext context) =>
        [.. projects.List().Where(project => gatekeeper.May(AskerOf(context).Caller, Permission.View, project))];

    public Project Project(HttpContext context, string environment, string project, params ReadOnlySpan<Permission> permissions)
    {
        var found = Known(environment, project) ?? throw ProblemException.Missing("such project");
        foreach (var permission in permissions)
        {
            Allowed(context, found, permission, "such project");
        }

        return found;
    }

    /// <summary>Those a caller may see into, or sees a project of.</summary>
    public IReadOnlyList<Environment> VisibleEnvironments(HttpContext context) =>
        [.. projects.Environments().Where(environment => Sees(AskerOf(context).Caller, environment))];

    /// <summary>By name, uuid or <see cref="DefaultEnvironment"/>.</summary>
    public Environment Environment(HttpContext context, string text) =>
        EnvironmentOf(text) is { } found && Sees(AskerOf(context).Caller, found) ? found : throw ProblemException.Missing("such environment");

    /// <summary>Where a project is, or would be made by this caller.</summary>
    public (Environment Environment, ProjectName Name) Placed(HttpContext context, string environment, string project)
    {
        var (caller, place) = (AskerOf(context).Caller, Environment(context, environment));
        if (!ProjectName.TryParse(project, out var name))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, $"'{project}' is not a project name: {ProjectName.Rule}.");
        }

        var key = new Project(place, name).Key;
        return !gatekeeper.May(caller, Permission.View, key) ? throw ProblemException.Missing("such project")
            : projects.Find(key) is null && !gatekeeper.May(caller, Permission.CreateProject, key) ? throw new ProblemException(StatusCodes.Status403Forbidden, "You may not make projects.")
            : (place, name);
    }

    /// <summary>A deployment by its id alone, or one that must be of a certain project.</summary>
    public (JournalEntry Entry, Project Project) Deployment(HttpContext context, string id, Permission permission, Project? of = null)
    {
        if (ReleaseId.TryParse(id) is not { } releaseId || journal.Find(releaseId) is not { } entry
            || projects.Find($"{entry.Environment}/{entry.Project}") is not { } project || (of is not null && of != project))
        {
            throw ProblemException.Missing("such deployment");
        }

        return (entry, Allowed(context, project, permission, "such deployment"));
    }

    public Asker Administrator(HttpContext context)
    {
        var asker = AskerOf(context);
        return gatekeeper.May(asker.Caller, Permission.Administer) ? asker : throw new ProblemException(StatusCodes.Status403Forbidden, "Only an administrator may do this.");
    }

    /// <summary>One who may do this in an environment; without one, everywhere.</summary>
    public Asker Allowed(HttpContext context, Permission permission, EnvironmentName? environment = null)
    {
        var asker = AskerOf(context);
        var may = environment is null ? gatekeeper.May(asker.Caller, permission) : gatekeeper.May(asker.Caller, permission, environment);
        return may ? asker : throw new ProblemException(StatusCodes.Status403Forbidden, $"This takes the permission {PermissionSet.NameOf(permission)}{(environment is null ? "" : $" in {environment}")}.");
    }

    /// <summary>One whose credential is as good as its owner, and who has all the rights that are about to be given to somebody.</summary>
    public void MayHandOut(HttpContext context, Rights rights)
    {
        if (!gatekeeper.Covers(AskerOf(context).Caller, rights))
        {
            throw new ProblemException(StatusCodes.Status403Forbidden, "Nobody hands out more than they may do themselves.");
        }
    }

    /// <summary>Beside the path in the audit log. Nothing secret.</summary>
    public static void Note(HttpContext context, string text) => context.Features.Set(new AuditNote(text));

    public bool IsAdministrator(HttpContext context) => gatekeeper.May(AskerOf(context).Caller, Permission.Administer);

    public static Asker AskerOf(HttpContext context) => context.Features.GetRequiredFeature<Asker>();

    /// <summary>The <c>env/name</c> that people wrote, also of a project that does not exist yet. A name alone is in the default environment.</summary>
    /// <exception cref="ProblemException">It is none, or there is no such environment.</exception>
    public string KeyOf(string text)
    {
        var parts = text.Split('/');
        if (parts.Length > 2 || !ProjectName.TryParse(parts[^1], out var name))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, $"The project is not ENV/NAME: {ProjectName.Rule}.");
        }

        var environment = EnvironmentOf(parts.Length == 2 ? parts[0] : DefaultEnvironment);
        return environment is null ? throw new ProblemException(StatusCodes.Status400BadRequest, "There is no such environment.") : new Project(environment, name).Key;
    }

    Project Allowed(HttpContext context, Project project, Permission permission, string what)
    {
        var caller = AskerOf(context).Caller;
        return !gatekeeper.May(caller, Permission.View, project) ? throw ProblemException.Missing(what)
            : !gatekeeper.May(caller, permission, project) ? throw new ProblemException(StatusCodes.Status403Forbidden, $"You may not do this with {project.Key}.")
            : project;
    }

    Project? Known(string environment, string project) =>
        ProjectName.TryParse(project, out var name) && EnvironmentOf(environment) is { } found ? projects.Find(new Project(found, name).Key) : null;

    Environment? EnvironmentOf(string text) => text == DefaultEnvironment ? projects.Default : projects.FindEnvironment(text);

    bool Sees(Caller caller, Environment environment) =>
        gatekeeper.May(caller, Permission.View, environment.Name) || projects.List(environment).Any(project => gatekeeper.May(caller, Permission.View, project));
}
