using System.Text.Json;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Which of a deployment's own pieces are run (reference 2.5): <c>only</c> leaves out all others, <c>skip_&lt;step&gt;</c> that one, <c>only_steps</c> picks among the scripts
/// of <c>.paas/hooks/&lt;step&gt;.d</c>. What makes a release safe (sealing, archiving, starting, promoting, taking back) cannot be chosen. Immutable.
/// </summary>
sealed class StepChoice
{
    /// <summary>The macros of R14 in their order, and the hooks around them.</summary>
    public static readonly IReadOnlyList<string> Names =
    [
        "gather_variables", "pre_install", "configure", "build", "post_build", "bundle", "pre_stop", "post_stop", "backup", "release", "deploy", "pre_start", "post_start",
        "post_deploy", "upgrade", "post_install", "notify",
    ];

    // What makina-states' users type (reference 2.5). Some of theirs is always done here, or there is nothing to do.
    static readonly Dictionary<string, string[]> Theirs = new()
    {
        ["install"] = [.. Names.Except(["backup", "pre_stop", "post_stop", "notify"])],
        ["archive"] = ["backup"],
        ["release_sync"] = [],
        ["sync_modules"] = [],
        ["fixperms"] = [],
    };

    public static readonly StepChoice Everything = new([], []);

    readonly HashSet<string> leftOut;
    readonly IReadOnlyList<string> scripts;

    StepChoice(HashSet<string> leftOut, IReadOnlyList<string> scripts)
    {
        this.leftOut = leftOut;
        this.scripts = scripts;
    }

    /// <summary>In the pipeline's order.</summary>
    public IEnumerable<string> LeftOut => Names.Where(leftOut.Contains);

    public bool Runs(string step) => !leftOut.Contains(step);

    /// <param name="name">A script of a <c>.d</c> directory; <c>only_steps</c> may name it with or without its extension.</param>
    public bool RunsScript(string name) =>
        scripts.Count == 0 || scripts.Any(wanted => wanted == name || wanted == Path.GetFileNameWithoutExtension(name));

    /// <summary>What a call asks for, and what the configuration says at its top level (<c>only</c>, <c>only_steps</c>, <c>skip_&lt;step&gt;</c>); what the call says of one of them wins.</summary>
    /// <exception cref="Refusal">A step is not known.</exception>
    public static StepChoice Of(Wishes wishes, Pillar pillar)
    {
        var document = pillar.Document;
        var only = wishes.Only ?? WordsOf(document, "only");
        var skip = new HashSet<string>(wishes.Skip ?? []);
        skip.UnionWith(document.EnumerateObject()
            .Where(property => property.Name.StartsWith("skip_", StringComparison.Ordinal) && IsTrue(property.Value)).Select(property => property.Name["skip_".Length..]));
        var mistakes = Mistakes(only ?? [], skip).ToList();
        if (mistakes.Count > 0)
        {
            throw new Refusal(string.Join('\n', mistakes));
        }

        var without = new HashSet<string>(skip.SelectMany(Meant));
        if (only is { Count: > 0 })
        {
            without.UnionWith(Names.Except(only.SelectMany(Meant)));
        }

        return new StepChoice(without, wishes.OnlySteps ?? WordsOf(document, "only_steps") ?? []);
    }

    /// <summary>Everything that cannot be chosen, in words for the person.</summary>
    public static IEnumerable<string> Mistakes(IEnumerable<string> only, IEnumerable<string> skip)
    {
        foreach (var word in only.Concat(skip).Where(word => !Names.Contains(word) && !Theirs.ContainsKey(word)).Distinct())
        {
            yield return word == "rollback"
                ? "A deployment that fails is always taken back: 'rollback' can neither be left out nor be all that is done (corpus rollback goes back to an earlier release)."
                : $"There is no step '{Logs.LogStream.Harmless(word)}' that could be chosen. There are: {string.Join(", ", Names)}.";
        }
    }

    static IEnumerable<string> Meant(string word) => Theirs.TryGetValue(word, out var steps) ? steps : [word];

    static IReadOnlyList<string>? WordsOf(JsonElement document, string name) => document.TryGetProperty(name, out var value) ? value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        JsonValueKind.Array => [.. value.EnumerateArray().Select(item => item.ToString())],
        _ => null,
    } : null;

    static bool IsTrue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.Number => value.GetRawText() != "0",
        JsonValueKind.String => value.GetString()!.ToLowerInvariant() is "true" or "yes" or "on" or "1",
        _ => false,
    };
}
