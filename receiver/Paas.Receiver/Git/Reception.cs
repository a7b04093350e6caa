using System.Security.Cryptography;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>Receives pushes and finds repositories, whichever door they are asked for at.</summary>
sealed class Reception(ProjectStore projects, GitProgram git, PackExchange exchange, OpenPushes pushes, Newcomers newcomers)
{
    readonly GitRepository nothing = new(Path.Combine(git.Home, "empty.git"), git);

    /// <summary>A push from its first byte to git's end. The first one makes the project; it is taken back when nothing of the push is accepted.</summary>
    /// <param name="by">The caller's name.</param>
    /// <param name="from">The caller's address.</param>
    /// <param name="mayFetch">Whether the caller may read another project's code, for submodules.</param>
    /// <param name="mayDeploy">Whether the caller may deploy to another environment, for marks; null is nobody.</param>
    /// <param name="trace">What the pusher says of a trace that this is a part of; null where a door has no such word.</param>
    /// <param name="listening">Cancelled when the pusher is gone, which stops nothing.</param>
    public async Task<ExchangeResult> ReceiveAsync(
        RepositoryAddress address, string by, string from, Func<EnvironmentName?, ProjectName, bool> mayFetch, bool stateless, string? protocol, Stream input, Stream output, CancellationToken listening,
        Func<EnvironmentName?, ProjectName, bool>? mayDeploy = null, string? trace = null)
    {
        using var activity = Tracing.Traces.Push($"{address.Environment}/{address.Project}", trace);
        var (project, isNew) = newcomers.Enter(address.Environment, address.Project);
        try
        {
            var push = new Push(RandomNumberGenerator.GetHexString(24, lowercase: true), project, address.Kind, by, from) { MayFetch = mayFetch, MayDeploy = mayDeploy ?? ((_, _) => false), Trace = activity?.Id };
            await new GitRepository(push.RepositoryPath, git).CreateAsync(CancellationToken.None);
            using var open = pushes.Open(push, isNew);
            return await exchange.ReceivePackAsync(open, stateless, protocol, input, output, listening);
        }
        finally
        {
            newcomers.Leave(project);
        }
    }

    /// <summary>The repository, or an empty one in its place while nothing was pushed to it yet. Its environment exists.</summary>
    public async Task<GitRepository> FindAsync(RepositoryAddress address, CancellationToken ct)
    {
        var project = new Project(projects.FindEnvironment(address.Environment)!, address.Project);
        var repository = new GitRepository(address.Kind == RepositoryKind.Pillar ? project.PillarRepository : project.ProjectRepository, git);
        if (repository.Exists)
        {
            return repository;
        }

        await nothing.CreateAsync(ct);
        return nothing;
    }
}
