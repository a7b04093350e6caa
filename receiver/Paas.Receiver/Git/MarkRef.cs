using System.Globalization;

namespace Paas.Receiver.Git;

/// <summary>What a ref of PaaSTA's asks for (reference 3.2).</summary>
enum MarkKind
{
    /// <summary>R3, R4: a commit is marked for a deploy group.</summary>
    Deploy,

    /// <summary>R1, R2: the same as a branch; it has no stamp of its own.</summary>
    Branch,

    /// <summary>R5: this commit was bad. Information, never a deployment.</summary>
    Rollback,

    /// <summary>R6, R7: the instance is to run, anew when the token is a new one.</summary>
    Start,

    /// <summary>R6, R7: the instance is to rest until another commit is marked.</summary>
    Stop,
}

/// <summary>
/// The name of one ref read from its right end, because groups and clusters have hyphens and dots in them, and letter by letter, where PaaSTA's own patterns let a dot stand for
/// anything. Whether it means anything here is another question: a tag <c>v1-2-stop</c> reads as a control tag, and there is no such instance.
/// </summary>
sealed record MarkRef
{
    /// <summary>A stamp that sorts before all others (contrib/mass-deploy-tag.sh writes it).</summary>
    public const string Migrated = "00000000T000000";

    const string Branches = "refs/heads/paasta-";
    const string Tags = "refs/tags/";
    const string Prefix = "paasta-";

    MarkRef(MarkKind kind, string target, int fewestPrefixes, string? imageVersion, string stamp) =>
        (Kind, this.target, this.fewestPrefixes, ImageVersion, Stamp) = (kind, target, fewestPrefixes, imageVersion, stamp);

    // With every "paasta-" in front that was written: how many of them belong to the name only a name to compare with can say.
    readonly string target;
    readonly int fewestPrefixes;

    public MarkKind Kind { get; }

    /// <summary>A suffix of the image's tag (R4).</summary>
    public string? ImageVersion { get; }

    /// <summary>UTC <c>YYYYMMDDTHHMMSS</c>, of a control tag the token (normally the same); empty for a branch.</summary>
    public string Stamp { get; }

    /// <summary>The group, or <c>cluster.instance</c>, with up to two <c>paasta-</c> less.</summary>
    public string Target
    {
        get
        {
            var rest = target;
            for (var taken = 0; taken < 2 && rest.StartsWith(Prefix, StringComparison.Ordinal) && rest.Length > Prefix.Length; taken++)
            {
                rest = rest[Prefix.Length..];
            }

            return rest;
        }
    }

    /// <summary>Is it about this group, or this <c>cluster.instance</c>? <c>fake_group1</c> is not about <c>fake_group1.everywhere</c>.</summary>
    public bool IsFor(string name) =>
        target.EndsWith(name, StringComparison.Ordinal) && target[..^name.Length] switch
        {
            "" => fewestPrefixes == 0,
            Prefix => true,
            Prefix + Prefix => true,
            _ => false,
        };

    /// <summary>The tag that marks a commit for a group.</summary>
    public static string Name(MarkKind kind, string group, string stamp, string? imageVersion = null) =>
        $"{Tags}{Prefix}{group}{(imageVersion is null ? "" : $"+{imageVersion}")}-{stamp}-{kind.ToString().ToLowerInvariant()}";

    public static string StampOf(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture);

    public static bool IsGroup(string text) => text.Length is > 0 and <= 100 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    public static bool IsImageVersion(string text) => IsGroup(text) && !text.StartsWith('-');

    /// <summary>Null for a ref that reads as none of them.</summary>
    public static MarkRef? TryParse(string name)
    {
        if (name.StartsWith(Branches, StringComparison.Ordinal))
        {
            var branch = name["refs/heads/".Length..];
            return IsGroup(branch) ? new MarkRef(MarkKind.Branch, branch, 1, null, "") : null;
        }

        if (!name.StartsWith(Tags, StringComparison.Ordinal) || CutLast(name[Tags.Length..]) is not var (rest, word))
        {
            return null;
        }

        return word switch
        {
            "deploy" => Stamped(MarkKind.Deploy, rest),
            "rollback" => Stamped(MarkKind.Rollback, rest),
            "start" => Control(MarkKind.Start, rest),
            "stop" => Control(MarkKind.Stop, rest),
            _ => null,
        };
    }

    static MarkRef? Stamped(MarkKind kind, string text)
    {
        if (CutLast(text) is not var (rest, stamp) || !IsStamp(stamp) || !rest.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return null;
        }

        var plus = rest.IndexOf('+', StringComparison.Ordinal);
        var (group, version) = plus < 0 ? (rest, null) : (rest[..plus], rest[(plus + 1)..]);
        return IsGroup(group) && group.Length > Prefix.Length && (version is null || IsImageVersion(version)) ? new MarkRef(kind, group, 1, version, stamp) : null;
    }

    static MarkRef? Control(MarkKind kind, string text) =>
        CutLast(text) is var (branch, token) && IsGroup(branch) && token.Length <= 40 && IsGroup(token) ? new MarkRef(kind, branch, 0, null, token) : null;

    static (string Front, string Last)? CutLast(string text) =>
        text.LastIndexOf('-') is var at and > 0 && at < text.Length - 1 ? (text[..at], text[(at + 1)..]) : null;

    static bool IsStamp(string text) =>
        text.Length == Migrated.Length && text[8] == 'T' && text[..8].All(char.IsAsciiDigit) && text[9..].All(char.IsAsciiDigit);
}
