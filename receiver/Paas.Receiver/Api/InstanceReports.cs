using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>Where supervisors report how their instance ended (reference 2.9): anonymous, but each report needs the instance's one-time key.</summary>
static class InstanceReports
{
    public static void MapInstanceReports(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/instance/exit/{instance}/{key}/{code:int}", (string instance, string key, int code, Fleet fleet) =>
            fleet.ReportExit(instance, key, code)
                ? Results.Text("""{"data":{"success":true}}""", "application/json")
                : Results.Text("""{"errors":["Invalid credentials."]}""", "application/json", statusCode: 403));
}
