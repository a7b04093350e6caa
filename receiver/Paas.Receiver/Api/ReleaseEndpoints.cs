using System.Globalization;
using Microsoft.Net.Http.Headers;
using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Api;

/// <summary>Releases: which there are, their archives (a range at a time where that is asked for), and taking over what was cooked elsewhere.</summary>
static class ReleaseEndpoints
{
    const string Place = "/projects/{environment}/{project}/releases";

    public static void MapReleases(this RouteGroupBuilder api)
    {
        api.MapGet(Place, (string environment, string project, string? commit, int? limit, int? cursor, HttpContext context, Desk desk, Summaries summaries) =>
        {
            var (found, most) = (desk.Project(context, environment, project, Permission.View), Paging.Limit(limit, Paging.Most));
            return TypedResults.Ok(Paging.Of(context, summaries.ReleasesOf(found, commit, most + 1, cursor ?? int.MaxValue), most, release => release.Number.ToString(CultureInfo.InvariantCulture)));
        }).WithName("releases.list").ThroughLinks();

        api.MapGet(Place + "/{number:int}", (string environment, string project, int number, HttpContext context, Desk desk, Summaries summaries, ReleaseStore releases) =>
            TypedResults.Ok(summaries.Of(Known(desk.Project(context, environment, project, Permission.View), number, releases)))).WithName("releases.show").ThroughLinks();

        api.MapGet(Place + "/{number:int}/archive", (string environment, string project, int number, HttpContext context, Desk desk, ReleaseStore releases) =>
        {
            var release = Known(desk.Project(context, environment, project, Permission.View), number, releases);
            RefuseDamaged(release.ArchiveTrouble);
            return release is { Pruned: false, ArchiveDigest: { } digest } && File.Exists(release.ArchiveFile)
                ? Results.File(
                    release.ArchiveFile, "application/zstd", Path.GetFileName(release.ArchiveFile), entityTag: new EntityTagHeaderValue($"\"{digest}\""), enableRangeProcessing: true)
                : throw ProblemException.Missing("archive of this release any more");
        }).WithName("releases.archive");

        api.MapGet(Place + "/{number:int}/image", (string environment, string project, int number, HttpContext context, Desk desk, ReleaseStore releases) =>
        {
            var release = Known(desk.Project(context, environment, project, Permission.View), number, releases);
            RefuseDamaged(release.ImageTrouble);
            return release is { Pruned: false, ImageDigest: { } digest } && File.Exists(release.ImageFile)
                ? Results.File(
                    release.ImageFile, "application/zstd", Path.GetFileName(release.ImageFile), entityTag: new EntityTagHeaderValue($"\"{digest}\""), enableRangeProcessing: true)
                : throw ProblemException.Missing("image of this release");
        }).WithName("releases.image");

        api.MapGet(Place + "/{number:int}/archives/{name}", (string environment, string project, int number, string name, HttpContext context, Desk desk, ReleaseStore releases) =>
        {
            var release = Known(desk.Project(context, environment, project, Permission.View), number, releases);
            var part = releases.PartsOf(release.Id).FirstOrDefault(part => part.Name == name);
            RefuseDamaged(part?.Trouble);
            return part is not null && Deliverable.PartFile(release.Project, release.Id, part.Name) is var file && File.Exists(file)
                ? Results.File(file, "application/zstd", Path.GetFileName(file), entityTag: new EntityTagHeaderValue($"\"{part.Digest}\""), enableRangeProcessing: true)
                : throw ProblemException.Missing("such archive of this release");
        }).WithName("releases.part");

        api.MapGet("/signing-key", (Signatures signatures) => Results.Text(signatures.PublicKey, "application/x-pem-file")).WithName("releases.key");

        api.MapPost("/projects/{environment}/{project}/promote", Promote).WithName("releases.promote").ThroughLinks();
    }

    /// <summary>The project is made where it is not there yet and the caller may make it.</summary>
    static IResult Promote(string environment, string project, PromoteOrder? order, HttpContext context, Desk desk, ProjectStore projects, DeploymentQueue queue)
    {
        var (place, name) = desk.Placed(context, environment, project);
        string? source = null;
        if (order?.From is { } from)
        {
            // Who may not see the release may not take it elsewhere either.
            var other = desk.Project(context, from, project, Permission.View);
            source = $"env:{other.Environment.Name}";
        }

        if (order?.Release is < 1 || order?.Commit is { } commit && !Git.RefUpdate.IsObjectId(commit))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "A release counts from 1, and a commit is written in full.");
        }

        var isNew = projects.Find(place.Name, name) is null;
        var target = projects.FindOrCreate(place.Name, name);
        try
        {
            var found = desk.Project(context, environment, project, Permission.Deploy, Permission.ApplicationRouting);
            return DeploymentEndpoints.Submit(context, queue, new DeploymentRequest
            {
                Project = found,
                Kind = DeploymentKind.Promote,
                Mode = Mode.Final,
                NewCommit = order?.Commit,
                TargetRelease = order?.Release,
                Wishes = new Wishes { Source = source },
                By = Desk.AskerOf(context).Caller.Name,
                From = Desk.AskerOf(context).From.ToString(),
            });
        }
        catch (ProblemException) when (isNew)
        {
            projects.ForgetIfUnused(target);
            throw;
        }
    }

    /// <summary>What is known not to be what was packed is handed over to nobody.</summary>
    static void RefuseDamaged(string? trouble)
    {
        if (trouble is not null)
        {
            throw new Refusal($"{trouble}. It is handed over to nobody; a redeploy makes another.");
        }
    }

    static Release Known(Project project, int number, ReleaseStore releases) => releases.Find(project, number) ?? throw ProblemException.Missing("such release");
}
