using System.Text.Json;
using System.Text.Json.Serialization;
using Paas.Receiver.Access;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;

namespace Paas.Receiver.GitHttp;

/// <summary>
/// git LFS beside a repository: its batch API with the <c>basic</c> transfer (the specification of git-lfs, v1), at the addresses that the client derives from a remote.
/// File locking is not served, which the client learns from a 404 and does without.
/// </summary>
sealed class LargeFilesDoor(RepositoryGate gate, ProjectStore projects, Newcomers newcomers, GitProgram git)
{
    const string MediaType = "application/vnd.git-lfs+json";
    const string Objects = "/info/lfs/objects/";

    /// <summary>Objects of one batch, as other servers have it; clients send a hundred.</summary>
    const int MostObjects = 1000;

    const int LargestBatch = 1 << 20;

    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <param name="path">Behind <c>/git/</c>. Null is everybody's 404.</param>
    public static LargeFilesWish? Read(string method, string path)
    {
        var at = path.IndexOf(Objects, StringComparison.Ordinal);
        if (at < 0 || RepositoryAddress.TryParse(path[..at]) is not { Kind: RepositoryKind.Project } address)
        {
            return null;
        }

        var name = path[(at + Objects.Length)..];
        return name == "batch" && HttpMethods.IsPost(method) ? new LargeFilesWish(address, null, false)
            : LargeFiles.IsObjectId(name) && (HttpMethods.IsGet(method) || HttpMethods.IsPut(method)) ? new LargeFilesWish(address, name, HttpMethods.IsPut(method))
            : null;
    }

    public Task ServeAsync(HttpContext context, LargeFilesWish wish, Caller caller) =>
        wish.ObjectId is null ? AnswerBatchAsync(context, wish.Address, caller)
        : wish.IsUpload ? TakeAsync(context, wish, caller)
        : GiveAsync(context, wish, caller);

    /// <summary>Which of the objects are here, and where each is to be sent or fetched.</summary>
    async Task AnswerBatchAsync(HttpContext context, RepositoryAddress address, Caller caller)
    {
        Batch? batch = null;
        if (context.Request.ContentLength is null or <= LargestBatch)
        {
            try
            {
                batch = await JsonSerializer.DeserializeAsync<Batch>(context.Request.Body, Json, context.RequestAborted);
            }
            catch (JsonException)
            {
                // Said below, as for everything else that is no batch.
            }
        }

        if (batch is not { Operation: "upload" or "download", Objects: { Count: <= MostObjects } objects } || objects.Any(wanted => wanted is not { Oid: not null, Size: >= 0 }))
        {
            await SayAsync(context, StatusCodes.Status422UnprocessableEntity, $"a batch is an operation, upload or download, and at most {MostObjects} objects with oid and size");
            return;
        }

        if (!await MayAsync(context, address, caller, push: batch.Operation == "upload"))
        {
            return;
        }

        var files = FilesOf(address);
        var answers = objects.Select(wanted => Answer(context, wanted, batch.Operation == "upload", files)).ToList();
        context.Response.ContentType = MediaType;
        await JsonSerializer.SerializeAsync(context.Response.Body, new BatchAnswer("basic", answers, "sha256"), Json, context.RequestAborted);
    }

    static ObjectAnswer Answer(HttpContext context, ObjectWish wanted, bool upload, LargeFiles? files)
    {
        if (!LargeFiles.IsObjectId(wanted.Oid!))
        {
            return new ObjectAnswer(wanted.Oid!, wanted.Size, null, null, new ObjectError(422, "the oid is no SHA-256 in lower case"));
        }

        var isHere = files?.Find(new LargeFile(wanted.Oid!, wanted.Size)) is not null;
        if (upload == isHere)
        {
            return new ObjectAnswer(wanted.Oid!, wanted.Size, null, null, upload ? null : new ObjectError(404, "it was never sent"));
        }

        // The client brings to it what it brought here: the header goes back to whoever sent it.
        var request = context.Request;
        var link = new Link($"{request.Scheme}://{request.Host}{request.Path.Value![..^"batch".Length]}{wanted.Oid}", new Dictionary<string, string> { ["Authorization"] = request.Headers.Authorization.ToString() });
        return new ObjectAnswer(wanted.Oid!, wanted.Size, true, new Dictionary<string, Link> { [upload ? "upload" : "download"] = link }, null);
    }

    async Task TakeAsync(HttpContext context, LargeFilesWish wish, Caller caller)
    {
        if (!await MayAsync(context, wish.Address, caller, push: true))
        {
            return;
        }

        var (project, _) = newcomers.Enter(wish.Address.Environment, wish.Address.Project);
        try
        {
            await new GitRepository(project.ProjectRepository, git).CreateAsync(CancellationToken.None);
            await using var body = GitDoor.BodyOf(context);
            await new LargeFiles(project.ProjectRepository).StoreAsync(wish.ObjectId!, body, context.RequestAborted);
        }
        catch (Refusal refusal)
        {
            await SayAsync(context, StatusCodes.Status422UnprocessableEntity, refusal.Message);
        }
        finally
        {
            newcomers.Leave(project);
        }
    }

    async Task GiveAsync(HttpContext context, LargeFilesWish wish, Caller caller)
    {
        if (!await MayAsync(context, wish.Address, caller, push: false))
        {
            return;
        }

        if (FilesOf(wish.Address)?.Find(wish.ObjectId!) is not { } file)
        {
            await SayAsync(context, StatusCodes.Status404NotFound, "it was never sent");
            return;
        }

        await Results.File(file, "application/octet-stream", enableRangeProcessing: true).ExecuteAsync(context);
    }

    LargeFiles? FilesOf(RepositoryAddress address) => projects.Find(address.Environment, address.Project) is { } project ? new LargeFiles(project.ProjectRepository) : null;

    async Task<bool> MayAsync(HttpContext context, RepositoryAddress address, Caller caller, bool push)
    {
        switch (gate.Ask(caller, address.Environment, address.Project, pillar: false, push))
        {
            case RepositoryAnswer.Granted:
                return true;
            case RepositoryAnswer.Forbidden:
                await SayAsync(context, StatusCodes.Status403Forbidden, "you may see this project, but not do this with it");
                return false;
            default:
                await SayAsync(context, StatusCodes.Status404NotFound, "there is no such project");
                return false;
        }
    }

    static Task SayAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new Dictionary<string, string> { ["message"] = message }, Json, MediaType, context.RequestAborted);
    }

    sealed record Batch(string? Operation, IReadOnlyList<ObjectWish>? Objects);

    sealed record ObjectWish(string? Oid, long Size);

    sealed record BatchAnswer(string Transfer, IReadOnlyList<ObjectAnswer> Objects, [property: JsonPropertyName("hash_algo")] string HashAlgorithm);

    sealed record ObjectAnswer(string Oid, long Size, bool? Authenticated, IReadOnlyDictionary<string, Link>? Actions, ObjectError? Error);

    sealed record Link(string Href, IReadOnlyDictionary<string, string> Header);

    sealed record ObjectError(int Code, string Message);
}

/// <summary>What is wanted of a repository's large files: a batch, or one object.</summary>
/// <param name="ObjectId">Null for a batch.</param>
sealed record LargeFilesWish(RepositoryAddress Address, string? ObjectId, bool IsUpload);
