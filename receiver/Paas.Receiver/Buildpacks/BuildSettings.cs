using Paas.Receiver.Manifests;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Buildpacks;

/// <summary>What an operator decides about all builds.</summary>
sealed record BuildSettings
{
    /// <summary><c>PAAS_ROOT</c>, whichever environment a project is in: of everything below it a build sees only its own project.</summary>
    public required string Root { get; init; }

    /// <summary>How long one step may take.</summary>
    public required TimeSpan Longest { get; init; }

    public BuildpackShelf Shelf { get; init; } = new([]);

    public PrepareShelf Prepares { get; init; } = new([]);

    public ToolchainShelf Toolchains { get; init; } = new([], "", othersMustRead: false);

    /// <summary>Builds that make their image themselves (<c>make itest</c>) get what is their own of the Docker engine.</summary>
    public bool GivesEngine { get; init; } = true;

    public BuildNetwork Network { get; init; } = BuildNetwork.Needed;

    /// <summary>
    /// A file of <c>NAME=value</c> lines that every build gets: where the machine's package registries are (<c>NPM_CONFIG_USERCONFIG</c>, <c>RestoreConfigFile</c>,
    /// <c>PIP_CONFIG_FILE</c>, proxies). A value <c>file:PATH</c> is a file, relative to this one, of which each build gets a copy. Read anew for each build; null for none.
    /// </summary>
    public string? EnvironmentFile { get; init; }

    /// <summary>Bytes that a project's build cache may keep between builds.</summary>
    public long LargestCache { get; init; } = 2048L << 20;

    /// <summary>What the file says. A line that is none is left out: the operator is told at start, not the pusher.</summary>
    public IReadOnlyDictionary<string, string> Environment()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        if (EnvironmentFile is not null && File.Exists(EnvironmentFile))
        {
            foreach (var line in File.ReadLines(EnvironmentFile).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
            {
                var at = line.IndexOf('=', StringComparison.Ordinal);
                if (at > 0 && Processes.Cage.IsVariableName(line[..at]))
                {
                    variables[line[..at]] = line[(at + 1)..];
                }
            }
        }

        return variables;
    }
}

/// <summary>Which builds may reach the network.</summary>
enum BuildNetwork
{
    /// <summary>Buildpacks that fetch dependencies, and projects that say they need it (<c>paas: {network: true}</c>).</summary>
    Needed,

    /// <summary>Every build.</summary>
    All,

    /// <summary>None: what is needed is in the repository or in the cache.</summary>
    None,
}
