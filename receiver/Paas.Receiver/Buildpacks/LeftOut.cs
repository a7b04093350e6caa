using System.Text;
using System.Text.RegularExpressions;

namespace Paas.Receiver.Buildpacks;

/// <summary>
/// What a <c>.slugignore</c> leaves out of a release: patterns as in <c>.gitignore</c>, without negation, as Heroku has it. A pattern with a <c>/</c> before its end
/// counts from the root, others at any depth; one that ends with <c>/</c> means directories alone; <c>**</c> crosses directories.
/// </summary>
static class LeftOut
{
    /// <summary>Takes them out of a draft. Returns how many files and directories went as a whole.</summary>
    public static int RemoveFrom(string tree, IReadOnlyList<string> patterns)
    {
        var rules = patterns.Where(pattern => pattern[0] != '!').Select(Rule).ToList();
        return rules.Count == 0 ? 0 : RemoveBelow(tree, "", rules);
    }

    static int RemoveBelow(string tree, string below, List<(Regex Pattern, bool DirectoryOnly)> rules)
    {
        var removed = 0;
        foreach (var entry in new DirectoryInfo(Path.Combine(tree, below)).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = FileAttributes.None }).ToList())
        {
            var path = below.Length == 0 ? entry.Name : $"{below}/{entry.Name}";
            var directory = entry is DirectoryInfo && entry.LinkTarget is null;
            if (rules.Any(rule => (directory || !rule.DirectoryOnly) && rule.Pattern.IsMatch(path)))
            {
                removed++;
                if (directory)
                {
                    Directory.Delete(entry.FullName, recursive: true);
                }
                else
                {
                    File.Delete(entry.FullName);
                }
            }
            else if (directory)
            {
                removed += RemoveBelow(tree, path, rules);
            }
        }

        return removed;
    }

    static (Regex Pattern, bool DirectoryOnly) Rule(string pattern)
    {
        var directoryOnly = pattern.EndsWith('/');
        var text = pattern.TrimEnd('/');
        var anchored = text.Contains('/', StringComparison.Ordinal);
        text = text.TrimStart('/');
        var regex = new StringBuilder(anchored ? "^" : "(^|/)");
        for (var i = 0; i < text.Length; i++)
        {
            if (text.AsSpan(i).StartsWith("**/"))
            {
                regex.Append("(.*/)?");
                i += 2;
            }
            else if (text.AsSpan(i).StartsWith("**"))
            {
                regex.Append(".*");
                i++;
            }
            else
            {
                regex.Append(text[i] switch { '*' => "[^/]*", '?' => "[^/]", var c => Regex.Escape(c.ToString()) });
            }
        }

        return (new Regex(regex.Append('$').ToString(), RegexOptions.NonBacktracking), directoryOnly);
    }
}
