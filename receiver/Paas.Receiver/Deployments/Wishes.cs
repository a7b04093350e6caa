using System.Text.Json;
using System.Text.Json.Serialization;

namespace Paas.Receiver.Deployments;

/// <summary>What a call asks for beyond what every deployment has; in the journal, so that one that waits is still the one that was asked for. Immutable.</summary>
sealed record Wishes
{
    public static readonly Wishes None = new();

    static readonly JsonSerializerOptions Compact = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    /// <summary>The uppermost layer of the configuration: a variable's name or a path with dots, and its value.</summary>
    public IReadOnlyDictionary<string, string>? Set { get; init; }

    /// <summary>Nothing but these of the steps that can be chosen (<see cref="StepChoice"/>).</summary>
    public IReadOnlyList<string>? Only { get; init; }

    /// <summary>Of the scripts beside the hooks, these.</summary>
    public IReadOnlyList<string>? OnlySteps { get; init; }

    /// <summary>Steps that are left out.</summary>
    public IReadOnlyList<string>? Skip { get; init; }

    /// <summary>A rollback that must bring its data along, or not happen.</summary>
    public bool WithData { get; init; }

    /// <summary>A backup while the application goes on.</summary>
    public bool Live { get; init; }

    /// <summary>For a restore: an id or <c>vN</c>; null is the newest.</summary>
    public string? Backup { get; init; }

    /// <summary>The name of a task.</summary>
    public string? Task { get; init; }

    /// <summary>The manifest to read instead of the usual one (PM-42), relative to the repository.</summary>
    public string? Manifest { get; init; }

    /// <summary>The one place where final mode looks for the archive (<c>Archives.ReleaseSources</c>).</summary>
    public string? Source { get; init; }

    /// <summary>The file below <c>build/</c> that was sent for an import.</summary>
    public string? Import { get; init; }

    /// <summary>What is imported becomes live at once.</summary>
    public bool Deploy { get; init; }

    /// <summary>The deploy group that was marked, or several with commas.</summary>
    public string? Group { get; init; }

    /// <summary>PaaSTA's, of the mark.</summary>
    public string? ImageVersion { get; init; }

    /// <summary>What runs, by PaaSTA's instance; null is all that the release declares.</summary>
    public IReadOnlyDictionary<string, WantedInstance>? Instances { get; init; }

    /// <summary>What people edited in place and did not commit is given up.</summary>
    public bool DiscardEdits { get; init; }

    /// <summary>The number of the patch that the live release is to get.</summary>
    public int? Patch { get; init; }

    /// <summary>What was fixed by hand is not applied again, and does not stand in the way.</summary>
    public bool DiscardFixes { get; init; }

    /// <summary>Null for <see cref="None"/>.</summary>
    public string? ToJson() => JsonSerializer.Serialize(this, Compact) is var text and not "{}" ? text : null;

    public static Wishes FromJson(string? text) => text is null ? None : JsonSerializer.Deserialize<Wishes>(text, Compact)!;
}

/// <summary>An instance as a soa-config wants it; null leaves a matter to the release.</summary>
/// <param name="Command">A line for the shell.</param>
/// <param name="Bounce">How a release with it changes over.</param>
sealed record WantedInstance(
    int? Quantity, string? Command, IReadOnlyDictionary<string, string>? Environment, string Group, Manifests.Strategy? Bounce = null, decimal? BounceMargin = null);
