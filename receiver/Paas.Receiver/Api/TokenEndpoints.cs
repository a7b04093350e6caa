using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>Tokens, for administrators. A secret is in the answer that makes it and nowhere else.</summary>
static class TokenEndpoints
{
    public static void MapTokens(this RouteGroupBuilder api)
    {
        api.MapGet("/tokens", (HttpContext context, Desk desk, Tokens tokens) =>
        {
            desk.Administrator(context);
            return TypedResults.Ok(new Page<TokenSummary>([.. tokens.List().Select(Summaries.Of)]));
        });

        api.MapPost("/tokens", (TokenOrder order, HttpContext context, Desk desk, Tokens tokens) =>
        {
            desk.Administrator(context);
            var (token, secret) = tokens.Create(order.Name ?? "", order.Admin, order.Project is null ? null : desk.KeyOf(order.Project), order.ExpiresAt);
            return TypedResults.Ok(new TokenMade(Summaries.Of(token), secret));
        });

        api.MapDelete("/tokens/{id:long}", (long id, HttpContext context, Desk desk, Tokens tokens) =>
        {
            desk.Administrator(context);
            return tokens.Revoke(id) ? TypedResults.NoContent() : throw ProblemException.Missing("such token");
        });
    }
}
