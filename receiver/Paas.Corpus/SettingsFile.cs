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
    public static IReadOnlyList<Account> Read(string home, Action<string> warn)
    {
        var path = Path.Combine(home, Name);
        if (home.Length == 0 || !File.Exists(path))
        {
            return [];
        }

        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != UnixFileMode.None)
        {
            warn($"others can read the passwords in {path}; run: chmod 600 {path}");
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

    /// <summary>Writes an account in, in the place of one of the same nickname; all other lines stay. Whole or not at all, and nobody else's to read.</summary>
    /// <exception cref="CorpusException">It cannot be kept.</exception>
    public static void Keep(string home, Account account)
    {
        if (home.Length == 0 || new[] { account.Nickname, account.Url, account.Id, account.Password }.Any(word => word is not null && (word.Length == 0 || word.Any(c => c <= ' ' || c is '#' or '"' or '\'' or ':' && word == account.Nickname))))
        {
            throw new CorpusException(Exit.Usage, $"'{account.Nickname}' with this address and token cannot be written to ~/{Name}.");
        }

        var path = Path.Combine(home, Name);
        var lines = File.Exists(path) ? File.ReadAllLines(path).ToList() : [];
        var begin = lines.FindIndex(line => NicknameIn(line) == account.Nickname);
        if (begin >= 0)
        {
            var end = lines.FindIndex(begin + 1, line => NicknameIn(line) is not null);
            lines.RemoveRange(begin, (end < 0 ? lines.Count : end) - begin);
        }

        lines.InsertRange(begin < 0 ? lines.Count : begin, [$"{account.Nickname}:", $"  url: {account.Url}", .. account.Id is null ? Array.Empty<string>() : [$"  id: {account.Id}"], $"  password: {account.Password}"]);
        var part = $"{path}.{Environment.ProcessId}.part";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (var writer = new StreamWriter(part, options))
            {
                writer.Write(string.Join('\n', lines) + "\n");
            }

            if (File.Exists(path))
            {
                File.Replace(part, path, null);
            }
            else
            {
                File.Move(part, path);
            }
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new CorpusException(Exit.Failed, $"{path} cannot be written: {e.Message}");
        }
        finally
        {
            File.Delete(part);
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

    static string? NicknameIn(string line) =>
        line.Trim() is { Length: > 0 } text && text[0] != '#' && text is not ("---" or "...") && Split(text) is ({ Length: > 0 } key, "") && key is not ("url" or "id" or "password") ? key : null;

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
