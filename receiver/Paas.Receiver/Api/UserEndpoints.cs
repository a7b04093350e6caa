using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>Users, their roles, and what each role allows (reference 2.12). Nobody hands out more than they may do themselves.</summary>
static class UserEndpoints
{
    public static void MapUsers(this RouteGroupBuilder api)
    {
        api.MapGet("/whoami", (HttpContext context) => TypedResults.Ok(Of(Desk.AskerOf(context)))).WithName("users.whoami");

        api.MapGet("/users", (HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.UserList);
            return TypedResults.Ok(new Page<UserSummary>([.. users.List().Select(Summaries.Of)]));
        }).WithName("users.list");

        api.MapGet("/users/{name}", (string name, HttpContext context, Desk desk, Users users) =>
        {
            if (Desk.AskerOf(context).Caller.User != name)
            {
                desk.Allowed(context, Permission.UserList);
            }

            return TypedResults.Ok(Summaries.Of(users.Find(name) ?? throw ProblemException.Missing("such user")));
        }).WithName("users.show");

        api.MapPost("/users", (UserOrder order, HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.UserEdit);
            var user = users.Add(order.Name ?? "", order.FullName, order.Email);
            Desk.Note(context, user.Name);
            return TypedResults.Created($"/api/v1/users/{user.Name}", Summaries.Of(user));
        }).WithName("users.add");

        api.MapPatch("/users/{name}", (string name, UserChange change, HttpContext context, Desk desk, Users users) =>
        {
            Other(context, desk, users, name);
            var user = users.Edit(name, change.FullName, change.Email, change.Disabled);
            Desk.Note(context, change.Disabled is { } disabled ? disabled ? "disabled" : "enabled" : "name or address");
            return TypedResults.Ok(Summaries.Of(user));
        }).WithName("users.edit");

        api.MapDelete("/users/{name}", (string name, HttpContext context, Desk desk, Users users, Keys keys, Gatekeeper gatekeeper) =>
        {
            Other(context, desk, users, name);
            users.Remove(name);
            keys.Announce();
            gatekeeper.Forget();
            return TypedResults.NoContent();
        }).WithName("users.remove");

        api.MapPut("/users/{name}/password", (string name, PasswordOrder order, HttpContext context, Desk desk, Users users, Gatekeeper gatekeeper) =>
        {
            var caller = Desk.AskerOf(context).Caller;
            if (caller.User != name || !caller.IsWhole)
            {
                Other(context, desk, users, name);
            }

            users.SetPassword(name, order.Password);
            gatekeeper.Forget();
            return TypedResults.NoContent();
        }).WithName("users.password");

        api.MapPut("/users/{name}/roles/{role}", (string name, string role, string? environment, HttpContext context, Desk desk, Users users) =>
        {
            var where = MayAssign(context, desk, users, name, role, environment);
            users.Give(name, role, where?.Value);
            return TypedResults.Ok(Summaries.Of(users.Find(name)!));
        }).WithName("roles.give");

        api.MapDelete("/users/{name}/roles/{role}", (string name, string role, string? environment, HttpContext context, Desk desk, Users users) =>
        {
            var where = MayAssign(context, desk, users, name, role, environment);
            users.TakeBack(name, role, where?.Value);
            return TypedResults.Ok(Summaries.Of(users.Find(name)!));
        }).WithName("roles.take");

        api.MapGet("/roles", (HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.RoleList);
            return TypedResults.Ok(new Page<RoleSummary>([.. users.Roles().Select(Summaries.Of)]));
        }).WithName("roles.list");

        api.MapGet("/roles/{name}", (string name, HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.RoleList);
            return TypedResults.Ok(Summaries.Of(users.FindRole(name) ?? throw ProblemException.Missing("such role")));
        }).WithName("roles.show");

        api.MapPut("/roles/{name}", (string name, RoleOrder order, HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.RoleEdit);
            var permissions = PermissionSet.Parse(order.Permissions ?? []);
            desk.MayHandOut(context, Rights.Of(permissions | (users.FindRole(name)?.Permissions ?? PermissionSet.None)));
            Desk.Note(context, permissions.ToString());
            return TypedResults.Ok(Summaries.Of(users.PutRole(name, permissions)));
        }).WithName("roles.put");

        api.MapDelete("/roles/{name}", (string name, HttpContext context, Desk desk, Users users) =>
        {
            desk.Allowed(context, Permission.RoleEdit);
            desk.MayHandOut(context, Rights.Of(users.FindRole(name)?.Permissions ?? throw ProblemException.Missing("such role")));
            users.RemoveRole(name);
            return TypedResults.NoContent();
        }).WithName("roles.remove");
    }

    /// <summary>Somebody may be changed by who has <c>USER_EDIT</c> and can do all that they can.</summary>
    static void Other(HttpContext context, Desk desk, Users users, string name)
    {
        desk.Allowed(context, Permission.UserEdit);
        _ = users.Find(name) ?? throw ProblemException.Missing("such user");
        desk.MayHandOut(context, users.RightsOf(name));
    }

    static EnvironmentName? MayAssign(HttpContext context, Desk desk, Users users, string name, string role, string? environment)
    {
        EnvironmentName? where = null;
        if (environment is not null && !EnvironmentName.TryParse(environment, out where))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, $"'{environment}' is not an environment's name.");
        }

        desk.Allowed(context, Permission.RoleAssign, where);
        _ = users.Find(name) ?? throw ProblemException.Missing("such user");
        var permissions = users.FindRole(role)?.Permissions ?? throw ProblemException.Missing("such role");
        desk.MayHandOut(context, where is null ? Rights.Of(permissions) : new Rights(PermissionSet.None, new Dictionary<string, PermissionSet> { [where.Value] = permissions }));
        Desk.Note(context, $"{role}{(where is null ? "" : $" in {where}")}");
        return where;
    }

    static WhoAmI Of(Asker asker) => new()
    {
        Name = asker.Caller.Name,
        User = asker.Caller.User,
        Admin = asker.Caller.IsAdmin && asker.Caller.IsWhole,
        Project = asker.Caller.OnlyProject,
        Credential = asker.Caller.Credential,
        Permissions = (asker.Caller.Rights.Everywhere & asker.Caller.Scope).List(),
        Environments = asker.Caller.Rights.Environments.ToDictionary(pair => pair.Key, pair => (pair.Value & asker.Caller.Scope).List()),
        From = asker.From.ToString(),
    };
}
