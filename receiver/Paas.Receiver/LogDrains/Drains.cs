using System.Collections.Concurrent;
using System.Globalization;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.LogDrains;

/// <summary>All drains: durable, at work as long as the receiver and their project are there.</summary>
sealed partial class Drains(Database database, ProjectStore projects, InstanceLogs logs, TimeProvider time, ILogger<Drains> log) : BackgroundService
{
    /// <summary>For one project.</summary>
    const int Most = 10;

    static readonly TimeSpan Often = TimeSpan.FromSeconds(5);

    readonly ConcurrentDictionary<long, Drain> all = new();
    readonly ConcurrentDictionary<long, DateTimeOffset> positions = new();

    public IReadOnlyList<Drain> Of(Project project) => [.. all.Values.Where(drain => drain.Project.Key == project.Key).OrderBy(drain => drain.Id)];

    /// <summary>From now on every further line goes there.</summary>
    /// <exception cref="Refusal">The project has enough of them, or this one already.</exception>
    public Drain Add(Project project, DrainAddress address)
    {
        if (Of(project) is var existing && (existing.Count >= Most || existing.Any(drain => drain.Address.Url == address.Url)))
        {
            throw new Refusal(existing.Count >= Most ? $"{project} has {Most} drains already." : $"{address} is a drain of {project} already.");
        }

        var now = time.GetUtcNow();
        var id = database.Write(connection => Dapper.SqlMapper.ExecuteScalar<long>(
            connection,
            "INSERT INTO drains (environment, project, url, position) VALUES (@Environment, @Project, @Url, @Position) RETURNING id",
            new { Environment = project.Environment.Name.Value, Project = project.Name.Value, Url = address.Url.OriginalString, Position = now.ToString("O") }));
        return Begin(id, project, address, now);
    }

    /// <summary>False when the project has no such drain.</summary>
    public async Task<bool> RemoveAsync(Project project, long id)
    {
        if (!all.TryGetValue(id, out var drain) || drain.Project.Key != project.Key || !all.TryRemove(id, out drain))
        {
            return false;
        }

        database.Write("DELETE FROM drains WHERE id = @Id", new { Id = id });
        await drain.DisposeAsync();
        positions.TryRemove(id, out _);
        return true;
    }

    /// <summary>Those that are on record, before anybody can add another.</summary>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var row in database.Read<Row>("SELECT id, environment, project, url, position FROM drains"))
        {
            if (projects.Find($"{row.Environment}/{row.Project}") is { } project)
            {
                Begin(row.Id, project, DrainAddress.Parse(row.Url), DateTimeOffset.Parse(row.Position, CultureInfo.InvariantCulture));
            }
        }

        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Often, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    Remember();
                    await EndOrphansAsync();
                }
                catch (Exception trouble) when (trouble is not OperationCanceledException)
                {
                    // A full disk, say. An exception that leaves here would stop the receiver; what was not remembered is delivered twice at worst.
                    Log.NotRemembered(log, trouble.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // stopping
        }

        await Task.WhenAll(all.Values.Select(drain => drain.DisposeAsync().AsTask()));
        Remember();
    }

    Drain Begin(long id, Project project, DrainAddress address, DateTimeOffset position)
    {
        var drain = new Drain(id, project, address, position, logs, newest => positions[id] = newest, time, log);
        all[id] = drain;
        drain.Start();
        return drain;
    }

    // Now and then: what was delivered since is delivered again after a crash, and a write for every line would cost more than that.
    void Remember()
    {
        foreach (var (id, position) in positions)
        {
            database.Write("UPDATE drains SET position = @Position WHERE id = @Id", new { Id = id, Position = position.ToString("O") });
            positions.TryRemove(new KeyValuePair<long, DateTimeOffset>(id, position));
        }
    }

    async Task EndOrphansAsync()
    {
        foreach (var drain in all.Values.Where(drain => projects.Find(drain.Project.Key) is null))
        {
            all.TryRemove(drain.Id, out _);
            await drain.DisposeAsync();
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "How far the drains are cannot be kept: {Reason}")]
        public static partial void NotRemembered(ILogger logger, string reason);
    }

    sealed record Row(long Id, string Environment, string Project, string Url, string Position);
}
