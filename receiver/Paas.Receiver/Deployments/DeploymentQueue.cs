using System.Collections.Concurrent;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>
/// One deployment per project at a time; others wait, visibly; a newer push to the same ref takes the place of one still waiting.
/// Nobody's connection carries the work: whoever asked only follows the log.
/// </summary>
sealed partial class DeploymentQueue(
    Journal journal, Deployer deployer, GitProgram git, DeploymentLogs logs, TimeProvider time, ILogger<DeploymentQueue> logger, Standstill? standstill = null)
{
    /// <summary>How long git may take, after it was told yes, to move the ref before the receiver does it.</summary>
    static readonly TimeSpan RefPatience = TimeSpan.FromSeconds(30);

    const int Remembered = 200;

    readonly Standstill standstill = standstill ?? new Standstill();
    readonly ConcurrentDictionary<string, Line> lines = new();
    readonly ConcurrentDictionary<string, Deployment> known = new();
    readonly ConcurrentQueue<string> finished = new();
    volatile bool stopping;

    /// <summary>Takes a request in; durable when it returns. The deployment's log and end can be followed at once.</summary>
    /// <exception cref="Refusal">The receiver is stopping.</exception>
    public Deployment Submit(DeploymentRequest request)
    {
        if (stopping)
        {
            throw new Refusal("the receiver is stopping: try again when it is back");
        }

        var id = ReleaseId.New(time);
        journal.Add(id, request, request.Mode ?? request.Project.Environment.Mode);
        var deployment = Remember(new Deployment(id, request, logs.Open(request.Project, id)));
        if (request is not { Kind: DeploymentKind.Push, Async: true })
        {
            Enqueue(deployment, deployer.RunAsync);
        }

        // A push that does not wait is deployed once its ref has moved: git may still refuse to move it.
        return deployment;
    }

    /// <summary>Work that a former run left: it goes first in its project's line.</summary>
    public void Resume(Deployment deployment, Func<Deployment, Task<Outcome>> work) => Enqueue(Remember(deployment), work);

    /// <summary>A deployment that waits, runs or ended a short while ago.</summary>
    public Deployment? Find(string id) => known.GetValueOrDefault(id);

    /// <summary>What runs and what waits in a project, in its order.</summary>
    public IReadOnlyList<Deployment> InLine(Project project)
    {
        if (!lines.TryGetValue(project.Key, out var line))
        {
            return [];
        }

        lock (line)
        {
            return [.. line.Running is { } running ? [running] : Array.Empty<Deployment>(), .. line.Waiting.Select(item => item.Deployment)];
        }
    }

    /// <summary>A waiting deployment goes; a running one is taken back. False when it is neither (any more).</summary>
    public bool Cancel(string id, string by)
    {
        if (!known.TryGetValue(id, out var deployment) || deployment.Finished.IsCompleted)
        {
            return false;
        }

        if (lines.TryGetValue(deployment.Project.Key, out var line) && line.TryTakeOut(deployment))
        {
            _ = Task.Run(() => CancelWaitingAsync(deployment, by));
        }
        else
        {
            deployment.Cancel(by);
        }

        return true;
    }

    /// <summary>Before a project is destroyed: what runs is taken back, what waits is cancelled, and nothing is taken in any more until <see cref="Reopen"/>.</summary>
    public async Task CloseAsync(Project project, string by)
    {
        var line = lines.GetOrAdd(project.Key, _ => new Line());
        Deployment? running;
        lock (line)
        {
            line.Closed = true;
            running = line.Running;
        }

        foreach (var waiting in line.TakeAll())
        {
            GiveUp(waiting, Outcome.Cancelled, $"the project is being destroyed by {by}");
        }

        running?.Cancel($"{by}, who destroys the project");
        await line.IdleAsync();
    }

    /// <summary>The project may be deployed to again, or one that takes its name.</summary>
    public void Reopen(Project project) => lines.TryRemove(project.Key, out _);

    /// <summary>Git has moved the ref of this deployment: the bridge is closed.</summary>
    public void RefMoved(string id)
    {
        if (known.TryGetValue(id, out var deployment))
        {
            journal.RefMoved(deployment.ReleaseId);
            deployment.MarkRefMoved();
            if (deployment.Request is { Kind: DeploymentKind.Push, Async: true } && !deployment.Finished.IsCompleted)
            {
                Enqueue(deployment, deployer.RunAsync);
            }
        }
    }

    /// <summary>
    /// Before the receiver stops: what runs is taken back; a push that waits is told to come again, what nobody waits for is left to the next start.
    /// </summary>
    public async Task StopAsync(TimeSpan longest)
    {
        stopping = true;
        foreach (var waiting in lines.Values.SelectMany(line => line.TakeAll()))
        {
            if (waiting.Request is { MovesRef: true, Async: false })
            {
                GiveUp(waiting, Outcome.Interrupted, "the receiver is stopping: push again when it is back");
            }
            else
            {
                waiting.Log.Close();
            }
        }

        var running = lines.Values.Select(line => line.Running).OfType<Deployment>().ToList();
        running.ForEach(deployment => deployment.Cancel("the receiver, which is stopping"));
        await Task.WhenAny(Task.WhenAll(running.Select(deployment => deployment.Finished)), Task.Delay(longest, time));
    }

    void Enqueue(Deployment deployment, Func<Deployment, Task<Outcome>> work)
    {
        var line = lines.GetOrAdd(deployment.Project.Key, _ => new Line());
        Deployment? superseded = null;
        bool idle = false, closed;
        lock (line)
        {
            closed = line.Closed;
            if (!closed)
            {
                superseded = line.TakeOutSupersededBy(deployment);
                line.Waiting.AddLast((deployment, work));
                idle = line.Running is null && !line.Serving;
                line.Serving = true;
                if (!idle)
                {
                    deployment.Log.Title(line.Running is { } running
                        ? $"Waiting for deployment {running.Id} by {running.Request.By}, {line.Waiting.Count - 1} more before this one"
                        : "Waiting for its turn");
                }
            }
        }

        if (closed)
        {
            GiveUp(deployment, Outcome.Refused, "the project is being destroyed");
        }

        if (superseded is not null)
        {
            GiveUp(superseded, Outcome.Superseded, $"superseded by a newer push to {deployment.Request.Ref} by {deployment.Request.By}");
        }

        if (idle)
        {
            _ = Task.Run(() => ServeAsync(line));
        }
    }

    async Task ServeAsync(Line line)
    {
        while (line.Next() is var (deployment, work))
        {
            if (standstill.IsCalled)
            {
                deployment.Log.Title("Waiting for a backup of the whole receiver");
            }

            using var turn = await standstill.BeginAsync(deployment.Cancellation);
            Tracing.Traces.TurnOf(deployment.Trace);
            Outcome outcome;
            try
            {
                outcome = await work(deployment);
            }
            catch (Exception e)
            {
                // Deployer catches everything; should it ever not, the line must still go on.
                Log.Escaped(logger, e, deployment.Id);
                outcome = Outcome.NeedsAttention;
            }

            Conclude(deployment, outcome);
            if (outcome is Outcome.Live or Outcome.LiveButUntidy)
            {
                await SeeRefMovedAsync(deployment);
            }
        }
    }

    /// <summary>The next in line looks at the ref, so it must be where this deployment puts it. Git normally has done so within milliseconds.</summary>
    async Task SeeRefMovedAsync(Deployment deployment)
    {
        if (deployment.Request is not { MovesRef: true, Async: false, Ref: { } name, NewCommit: { } commit })
        {
            return;
        }

        try
        {
            await deployment.RefMoved.WaitAsync(RefPatience, time);
        }
        catch (TimeoutException)
        {
            // Git was killed between our yes and its move: what serves and what the ref says must agree.
            await new GitRepository(deployment.Request.Repository, git).MoveRefAsync(name, commit, deployment.Request.OldCommit);
            journal.RefMoved(deployment.ReleaseId);
        }
    }

    async Task CancelWaitingAsync(Deployment deployment, string by)
    {
        try
        {
            await deployer.GiveRefBackAsync(deployment);
        }
        catch (Exception e)
        {
            // Nobody awaits this; whoever follows the deployment must still see its end.
            Log.Escaped(logger, e, deployment.Id);
        }

        GiveUp(deployment, Outcome.Cancelled, $"cancelled by {by} while it waited");
    }

    void GiveUp(Deployment deployment, Outcome outcome, string why)
    {
        deployment.Log.Trouble(why);
        journal.Finish(deployment.ReleaseId, outcome, why, step: null);
        Conclude(deployment, outcome);
    }

    void Conclude(Deployment deployment, Outcome outcome)
    {
        Tracing.Traces.End(deployment.Trace, outcome.ToString(), outcome is Outcome.Live or Outcome.LiveButUntidy or Outcome.Done);
        deployment.Log.Close();
        deployment.Finish(outcome);
        finished.Enqueue(deployment.Id);
        while (finished.Count > Remembered && finished.TryDequeue(out var forgotten))
        {
            known.TryRemove(forgotten, out _);
        }
    }

    Deployment Remember(Deployment deployment) => known[deployment.Id] = deployment;

    sealed class Line
    {
        TaskCompletionSource? idle;

        public LinkedList<(Deployment Deployment, Func<Deployment, Task<Outcome>> Work)> Waiting { get; } = new();

        public Deployment? Running { get; private set; }

        public bool Serving { get; set; }

        /// <summary>Nothing is taken in any more.</summary>
        public bool Closed { get; set; }

        /// <summary>Completes when nothing runs and nothing waits.</summary>
        public Task IdleAsync()
        {
            lock (this)
            {
                return Serving ? (idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
            }
        }

        public (Deployment Deployment, Func<Deployment, Task<Outcome>> Work)? Next()
        {
            lock (this)
            {
                if (Waiting.First is not { } first)
                {
                    Running = null;
                    Serving = false;
                    idle?.SetResult();
                    idle = null;
                    return null;
                }

                Waiting.RemoveFirst();
                Running = first.Value.Deployment;
                return first.Value;
            }
        }

        public IReadOnlyList<Deployment> TakeAll()
        {
            lock (this)
            {
                var all = Waiting.Select(item => item.Deployment).ToList();
                Waiting.Clear();
                return all;
            }
        }

        public bool TryTakeOut(Deployment deployment)
        {
            lock (this)
            {
                for (var node = Waiting.First; node is not null; node = node.Next)
                {
                    if (node.Value.Deployment == deployment)
                    {
                        Waiting.Remove(node);
                        return true;
                    }
                }

                return false;
            }
        }

        public Deployment? TakeOutSupersededBy(Deployment newer)
        {
            // Each mark has a ref of its own, and the newest one is what is wanted.
            var isMark = newer.Request.Kind == DeploymentKind.Mark;
            var older = !newer.Request.MovesRef && !isMark ? null : Waiting
                .Select(item => item.Deployment)
                .FirstOrDefault(waiting => waiting.Request.Kind == newer.Request.Kind && (isMark || waiting.Request.Ref == newer.Request.Ref));
            return older is not null && TryTakeOut(older) ? older : null;
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Critical, Message = "An exception escaped deployment {id}")]
        public static partial void Escaped(ILogger logger, Exception exception, string id);
    }
}
