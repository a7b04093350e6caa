using System.Text.RegularExpressions;

namespace Paas.Receiver.Toolchains;

/// <summary>A version as a machine has it: numbers, then what else is in its name. Higher ones compare higher; a pre-release is lower than its release.</summary>
sealed record ToolVersion(IReadOnlyList<int> Numbers, string Text)
{
    /// <summary>The lower one first.</summary>
    public static readonly IComparer<ToolVersion> Order = Comparer<ToolVersion>.Create((one, other) => one.CompareWith(other));

    /// <summary>Null for what has no number in it: <c>system</c>.</summary>
    public static ToolVersion? TryParse(string text)
    {
        var digits = text.TrimStart('v', 'V');
        var end = 0;
        while (end < digits.Length && (char.IsAsciiDigit(digits[end]) || (digits[end] == '.' && end + 1 < digits.Length && char.IsAsciiDigit(digits[end + 1]))))
        {
            end++;
        }

        var numbers = digits[..end].Split('.', StringSplitOptions.RemoveEmptyEntries).Select(part => int.TryParse(part, out var number) ? number : int.MaxValue).ToList();
        return numbers.Count == 0 ? null : new ToolVersion(numbers, text);
    }

    public bool IsPreRelease => Text.Contains("-rc", StringComparison.Ordinal) || Text.Contains("-beta", StringComparison.Ordinal) || Text.Contains("-alpha", StringComparison.Ordinal) || Text.Contains("-dev", StringComparison.Ordinal);

    public int this[int place] => place < Numbers.Count ? Numbers[place] : 0;

    /// <summary>Below zero when this one is lower.</summary>
    public int CompareWith(ToolVersion other)
    {
        for (var i = 0; i < Math.Max(Numbers.Count, other.Numbers.Count); i++)
        {
            if (this[i] != other[i])
            {
                return this[i].CompareTo(other[i]);
            }
        }

        return (IsPreRelease ? 0 : 1) - (other.IsPreRelease ? 0 : 1);
    }

    public override string ToString() => string.Join('.', Numbers);
}

/// <summary>
/// Which versions will do, as people write it in every language's files: <c>18</c> and <c>18.x</c> (a prefix), <c>3.11.4</c>, <c>^1.2</c>, <c>~&gt; 3.1</c>, <c>&gt;=16 &lt;21</c>,
/// <c>14 || 16</c>, <c>5.3+</c>, <c>lts/*</c>.
/// </summary>
sealed partial class VersionRange
{
    readonly List<List<(string Operator, ToolVersion Version)>> alternatives = [];

    /// <summary>Null when it says nothing that could be understood.</summary>
    public static VersionRange? TryParse(string text)
    {
        var range = new VersionRange();
        foreach (var alternative in text.Split("||").Select(part => part.Trim()))
        {
            var rules = new List<(string, ToolVersion)>();
            foreach (Match match in Rule().Matches(Hyphen().Replace(alternative, ">=${from} <=${to}")))
            {
                var (sign, word) = (match.Groups["sign"].Value, match.Groups["word"].Value);
                if (word is "*" or "x" or "latest" or "node" or "stable" or "current" or "system" || word.StartsWith("lts", StringComparison.Ordinal))
                {
                    continue;
                }

                if (ToolVersion.TryParse(word.Replace(".x", "", StringComparison.Ordinal).Replace(".*", "", StringComparison.Ordinal)) is not { } version)
                {
                    return null;
                }

                rules.Add((match.Groups["more"].Success ? ">=" : sign is "=" or "==" or "" ? "" : sign, version));
            }

            range.alternatives.Add(rules);
        }

        return range;
    }

    public bool Allows(ToolVersion version) => alternatives.Exists(rules => rules.TrueForAll(rule => Allows(rule.Operator, rule.Version, version)));

    static bool Allows(string sign, ToolVersion wanted, ToolVersion version) => sign switch
    {
        ">=" => version.CompareWith(wanted) >= 0,
        ">" => version.CompareWith(wanted) > 0,
        "<" => version.CompareWith(wanted) < 0,
        "<=" => version.CompareWith(wanted) <= 0 || HasPrefix(version, wanted, wanted.Numbers.Count),
        "!=" => !HasPrefix(version, wanted, wanted.Numbers.Count),
        "^" => version.CompareWith(wanted) >= 0 && HasPrefix(version, wanted, wanted[0] > 0 || wanted.Numbers.Count < 2 ? 1 : 2),
        "~" => version.CompareWith(wanted) >= 0 && HasPrefix(version, wanted, Math.Min(2, wanted.Numbers.Count)),
        "~>" => version.CompareWith(wanted) >= 0 && HasPrefix(version, wanted, Math.Max(1, wanted.Numbers.Count - 1)),
        "~=" => version.CompareWith(wanted) >= 0 && HasPrefix(version, wanted, Math.Max(1, wanted.Numbers.Count - 1)),
        _ => HasPrefix(version, wanted, wanted.Numbers.Count),
    };

    static bool HasPrefix(ToolVersion version, ToolVersion wanted, int places)
    {
        for (var i = 0; i < places; i++)
        {
            if (version[i] != wanted[i])
            {
                return false;
            }
        }

        return true;
    }

    [GeneratedRegex("(?<sign>[<>=!~^]{0,2})[ ]*(?<word>[A-Za-z0-9*][A-Za-z0-9.*/_-]*)(?<more>\\+)?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Rule();

    [GeneratedRegex("(?<from>[0-9][0-9.]*) +- +(?<to>[0-9][0-9.]*)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Hyphen();
}
