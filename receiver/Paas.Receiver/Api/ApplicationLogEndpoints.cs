using Paas.Receiver.Access;
using Paas.Receiver.Logs;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>What an application printed, as lines of text: time, process, text.</summary>
static class ApplicationLogEndpoints
{
    const int MostLines = 100_000;

    public static void MapApplicationLogs(this RouteGroupBuilder api)
    {
        MapPrinted(api);
        api.MapGet("/projects/{environment}/{project}/access-log", (string environment, string project, int? n, HttpContext context, Desk desk, AccessLog log) =>
        {
            var found = desk.Project(context, environment, project, Permission.View);
            var count = n is null ? 100 : n is >= 0 and <= MostLines ? n.Value : throw new ProblemException(StatusCodes.Status400BadRequest, $"n is a number from 0 to {MostLines}.");
            return Results.Text(string.Concat(log.Last(found.Key, count).Select(line => line + "\n")), "text/plain; charset=utf-8");
        }).ThroughLinks(isStream: true);
    }

    static void MapPrinted(RouteGroupBuilder api) => api.MapGet(
        "/projects/{environment}/{project}/logs",
        async (string environment, string project, string? type, int? n, bool? follow, HttpContext context, Desk desk, Fleet fleet) =>
        {
            var found = desk.Project(context, environment, project, Permission.View);
            var count = n is null ? 100 : n is >= 0 and <= MostLines ? n.Value : throw new ProblemException(StatusCodes.Status400BadRequest, $"n is a number from 0 to {MostLines}.");
            var ct = context.RequestAborted;
            context.Response.ContentType = "text/plain; charset=utf-8";
            if (follow is not true)
            {
                foreach (var line in fleet.LastLogLines(found, null, type, count))
                {
                    await context.Response.WriteAsync(LineOf(line), ct);
                }

                return;
            }

            // The headers go at once: silence is an answer too.
            await context.Response.Body.FlushAsync(ct);
            await foreach (var line in fleet.FollowAsync(found, null, type, count, ct))
            {
                await context.Response.WriteAsync(LineOf(line), ct);
                await context.Response.Body.FlushAsync(ct);
            }
        }).ThroughLinks(isStream: true);

    static string LineOf(LogLine line) => $"{line.Time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {line.Type}.{line.Number} {LogStream.Harmless(line.Text)}\n";
}
