using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>SSH keys: a user's own, and the deploy keys of projects.</summary>
static class KeyEndpoints
{
    public static void MapKeys(this RouteGroupBuilder api)
    {
        api.MapGet("/keys", (HttpContext context, Credentials credentials, Keys keys) =>
        {
            credentials.Holder(context);
            return TypedResults.Ok(new Page<KeySummary>([.. keys.List().Where(key => credentials.MayHandle(context, key.User, key.OnlyProject)).Select(Summaries.Of)]));
        }).WithName("keys.list");

        api.MapPost("/keys", (KeyOrder order, HttpContext context, Desk desk, Credentials credentials, Keys keys) =>
        {
            credentials.Holder(context);
            var key = PublicKey.Parse(order.Key ?? "");
            var project = order.Project is null ? null : desk.KeyOf(order.Project);
            if (project is not null && order.User is not null)
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "A key belongs to a user or to a project, not to both.");
            }

            var user = project is not null ? null : credentials.OwnerOf(context, order.User, null)
                ?? throw new ProblemException(StatusCodes.Status400BadRequest, "Whose key is it? Give the user or the project.");
            credentials.MayMake(context, forEverything: false, user, project);
            var added = keys.Add(key, order.Name, user, project, project is null || order.Push);
            Desk.Note(context, $"key {added.Id} ({added.Name}) {added.Fingerprint}{Credentials.For(added.User, added.OnlyProject)}");
            return TypedResults.Ok(Summaries.Of(added));
        }).WithName("keys.add");

        api.MapDelete("/keys/{id:long}", (long id, HttpContext context, Credentials credentials, Keys keys) =>
        {
            credentials.Holder(context);
            if (keys.Find(id) is not { } key || !credentials.MayHandle(context, key.User, key.OnlyProject))
            {
                throw ProblemException.Missing("such key");
            }

            keys.Remove(id);
            Desk.Note(context, $"key {key.Id} ({key.Name}) {key.Fingerprint}{Credentials.For(key.User, key.OnlyProject)}");
            return TypedResults.NoContent();
        }).WithName("keys.remove");
    }
}
