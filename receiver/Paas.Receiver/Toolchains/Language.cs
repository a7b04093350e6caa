namespace Paas.Receiver.Toolchains;

/// <summary>How the versions of a language are found.</summary>
/// <param name="Program">Its name, in the directory of each version.</param>
/// <param name="Ask">Arguments that make it say its version.</param>
/// <param name="Places">Directories of programs below a home directory; <c>{v}</c> is each version's own.</param>
sealed record Language(string Program, IReadOnlyList<string> Ask, IReadOnlyList<string> Places)
{
    const string Version = "{v}";

    /// <summary>
    /// The languages that buildpacks bring: of each folder that has a file <c>toolchain</c> of lines <c>program: NAME</c>, <c>ask: ARGUMENTS</c> (<c>--version</c> where there is none)
    /// and <c>place: PATH/{v}/bin</c>, the language of the folder's name. The first directory that has a name wins.
    /// </summary>
    /// <exception cref="FormatException">A file cannot be understood; says which and why.</exception>
    public static IReadOnlyDictionary<string, Language> In(IEnumerable<string> directories)
    {
        var languages = new Dictionary<string, Language>(StringComparer.Ordinal);
        foreach (var file in directories.Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories).Select(folder => Path.Combine(folder, "toolchain")).Where(File.Exists))
        {
            languages.TryAdd(Path.GetFileName(Path.GetDirectoryName(file)!), Parse(file, File.ReadAllLines(file)));
        }

        return languages;
    }

    static Language Parse(string file, IReadOnlyList<string> lines)
    {
        var said = lines.Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0).Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries)).ToList();
        if (said.Find(pair => pair.Length < 2 || pair[0] is not ("program" or "ask" or "place")) is { } unknown)
        {
            throw new FormatException($"{file}: '{unknown[0]}' is none of program, ask, place");
        }

        var places = said.Where(pair => pair[0] == "place").Select(pair => pair[1].TrimStart('/')).ToList();
        if (places.Find(place => !place.Contains($"/{Version}", StringComparison.Ordinal) || place.Split('/').Contains("..", StringComparer.Ordinal)) is { } place)
        {
            throw new FormatException($"{file}: in '{place}' there is no directory {Version} for the version");
        }

        return said.Find(pair => pair[0] == "program") is [_, { Length: > 0 } program] && !program.Contains('/', StringComparison.Ordinal)
            ? new Language(program, said.Find(pair => pair[0] == "ask") is { } ask ? ask[1].Split(' ', StringSplitOptions.RemoveEmptyEntries) : ["--version"], places)
            : throw new FormatException($"{file}: does not say which program it is: 'program: NAME'");
    }
}
