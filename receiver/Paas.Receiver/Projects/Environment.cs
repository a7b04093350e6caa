using System.Diagnostics.CodeAnalysis;

namespace Paas.Receiver.Projects;

/// <summary>What kind of platform an environment is (RFC, "The different environment platforms"). preprod, qa and test are staging (A7).</summary>
enum EnvironmentType
{
    Dev,
    Staging,
    Prod,
}

/// <summary>How a project is deployed and run (R7.*).</summary>
enum Mode
{
    Editable,
    Cooking,
    Final,
}

/// <summary>A platform that projects live on, as wanted. Immutable; a change is a new value.</summary>
/// <param name="Root">Absolute directory that holds the RFC's layout (R5.*).</param>
/// <param name="IsDefault">Its <c>&lt;env&gt;/</c> may be left out of addresses.</param>
sealed record Environment(EnvironmentName Name, Guid Uuid, EnvironmentType Type, Mode Mode, string Root, bool IsDefault)
{
    /// <summary>What a quota grows and shrinks by, in gigabytes (R15.9, A19).</summary>
    public const int QuotaStep = 5;

    const int MostTags = 50;
    const int LongestTag = 500;

    /// <summary>Facts about this platform that its projects' configure steps and instances see (PM-85).</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new SortedDictionary<string, string>(StringComparer.Ordinal);

    /// <summary>What all its projects together may take, in gigabytes, a multiple of <see cref="QuotaStep"/>; null is no limit.</summary>
    public int? QuotaGigabytes { get; init; }

    /// <summary>Where final mode finds archives, as it was written; null means the environments of this receiver that cook.</summary>
    public string? ReleaseSource { get; init; }

    /// <summary>What another receiver that <see cref="ReleaseSource"/> names lets us in for. Never shown.</summary>
    public string? ReleaseToken { get; init; }

    /// <summary>dev → editable, staging → cooking, prod → final (A7).</summary>
    public static Mode ModeOf(EnvironmentType type) => type switch
    {
        EnvironmentType.Dev => Mode.Editable,
        EnvironmentType.Staging => Mode.Cooking,
        _ => Mode.Final,
    };

    /// <summary>Reads a platform type as people write it. preprod, qa and test are staging (A7).</summary>
    public static EnvironmentType? TypeOf(string text) => text switch
    {
        "dev" => EnvironmentType.Dev,
        "staging" or "preprod" or "qa" or "test" => EnvironmentType.Staging,
        "prod" => EnvironmentType.Prod,
        _ => null,
    };

    /// <summary>Reads a mode as people write it; the names that the RFC has for the first one too (A7).</summary>
    public static Mode? ModeOf(string text) => text switch
    {
        "editable" or "mixin" => Mode.Editable,
        "cooking" => Mode.Cooking,
        "final" => Mode.Final,
        _ => null,
    };

    /// <summary>Everything about it that cannot be, at once.</summary>
    /// <exception cref="Refusal">At least one mistake.</exception>
    public void Check()
    {
        var mistakes = new List<string>();
        if (QuotaGigabytes is { } quota && (quota <= 0 || quota % QuotaStep != 0))
        {
            mistakes.Add($"A quota is a multiple of {QuotaStep} GB, not {quota}.");
        }

        if (Tags.Count > MostTags)
        {
            mistakes.Add($"{Tags.Count} tags are too many: at most {MostTags}.");
        }

        mistakes.AddRange(Tags.Where(tag => !IsTagName(tag.Key)).Select(tag => $"'{tag.Key}' is no tag's name: 1 to 60 of a-z, A-Z, 0-9, '.', '_' and '-'."));
        mistakes.AddRange(Tags.Where(tag => tag.Value.Length > LongestTag || tag.Value.Any(char.IsControl)).Select(tag => $"The tag {tag.Key} is longer than {LongestTag} characters, or not printable."));
        if (mistakes.Count > 0)
        {
            throw new Refusal(string.Join('\n', mistakes));
        }
    }

    public override string ToString() => Name.Value;

    static bool IsTagName([NotNullWhen(true)] string? name) =>
        name is { Length: > 0 and <= 60 } && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
