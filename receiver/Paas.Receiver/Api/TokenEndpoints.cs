using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>
/// Tokens: an administrator sees and makes all of them, a user their own, whoever may change an environment the deploy tokens of its projects.
/// A secret is in the answer that makes it and nowhere else.
/// </summary>
static class TokenEndpoints
{
    public static void MapTokens(this RouteGroupBuilder api)
    {
        api.MapGet("/tokens", (HttpContext context, Credentials credentials, Tokens tokens) =>
        {
            credentials.Holder(context);
            return TypedResults.Ok(new Page<TokenSummary>([.. tokens.List().Where(token => credentials.MayHandle(context, token.User, token.OnlyProject)).Select(Summaries.Of)]));
        }).WithName("tokens.list");

        api.MapPost("/tokens", (TokenOrder order, HttpContext context, Desk desk, Credentials credentials, Tokens tokens) =>
        {
            credentials.Holder(context);
            var project = order.Project is null ? null : desk.KeyOf(order.Project);
            var user = order.Admin ? null : credentials.OwnerOf(context, order.User, project);
            credentials.MayMake(context, order.Admin, user, project);
            var (token, secret) = tokens.Create(
                order.Name ?? "", order.Admin, project, order.ExpiresAt, user, order.Permissions is null ? null : PermissionSet.Parse(order.Permissions));
            Desk.Note(context, $"token {token.Id} ({token.Name}){Credentials.For(token.User, token.OnlyProject)}{(token.IsAdmin ? " for everything" : "")}");
            return TypedResults.Ok(new TokenMade(Summaries.Of(token), secret));
        }).WithName("tokens.make");

        api.MapDelete("/tokens/{id:long}", (long id, HttpContext context, Credentials credentials, Tokens tokens) =>
        {
            credentials.Holder(context);
            if (tokens.Get(id) is not { } token || !credentials.MayHandle(context, token.User, token.OnlyProject))
            {
                throw ProblemException.Missing("such token");
            }

            tokens.Revoke(id);
            Desk.Note(context, $"token {token.Id} ({token.Name}){Credentials.For(token.User, token.OnlyProject)}");
            return TypedResults.NoContent();
        }).WithName("tokens.revoke");
    }
}
