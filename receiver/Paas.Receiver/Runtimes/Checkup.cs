using System.Net;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>Asks an instance how it is, beyond whether it listens: over HTTP, by a command in its own surroundings, or both.</summary>
static class Checkup
{
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(20);
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // A connection for each question: one that the instance closed between two would be its fault.
    static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        PooledConnectionLifetime = TimeSpan.Zero,
        MaxResponseHeadersLength = 64,
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Does this check ask anything of such a process? A path is asked of what listens.</summary>
    public static bool Concerns(HealthCheck check, ProcessType type) => check.Command is not null || (check.Path is not null && type.Web);

    /// <summary>Null when it is well, else what is wrong with it in a few words.</summary>
    public static async Task<string?> ComplaintAsync(Launch launch, IInstance instance, IPEndPoint? at, Nursery nursery, CancellationToken ct)
    {
        var check = launch.Health;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(check.Patience);
        try
        {
            return (check.Path is { } path && at is not null ? await AskAsync(check, path, at, limit.Token) : null)
                ?? (check.Command is { } command ? await RunAsync(launch, instance, command, nursery, limit.Token) : null);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return $"no answer within {check.Patience.TotalSeconds:0.#} s";
        }
    }

    /// <summary>Asks until it is well; the last complaint when the time is over. Ends also when the instance does.</summary>
    public static async Task<string?> UntilWellAsync(Launch launch, IInstance instance, IPEndPoint? at, Nursery nursery, TimeSpan longest, TimeProvider time, CancellationToken ct)
    {
        var begun = time.GetTimestamp();
        var pause = ShortestPause;
        while (await ComplaintAsync(launch, instance, at, nursery, ct) is { } complaint)
        {
            if (time.GetElapsedTime(begun) + pause >= longest || instance.Gone.IsCompleted)
            {
                return complaint;
            }

            await Task.WhenAny(instance.Gone, Task.Delay(pause, time, ct));
            ct.ThrowIfCancellationRequested();
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }

        return null;
    }

    static async Task<string?> AskAsync(HealthCheck check, string path, IPEndPoint at, CancellationToken ct)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{at}{path}")) { Headers = { Host = "localhost" } };
            request.Headers.UserAgent.ParseAdd("paas-health");
            using var answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            var code = (int)answer.StatusCode;
            return check.Takes(code) ? null : $"GET {path} answered {code}";
        }
        catch (HttpRequestException e)
        {
            return $"GET {path}: {e.InnerException?.Message ?? e.Message}";
        }
    }

    static async Task<string?> RunAsync(Launch launch, IInstance instance, string command, Nursery nursery, CancellationToken ct)
    {
        var code = await nursery.CheckAsync(launch, instance, command, ct);
        return code == 0 ? null : $"the health command ended with {code}";
    }
}
