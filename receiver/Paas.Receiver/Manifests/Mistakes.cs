using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>What is wrong in one file: everything at once, each with its line and its path in the file.</summary>
sealed class Mistakes(string file)
{
    const int MostShown = 50;
    const int LongestQuote = 60;

    readonly List<(int Line, string Text)> found = [];

    public bool Any => found.Count > 0;

    /// <param name="path"><c>instances.0.name</c>; empty for the file as a whole.</param>
    public void Add(int line, string path, string text)
    {
        // A hostile file can hold a million mistakes; nobody reads more than a few.
        if (found.Count < 10_000)
        {
            found.Add((line, path.Length == 0 ? text : $"{Shortened(path, 120)}: {text}"));
        }
    }

    /// <exception cref="Refusal">There is at least one mistake.</exception>
    public void Throw()
    {
        if (Any)
        {
            throw Refusal();
        }
    }

    public Refusal Refusal()
    {
        var lines = found.OrderBy(mistake => mistake.Line).Select(mistake => $"  line {mistake.Line}  {mistake.Text}").ToList();
        var more = lines.Count > MostShown ? $"\n  and {lines.Count - MostShown} more" : "";
        return new Refusal($"{file} has {(lines.Count == 1 ? "a mistake" : $"{lines.Count} mistakes")}:\n{string.Join('\n', lines.Take(MostShown))}{more}");
    }

    /// <summary>A piece of the file in a message: short, on one line, harmless to a terminal.</summary>
    public static string Quote(string text) => $"'{Shortened(text, LongestQuote)}'";

    static string Shortened(string text, int longest) => LogStream.Harmless(text.Length > longest ? text[..longest] + "…" : text);
}

/// <summary>"Did you mean": the nearest of a few words, when one is near.</summary>
static class Nearest
{
    /// <summary>Empty, or <c>; did you mean 'x'?</c></summary>
    public static string Hint(string word, IEnumerable<string> known)
    {
        if (word.Length > 40)
        {
            return "";
        }

        var (best, distance) = known.Select(candidate => (candidate, Distance(word.ToLowerInvariant(), candidate.ToLowerInvariant())))
            .DefaultIfEmpty(("", int.MaxValue)).MinBy(pair => pair.Item2);
        return distance <= Math.Max(1, best.Length / 3) ? $"; did you mean '{best}'?" : "";
    }

    // Insertions, deletions, replacements and swapped neighbours count one each.
    static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    d[i, j] = i + j;
                    continue;
                }

                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }
}
