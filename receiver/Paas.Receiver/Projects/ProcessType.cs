namespace Paas.Receiver.Projects;

/// <summary>One kind of process a release runs, as declared. Immutable.</summary>
/// <param name="Command">A line for <c>sh -c</c>, run in the instance's copy of the release.</param>
/// <param name="Web">It listens on <c>PORT</c> and gets routes.</param>
/// <param name="Exclusive">It runs in the live release only, and never in two at once (PM-30, PM-31).</param>
sealed record ProcessType(string Name, string Command, int Quantity, bool Web, bool Exclusive = false)
{
    // One for all: two types that declare the same are equal.
    static readonly Dictionary<string, string> NoVariables = [];

    /// <summary>The version of a language that it runs with; null for whatever the machine's search path has.</summary>
    public WantedToolchain? Toolchain { get; init; }

    /// <summary>What a daemon that several projects share serves in its place; null where <see cref="Command"/> listens itself.</summary>
    public Served? Served { get; init; }

    /// <summary>Variables of this type alone; they win over the project's.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = NoVariables;
}

/// <param name="By">The shared daemon's name.</param>
/// <param name="Kind"><c>static</c> or <c>php</c>.</param>
/// <param name="Folder">Of the release; <c>.</c> is all of it. No <c>..</c> in it.</param>
/// <param name="SinglePage">Paths that are not there are answered with the first page.</param>
sealed record Served(string By, string Kind, string Folder, bool SinglePage)
{
    public const string Nginx = "nginx";
}

/// <param name="Language"><c>node</c>, <c>python</c> and so on.</param>
/// <param name="Version">As it is asked for: <c>18</c>, <c>3.11.4</c>, <c>&gt;=18 &lt;21</c>.</param>
sealed record WantedToolchain(string Language, string Version);
