using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.LogDrains;

namespace Paas.Receiver.Api;

/// <summary>Where what a project's instances print is carried to as well. Tokens in an address are shown to nobody again.</summary>
static class DrainEndpoints
{
    public static void MapDrains(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/drains", (string environment, string project, HttpContext context, Desk desk, Drains drains) =>
        {
            var found = desk.Project(context, environment, project, Permission.Configure);
            return TypedResults.Ok(new Page<DrainSummary>([.. drains.Of(found).Select(SummaryOf)]));
        });
        api.MapPost("/projects/{environment}/{project}/drains", (string environment, string project, DrainOrder order, HttpContext context, Desk desk, Drains drains) =>
        {
            var found = desk.Project(context, environment, project, Permission.Configure);
            return TypedResults.Ok(SummaryOf(drains.Add(found, DrainAddress.Parse(order.Url))));
        });
        api.MapDelete("/projects/{environment}/{project}/drains/{id:long}", async (string environment, string project, long id, HttpContext context, Desk desk, Drains drains) =>
        {
            var found = desk.Project(context, environment, project, Permission.Configure);
            return await drains.RemoveAsync(found, id) ? TypedResults.NoContent() : throw ProblemException.Missing("such drain");
        });
    }

    static DrainSummary SummaryOf(Drain drain) => new(drain.Id, drain.Address.ToString(), drain.Sent, drain.Trouble);
}
