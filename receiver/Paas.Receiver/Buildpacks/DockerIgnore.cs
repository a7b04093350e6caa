using System.Text;
using System.Text.RegularExpressions;

namespace Paas.Receiver.Buildpacks;

/// <summary>A <c>.dockerignore</c>: of the patterns that a path or one of its directories matches the last one decides, and <c>!</c> takes back in.</summary>
sealed class DockerIgnore
{
    static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    readonly List<(Regex Pattern, bool LeavesOut)> rules = [];

    public DockerIgnore(string text)
    {
        foreach (var line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            var takesIn = line[0] == '!';
            var pattern = string.Join('/', (takesIn ? line[1..] : line).Trim().Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != "."));
            if (pattern.Length > 0)
            {
                rules.Add((new Regex($"^{Translated(pattern)}$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking | RegexOptions.Singleline, Longest), !takesIn));
            }
        }
    }

    /// <summary>True when something that is left out may have something below it that is not.</summary>
    public bool TakesBackIn => rules.Exists(rule => !rule.LeavesOut);

    /// <param name="path">Relative to the context, with <c>/</c> between its parts.</param>
    public bool LeavesOut(string path)
    {
        var leftOut = false;
        foreach (var (pattern, leavesOut) in rules)
        {
            if (leavesOut != leftOut && Prefixes(path).Any(pattern.IsMatch))
            {
                leftOut = leavesOut;
            }
        }

        return leftOut;
    }

    static IEnumerable<string> Prefixes(string path)
    {
        for (var at = path.IndexOf('/', StringComparison.Ordinal); at >= 0; at = path.IndexOf('/', at + 1))
        {
            yield return path[..at];
        }

        yield return path;
    }

    static string Translated(string pattern)
    {
        var regex = new StringBuilder();
        for (var i = 0; i < pattern.Length; i++)
        {
            var c = pattern[i];
            if (c == '*' && i + 1 < pattern.Length && pattern[i + 1] == '*')
            {
                i++;
                var slash = i + 1 < pattern.Length && pattern[i + 1] == '/';
                i += slash ? 1 : 0;
                regex.Append(slash ? "(.*/)?" : ".*");
            }
            else if (c == '[' && pattern.IndexOf(']', i + 1) is > 0 and var end && end > i + 1)
            {
                regex.Append('[').Append(pattern[(i + 1)..end].Replace("\\", "\\\\", StringComparison.Ordinal).Replace("[", "\\[", StringComparison.Ordinal)).Append(']');
                i = end;
            }
            else if (c == '\\' && i + 1 < pattern.Length)
            {
                regex.Append(Regex.Escape(pattern[++i].ToString()));
            }
            else
            {
                regex.Append(c switch { '*' => "[^/]*", '?' => "[^/]", _ => Regex.Escape(c.ToString()) });
            }
        }

        return regex.ToString();
    }
}
