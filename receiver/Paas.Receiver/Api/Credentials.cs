using Paas.Receiver.Access;

namespace Paas.Receiver.Api;

/// <summary>
/// Whose tokens and keys somebody may see, make and revoke. Their own; those of projects in environments they may change; and with
/// <c>USER_EDIT</c> those of users who may do no more than they.
/// </summary>
sealed class Credentials(Gatekeeper gatekeeper, Users users)
{
    /// <summary>Only somebody with a name of their own, or an administrator, and with a credential that is not limited, has to do with credentials at all.</summary>
    public Caller Holder(HttpContext context)
    {
        var caller = Desk.AskerOf(context).Caller;
        return caller.IsWhole && (caller.IsAdmin || caller.User is not null) ? caller
            : throw new ProblemException(StatusCodes.Status403Forbidden, "This takes an administrator, or a user's own token without limits.");
    }

    /// <summary>May this caller see and revoke a credential of this user, or of this project?</summary>
    public bool MayHandle(HttpContext context, string? user, string? project)
    {
        var caller = Holder(context);
        return caller.IsAdmin || (user is not null ? MayActFor(caller, user) : project is not null && gatekeeper.May(caller, Permission.WorkspaceEdit, project));
    }

    /// <summary>The user that a new credential is for: the one that was named, else the caller; nobody for a project's.</summary>
    public string? OwnerOf(HttpContext context, string? named, string? project)
    {
        if (named is not null)
        {
            return MayActFor(Holder(context), named) ? named : throw new ProblemException(StatusCodes.Status403Forbidden, "You may not do this for that user.");
        }

        return project is null ? Holder(context).User : null;
    }

    public void MayMake(HttpContext context, bool forEverything, string? user, string? project)
    {
        var caller = Holder(context);
        if (!caller.IsAdmin && (forEverything || (user is null && (project is null || !gatekeeper.May(caller, Permission.WorkspaceEdit, project)))))
        {
            throw new ProblemException(StatusCodes.Status403Forbidden, project is null ? "Only an administrator may do this." : $"This takes the permission {PermissionSet.NameOf(Permission.WorkspaceEdit)} in the project's environment.");
        }
    }

    bool MayActFor(Caller caller, string user) =>
        users.Find(user) is not null && (caller.User == user || (gatekeeper.May(caller, Permission.UserEdit) && gatekeeper.Covers(caller, users.RightsOf(user))));

    /// <summary>For the audit log.</summary>
    public static string For(string? user, string? project) => (user is null ? "" : $" of {user}") + (project is null ? "" : $" for {project}");
}
