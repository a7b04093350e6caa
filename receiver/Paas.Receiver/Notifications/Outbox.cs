using Paas.Receiver.Storage;

namespace Paas.Receiver.Notifications;

/// <summary>
/// Notices on their way. Durable once <see cref="Put"/> returns; each is tried until it was taken, refused for good, or a day has passed: the receiver may stop meanwhile.
/// Nobody waits for it and nothing depends on it (A29).
/// </summary>
sealed partial class Outbox(Database database, IReadOnlyList<INotificationChannel> channels, TimeProvider time, ILogger<Outbox> logger) : BackgroundService
{
    /// <summary>Between one try and the next; when they are used up it is given up.</summary>
    static readonly TimeSpan[] Pauses =
    [
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), TimeSpan.FromHours(6), TimeSpan.FromHours(16),
    ];

    static readonly TimeSpan LongestTry = TimeSpan.FromSeconds(30);

    const int AtOnce = 8;

    readonly SemaphoreSlim more = new(0);

    public IReadOnlyList<INotificationChannel> Channels => channels;

    /// <summary>The same notice to the same recipient twice is one.</summary>
    public void Put(Notice notice, IEnumerable<Recipient> recipients)
    {
        var rows = recipients.Distinct().Select(recipient => new { notice.Id, recipient.Channel, recipient.Target, recipient.Secret, Notice = notice.ToJson(), At = time.GetUtcNow().ToUnixTimeMilliseconds() }).ToList();
        if (rows.Count > 0)
        {
            database.Write(connection => Dapper.SqlMapper.Execute(
                connection, "INSERT OR IGNORE INTO notices (id, channel, target, secret, notice, tries, next_at) VALUES (@Id, @Channel, @Target, @Secret, @Notice, 0, @At)", rows));
            more.Release();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var now = time.GetUtcNow().ToUnixTimeMilliseconds();
                var due = database.Read<Row>(
                    "SELECT id AS Id, channel AS Channel, target AS Target, secret AS Secret, notice AS Notice, tries AS Tries FROM notices WHERE next_at <= @now ORDER BY next_at LIMIT 100", new { now });
                await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken }, TryAsync);
                if (due.Count == 0)
                {
                    await more.WaitAsync(UntilNext(), stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                // What is left is in the database.
            }
            catch (Exception e)
            {
                // An exception that left a background service would stop the whole receiver.
                Log.Stuck(logger, e);
                await Task.Delay(TimeSpan.FromSeconds(5), time, stoppingToken).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        }
    }

    public override void Dispose()
    {
        more.Dispose();
        base.Dispose();
    }

    async ValueTask TryAsync(Row row, CancellationToken ct)
    {
        var recipient = new Recipient(row.Channel, row.Target, row.Secret);
        try
        {
            var channel = channels.FirstOrDefault(one => one.Name == row.Channel) ?? throw new UndeliverableException($"there is no channel {row.Channel} any more");
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(LongestTry);
            await channel.SendAsync(Notice.FromJson(row.Notice), recipient, limit.Token);
            Forget(row);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            // Telling people never changes a result; the operator sees what could not be told.
            if (e is UndeliverableException || row.Tries >= Pauses.Length)
            {
                Log.GivenUp(logger, e, row.Channel, Shown(row), row.Id);
                Forget(row);
            }
            else
            {
                Log.Later(logger, row.Channel, Shown(row), e.Message, Pauses[row.Tries]);
                database.Write(
                    "UPDATE notices SET tries = tries + 1, next_at = @At WHERE id = @Id AND channel = @Channel AND target = @Target",
                    new { row.Id, row.Channel, row.Target, At = (time.GetUtcNow() + Pauses[row.Tries]).ToUnixTimeMilliseconds() });
            }
        }
    }

    TimeSpan UntilNext()
    {
        var next = database.ReadOne<long?>("SELECT min(next_at) FROM notices");
        var wait = next is null ? TimeSpan.FromHours(1) : DateTimeOffset.FromUnixTimeMilliseconds(next.Value) - time.GetUtcNow();
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait > TimeSpan.FromHours(1) ? TimeSpan.FromHours(1) : wait;
    }

    void Forget(Row row) =>
        database.Write("DELETE FROM notices WHERE id = @Id AND channel = @Channel AND target = @Target", new { row.Id, row.Channel, row.Target });

    // An address of a webhook is often a secret in itself.
    static string Shown(Row row) => Uri.TryCreate(row.Target, UriKind.Absolute, out var uri) && uri.Host.Length > 0 ? uri.GetLeftPart(UriPartial.Authority) : row.Target;

    sealed class Row
    {
        public string Id { get; set; } = "";

        public string Channel { get; set; } = "";

        public string Target { get; set; } = "";

        public string? Secret { get; set; }

        public string Notice { get; set; } = "";

        public int Tries { get; set; }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{channel} to {target}: {why}; it is tried again in {pause}")]
        public static partial void Later(ILogger logger, string channel, string target, string why, TimeSpan pause);

        [LoggerMessage(Level = LogLevel.Error, Message = "{channel} to {target} is given up; it would have told of {id}")]
        public static partial void GivenUp(ILogger logger, Exception exception, string channel, string target, string id);

        [LoggerMessage(Level = LogLevel.Error, Message = "The outbox could not be looked through")]
        public static partial void Stuck(ILogger logger, Exception exception);
    }
}
