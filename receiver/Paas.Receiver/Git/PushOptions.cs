using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>What the pusher asked for with <c>git push -o …</c>.</summary>
sealed record PushOptions
{
    public static readonly PushOptions None = new();

    /// <summary>More than this many are no person's.</summary>
    const int Most = 32;

    static readonly string[] Known = ["async", "no-deploy", "mode", "rebuild", "deploy", "discard-edits", "discard-fixes", "only", "manifest", "set", "skip", "only_steps"];

    /// <summary><c>async</c>: accept at once, deploy in the background.</summary>
    public bool Async { get; private init; }

    /// <summary><c>no-deploy</c>: keep the commits, deploy nothing.</summary>
    public bool NoDeploy { get; private init; }

    /// <summary><c>mode=editable|cooking|final</c>.</summary>
    public Mode? Mode { get; private init; }

    /// <summary><c>rebuild</c>: without what former builds left in their caches.</summary>
    public bool Rebuild { get; private init; }

    /// <summary><c>deploy</c>: for a pillar push, which otherwise only stores.</summary>
    public bool Deploy { get; private init; }

    /// <summary><c>discard-edits</c>: give up changes made by hand in an editable project.</summary>
    public bool DiscardEdits { get; private init; }

    /// <summary><c>discard-fixes</c>: go on without what was fixed by hand in the live release.</summary>
    public bool DiscardFixes { get; private init; }

    /// <summary><c>only=STEP,…</c>: of the steps that can be chosen, these.</summary>
    public IReadOnlyList<string> Only { get; private init; } = [];

    /// <summary><c>skip=STEP,…</c> or <c>skip_STEP</c>.</summary>
    public IReadOnlyList<string> Skip { get; private init; } = [];

    /// <summary><c>only_steps=SCRIPT,…</c>: of the scripts beside the hooks, these.</summary>
    public IReadOnlyList<string> OnlySteps { get; private init; } = [];

    /// <summary><c>manifest=PATH</c>: relative to the repository's root, inside it.</summary>
    public string? Manifest { get; private init; }

    /// <summary><c>set=NAME=VALUE</c>, repeatable: a variable, or a value of the configuration by its path with dots, for this deployment.</summary>
    public IReadOnlyDictionary<string, string> Set { get; private init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <exception cref="Refusal">Says every mistake at once.</exception>
    public static PushOptions Parse(IReadOnlyList<string> given)
    {
        if (given.Count > Most)
        {
            throw new Refusal($"{given.Count} push options; at most {Most} are read.");
        }

        var options = None;
        var mistakes = new List<string>();
        foreach (var text in given.Distinct())
        {
            options = options.With(text, mistakes);
        }

        if (options is { NoDeploy: true, Deploy: true })
        {
            mistakes.Add("'deploy' and 'no-deploy' exclude each other.");
        }

        return mistakes.Count == 0 ? options : throw new Refusal(string.Join('\n', mistakes));
    }

    PushOptions With(string text, List<string> mistakes)
    {
        var (name, value) = text.IndexOf('=') is var at and >= 0 ? (text[..at], text[(at + 1)..]) : (text, null);
        switch (name, value)
        {
            case ("async", null):
                return this with { Async = true };
            case ("no-deploy", null):
                return this with { NoDeploy = true };
            case ("rebuild", null):
                return this with { Rebuild = true };
            case ("deploy", null):
                return this with { Deploy = true };
            case ("discard-edits", null):
                return this with { DiscardEdits = true };
            case ("discard-fixes", null):
                return this with { DiscardFixes = true };
            case ("mode", "editable" or "cooking" or "final") when Mode is null:
                return this with { Mode = Enum.Parse<Mode>(value, ignoreCase: true) };
            case ("only", { } list) when Words(list) is { } steps && steps.All(IsStepName):
                return this with { Only = [.. Only, .. steps] };
            case ("skip", { } list) when Words(list) is { } steps && steps.All(IsStepName):
                return this with { Skip = [.. Skip, .. steps] };
            case (['s', 'k', 'i', 'p', '_', .. var step], null or "1" or "true" or "True") when IsStepName(step):
                return this with { Skip = [.. Skip, step] };
            case ("only_steps", { } list) when Words(list) is { } scripts && scripts.All(IsScriptName):
                return this with { OnlySteps = [.. OnlySteps, .. scripts] };
            case ("manifest", { } path) when Manifest is null && IsInside(path):
                return this with { Manifest = path };
            case ("set", { } setting) when setting.IndexOf('=') is var equals and > 0 && IsPath(setting[..equals]):
                return this with { Set = new Dictionary<string, string>(Set, StringComparer.Ordinal) { [setting[..equals]] = setting[(equals + 1)..] } };
            case ("set", _):
                mistakes.Add("'set' sets a variable, or a value of the configuration by its path: set=NAME=VALUE.");
                return this;
            case ("async" or "no-deploy" or "rebuild" or "deploy" or "discard-edits" or "discard-fixes", _):
                mistakes.Add($"'{Shown(name)}' takes no value.");
                return this;
            case ("mode", _):
                mistakes.Add(Mode is null ? "'mode' is one of mode=editable, mode=cooking, mode=final." : "'mode' is given twice with different values.");
                return this;
            case ("only", _):
                mistakes.Add("'only' names steps: only=STEP,STEP.");
                return this;
            case ("skip", _) or (['s', 'k', 'i', 'p', '_', ..], _):
                mistakes.Add("'skip' names steps: skip=STEP,STEP or skip_STEP.");
                return this;
            case ("only_steps", _):
                mistakes.Add("'only_steps' names scripts of .paas/hooks/STEP.d: only_steps=010_first,020_second.");
                return this;
            case ("manifest", _):
                mistakes.Add(Manifest is null ? "'manifest' is a path inside the repository: manifest=PATH." : "'manifest' is given twice with different values.");
                return this;
            default:
                mistakes.Add($"There is no push option '{Shown(name)}'." + (Nearest(name) is { } near ? $" Did you mean '{near}'?" : $" There are: {string.Join(", ", Known)}."));
                return this;
        }
    }

    static string[]? Words(string list) =>
        list.Split(',', StringSplitOptions.TrimEntries) is var words && words.Length <= Most && words.All(word => word.Length > 0) ? words : null;

    static bool IsScriptName(string text) =>
        text.Length <= 100 && text[0] != '.' && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    static bool IsStepName(string text) =>
        text.Length is > 0 and <= 40 && char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');

    /// <summary><c>NAME</c> or <c>data.name</c>, as <c>set</c> takes it.</summary>
    public static bool IsPath(string text) =>
        text.Length <= 200 && text.Split('.').All(part => part.Length > 0 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'));

    static bool IsInside(string path) =>
        path.Length is > 0 and <= 200 && !path.StartsWith('/') && !path.Any(char.IsControl)
        && path.Split('/').All(part => part is not ("" or "." or "..") && !part.Equals(".git", StringComparison.OrdinalIgnoreCase));

    static string Shown(string text) => LogStream.Harmless(text.Length > 40 ? text[..40] + "…" : text);

    static string? Nearest(string name)
    {
        var lower = name.ToLowerInvariant().Replace('_', '-');
        var (near, distance) = Known.Select(known => (known, Distance(lower, known))).MinBy(pair => pair.Item2);
        return name.Length <= 40 && distance <= Math.Max(1, near.Length / 3) ? near : null;
    }

    // Levenshtein's: how many letters are to be added, removed or changed.
    static int Distance(string one, string other)
    {
        var row = Enumerable.Range(0, other.Length + 1).ToArray();
        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }
}
