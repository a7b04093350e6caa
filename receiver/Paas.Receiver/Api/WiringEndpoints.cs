using Paas.Receiver.Contract;
using Paas.Receiver.Wiring;

namespace Paas.Receiver.Api;

/// <summary>What the operator's dns and firewall hooks were told of, and how they took it.</summary>
static class WiringEndpoints
{
    public static void MapWiring(this RouteGroupBuilder api) =>
        api.MapGet("/wiring", (HttpContext context, Desk desk, WireStore wires) =>
        {
            desk.Administrator(context);
            return TypedResults.Ok(new Page<WireSummary>([.. wires.List().Select(one => new WireSummary(
                one.Wire.Kind, one.Wire.Words, one.Wire.Owner.Length > 0 ? one.Wire.Owner : null, one.State, one.Tries, one.Trouble, one.Trouble is null ? null : one.NextAt))]));
        }).WithName("wiring.list");
}
