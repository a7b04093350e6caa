using Paas.Receiver.Containers;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Buildpacks;

/// <summary>Where relays to the engine listen: short, for a socket's name is.</summary>
sealed record RelayPlace(string Directory);

/// <summary>
/// Lets a project make its image itself (PC-20 to PC-30): <c>make itest</c> or <c>make cook-image</c> with the image's name in <c>DOCKER_TAG</c>, in the cage, with the engine as
/// <see cref="EngineRelay"/> shows it. Whatever it does, what counts is that exactly that name has an image when it is through.
/// </summary>
sealed class ImageMaker(Engine engine, OwnThings own, DraftBuilder builder, BuildSettings settings, RelayPlace place)
{
    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Returns the id of the image that it made.</summary>
    /// <param name="target">Of the Makefile.</param>
    /// <param name="name">What the image is to be called.</param>
    /// <exception cref="Refusal">The target failed, took too long, or made no such image.</exception>
    public async Task<string> MakeAsync(Draft draft, string target, string name, Pillar pillar, bool reachesOut, bool rebuild, LogStream log, CancellationToken ct)
    {
        if (!settings.GivesEngine)
        {
            throw new Refusal($"make {target} builds with Docker, and builds here get no Docker engine: PAAS_BUILD_ENGINE=relay gives them what is their own of it");
        }

        log.Title($"Running make {target} for {name}");
        var directory = Path.Combine(place.Directory, Guid.NewGuid().ToString("N")[..8]);
        Directory.CreateDirectory(directory, Private);
        try
        {
            var terms = new RelayTerms(
                draft.Id.Value.ToLowerInvariant(), name, own.Labels(), own.Labels((OwnThings.ProjectLabel, draft.Project.Key)), reachesOut ? own.Network : "none", builder.Limits.Memory, builder.Limits.Processes);
            await using var relay = EngineRelay.Open(engine, terms, directory);
            var variables = new Dictionary<string, string>(Readable(pillar))
            {
                ["DOCKER_TAG"] = name,
                ["DOCKER_HOST"] = relay.Address,
                ["DOCKER_CONFIG"] = directory,
                ["DOCKER_BUILDKIT"] = "0",
                ["COMPOSE_DOCKER_CLI_BUILD"] = "0",
            };
            await builder.MakeAsync(draft, target, variables, directory, rebuild, log, ct);
            return relay.Named.Contains(name) && await engine.FindImageAsync(name, ct) is { } made ? made.Id
                : throw new Refusal($"make {target} has not created {name}{(relay.Named is { Count: > 0 } others ? $"; it made {string.Join(", ", others)}" : "")}. The name is in DOCKER_TAG");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>What may be read by everybody who has the image: what a build is told often ends there.</summary>
    static IEnumerable<KeyValuePair<string, string>> Readable(Pillar pillar) =>
        pillar.Environment.Where(variable => !Pillar.LooksSecret(variable.Key) && !pillar.Secrets.Any(secret => secret.Length >= 4 && variable.Value.Contains(secret, StringComparison.Ordinal)));
}
