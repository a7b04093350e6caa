namespace Paas.Receiver.Manifests;

/// <summary>
/// The prepare commands that a <c>manifest.yml</c> may name (reference 2.2): below each directory's <c>prepare</c>, a folder of the plug-in's name with an executable
/// <c>run</c>. Looked up anew each time, so that one that is added counts for the next push.
/// </summary>
/// <param name="directories">Searched one after the other: the first that has a name wins.</param>
sealed class PrepareShelf(IReadOnlyList<string> directories)
{
    /// <summary>All names, for a message.</summary>
    public IReadOnlyList<string> Names => [.. All().Select(command => command.Name).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Null when nobody here is called so.</summary>
    public PrepareCommand? Find(string name) => All().FirstOrDefault(command => command.Name == name);

    IEnumerable<PrepareCommand> All() =>
        directories.Select(directory => Path.Combine(directory, "prepare")).Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories)
            .Select(path => new PrepareCommand(Path.GetFileName(path), path)).Where(command => File.Exists(command.Program));
}

/// <summary>One of them.</summary>
/// <param name="Name">What a manifest's <c>plugin</c> says.</param>
/// <param name="Directory">Where it is on the host.</param>
sealed record PrepareCommand(string Name, string Directory)
{
    /// <summary>What is run.</summary>
    public string Program => Path.Combine(Directory, "run");

    /// <summary>It may reach the network where builds that fetch dependencies may.</summary>
    public bool FetchesDependencies => File.Exists(Path.Combine(Directory, "network"));

    /// <summary>What its file <c>parameters</c> says, a line each: <c>name kind</c>, with <c>required</c> behind it where it is.</summary>
    IEnumerable<(string Name, string Kind, bool Required)> Parameters() =>
        Path.Combine(Directory, "parameters") is var file && File.Exists(file)
            ? from line in File.ReadLines(file)
              let words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
              where words.Length > 0 && words[0][0] != '#'
              select (words[0], words.ElementAtOrDefault(1) ?? "text", words.ElementAtOrDefault(2) == "required")
            : [];

    /// <summary>Notes what is wrong with the parameters of a use of it; returns each one's text as its file will hold it.</summary>
    public IReadOnlyDictionary<string, string> Check(Fields parameters, Mistakes mistakes)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, kind, required) in Parameters())
        {
            var text = kind switch
            {
                "text" => parameters.Text(name, required),
                "path" => PathIn(parameters, name, required),
                "texts" => Lines(parameters, name, required, mistakes),
                "json" => (required ? parameters.Required(name) : parameters.Take(name))?.ToJson().GetRawText(),
                _ => throw new InvalidDataException($"{Directory}/parameters: '{kind}' is none of text, path, texts, json."),
            };
            if (text is not null)
            {
                texts[name] = text;
            }
        }

        parameters.NoOthers();
        return texts;
    }

    static string? PathIn(Fields parameters, string name, bool required)
    {
        var path = parameters.Text(name, required);
        if (path is not (null or ".") && !TreePath.IsInside(path))
        {
            parameters.Mistake(name, TreePath.Refused(path));
        }

        return path;
    }

    /// <summary>A line for each; null where the list is not there.</summary>
    static string? Lines(Fields parameters, string name, bool required, Mistakes mistakes)
    {
        var items = parameters.List(name, required).Select(item => Line(item.Node, item.Path)).ToList();
        return parameters.Has(name) ? string.Concat(items.Select(item => item + "\n")) : null;

        string Line(Node node, string path)
        {
            if (node is Scalar scalar)
            {
                return scalar.Text;
            }

            mistakes.Add(node.Line, path, $"a text was expected, not {node.Kind}");
            return "";
        }
    }
}

/// <summary>Paths that a repository gives for places in its own tree.</summary>
static class TreePath
{
    public static bool IsInside(string path) =>
        path.Length is > 0 and <= 1000 && path[0] is not '/' and not '-' && !path.Any(char.IsControl) && path.TrimEnd('/').Split('/').All(part => part is not ("" or "." or ".."));

    public static string Refused(string path) => $"{Mistakes.Quote(path)} is not a path inside the application";
}
