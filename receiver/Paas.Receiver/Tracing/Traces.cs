using System.Diagnostics;

namespace Paas.Receiver.Tracing;

/// <summary>What happens in a push, as one trace: the push, its deployment, the waiting, each step. Costs nothing while nobody listens (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c> unset).</summary>
static class Traces
{
    /// <summary>What a listener asks for.</summary>
    public const string SourceName = "Paas.Receiver";

    static readonly ActivitySource Source = new(SourceName);

    /// <summary>From git's first byte to its last: a part of the pusher's trace, or a trace of its own. To be called in the async method that the push lasts in.</summary>
    /// <param name="pushers">The trace the pusher names (W3C, <c>traceparent</c>); what is none is not heeded.</param>
    public static Activity? Push(string project, string? pushers)
    {
        Activity.Current = null; // the web server's own has no listener: a trace that began there would have no root
        return Source.StartActivity("push", ActivityKind.Server, ActivityContext.TryParse(pushers, null, isRemote: true, out var context) ? context : default)?.SetTag("paas.project", project);
    }

    /// <summary>A deployment, from when it is asked for. Whoever asks goes on in his own context.</summary>
    /// <param name="parent">The push's <see cref="Activity.Id"/>; null begins a trace.</param>
    public static Activity? Deployment(string? parent, string project, string id, string kind)
    {
        var before = Activity.Current;
        Activity.Current = null;
        var begun = Source.StartActivity("deployment", ActivityKind.Internal, ActivityContext.TryParse(parent, null, out var context) ? context : default);
        Activity.Current = before;
        return begun?.SetTag("paas.project", project).SetTag("paas.deployment", id).SetTag("paas.kind", kind);
    }

    /// <summary>The deployment's turn has come: what it waited is a span, and what follows in this async method is below it.</summary>
    public static void TurnOf(Activity? deployment)
    {
        if (deployment is not null)
        {
            Activity.Current = deployment;
            Source.StartActivity("queue", ActivityKind.Internal, deployment.Context, startTime: new DateTimeOffset(deployment.StartTimeUtc))?.Dispose();
            Activity.Current = deployment;
        }
    }

    public static void End(Activity? deployment, string outcome, bool isGood)
    {
        deployment?.SetTag("paas.outcome", outcome).SetStatus(isGood ? ActivityStatusCode.Ok : ActivityStatusCode.Error);
        deployment?.Dispose();
    }

    public static async Task<T> StepAsync<T>(string name, Func<Task<T>> act)
    {
        using var step = Source.StartActivity(name);
        try
        {
            return await act();
        }
        catch (Exception e)
        {
            step?.SetStatus(ActivityStatusCode.Error, e.GetType().Name); // its words may hold a secret
            throw;
        }
    }
}
