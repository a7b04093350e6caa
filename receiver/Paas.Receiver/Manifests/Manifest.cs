using System.Text.Json;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>What a repository says of itself: what runs, how many, and how it wants to be switched. Immutable; every value has been checked.</summary>
sealed record Manifest
{
    /// <summary>The file it was read from, as people call it: <c>manifest.yml</c>, <c>Procfile</c>.</summary>
    public required string Source { get; init; }

    /// <summary>At least one; names are unique also where case is ignored.</summary>
    public required IReadOnlyList<ProcessType> ProcessTypes { get; init; }

    /// <summary>A Procfile's <c>release:</c>: a shell line that runs in the new release before it starts. No process type.</summary>
    public string? ReleaseCommand { get; init; }

    /// <summary>Bash lines to run in the tree while it is built, in order (an <c>app.json</c>'s <c>predeploy</c>).</summary>
    public IReadOnlyList<string> BuildCommands { get; init; } = [];

    /// <summary>A <c>manifest.yml</c>'s prepare commands, in order, as they were found on the shelf it was read with; without one there are none.</summary>
    public IReadOnlyList<Prepare> Prepares { get; init; } = [];

    /// <summary>What its <c>paas</c> section says of the build.</summary>
    public BuildSection Build { get; init; } = new([], null);

    /// <summary>Variables that hold unless the project's configuration has others: an <c>app.json</c>'s <c>env</c>, what buildpacks give.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Variables that get a secret value once and keep it (an <c>app.json</c>'s <c>"generator": "secret"</c>), unless configured.</summary>
    public IReadOnlyList<string> Generated { get; init; } = [];

    /// <summary>Variables without which it must not be started (an <c>app.json</c>'s <c>"required": true</c>), each with what it is for.</summary>
    public IReadOnlyDictionary<string, string> Required { get; init; } = new Dictionary<string, string>();

    /// <summary>A shell line that runs in the new release once it is healthy (an <c>app.json</c>'s <c>postdeploy</c>).</summary>
    public string? PostDeploy { get; init; }

    /// <summary>True: <see cref="PostDeploy"/> runs for a project's first release only, as Heroku has it.</summary>
    public bool PostDeployOnce { get; init; }

    /// <summary>Commands that run at certain times (an <c>app.json</c>'s <c>cron</c>).</summary>
    public IReadOnlyList<CronCommand> CronCommands { get; init; } = [];

    /// <summary>How its <c>paas</c> section wants it run; null where it does not say.</summary>
    public RunAs? Run { get; init; }

    /// <summary>Whether its <c>paas</c> section wants a web server that several projects share; null where it does not say.</summary>
    public bool? SharesWebServer { get; init; }

    /// <summary>The image that was built of it; null where it runs as processes, or is not built yet.</summary>
    public BuiltImage? Image { get; init; }

    /// <summary>How its containers are to be, where it runs as containers.</summary>
    public ContainerSection Container { get; init; } = new();

    /// <summary>Null means the default for this project.</summary>
    public Strategy? Strategy { get; init; }

    /// <summary>The part of a process type's instances that crossover keeps answering, above 0 and at most 1.</summary>
    public decimal BounceMargin { get; init; } = 1;

    public HealthCheck Health { get; init; } = new();

    /// <summary>Where visitors find it: Paasmaker's <c>hostnames</c> and our <c>paas: routes</c>.</summary>
    public IReadOnlyList<Address> Addresses { get; init; } = [];

    /// <summary>Everything a <c>manifest.yml</c> declares (reference 2.1); null for other sources.</summary>
    public Application? Application { get; init; }

    /// <summary>What the pusher should read although nothing is wrong: deprecated spellings, declarations that are not acted upon.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
}

/// <summary>The part of a <c>paas</c> section that is about the build.</summary>
/// <param name="Buildpacks">Empty: find out.</param>
/// <param name="Network">Null: the operator's default.</param>
sealed record BuildSection(IReadOnlyList<string> Buildpacks, bool? Network);

/// <summary>The part of a <c>paas</c> section that is about containers.</summary>
/// <param name="Image">An image that is in a registry already: <c>HOST/NAME:TAG</c>, or <c>:TAG</c> or <c>@sha256:…</c> in the project's own repository of this receiver. Null: build one.</param>
/// <param name="Base">An image that the tree is put into as it was built here, at the path where it would run here; named as <paramref name="Image"/> is. Null: a Dockerfile says it all.</param>
/// <param name="Port">Where it listens; null: what the image exposes.</param>
/// <param name="Memory">Megabytes, the limit; null: the operator's alone.</param>
/// <param name="Reservation">Megabytes that it is meant to get by with; it has more while nobody else wants it.</param>
/// <param name="ReadOnly">Only its data, <c>/tmp</c> and <c>/run</c> can be written to.</param>
/// <param name="Make">The target of the Makefile that makes the image, one of <see cref="Targets"/>; null: the receiver builds the Dockerfile.</param>
sealed record ContainerSection(string? Image = null, string? Base = null, int? Port = null, int? Memory = null, int? Reservation = null, bool ReadOnly = false, string? Make = null)
{
    /// <summary>PaaSTA's two (PC-25, PC-29).</summary>
    public static readonly IReadOnlyList<string> Targets = ["itest", "cook-image"];
}

/// <summary>A shell line that runs in the live release at certain times.</summary>
sealed record CronCommand(string Schedule, string Command);

/// <summary>What a release's instances are.</summary>
enum RunAs
{
    /// <summary>Processes in a view of the release.</summary>
    Processes,

    /// <summary>Containers of an image.</summary>
    Container,
}

/// <summary>How visitors get from one release to the next; PaaSTA's bounces.</summary>
enum Strategy
{
    /// <summary>Stop, back up, switch, start.</summary>
    DownThenUp,

    /// <summary>Start, switch, stop.</summary>
    UpThenDown,

    /// <summary>Instance by instance.</summary>
    Crossover,

    /// <summary>Stop at once, start.</summary>
    Brutal,
}

/// <summary>When an instance counts as healthy.</summary>
/// <param name="Path">Asked over HTTP; null means that listening is enough.</param>
/// <param name="Timeout">From start to healthy; null means the receiver's own.</param>
sealed record HealthCheck(string? Path = null, TimeSpan? Timeout = null)
{
    /// <summary>Answers from here…</summary>
    public int LowestCode { get; init; } = 200;

    /// <summary>… to here are well.</summary>
    public int HighestCode { get; init; } = 399;

    /// <summary>Further ranges that are well; null for none.</summary>
    public IReadOnlyList<(int Lowest, int Highest)>? MoreCodes { get; init; }

    /// <summary>Is this status one of those that are well?</summary>
    public bool Takes(int code) => (code >= LowestCode && code <= HighestCode) || (MoreCodes?.Any(range => code >= range.Lowest && code <= range.Highest) ?? false);

    /// <summary>A line of shell, run as the instances are, <c>PORT</c> included; 0 is well. Null means that none is run.</summary>
    public string? Command { get; init; }

    /// <summary>From one question to the next, once an instance was well.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>An answer that takes longer is none.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>So many bad answers in a row, and the instance is replaced.</summary>
    public int Failures { get; init; } = 3;

    /// <summary>There is something to ask beyond whether it listens.</summary>
    public bool Asks => Path is not null || Command is not null;
}

/// <summary>Paasmaker's manifest.</summary>
sealed record Application
{
    public required string Name { get; init; }

    /// <summary>Free; an object.</summary>
    public required JsonElement Tags { get; init; }

    public Plugin? PrepareRuntime { get; init; }

    public required IReadOnlyList<Plugin> PrepareCommands { get; init; }

    public required IReadOnlyList<InstanceType> Instances { get; init; }

    public required IReadOnlyList<Plugin> Services { get; init; }
}

/// <summary>The use of a plug-in: <c>{plugin, version, name, parameters}</c>.</summary>
/// <param name="Name">Which plug-in: <c>paasmaker.runtime.shell</c>.</param>
/// <param name="Version">The literal text (AMB-35); null where none is given.</param>
/// <param name="Label">What the manifest calls this use; may be empty.</param>
/// <param name="Parameters">An object.</param>
sealed record Plugin(string Name, string? Version, string Label, JsonElement Parameters);

/// <summary>A prepare command with what this manifest gives it: each parameter as the text of its file.</summary>
sealed record Prepare(PrepareCommand Command, IReadOnlyDictionary<string, string> Parameters);

/// <summary>One entry of <c>instances</c>.</summary>
sealed record InstanceType
{
    public required string Name { get; init; }

    public required int Quantity { get; init; }

    public required Plugin Runtime { get; init; }

    public required IReadOnlyList<Plugin> Startup { get; init; }

    public required Plugin Placement { get; init; }

    /// <summary>Lower case; may begin with <c>*.</c></summary>
    public required IReadOnlyList<string> Hostnames { get; init; }

    /// <summary>Only one release's instances may run at a time.</summary>
    public required bool Exclusive { get; init; }

    /// <summary>No port, no routes.</summary>
    public required bool Standalone { get; init; }

    public required IReadOnlyList<Cron> Crons { get; init; }
}

/// <summary>A request made to the instance at certain times.</summary>
sealed record Cron(string Runspec, string Uri, string? Username, string? Password);
