using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>A release as it is wanted to run. Immutable; the environment is put together again at each start of an instance (AMB-28).</summary>
sealed record Launch
{
    /// <summary>Bytes of all variables together; the kernel's own limit for a program's start is 2 MiB with its arguments.</summary>
    const int LargestEnvironment = 1024 * 1024;

    /// <summary>Bytes of one variable, a little under the kernel's 128 KiB.</summary>
    const int LargestVariable = 120 * 1024;

    public required Project Project { get; init; }

    public required ReleaseId Release { get; init; }

    /// <summary>The release's number: 12 for <c>v12</c>.</summary>
    public required int Number { get; init; }

    /// <summary>What the release was made from.</summary>
    public string Commit { get; init; } = "";

    /// <summary>The sealed tree; in editable mode the working copy.</summary>
    public required string Directory { get; init; }

    /// <summary>The image whose containers its instances are; null for processes. Of a type without a command the image says itself what it runs.</summary>
    public LaunchImage? Image { get; init; }

    public required IReadOnlyList<ProcessType> Types { get; init; }

    /// <summary>What the project configures (pillar <c>env:</c>, buildpack). The platform's own names win over it (AMB-27).</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Each instance writes into a copy of its own (PM-26, PM-28); editable mode turns it off.</summary>
    public bool CopyOnWrite { get; init; } = true;

    /// <summary>Directories beside <c>data</c> that are shared as they are. They exist.</summary>
    public IReadOnlyList<string> Writable { get; init; } = [];

    /// <summary>PM_SERVICES: strict JSON, an object keyed by service name (PM-86).</summary>
    public string Services { get; init; } = "{}";

    /// <summary>Where visitors find it beside the names the receiver gives it.</summary>
    public IReadOnlyList<Address> Addresses { get; init; } = [];

    /// <summary>PM_METADATA.node: strict JSON (PM-84).</summary>
    public string NodeTags { get; init; } = "{}";

    /// <summary>PM_METADATA.workspace: strict JSON (PM-85).</summary>
    public string WorkspaceTags { get; init; } = "{}";

    /// <summary>What is asked of an instance beyond its listening, at its start and from then on.</summary>
    public HealthCheck Health { get; init; } = new();

    /// <summary>How long a web instance may take until it listens, and any until it is well.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Between SIGTERM and SIGKILL (AMB-26).</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long an instance that does not listen must stay up to count as healthy.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromMilliseconds(500);

    public (string Project, ReleaseId Release) Key => (Project.Key, Release);

    /// <summary>Everything that would make a start fail for a reason the project can mend, at once.</summary>
    /// <exception cref="Refusal">At least one mistake.</exception>
    public void Check()
    {
        var mistakes = Environment.Where(variable => !Cage.IsVariableName(variable.Key))
            .Select(variable => $"'{variable.Key}' is not a variable's name: letters, digits and '_', not beginning with a digit")
            .Concat(Environment.Where(variable => variable.Value.Contains('\0', StringComparison.Ordinal)).Select(variable => $"the value of {variable.Key} has a NUL in it"))
            .Concat(Environment.Where(variable => variable.Value.Length > LargestVariable).Select(variable => $"the value of {variable.Key} is longer than {LargestVariable} characters"))
            .Concat(Types.Where(type => !ProjectName.IsLabel(type.Name)).Select(type => $"'{type.Name}' is not a process type's name: {ProjectName.Rule}"))
            .Concat(Types.Where(type => type.Command.Contains('\0', StringComparison.Ordinal) || (Image is null && string.IsNullOrWhiteSpace(type.Command))).Select(type => $"{type.Name}: the command is empty or has a NUL in it"))
            .Concat(Types.Where(type => type.Quantity is < 0 or > 1000).Select(type => $"{type.Name}: {type.Quantity} is not a quantity from 0 to 1000"))
            .Concat(Types.GroupBy(type => type.Name).Where(same => same.Count() > 1).Select(same => $"{same.Key} is declared {same.Count()} times"))
            .ToList();
        if (Environment.Sum(variable => variable.Key.Length + variable.Value.Length + 2) > LargestEnvironment)
        {
            mistakes.Add($"the environment is larger than {LargestEnvironment} characters");
        }

        if (mistakes.Count > 0)
        {
            throw new Refusal(string.Join('\n', mistakes));
        }
    }
}

/// <param name="Id"><c>sha256:…</c>: exactly this one, wherever its name leads meanwhile.</param>
/// <param name="Port">Where a web container listens, inside.</param>
/// <param name="User">The number of the user it runs as, who must be able to write the data; 0 is root.</param>
sealed record LaunchImage(string Id, int Port, uint User)
{
    /// <summary>Bytes, beside the operator's own limit; null for that alone.</summary>
    public long? Memory { get; init; }

    /// <summary>Bytes that it is meant to get by with; null for none.</summary>
    public long? Reservation { get; init; }

    /// <summary>Nothing of the image itself can be written to.</summary>
    public bool ReadOnly { get; init; }
}
