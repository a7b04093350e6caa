namespace Paas.Corpus;

/// <summary>One nickname of <c>~/.makinastates.conf</c>.</summary>
sealed record Account(string Nickname, string Url, string? Id, string? Password);

/// <summary>
/// <c>~/.makinastates.conf</c> (R15.1), read leniently (A20): the RFC's own example has <c>password s3cr3t</c> without its colon and an indentation
/// that no YAML reader takes.
/// </summary>
static class SettingsFile
{
    public const string Name = ".makinastates.conf";

    /// <summary>Empty when there is no such file. Warns when others may read it.</summary>
    public static IReadOnlyList<Account> Read(string home, TextWriter warnings)
    {
        var path = Path.Combine(home, Name);
        if (home.Length == 0 || !File.Exists(path))
        {
            return [];
        }

        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != UnixFileMode.None)
        {
            warnings.WriteLine($"corpus: others can read the passwords in {path}; run: chmod 600 {path}");
        }

        try
        {
            return Parse(File.ReadLines(path));
        }
        catch (UnauthorizedAccessException)
        {
            throw new CorpusException(Exit.Failed, $"{path} cannot be read.");
        }
    }

    public static IReadOnlyList<Account> Parse(IEnumerable<string> lines)
    {
        var accounts = new List<Account>();
        string? nickname = null;
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in lines.Select(line => line.TrimEnd()).Where(line => line.TrimStart() is { Length: > 0 } text && text[0] != '#' && text is not ("---" or "...")))
        {
            var text = line.TrimStart();
            var (key, value) = Split(text);
            // What has a value belongs to the nickname above it, however it is indented.
            if (value.Length == 0 && key is not ("url" or "id" or "password"))
            {
                Finish();
                nickname = key;
            }
            else
            {
                fields[key] = value;
            }
        }

        Finish();
        return accounts;

        void Finish()
        {
            if (nickname is not null && fields.TryGetValue("url", out var url) && url.Length > 0)
            {
                accounts.Add(new Account(nickname, url, fields.GetValueOrDefault("id"), fields.GetValueOrDefault("password")));
            }

            fields.Clear();
        }
    }

    // "key: value", "key:value" for a nickname's own line, "key value" (A20). A URL's colon is no separator.
    static (string Key, string Value) Split(string text)
    {
        var end = text.IndexOfAny([':', ' ', '\t']);
        return end < 0 ? (text, "") : (Unquoted(text[..end]), Unquoted(WithoutComment(text[(end + 1)..].TrimStart(':', ' ', '\t'))));
    }

    static string WithoutComment(string text) =>
        text.StartsWith('"') || text.StartsWith('\'') ? text : text.StartsWith('#') ? "" : text.Split(" #", 2)[0].TrimEnd();

    static string Unquoted(string text) => text.Length >= 2 && text[0] is '"' or '\'' && text[^1] == text[0] ? text[1..^1] : text;
}
