using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>A route whose body is a file: as large as its own limit says, and named by <c>Content-Digest</c> where it must be told from another.</summary>
sealed class StreamedBody;

/// <param name="LargestBytes"><c>PAAS_MAX_IMPORT</c>.</param>
sealed record ImportSettings(long LargestBytes);

/// <summary>
/// Archives that were made elsewhere: the body is the file itself, <c>.tar.gz</c>, <c>.tar.xz</c>, <c>.tar.zst</c> or <c>.zip</c>. It is stored as it comes and held against <c>Content-Digest</c>
/// (RFC 9530, sha-256) where that is given; the rest is a deployment to watch.
/// </summary>
static class ImportEndpoint
{
    const string Digest = "Content-Digest";
    const string Sha256 = "sha-256=:";

    public static void MapImport(this RouteGroupBuilder api) => api
        .MapPost("/projects/{environment}/{project}/releases/import", ImportAsync)
        .WithMetadata(new StreamedBody())
        .Accepts<IFormFile>("application/octet-stream", "*/*")
        .Produces<AcceptedWork>(StatusCodes.Status202Accepted)
        .WithName("releases.import");

    static async Task<IResult> ImportAsync(
        string environment, string project, string? commit, bool? deploy, HttpContext context, Desk desk, ProjectStore projects, DeploymentQueue queue, ImportSettings settings)
    {
        var (place, name) = desk.Placed(context, environment, project);
        if (commit is not null && !Git.RefUpdate.IsObjectId(commit))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "A commit is written in full.");
        }

        var digest = DigestOf(context.Request);
        Allow(context, settings.LargestBytes);
        var isNew = projects.Find(place.Name, name) is null;
        var target = projects.FindOrCreate(place.Name, name);
        string? file = null;
        try
        {
            var found = desk.Project(context, environment, project, deploy is true ? [Permission.Deploy, Permission.ApplicationRouting] : [Permission.Deploy]);
            file = ImportWorkflow.NewFile(found);
            await ReceiveAsync(context, file, digest, settings.LargestBytes);
            context.RequestAborted.ThrowIfCancellationRequested();
            var deployment = queue.Submit(new DeploymentRequest
            {
                Project = found,
                Kind = DeploymentKind.Import,
                Mode = Mode.Final,
                NewCommit = commit,
                Wishes = new Wishes { Import = Path.GetFileName(file), Deploy = deploy ?? false },
                By = Desk.AskerOf(context).Caller.Name,
                From = Desk.AskerOf(context).From.ToString(),
            });

            // One that is cancelled before its turn comes never looks at its file.
            var sent = file;
            _ = deployment.Finished.ContinueWith(_ => File.Delete(sent), TaskScheduler.Default);
            return DeploymentEndpoints.Watch(deployment.Id);
        }
        catch
        {
            if (file is not null)
            {
                File.Delete(file);
            }

            if (isNew)
            {
                projects.ForgetIfUnused(target);
            }

            throw;
        }
    }

    static void Allow(HttpContext context, long largest)
    {
        if (context.Request.ContentLength > largest)
        {
            throw new ProblemException(StatusCodes.Status413PayloadTooLarge, $"The file is larger than the {largest / 1_000_000} MB that may be imported (PAAS_MAX_IMPORT).");
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null; // counted here: a body without a length has no end until it is seen
        }
    }

    static byte[]? DigestOf(HttpRequest request)
    {
        if (request.Headers[Digest].ToString() is not { Length: > 0 } text)
        {
            return null;
        }

        var digest = new byte[SHA256.HashSizeInBytes];
        return text.StartsWith(Sha256, StringComparison.Ordinal) && text.EndsWith(':') && text.Length > Sha256.Length
            && Convert.TryFromBase64String(text[Sha256.Length..^1], digest, out var length) && length == digest.Length
            ? digest : throw new ProblemException(StatusCodes.Status400BadRequest, $"{Digest} is sha-256=:BASE64:, the file's SHA-256 (RFC 9530).");
    }

    static async Task ReceiveAsync(HttpContext context, string file, byte[]? expected, long largest)
    {
        await using var to = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 18];
        var received = 0L;
        for (int count; (count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0;)
        {
            received += count;
            if (received > largest)
            {
                throw new ProblemException(StatusCodes.Status413PayloadTooLarge, $"The file is larger than the {largest / 1_000_000} MB that may be imported (PAAS_MAX_IMPORT).");
            }

            hash.AppendData(buffer, 0, count);
            await to.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted);
        }

        if (expected is not null && !hash.GetHashAndReset().AsSpan().SequenceEqual(expected))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, $"What arrived is not what {Digest} says: send it again.");
        }
    }
}
