using Paas.Receiver.Access;
using Paas.Receiver.BackingServices;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Containers;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Takes a project or a whole environment away (R15.6, R15.7): deployments, instances, addresses, data, archives, records. Until it is forgotten in one durable write a crash
/// leaves it as it was; from there on the next start removes the rest.
/// </summary>
sealed partial class Demolition(
    ProjectStore projects, DeploymentQueue queue, Journal journal, Fleet fleet, Visitors visitors, Tokens tokens, Keys keys, Users users, GeneratedSecrets secrets, ServiceStore services, Spares spares, WorkingCopies copies, MarkStore marks, DeploymentLogs logs, ImageBuilder images, RegistryServer registry, RegistryCredentials credentials, ILogger<Demolition> logger, Standstill? standstill = null)
{
    readonly Lock turn = new();
    Task deleted = Task.CompletedTask;

    /// <summary>Returns when the project answers nowhere, runs nothing and its name is free.</summary>
    public async Task DestroyAsync(Project project, string by)
    {
        using var moving = standstill is null ? null : await standstill.BeginAsync();
        await queue.CloseAsync(project, by);
        try
        {
            await spares.StopAsync(project);
            await copies.StopAsync(project);
            visitors.Depart(project);
            await fleet.StopAllAsync(project);
            RunView.Leave(project);
            var gone = projects.Remove(project);
            await DropImagesAsync(project);
            Clear(gone);
        }
        finally
        {
            queue.Reopen(project);
        }

        Log.Destroyed(logger, project.Key, by);
        DeleteLater();
    }

    /// <summary>Every project of it, then the environment.</summary>
    /// <exception cref="Refusal">It is the default one.</exception>
    public async Task DestroyAsync(Environment environment, string by)
    {
        if (environment.IsDefault)
        {
            throw new Refusal($"'{environment.Name}' is the receiver's own environment: its projects can be destroyed one by one, it stays.");
        }

        foreach (var project in projects.List(environment))
        {
            await DestroyAsync(project, by);
        }

        users.TakeBackAll(environment.Name);
        projects.Remove(environment);
        Log.Destroyed(logger, environment.Name.Value, by);
        DeleteLater();
    }

    /// <summary>Start-up, before the doors open: what a former run did not get to remove.</summary>
    public async Task ClearLeftoversAsync()
    {
        foreach (var gone in projects.Leftovers())
        {
            await DropImagesAsync(ProjectOf(gone));
            Clear(gone);
        }

        DeleteLater();
    }

    Project ProjectOf(Demolished gone) => new(projects.Default with { Name = EnvironmentName.Parse(gone.Environment) }, ProjectName.Parse(gone.Project));

    /// <summary>Those in the engine, before the name is free: the next project of it may build the same ones again.</summary>
    async Task DropImagesAsync(Project project)
    {
        try
        {
            await images.PruneAsync(project, []);
        }
        catch (Exception e) when (e is EngineException or IOException or HttpRequestException)
        {
            // Without an engine there is none to keep them; one that is away keeps them, and they take room and nothing else.
            Log.ImagesStay(logger, project.Key, e.Message);
        }
    }

    void Clear(Demolished gone)
    {
        var project = ProjectOf(gone);
        journal.Forget(gone.Environment, gone.Project);
        tokens.RevokeOf(project.Key);
        keys.RemoveOf(project.Key);
        secrets.Forget(project);
        services.Forget(project);
        marks.Forget(project);
        credentials.Forget(project);
        registry.Forget(project);
        fleet.Forget(project);
        logs.Forget(project);
        projects.Cleared(gone);
    }

    /// <summary>Ends when everything that was destroyed until now is off the disk, or cannot be taken off.</summary>
    public Task Deleted
    {
        get
        {
            lock (turn)
            {
                return deleted;
            }
        }
    }

    /// <summary>Nobody waits for large trees to go; one at a time does, since two would trip over each other in the same tree.</summary>
    void DeleteLater()
    {
        lock (turn)
        {
            deleted = deleted.ContinueWith(_ => Delete(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    void Delete()
    {
        foreach (var directory in projects.PutAside())
        {
            try
            {
                DirectoryHandle.Delete(directory);
            }
            catch (IOException e)
            {
                // Found again and tried again at the next start.
                Log.NotDeleted(logger, e, directory);
            }
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{what} was destroyed by {by}")]
        public static partial void Destroyed(ILogger logger, string what, string by);

        [LoggerMessage(Level = LogLevel.Debug, Message = "Images of {project} are not removed from the engine: {why}")]
        public static partial void ImagesStay(ILogger logger, string project, string why);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{directory} could not be deleted")]
        public static partial void NotDeleted(ILogger logger, Exception exception, string directory);
    }
}
