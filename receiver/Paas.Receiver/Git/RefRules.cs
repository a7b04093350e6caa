using System.Text;
using Paas.Receiver.Logs;

namespace Paas.Receiver.Git;

/// <summary>What becomes of a push. With a refusal nothing of it is accepted; else at most one ref deploys and the rest is kept.</summary>
/// <param name="Deploys">The ref that deploys, in a pillar the one that configures; null when none does.</param>
/// <param name="Kept">Branches that are stored and not deployed.</param>
/// <param name="Refusals">Every reason against it, for the pusher.</param>
sealed record RefVerdict(RefUpdate? Deploys, IReadOnlyList<RefUpdate> Kept, IReadOnlyList<string> Refusals)
{
    /// <summary>Refs of PaaSTA's (<see cref="MarkRef"/>) that came or moved: whether they mean anything is decided by who knows the deploy groups.</summary>
    public IReadOnlyList<RefUpdate> Marks { get; init; } = [];

    /// <summary>The branch that would deploy if the service had no pipeline, which decides what is.</summary>
    public RefUpdate? LeftToPipeline { get; init; }
}

/// <summary>The one place that decides which refs may be pushed and which of them deploys.</summary>
/// <param name="deployBranches">Without <c>refs/heads/</c>.</param>
sealed class RefRules(IReadOnlyList<string> deployBranches)
{
    /// <summary>Refs of the receiver's own: hidden from everybody, pushed by nobody.</summary>
    public const string Ours = "refs/paas";

    const string Branches = "refs/heads/";
    const int LongestName = 200;
    const int MostMentioned = 5;

    /// <summary>Git's rules for a ref's name and a few of ours: no control characters, no part that begins with '-', at most 200 bytes.</summary>
    public static bool IsWellFormed(string name) =>
        name.StartsWith("refs/", StringComparison.Ordinal)
        && Encoding.UTF8.GetByteCount(name) <= LongestName
        && !name.Any(c => char.IsControl(c) || c is ' ' or '~' or '^' or ':' or '?' or '*' or '[' or '\\' or '\uFFFD')
        && !name.Contains("..", StringComparison.Ordinal) && !name.Contains("@{", StringComparison.Ordinal) && !name.EndsWith('.')
        && name.Split('/') is { Length: > 2 } parts
        && parts.All(part => part.Length > 0 && part[0] is not ('-' or '.') && !part.EndsWith(".lock", StringComparison.Ordinal));

    /// <param name="push">Complete: with its options and refs.</param>
    /// <param name="head">The branch the repository's HEAD names: what was deployed last.</param>
    public RefVerdict Judge(Push push, string? head)
    {
        var candidates = push.Updates.Where(update => IsDeployBranch(update.Name)).ToList();
        var refusals = Refusals(push, candidates, head).ToList();
        var deploys = push.Options.NoDeploy ? null : candidates.Find(update => !update.IsDeletion);
        var marks = push.Kind == RepositoryKind.Project && !push.Options.NoDeploy
            ? push.Updates.Where(update => !update.IsDeletion && update != deploys && MarkRef.TryParse(update.Name) is not null).ToList() : [];
        var kept = push.Updates.Where(update => update != deploys && !update.IsDeletion && update.Name.StartsWith(Branches, StringComparison.Ordinal)).Except(marks).ToList();
        return refusals.Count == 0 ? new RefVerdict(deploys, kept, []) { Marks = marks } : new RefVerdict(null, [], refusals);
    }

    /// <summary>What a pusher should know of branches that were stored and not deployed.</summary>
    public IEnumerable<string> Explain(Push push, IReadOnlyList<RefUpdate> kept)
    {
        foreach (var update in kept.Take(MostMentioned))
        {
            yield return push.Options.NoDeploy && IsDeployBranch(update.Name) ? $"{update.ShortName} is kept, not deployed, as you asked (no-deploy)."
                : push.Kind == RepositoryKind.Pillar ? $"{update.ShortName} is kept; the configuration is read from {Either()}."
                : $"{update.ShortName} is kept, not deployed; {Either()} deploys. To deploy it: git push <remote> {update.ShortName}:{deployBranches[0]}";
        }

        if (kept.Count > MostMentioned)
        {
            yield return $"{kept.Count - MostMentioned} more branches are kept, not deployed.";
        }
    }

    IEnumerable<string> Refusals(Push push, List<RefUpdate> candidates, string? head)
    {
        var hostile = push.Updates.Where(update => !IsWellFormed(update.Name)).ToList();
        foreach (var update in hostile.Take(MostMentioned))
        {
            yield return $"'{Shown(update.Name)}' cannot be the name of a ref here: UTF-8, at most {LongestName} bytes, no control characters, no part that begins with '-'.";
        }

        if (push.Updates.Any(update => update.Name == Ours || update.Name.StartsWith(Ours + "/", StringComparison.Ordinal)))
        {
            yield return $"{Ours}/ is the receiver's own.";
        }

        var moving = candidates.Where(update => !update.IsDeletion).ToList();
        if (moving.Count > 1 && !push.Options.NoDeploy)
        {
            var wanted = moving.Find(update => update.Name == head) ?? moving[0];
            yield return $"Only one branch deploys in a push, and {string.Join(" and ", moving.Select(update => update.ShortName))} would. "
                + $"Push one: git push <remote> {wanted.ShortName}";
        }

        foreach (var update in candidates.Where(update => update.IsDeletion && update.Name == head))
        {
            yield return $"{update.ShortName} is what {(push.Kind == RepositoryKind.Pillar ? "configures" : "is deployed of")} {push.Project.Name}; it cannot be deleted. "
                + "Deploy another branch first, or destroy the project: corpus destroy.";
        }
    }

    bool IsDeployBranch(string name) =>
        name.StartsWith(Branches, StringComparison.Ordinal) && deployBranches.Contains(name[Branches.Length..]);

    string Either() => string.Join(" or ", deployBranches);

    static string Shown(string name) => LogStream.Harmless(name.Length > 60 ? name[..60] + "…" : name);
}
