using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Hooks;

/// <summary>A deployment as a push sees it.</summary>
/// <param name="Live">True when the ref may move.</param>
sealed record Followed(string Id, LogStream Log, Task<bool> Live);

/// <summary>Looks at a push before anything of it is stored; every string is a reason against it.</summary>
delegate Task<IReadOnlyList<string>> PushCheck(Push push, RefUpdate? deploys, CancellationToken ct);

/// <summary>
/// What each of git's hooks is answered. <c>pre-receive</c>: everything that can be refused is refused here. <c>update</c> of the ref that
/// deploys: the deployment, line by line, and whether it is live; of a pillar: whether it can be read, first. <c>post-receive</c>: the refs have moved.
/// </summary>
sealed partial class PushHooks(
    RefRules rules, GitProgram git, Func<DeploymentRequest, Followed> submit, Action<string> refMoved, PushCheck check, ILogger<PushHooks> logger, Marks? marks = null, ServicePorts? ports = null)
{
    // How long each line that is still on its way is waited for once a deployment has ended; its log is closed by then.
    static readonly TimeSpan LastLines = TimeSpan.FromSeconds(5);

    /// <summary>The hooks of a receiver whose deployments go through this queue.</summary>
    public static PushHooks Of(DeploymentQueue queue, RefRules rules, GitProgram git, PushCheck check, ILogger<PushHooks> logger, Marks marks, ServicePorts ports) =>
        new(rules, git, request => Follow(queue.Submit(request)), queue.RefMoved, check, logger, marks, ports);

    public Task AnswerAsync(string hook, OpenPush push, HookAnswer answer) => hook switch
    {
        OpenPush.PreReceive => JudgeAsync(push, answer),
        OpenPush.Update => push.Push.Kind == RepositoryKind.Pillar ? TakePillarAsync(push, answer) : DeployAsync(push, answer),
        _ => ConcludeAsync(push, answer),
    };

    async Task JudgeAsync(OpenPush open, HookAnswer answer)
    {
        var (options, updates) = open.ReadRequest();
        var (push, refusals) = Complete(open.Push, options, updates);
        var verdict = rules.Judge(push, Repository(push).HeadBranch);
        refusals.AddRange(verdict.Refusals);
        if (verdict.Deploys is { } branch && push is { Kind: RepositoryKind.Project, Options.Deploy: false } && marks is not null && (await marks.ConfigOfAsync(push.Project, open.Ended)).Pipeline is not null)
        {
            verdict = verdict with { Deploys = null, LeftToPipeline = branch };
        }

        if (refusals.Count == 0)
        {
            refusals.AddRange(await check(push, verdict.Deploys, open.Ended));
        }

        if (refusals.Count == 0 && marks is not null && verdict.Marks.Count > 0)
        {
            refusals.AddRange(await marks.CheckAsync(push.Project, verdict.Marks, MarkerOf(push), open.Ended));
        }

        if (refusals.Count > 0)
        {
            await ComplainAsync(answer, refusals, open.Ended);
            answer.End(1);
            return;
        }

        open.Accept(push, verdict, waits: push.Kind == RepositoryKind.Pillar || !push.Options.Async);
        answer.End(0);
    }

    async Task DeployAsync(OpenPush open, HookAnswer answer)
    {
        if (await SubmitAsync(Request(open.Push, open.Verdict!.Deploys!), answer, open.Ended) is not { } deployment)
        {
            answer.End(1);
            return;
        }

        _ = SettleAsync(open, deployment);
        await CopyAsync(deployment, answer, open.Ended);
        var code = await deployment.Live.WaitAsync(open.Ended) ? 0 : 1;
        Faults.At("answer", "before", deployment.Id);
        answer.End(code);
        Faults.At("answer", "after", deployment.Id);
    }

    /// <summary>A configuration that cannot be read never becomes the one that the next deployment needs.</summary>
    async Task TakePillarAsync(OpenPush open, HookAnswer answer)
    {
        var push = open.Push;
        try
        {
            if (await Repository(push).ReadFileAsync(open.Verdict!.Deploys!.New, PillarReader.FileName, open.Ended) is { } text)
            {
                _ = Layers.Resolve(new LayerSources { Pillar = new ProjectFile(PillarReader.FileName, text), Of = push.Project });
            }

            var config = marks is null ? ServiceConfig.None : await marks.ConfigAtAsync(push.Project, open.Verdict!.Deploys!.New, open.Ended);
            if (ports?.Check(push.Project, config) is { Count: > 0 } reasons)
            {
                throw new Refusal(string.Join('\n', reasons));
            }
        }
        catch (Refusal refusal)
        {
            await ComplainAsync(answer, [refusal.Message], open.Ended);
            answer.End(1);
            return;
        }

        if (push.Options is { Deploy: true, Async: false })
        {
            await DeployAsync(open, answer);
        }
        else
        {
            answer.End(0);
        }
    }

    async Task ConcludeAsync(OpenPush open, HookAnswer answer)
    {
        var (push, verdict) = (open.Push, open.Verdict!);
        var moved = open.ReadMoved().Select(update => update.Name).ToHashSet();
        open.MarkRefsMoved(moved);
        if (verdict.Deploys is { } deploys && moved.Contains(deploys.Name))
        {
            await PointHeadAtAsync(deploys.Name, push);
            if (push.Kind == RepositoryKind.Pillar && ports is not null)
            {
                await ports.ReconsiderAsync(push.Project);
            }

            await (push switch
            {
                { Kind: RepositoryKind.Pillar } => ReconfigureAsync(open, answer),
                { Options.Async: true } => DeployInBackgroundAsync(Request(push, deploys), answer, open.Ended),
                _ => Task.CompletedTask, // followed in update; SettleAsync tells the deployment that its ref has moved
            });
        }

        if (verdict.LeftToPipeline is { } left && moved.Contains(left.Name))
        {
            await PointHeadAtAsync(left.Name, push);
            await answer.SayAsync($"-----> {left.ShortName} is kept: the pipeline of {push.Project.Name} (deploy.yaml) decides what is deployed", open.Ended);
            await answer.SayAsync($"       To run it: {Corpus("pipeline start", push.Project)}. To deploy at once: git push -o deploy", open.Ended);
        }

        await BeginMarkedAsync(push, [.. verdict.Marks.Select(update => update.Name).Where(moved.Contains)], answer, open.Ended);
        foreach (var line in rules.Explain(push, [.. verdict.Kept.Where(update => moved.Contains(update.Name))]))
        {
            await answer.SayAsync((push.Options.NoDeploy ? "       " : " !     ") + line, open.Ended);
        }

        answer.End(0);
    }

    /// <summary>A bot's marks: begun whether or not anybody still listens, and the push does not wait for the end.</summary>
    async Task BeginMarkedAsync(Push push, IReadOnlyList<string> names, HookAnswer answer, CancellationToken ended)
    {
        if (marks is null || names.Count == 0)
        {
            return;
        }

        foreach (var line in await marks.ConvergeAsync(push.Project, names, MarkerOf(push)))
        {
            await answer.SayAsync(line, ended);
        }
    }

    static Marker MarkerOf(Push push) => new(push.By, push.From, push.MayFetch, push.MayDeploy);

    async Task ReconfigureAsync(OpenPush open, HookAnswer answer)
    {
        var push = open.Push;
        if (!push.Options.Deploy)
        {
            await answer.SayAsync($"-----> The configuration of {push.Project.Name} is stored", open.Ended);
            await answer.SayAsync($"       To put it to work: git push -o deploy, or {Corpus("redeploy", push.Project)}", open.Ended);
            return;
        }

        if (push.Options.Async)
        {
            var again = Request(push, open.Verdict!.Deploys!) with { Kind = DeploymentKind.Redeploy, Ref = null, OldCommit = null, NewCommit = null };
            await DeployInBackgroundAsync(again, answer, open.Ended);
        }
    }

    /// <summary>The post-receive way: the ref has moved, the pusher is not kept.</summary>
    async Task DeployInBackgroundAsync(DeploymentRequest request, HookAnswer answer, CancellationToken ended)
    {
        if (await SubmitAsync(request, answer, ended) is { } deployment)
        {
            if (request.Kind == DeploymentKind.Push)
            {
                refMoved(deployment.Id);
            }

            await answer.SayAsync($"-----> Deployment {deployment.Id} of {request.Project.Name} goes on in the background", ended);
            await answer.SayAsync($"       See how it goes: {Corpus("status", request.Project)}", ended);
        }
    }

    async Task<Followed?> SubmitAsync(DeploymentRequest request, HookAnswer answer, CancellationToken ended)
    {
        try
        {
            return submit(request);
        }
        catch (Refusal refusal)
        {
            await ComplainAsync(answer, [refusal.Message], ended);
            return null;
        }
    }

    /// <summary>Sees a followed deployment to its end, whoever still listens: when it is live, its ref is moved.</summary>
    async Task SettleAsync(OpenPush open, Followed deployment)
    {
        var (push, deploys) = (open.Push, open.Verdict!.Deploys!);
        try
        {
            if (!await deployment.Live)
            {
                return;
            }

            var moved = await open.RefsMoved;
            // Git or its hook may have been killed once the release was live; the ref must not lag behind what serves.
            if (moved.Contains(deploys.Name) || await Repository(push).MoveRefAsync(deploys.Name, deploys.New, deploys.IsCreation ? null : deploys.Old))
            {
                refMoved(deployment.Id);
            }
            else
            {
                Log.RefLagsBehind(logger, deploys.Name, push.Project.Key, deploys.New);
            }
        }
        catch (Exception e)
        {
            // Runs beside the push, so nobody else would see it; the recovery of the next start moves the ref.
            Log.NotSettled(logger, e, deployment.Id, push.Project.Key);
        }
    }

    /// <summary>Lines as they come, until the deployment has ended and its last line was said.</summary>
    static async Task CopyAsync(Followed deployment, HookAnswer answer, CancellationToken ended)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(ended);
        var copying = CopyLinesAsync();
        await Task.WhenAny(deployment.Live, copying);
        enough.CancelAfter(LastLines);
        await copying;
        await deployment.Live.WaitAsync(ended);

        async Task CopyLinesAsync()
        {
            try
            {
                await foreach (var line in deployment.Log.FollowAsync(ct: enough.Token))
                {
                    await answer.SayAsync(line, enough.Token);
                    if (deployment.Live.IsCompleted)
                    {
                        enough.CancelAfter(LastLines); // a slow reader who still reads gets all of them
                    }
                }
            }
            catch (OperationCanceledException) when (!ended.IsCancellationRequested)
            {
                // A log that was not closed with its deployment, or a pusher who has stopped reading.
            }
        }
    }

    /// <summary>What was deployed last is what a clone checks out.</summary>
    async Task PointHeadAtAsync(string branch, Push push)
    {
        var repository = Repository(push);
        if (repository.HeadBranch != branch)
        {
            await repository.SetHeadAsync(branch);
        }
    }

    static (Push Push, List<string> Refusals) Complete(Push push, IReadOnlyList<string> options, IReadOnlyList<RefUpdate> updates)
    {
        var complete = push with { Updates = updates };
        try
        {
            complete = complete with { Options = PushOptions.Parse(options) };
            return (complete, [.. StepChoice.Mistakes(complete.Options.Only, complete.Options.Skip)]);
        }
        catch (Refusal refusal)
        {
            return (complete, [refusal.Message]);
        }
    }

    static DeploymentRequest Request(Push push, RefUpdate deploys) => new()
    {
        Project = push.Project,
        Kind = push.Kind == RepositoryKind.Pillar ? DeploymentKind.Reconfigure : DeploymentKind.Push,
        Ref = deploys.Name,
        OldCommit = deploys.IsCreation ? null : deploys.Old,
        NewCommit = deploys.New,
        Mode = push.Options.Mode,
        Rebuild = push.Options.Rebuild,
        Async = push.Options.Async,
        Wishes = WishesOf(push.Options),
        By = push.By,
        From = push.From,
        PushId = push.Id,
        Trace = push.Trace,
        MayFetch = push.MayFetch,
    };

    static Wishes WishesOf(PushOptions options) => new()
    {
        Set = options.Set.Count > 0 ? options.Set : null,
        Manifest = options.Manifest,
        DiscardEdits = options.DiscardEdits,
        DiscardFixes = options.DiscardFixes,
        Only = OrNothing(options.Only),
        OnlySteps = OrNothing(options.OnlySteps),
        Skip = OrNothing(options.Skip),
    };

    static IReadOnlyList<string>? OrNothing(IReadOnlyList<string> words) => words.Count > 0 ? words : null;

    static async Task ComplainAsync(HookAnswer answer, IReadOnlyList<string> reasons, CancellationToken ended)
    {
        foreach (var line in reasons.SelectMany(reason => reason.Split('\n')))
        {
            await answer.SayAsync(" !     " + LogStream.Harmless(line), ended);
        }
    }

    static Followed Follow(Deployment deployment)
    {
        return new Followed(deployment.Id, deployment.Log, IsLiveAsync());

        async Task<bool> IsLiveAsync() => await deployment.Finished is Outcome.Live or Outcome.LiveButUntidy;
    }

    static string Corpus(string verb, Project project) =>
        project.Environment.IsDefault ? $"corpus {verb} {project.Name}" : $"corpus {verb} -e {project.Environment.Name} {project.Name}";

    GitRepository Repository(Push push) => new(push.RepositoryPath, git);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{Ref} of {Project} does not follow the release that is live: it should be at {Commit}")]
        public static partial void RefLagsBehind(ILogger logger, string @ref, string project, string commit);

        [LoggerMessage(Level = LogLevel.Error, Message = "Deployment {Deployment} of {Project} was followed to no end")]
        public static partial void NotSettled(ILogger logger, Exception e, string deployment, string project);
    }
}
