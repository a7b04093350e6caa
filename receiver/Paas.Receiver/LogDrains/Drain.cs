using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.LogDrains;

/// <summary>
/// Carries what a project's instances print to another place, of every release, from where it stopped last time. It reads the files the applications' logs are in: an application
/// never waits for it, and what it cannot carry in time is rotated away, not kept in memory. The other end may be away; it is tried again ever later, at most every minute.
/// </summary>
sealed partial class Drain(long id, Project project, DrainAddress address, DateTimeOffset from, InstanceLogs logs, Action<DateTimeOffset> remember, TimeProvider time, ILogger log) : IAsyncDisposable
{
    /// <summary>Lines looked back for after an interruption.</summary>
    const int LookBack = 10_000;

    const int MostLines = 500;

    /// <summary>Bytes of text a second; an application that shouts louder must not keep the receiver busy with it.</summary>
    const int Rate = 4_000_000;

    static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    static readonly TimeSpan SendLimit = TimeSpan.FromSeconds(30);

    readonly CancellationTokenSource stop = new();
    Task running = Task.CompletedTask;
    DateTimeOffset position = from;
    long sent;

    public long Id => id;

    public Project Project => project;

    public DrainAddress Address => address;

    /// <summary>Lines delivered since the receiver started.</summary>
    public long Sent => Volatile.Read(ref sent);

    /// <summary>Why nothing is delivered; null while all is well.</summary>
    public string? Trouble { get; private set; }

    public void Start() => running = Task.Run(RunAsync);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        stop.Dispose();
    }

    async Task RunAsync()
    {
        var pause = FirstPause;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using var sink = await OpenAsync();
                await CarryAsync(sink, () => pause = FirstPause);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception away)
            {
                // Whatever it is: one end that is away must neither end its drain nor the receiver.
                if (Trouble is null)
                {
                    Log.Away(log, project.Key, address.ToString(), away.Message);
                }

                Trouble = away.Message;
                if (!await PausedAsync(pause))
                {
                    return;
                }

                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    async Task<IDrainSink> OpenAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        limit.CancelAfter(SendLimit);
        return address.IsSyslog ? await SyslogSink.OpenAsync(address, limit.Token) : new HttpSink(address, id);
    }

    // What is there already goes in one batch; nothing waits for a batch to be full.
    async Task CarryAsync(IDrainSink sink, Action delivered)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        var lines = logs.FollowAsync(project, null, null, LookBack, ended.Token).GetAsyncEnumerator(ended.Token);
        var next = lines.MoveNextAsync().AsTask();
        try
        {
            var batch = new List<LogLine>();
            var budget = new Budget(Rate, time);
            while (true)
            {
                if (batch.Count > 0 && (!next.IsCompleted || batch.Count >= MostLines))
                {
                    await DeliverAsync(sink, batch);
                    delivered();
                    await budget.SpendAsync(batch.Sum(line => line.Text.Length + 100), stop.Token);
                    batch.Clear();
                }

                if (!await next)
                {
                    return;
                }

                if (lines.Current.Time > position || lines.Current.Time == DateTimeOffset.MinValue)
                {
                    batch.Add(lines.Current);
                }

                next = lines.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            // It may not be left while it moves.
            await ended.CancelAsync();
            await next.ContinueWith(_ => { }, TaskScheduler.Default);
            await lines.DisposeAsync();
        }
    }

    async Task DeliverAsync(IDrainSink sink, List<LogLine> batch)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        limit.CancelAfter(SendLimit);
        await sink.SendAsync([.. batch.Select(line => Frame.Of(project, line, System.Environment.MachineName))], limit.Token);
        if (Trouble is not null)
        {
            Log.Back(log, project.Key, address.ToString());
            Trouble = null;
        }

        Interlocked.Add(ref sent, batch.Count);
        var newest = batch.Max(line => line.Time);
        if (newest > position)
        {
            position = newest;
            remember(newest);
        }
    }

    async Task<bool> PausedAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, time, stop.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>So many bytes a second on average, two seconds' worth at once.</summary>
    sealed class Budget(int perSecond, TimeProvider time)
    {
        long since = time.GetTimestamp();
        double left = perSecond * 2.0;

        public async Task SpendAsync(int bytes, CancellationToken ct)
        {
            var now = time.GetTimestamp();
            left = Math.Min(perSecond * 2.0, left + (time.GetElapsedTime(since, now).TotalSeconds * perSecond)) - bytes;
            since = now;
            if (left < 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(-left / perSecond), time, ct);
            }
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Project}: nothing is delivered to {Drain}: {Reason}")]
        public static partial void Away(ILogger logger, string project, string drain, string reason);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Project}: {Drain} takes lines again")]
        public static partial void Back(ILogger logger, string project, string drain);
    }
}
