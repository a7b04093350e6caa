using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>
/// Which part of a project's data is backed up (A14): with <c>include</c> only what one of them names, never what an <c>exclude</c> names. A pattern without a slash names files
/// and directories at any depth, one with a slash is anchored at <c>data/</c>; <c>*</c> and <c>?</c> stay within a name, <c>**</c> does not; whatever is below a directory that is named is named
/// too. They are kept beside each backup: what it did not take, its restore leaves alone.
/// </summary>
sealed class DataPatterns
{
    public const string FileName = "data.patterns";

    /// <summary>All of the data.</summary>
    public static readonly DataPatterns None = new([], []);

    const int Most = 200;
    const int Longest = 500;

    readonly Regex? included;
    readonly Regex? excluded;

    DataPatterns(IReadOnlyList<string> include, IReadOnlyList<string> exclude)
    {
        (Include, Exclude) = (include, exclude);
        included = OneOf(include);
        excluded = OneOf(exclude);
    }

    /// <summary>What these patterns name, and nothing else.</summary>
    public static DataPatterns Naming(IReadOnlyList<string> patterns) => new(patterns, []);

    /// <summary>True for a pattern that names something inside.</summary>
    public static bool IsPattern(string pattern) => pattern.Trim('/').Length > 0 && pattern.Length <= Longest && !pattern.Split('/').Contains("..", StringComparer.Ordinal);

    public IReadOnlyList<string> Include { get; }

    public IReadOnlyList<string> Exclude { get; }

    public bool TakesAll => included is null && excluded is null;

    /// <param name="configuration">Where <c>backup: {include: […], exclude: […]}</c> is looked for.</param>
    /// <exception cref="Refusal">It is something else.</exception>
    public static DataPatterns Of(JsonElement configuration)
    {
        if (configuration.ValueKind != JsonValueKind.Object || !configuration.TryGetProperty("backup", out var backup) || backup.ValueKind == JsonValueKind.Null)
        {
            return None;
        }

        if (backup.ValueKind != JsonValueKind.Object || backup.EnumerateObject().Any(property => property.Name is not ("include" or "exclude")))
        {
            throw new Refusal("the configuration's 'backup' holds 'include' and 'exclude', each a list of patterns");
        }

        var (include, exclude) = (ListIn(backup, "include"), ListIn(backup, "exclude"));
        return include.Count == 0 && exclude.Count == 0 ? None : new DataPatterns(include, exclude);
    }

    /// <summary>Nothing at or below this path is taken.</summary>
    /// <param name="path">Relative to data; a NUL may end it.</param>
    public bool Excludes(ReadOnlySpan<byte> path) => excluded is not null && !IsOurs(path) && excluded.IsMatch(Text(path));

    /// <summary>One of the included patterns names this path, or a directory above it.</summary>
    public bool Names(ReadOnlySpan<byte> path) => included?.IsMatch(Text(path)) ?? true;

    /// <summary>A file of this path is taken.</summary>
    public bool Takes(ReadOnlySpan<byte> path) => IsOurs(path) || ((included is null || included.IsMatch(Text(path))) && !Excludes(path));

    /// <summary>Kept beside a backup; nothing where all was taken.</summary>
    public void Write(string place)
    {
        if (!TakesAll)
        {
            AtomicFile.Write(Path.Combine(place, FileName), JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, IReadOnlyList<string>> { ["include"] = Include, ["exclude"] = Exclude }));
        }
    }

    /// <exception cref="InvalidDataException">What is kept beside the backup cannot be read.</exception>
    public static DataPatterns Read(string place)
    {
        var file = Path.Combine(place, FileName);
        if (!File.Exists(file))
        {
            return None;
        }

        try
        {
            var kept = JsonSerializer.Deserialize<Dictionary<string, string[]>>(File.ReadAllBytes(file))!;
            return new DataPatterns(kept["include"], kept["exclude"]);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException)
        {
            throw new InvalidDataException($"{file} is damaged: {e.Message}", e);
        }
    }

    // The marks of upgrade scripts belong to every state of the data.
    static bool IsOurs(ReadOnlySpan<byte> path) => path.StartsWith(".paas/"u8) || path.SequenceEqual(".paas"u8) || path.SequenceEqual(".paas\0"u8);

    static IReadOnlyList<string> ListIn(JsonElement backup, string name)
    {
        if (!backup.TryGetProperty(name, out var list) || list.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        var patterns = list.ValueKind == JsonValueKind.String ? [list.GetString()!] : list.ValueKind == JsonValueKind.Array ? list.EnumerateArray().Select(one => one.ToString()).ToList() : null;
        if (patterns is null || patterns.Count > Most || !patterns.All(IsPattern))
        {
            throw new Refusal($"the configuration's 'backup.{name}' is a list of at most {Most} patterns such as 'cache', '*.tmp' or 'uploads/**'");
        }

        return patterns;
    }

    // Names are bytes: as Latin-1 every byte is one character, in the pattern as in the path.
    static string Text(ReadOnlySpan<byte> path) => Encoding.Latin1.GetString(path is [.., 0] ? path[..^1] : path);

    static Regex? OneOf(IReadOnlyList<string> patterns) => patterns.Count == 0 ? null : new Regex(
        "\\A(?:" + string.Join('|', patterns.Select(Expression)) + ")(?:/.*)?\\z",
        RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline | RegexOptions.ExplicitCapture);

    static string Expression(string pattern)
    {
        var bytes = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(pattern.TrimEnd('/')));
        var anchored = bytes.Contains('/', StringComparison.Ordinal);
        var text = new StringBuilder(anchored ? "" : "(?:.*/)?");
        var rest = bytes.TrimStart('/');
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest.AsSpan(i).StartsWith("**/"))
            {
                text.Append("(?:.*/)?");
                i += 2;
            }
            else if (rest.AsSpan(i).StartsWith("**"))
            {
                text.Append(".*");
                i++;
            }
            else
            {
                text.Append(rest[i] switch { '*' => "[^/]*", '?' => "[^/]", var c => Regex.Escape(c.ToString()) });
            }
        }

        return text.ToString();
    }
}
