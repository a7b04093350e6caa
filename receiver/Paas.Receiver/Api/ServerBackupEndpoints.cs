using Paas.Receiver.Contract;
using Paas.Receiver.ServerBackups;

namespace Paas.Receiver.Api;

/// <summary>A backup of the whole receiver as a stream. It has every secret in it: for administrators only. Whoever hangs up ends it.</summary>
static class ServerBackupEndpoints
{
    public static void MapServerBackup(this RouteGroupBuilder api) => api.MapPost("/backup", async (ServerBackupOrder order, HttpContext context, Desk desk, ServerBackup backup) =>
    {
        desk.Administrator(context);
        context.Response.ContentType = BackupSeal.MediaType;
        try
        {
            await backup.WriteAsync(context.Response.Body, !order.WithoutReleases, context.RequestAborted);
        }
        catch (Exception e) when (context.Response.HasStarted && e is IOException or OperationCanceledException)
        {
            // The status is sent: only a connection that breaks off still says that this is no backup. It has no seal either.
            context.Abort();
        }
    }).WithName("server.backup");
}
