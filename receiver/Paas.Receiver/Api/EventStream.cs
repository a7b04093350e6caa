using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>
/// A deployment's log as text/event-stream: an event a line, its id the line's number from 1, so that <c>Last-Event-ID</c> takes it up again; at the
/// end an event <c>outcome</c>. Whoever hangs up stops nothing.
/// </summary>
sealed class EventStream(DeploymentQueue queue, DeploymentLogs logs, TimeProvider time)
{
    /// <summary>A comment that often shows both sides that the other one is still there.</summary>
    static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    public async Task SendAsync(HttpContext context, JournalEntry entry, Project project)
    {
        var ct = context.RequestAborted;
        var response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers["X-Accel-Buffering"] = "no";
        var number = int.TryParse(context.Request.Headers["Last-Event-ID"], out var last) && last > 0 ? last : 0;
        if (queue.Find(entry.Id) is not { } deployment)
        {
            await ReplayAsync(response, entry, project, number, ct);
            return;
        }

        await foreach (var line in deployment.Log.FollowAsync(number, ct).WithHeartbeatAsync(Heartbeat, time, ct))
        {
            await response.WriteAsync(line is null ? ": \n\n" : EventOf(++number, line), ct);
            await response.Body.FlushAsync(ct);
        }

        await EndAsync(response, Summaries.Of(await deployment.Finished.WaitAsync(ct)), ct);
    }

    async Task ReplayAsync(HttpResponse response, JournalEntry entry, Project project, int number, CancellationToken ct)
    {
        var path = logs.PathOf(project, entry.ReleaseId);
        foreach (var line in File.Exists(path) ? File.ReadLines(path).Skip(number) : [])
        {
            await response.WriteAsync(EventOf(++number, line), ct);
        }

        // Without an outcome yet (it is being taken up after a restart) the stream just ends, and a client comes again.
        if (Enum.TryParse<Outcome>(entry.Outcome, out var outcome))
        {
            await EndAsync(response, Summaries.Of(outcome), ct);
        }
    }

    static Task EndAsync(HttpResponse response, OutcomeEvent outcome, CancellationToken ct) =>
        response.WriteAsync($"event: outcome\ndata: {JsonSerializer.Serialize(outcome, ContractJson.Default.OutcomeEvent)}\n\n", ct);

    static string EventOf(int number, string line) => $"id: {number}\ndata: {line}\n\n";
}

static class Heartbeats
{
    /// <summary>The lines as they come, and null each time that <paramref name="silence"/> has passed without one.</summary>
    public static async IAsyncEnumerable<string?> WithHeartbeatAsync(
        this IAsyncEnumerable<string> lines, TimeSpan silence, TimeProvider time, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var enumerator = lines.GetAsyncEnumerator(ct);
        while (true)
        {
            var next = enumerator.MoveNextAsync().AsTask();
            while (!await EndsWithinAsync(next, silence, time))
            {
                yield return null;
            }

            if (!await next)
            {
                yield break;
            }

            yield return enumerator.Current;
        }
    }

    static async Task<bool> EndsWithinAsync(Task task, TimeSpan limit, TimeProvider time)
    {
        try
        {
            // Without the token: the enumerator must not be left while it moves, and the same token ends its move.
            await task.WaitAsync(limit, time);
        }
        catch (TimeoutException)
        {
            return false;
        }
        catch (OperationCanceledException)
        {
            // Comes again from the task itself.
        }

        return true;
    }
}
