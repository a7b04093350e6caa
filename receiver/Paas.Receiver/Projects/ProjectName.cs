using System.Diagnostics.CodeAnalysis;

namespace Paas.Receiver.Projects;

/// <summary>
/// The only road from a caller's text to a project's path, host name or process: 1 to 40 of <c>a-z 0-9 -</c>, beginning with a letter,
/// no <c>-</c> at the end, no <c>--</c>, no reserved word. Upper case is refused, not folded: two names never meet.
/// </summary>
sealed record ProjectName
{
    /// <summary>Longest name: a DNS label (63) less room for what is put before and after it.</summary>
    public const int Longest = 40;

    static readonly HashSet<string> Reserved =
        ["git", "pillar", "project", "api", "admin", "new", "con", "nul", "aux", "prn", "www", "current", "environments", "state", "receiver", "healthz", "localhost", "registry"];

    ProjectName(string value) => Value = value;

    public string Value { get; }

    /// <summary>What a name must be like, for people.</summary>
    public static string Rule => $"a name is 1 to {Longest} of a-z, 0-9 and '-', begins with a letter, does not end in '-' and is not a reserved word";

    public static bool TryParse(string? text, [NotNullWhen(true)] out ProjectName? name)
    {
        name = IsLabel(text) && !Reserved.Contains(text!) ? new ProjectName(text!) : null;
        return name is not null;
    }

    /// <exception cref="Refusal">The text is no name.</exception>
    public static ProjectName Parse(string? text) =>
        TryParse(text, out var name) ? name : throw new Refusal($"'{text}' is not a project name: {Rule}.");

    public override string ToString() => Value;

    internal static bool IsLabel(string? text) =>
        text is { Length: > 0 and <= Longest }
        && char.IsAsciiLetterLower(text[0])
        && text[^1] != '-'
        && !text.Contains("--", StringComparison.Ordinal)
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}

/// <summary>An environment's name, by the same rule as <see cref="ProjectName"/>.</summary>
sealed record EnvironmentName
{
    EnvironmentName(string value) => Value = value;

    public string Value { get; }

    public static bool TryParse(string? text, [NotNullWhen(true)] out EnvironmentName? name)
    {
        name = ProjectName.IsLabel(text) ? new EnvironmentName(text!) : null;
        return name is not null;
    }

    /// <exception cref="Refusal">The text is no name.</exception>
    public static EnvironmentName Parse(string? text) =>
        TryParse(text, out var name) ? name : throw new Refusal($"'{text}' is not an environment name: {ProjectName.Rule}.");

    public override string ToString() => Value;
}
