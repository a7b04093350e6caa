using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>Tokens for CloudFlow's door: each is good for one environment and a day, for whoever may do all of it there that the door does.</summary>
static class SessionEndpoints
{
    public static void MapSessions(this RouteGroupBuilder api) => api.MapPost("/environments/{environment}/sessions", (string environment, HttpContext context, Desk desk, Sessions sessions) =>
    {
        var found = desk.Environment(context, environment);
        foreach (var permission in (Permission[])[Permission.View, Permission.CreateProject, Permission.Deploy, Permission.ApplicationRouting, Permission.ApplicationDelete, Permission.Configure])
        {
            desk.Allowed(context, permission, found.Name);
        }

        var (secret, expires) = sessions.Open(found.Name, Desk.AskerOf(context).Caller);
        return TypedResults.Ok(new SessionMade(secret, found.Name.Value, expires));
    }).WithName("sessions.open");
}
