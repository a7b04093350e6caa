using System.Globalization;
using System.Text.Json;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>The audit log, for administrators: page by page from the newest line, or all of it, oldest first, a JSON object a line.</summary>
static class AuditEndpoints
{
    const int AtOnce = 500;

    public static void MapAudit(this RouteGroupBuilder api)
    {
        api.MapGet("/audit", (long? before, long? cursor, int? limit, HttpContext context, Desk desk, AuditLog audit) =>
        {
            desk.Administrator(context);
            var most = Math.Clamp(limit ?? 100, 1, AtOnce);
            var lines = audit.Newest(cursor ?? before, most + 1);
            return TypedResults.Ok(Paging.Of(context, [.. lines.Select(Of)], most, line => line.Number.ToString(CultureInfo.InvariantCulture)));
        }).WithName("audit.list");

        api.MapGet("/audit/export", async (long? after, HttpContext context, Desk desk, AuditLog audit) =>
        {
            desk.Administrator(context);
            context.Response.ContentType = "application/x-ndjson; charset=utf-8";
            var number = after ?? 0;
            while (audit.Read(number, AtOnce) is { Count: > 0 } lines)
            {
                foreach (var line in lines)
                {
                    await context.Response.WriteAsync(JsonSerializer.Serialize(Of(line), ContractJson.Default.AuditRecord) + "\n", context.RequestAborted);
                }

                number = lines[^1].Number;
            }
        }).WithName("audit.export");

        api.MapGet("/audit/check", (HttpContext context, Desk desk, AuditLog audit) =>
        {
            desk.Administrator(context);
            return TypedResults.Ok(new AuditCheck(audit.FirstBroken()));
        }).WithName("audit.check");
    }

    static AuditRecord Of(AuditLine line) => new()
    {
        Number = line.Number,
        At = line.At,
        Who = line.Who,
        Credential = line.Credential,
        From = line.From,
        Action = line.Action,
        Subject = line.Subject,
        Result = line.Result,
        Detail = line.Detail,
        Chain = line.Chain,
    };
}
