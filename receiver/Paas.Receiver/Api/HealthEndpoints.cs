using Paas.Receiver.Access;
using Paas.Receiver.Telemetry;

namespace Paas.Receiver.Api;

/// <summary>What monitors ask: <c>/healthz</c> and <c>/readyz</c> of everybody, <c>/metrics</c> of those who may oversee the receiver.</summary>
static class HealthEndpoints
{
    public const string Metrics = "/metrics";

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/healthz", () => Results.Text("ok\n"));
        app.MapGet("/readyz", (Readiness readiness) => readiness.WhyNot() is { } why
            ? Results.Text(why + "\n", statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text("ready\n"));
        app.MapGet(Metrics, (HttpContext context, Desk desk, Measurements measurements) =>
        {
            // Names of projects and how busy they are: behind a proxy on this machine, everybody comes from loopback.
            desk.Allowed(context, Permission.SystemOverview);
            return Results.Text(Exposition.Of(measurements.Read()), Exposition.MediaType);
        });
    }
}
