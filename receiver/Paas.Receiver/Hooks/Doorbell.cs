using System.IO.Pipes;
using Paas.Receiver.Git;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Hooks;

/// <summary>Hears git's hooks ring and has each one answered. Must have started before the doors open.</summary>
sealed partial class Doorbell(OpenPushes pushes, PushHooks hooks, ILogger<Doorbell> logger) : BackgroundService
{
    Stream? ring;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        ring = Fifo.Open(pushes.Ring, PipeDirection.In);
        return base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        ring?.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var reader = new StreamReader(ring!);
        while (await reader.ReadLineAsync(stoppingToken) is { } line)
        {
            if (line.Split(' ') is [var hook, var id] && pushes.Find(id) is { } push && push.Answer(hook) is { } answer)
            {
                _ = AnswerAsync(hook, push, answer);
            }
        }
    }

    async Task AnswerAsync(string hook, OpenPush push, HookAnswer answer)
    {
        using (answer)
        {
            try
            {
                await hooks.AnswerAsync(hook, push, answer);
            }
            catch (OperationCanceledException) when (push.Ended.IsCancellationRequested)
            {
                // Git has ended without waiting for the answer; nobody reads it.
            }
            catch (Exception e)
            {
                // The one place that catches everything on this road: one push must never stop the bell. No code is written, so the hook fails.
                Log.Failed(logger, e, hook, push.Push.Id, push.Push.Project.Key);
                await TryApologiseAsync(answer, push.Ended);
            }
        }
    }

    static async Task TryApologiseAsync(HookAnswer answer, CancellationToken ended)
    {
        try
        {
            await answer.SayAsync(" !     The receiver is in trouble of its own; its operator's log says why.", ended);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The hook was let go already.
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{Hook} of push {Push} to {Project} could not be answered")]
        public static partial void Failed(ILogger logger, Exception e, string hook, string push, string project);
    }
}
