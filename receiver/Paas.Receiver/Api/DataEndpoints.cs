using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Api;

/// <summary>A project's data: what backups there are, taking one, bringing one back; and the project's own tasks.</summary>
static class DataEndpoints
{
    public static void MapData(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/backups", (string environment, string project, HttpContext context, Desk desk, Archivist archivist, Journal journal, ReleaseStore releases) =>
            TypedResults.Ok(new Page<BackupSummary>(Backups(desk.Project(context, environment, project, Permission.View), archivist, journal, releases)))).WithName("backups.list").ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/backup", (string environment, string project, BackupOrder? order, HttpContext context, Desk desk, DeploymentQueue queue) =>
            DeploymentEndpoints.Submit(context, queue, Request(context, desk, environment, project, DeploymentKind.Backup, new Wishes { Live = order?.Live ?? false }))).WithName("backups.take").ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/restore", (string environment, string project, RestoreOrder? order, HttpContext context, Desk desk, DeploymentQueue queue) =>
            DeploymentEndpoints.Submit(context, queue, Request(context, desk, environment, project, DeploymentKind.Restore, new Wishes { Backup = Named(order?.Backup) }))).WithName("backups.restore").ThroughLinks();

        api.MapPost("/projects/{environment}/{project}/tasks/{task}", (string environment, string project, string task, HttpContext context, Desk desk, DeploymentQueue queue) =>
            DeploymentEndpoints.Submit(context, queue, Request(context, desk, environment, project, DeploymentKind.Task, new Wishes
            {
                Task = task.Length <= 60 && task.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? task
                    : throw new ProblemException(StatusCodes.Status400BadRequest, "A task's name has letters, digits, '_' and '-'."),
            }))).WithName("tasks.run").ThroughLinks();
    }

    static DeploymentRequest Request(HttpContext context, Desk desk, string environment, string project, DeploymentKind kind, Wishes wishes) => new()
    {
        Project = desk.Project(context, environment, project, Permission.Deploy),
        Kind = kind,
        Wishes = wishes,
        By = Desk.AskerOf(context).Caller.Name,
        From = Desk.AskerOf(context).From.ToString(),
    };

    static string? Named(string? backup) =>
        string.IsNullOrEmpty(backup) ? null
        : ReleaseId.TryParse(backup) is not null || (backup is ['v', .. { Length: > 0 and < 9 } digits] && digits.All(char.IsAsciiDigit)) ? backup
        : throw new ProblemException(StatusCodes.Status400BadRequest, "A backup is named by its id, or as v12 for the data as that release left it.");

    static List<BackupSummary> Backups(Project project, Archivist archivist, Journal journal, ReleaseStore releases)
    {
        var numbers = releases.List(project).ToDictionary(release => release.Id.Value, release => release.Number);
        return
        [
            .. archivist.List(project).Select(backup =>
            {
                var entry = journal.Find(backup.Id);
                return new BackupSummary
                {
                    Id = backup.Id.Value,
                    TakenAt = entry?.StartedAt is { } at ? DateTimeOffset.Parse(at) : null,
                    Kind = entry is null ? null : System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(entry.Kind),
                    Release = entry?.Previous is { } previous && numbers.TryGetValue(previous, out var number) ? number : null,
                    Files = backup.Files,
                    Bytes = backup.Bytes,
                    Dumps = Dumps(Path.Combine(project.Archives, backup.Id.Value, "dumps")),
                };
            }),
        ];
    }

    static int Dumps(string directory) => Directory.Exists(directory) ? Directory.EnumerateFileSystemEntries(directory).Count() : 0;
}
