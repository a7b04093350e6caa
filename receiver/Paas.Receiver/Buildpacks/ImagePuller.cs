using Paas.Receiver.Access;
using Paas.Receiver.Containers;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Buildpacks;

/// <summary>Where this machine's engine finds the receiver's own registry: <c>127.0.0.1:8080</c>.</summary>
sealed record RegistryAddress(string HostAndPort);

/// <summary>Fetches an image that is in a registry already into the engine: one of the receiver's own by credentials for that very project, another's as nobody.</summary>
sealed class ImagePuller(Engine engine, RegistryCredentials credentials, RegistryAddress own)
{
    /// <summary>Returns its id.</summary>
    /// <param name="wanted">As a manifest names it.</param>
    /// <exception cref="Refusal">It cannot be had; says why.</exception>
    public async Task<string> PullAsync(Project project, string wanted, LogStream log, CancellationToken ct)
    {
        var isOwn = wanted[0] is ':' or '@';
        var reference = isOwn ? $"{own.HostAndPort}/{project.Key}{wanted}" : wanted.Contains('@', StringComparison.Ordinal) || wanted.LastIndexOf(':') > wanted.LastIndexOf('/') ? wanted : wanted + ":latest";
        log.Title($"Fetching image {reference}");
        try
        {
            return await engine.PullAsync(reference, isOwn ? ("receiver", credentials.Issue(project, mayPush: false)) : null, ct);
        }
        catch (BuildFailedException e)
        {
            throw new Refusal($"the image {reference} cannot be had: {e.Message}");
        }
    }
}
