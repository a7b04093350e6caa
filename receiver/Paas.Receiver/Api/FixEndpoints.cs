using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>Manual fixes (R7.6): one command in a view of the live release whose changes become a patch and a release, and the patches that were kept.</summary>
static class FixEndpoints
{
    const string Place = "/projects/{environment}/{project}";

    public static void MapFixes(this RouteGroupBuilder api)
    {
        api.MapPost(Place + "/fix", FixAsync).WithName("fix");

        api.MapGet(Place + "/patches", (string environment, string project, HttpContext context, Desk desk, PatchStore patches) =>
            Shown(patches.List(desk.Project(context, environment, project, Permission.View)))).WithName("patches.list").ThroughLinks();

        api.MapGet(Place + "/releases/{number:int}/patches", (string environment, string project, int number, HttpContext context, Desk desk, PatchStore patches, ReleaseStore releases) =>
        {
            var release = releases.Find(desk.Project(context, environment, project, Permission.View), number) ?? throw ProblemException.Missing("such release");
            return Shown([.. patches.List(release.Project).Where(patch => patch.Base == release.Id), .. patches.In(release).Where(patch => patch.Base != release.Id)]);
        }).WithName("releases.patches");

        // With part=built what a build had made and somebody changed: no commit has it.
        api.MapGet(Place + "/patches/{number:int}", (string environment, string project, int number, string? part, HttpContext context, Desk desk, PatchStore patches) =>
        {
            var patch = Known(desk.Project(context, environment, project, Permission.View), number, patches);
            var file = part switch
            {
                null => patch.Texts is [var first, ..] ? first : null,
                "own" => patch.File,
                "built" => patch.BuiltFile,
                _ => throw new ProblemException(StatusCodes.Status400BadRequest, "The part is own or built."),
            };
            return File.Exists(file) ? Results.File(file, "text/x-patch", $"{patch.Project.Name}-fix-{patch.Number}{(file == patch.BuiltFile ? ".built" : "")}.patch") : throw ProblemException.Missing("such part of this fix");
        }).WithName("patches.text");

        api.MapDelete(Place + "/patches/{number:int}", (string environment, string project, int number, HttpContext context, Desk desk, PatchStore patches) =>
        {
            patches.Mark(Known(desk.Project(context, environment, project, Permission.Deploy), number, patches), PatchState.Dropped);
            return TypedResults.NoContent();
        }).WithName("patches.drop");
    }

    static async Task FixAsync(string environment, string project, FixOrder order, HttpContext context, Desk desk, ManualFixes fixes, Fleet fleet)
    {
        // As for a command that is run, and what is live changes.
        var of = desk.Project(context, environment, project, Permission.Deploy, Permission.Configure, Permission.ApplicationRouting);
        var (asker, ct) = (Desk.AskerOf(context), context.RequestAborted);
        if (order.Apply is { } number)
        {
            if (order.Command is not null || order.NoDeploy || order.Discard || number < 1)
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "A fix that is applied is named by its number alone.");
            }

            Desk.Note(context, $"fix {number}");
            FrameStream? begun = null;
            try
            {
                var applied = await fixes.ApplyAsync(of, number, asker.Caller.Name, asker.From.ToString(), new FixVisitor(async line => await (begun ??= await FrameStream.BeginAsync(context)).SayAsync(line)), ct);
                await (begun ?? await FrameStream.BeginAsync(context)).EndAsync(applied);
            }
            finally
            {
                begun?.Dispose();
            }

            return;
        }

        var words = RunEndpoint.WordsOf(order.Command);
        var wish = FixWish.Of(order.Message, order.NoDeploy, order.Discard);
        var fix = await fixes.OpenAsync(of, asker.Caller.Name, ct);
        Desk.Note(context, $"{fix.Patch} of {fix.Release}: {words[0]}");
        var code = ManualFixes.HungUp;
        FrameStream? frames = null;
        try
        {
            frames = await FrameStream.BeginAsync(context);
            code = await fleet.RunOnceAsync(fix.Launch, OpenFix.Tidy(words), frames.SendAsync, RunEndpoint.Longest, ct, fix.Patch.Scratch);
        }
        catch (OperationCanceledException)
        {
            // Whoever asked is gone: what was done until now is kept.
        }

        code = await fixes.ConcludeAsync(fix, code, wish, new FixVisitor(frames is null ? _ => Task.CompletedTask : frames.SayAsync), asker.From.ToString(), ct);
        await (frames?.EndAsync(code) ?? Task.CompletedTask);
        frames?.Dispose();
    }

    static Patch Known(Project project, int number, PatchStore patches) =>
        patches.Find(project, number) is { State: not PatchState.Open } patch ? patch : throw ProblemException.Missing("such fix");

    static Microsoft.AspNetCore.Http.HttpResults.Ok<Page<PatchSummary>> Shown(IReadOnlyList<Patch> patches) => TypedResults.Ok(new Page<PatchSummary>([.. patches.Select(Summaries.Of)]));
}
