namespace Paas.Corpus;

/// <summary>What somebody types when asked. Secrets are never an argument: everybody on the machine reads command lines.</summary>
static class Typed
{
    const int LargestFile = 4_096;

    /// <summary>A secret from a file; without one asked for at a terminal, where it is not shown, or else a line of standard input.</summary>
    /// <exception cref="CorpusException">There is none.</exception>
    public static async Task<string> SecretAsync(string what, string? file, Surroundings surroundings, CancellationToken ct)
    {
        if (file is null)
        {
            if (IsAsked(surroundings))
            {
                await surroundings.Error.WriteAsync($"{what}: ");
                return Hidden(surroundings);
            }

            return (await surroundings.In.ReadLineAsync(ct))?.Trim() is { Length: > 0 } line ? line : throw new CorpusException(Exit.Usage, "give it on standard input, or in a file by --token-file FILE.");
        }

        try
        {
            var path = Path.Combine(surroundings.Directory, file);
            return new FileInfo(path).Length <= LargestFile ? (await File.ReadAllTextAsync(path, ct)).Trim() : throw new CorpusException(Exit.Usage, $"{file} is too large for a token.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw new CorpusException(Exit.Usage, $"{file} cannot be read.");
        }
    }

    /// <summary>A word, where there is somebody to ask; else null.</summary>
    public static async Task<string?> WordAsync(string what, Surroundings surroundings, CancellationToken ct)
    {
        if (!IsAsked(surroundings))
        {
            return null;
        }

        await surroundings.Error.WriteAsync($"{what}: ");
        return (await surroundings.In.ReadLineAsync(ct))?.Trim();
    }

    static bool IsAsked(Surroundings surroundings) => surroundings.IsTheProcess && !Console.IsInputRedirected;

    static string Hidden(Surroundings surroundings)
    {
        var typed = new System.Text.StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key != ConsoleKey.Enter)
        {
            _ = key.Key == ConsoleKey.Backspace ? typed.Remove(Math.Max(0, typed.Length - 1), Math.Min(1, typed.Length)) : typed.Append(key.KeyChar);
        }

        surroundings.Error.WriteLine();
        return typed.ToString().Trim();
    }
}
