namespace Paas.Corpus;

/// <summary>Columns as wide as their widest cell, two blanks between them, none after the last.</summary>
static class Table
{
    public static void Write(TextWriter output, params IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (rows.Count == 0)
        {
            return;
        }

        var widths = Enumerable.Range(0, rows[0].Count).Select(column => rows.Max(row => row[column].Length)).ToList();
        foreach (var row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        }
    }
}

/// <summary>Values as people read them.</summary>
static class Words
{
    public static string Commit(string? commit) => commit is { Length: > 10 } ? commit[..10] : commit ?? "-";

    public static string Time(DateTimeOffset? time) => time is { } at ? at.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss") : "-";

    public static string Release(int? number) => number is { } n ? $"v{n}" : "-";

    /// <summary>A word alone is a release when it looks like one; a project named v3 has to be followed by its release, or be written ENV/v3.</summary>
    public static (string? Project, int? Release) ProjectAndRelease(string? project, string? release) => (project, release) switch
    {
        (null, _) => (null, null),
        (_, null) => LooksLikeARelease(project) ? (null, ReleaseNumber(project)) : (project, null),
        _ => (project, ReleaseNumber(release)),
    };

    /// <exception cref="CorpusException">The text is none.</exception>
    public static int ReleaseNumber(string text) =>
        LooksLikeARelease(text) ? int.Parse(text.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture)
            : throw new CorpusException(Exit.Usage, $"'{text}' is not a release; write it as v12.");

    static bool LooksLikeARelease(string text) =>
        text.Length is > 1 and < 10 && text[0] == 'v' && int.TryParse(text.AsSpan(1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) && number > 0;

    public static string Bytes(long? bytes) => bytes switch
    {
        null => "-",
        < 1_000_000 => $"{bytes / 1_000.0:0.0} kB",
        < 1_000_000_000 => $"{bytes / 1_000_000.0:0.0} MB",
        _ => $"{bytes / 1_000_000_000.0:0.0} GB",
    };
}
