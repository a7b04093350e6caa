using System.IO.Enumeration;

namespace Paas.Receiver.Buildpacks;

/// <summary>The buildpacks an operator offers: those of each directory in turn, in the order of its file <c>order</c>. One that is not in it is used by name only.</summary>
/// <param name="directories">Searched one after the other: the first that has a name wins.</param>
sealed class BuildpackShelf(IReadOnlyList<string> directories)
{
    /// <summary>What others call what is here too.</summary>
    static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["heroku/nodejs"] = "node",
        ["heroku/python"] = "python",
        ["heroku/ruby"] = "ruby",
        ["heroku/php"] = "php",
        ["heroku/go"] = "go",
        ["heroku/java"] = "java",
        ["heroku/jvm"] = "java",
        ["heroku/gradle"] = "java",
        ["heroku/dotnet"] = "dotnet",
        ["heroku-community/static"] = "static",
        ["heroku-community/inline"] = "inline",
        ["nodejs"] = "node",
        [".net"] = "dotnet",
        ["golang"] = "go",
    };

    /// <summary>In the order in which they are asked.</summary>
    public IReadOnlyList<Buildpack> InOrder => inOrder.Value;

    /// <summary>All names, for a message.</summary>
    public IReadOnlyList<string> Names =>
        [.. directories.Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories).Where(IsOne).Select(path => Path.GetFileName(path)).Distinct().Order(StringComparer.Ordinal)];

    readonly Lazy<IReadOnlyList<Buildpack>> inOrder = new(() => [.. directories.SelectMany(Ordered).DistinctBy(pack => pack.Name)]);

    /// <summary>Null when nobody here is called so.</summary>
    public Buildpack? Find(string name)
    {
        var known = Aliases.GetValueOrDefault(name, name);
        return known.Length > 0 && known.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            ? directories.Select(directory => Path.Combine(directory, known)).Where(IsOne).Select(path => new Buildpack(known, path, BuildpackOrigin.Shelf)).FirstOrDefault()
            : null;
    }

    /// <summary>What all of ours share; null where a directory brings no such thing.</summary>
    public static string? LibraryOf(Buildpack pack) =>
        pack.Origin == BuildpackOrigin.Shelf && Path.Combine(Path.GetDirectoryName(pack.Directory)!, "lib") is var library && Directory.Exists(library) ? library : null;

    /// <summary>Those worth asking about a tree, with what made them so.</summary>
    public IEnumerable<(Buildpack Pack, string? Found)> Candidates(string tree)
    {
        var names = new Lazy<List<string>>(() => [.. Directory.EnumerateFileSystemEntries(tree).Select(path => Path.GetFileName(path))]);
        foreach (var pack in InOrder)
        {
            if (pack.LooksFor.Count == 0)
            {
                yield return (pack, null);
            }
            else if (pack.LooksFor.Select(pattern => Found(tree, pattern, names.Value)).FirstOrDefault(found => found is not null) is { } found)
            {
                yield return (pack, found);
            }
        }
    }

    static string? Found(string tree, string pattern, List<string> names)
    {
        var slash = pattern.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            return names.FirstOrDefault(name => Matches(pattern, name));
        }

        var rest = pattern[(slash + 1)..];
        foreach (var name in names.Where(name => Matches(pattern[..slash], name) && Directory.Exists(Path.Combine(tree, name))))
        {
            var below = Path.Combine(tree, name);
            if (rest.Length == 0)
            {
                return name + "/";
            }

            if (Found(below, rest, [.. Directory.EnumerateFileSystemEntries(below).Select(path => Path.GetFileName(path))]) is { } found)
            {
                return $"{name}/{found}";
            }
        }

        return null;
    }

    // What is hidden is meant only where the pattern says so.
    static bool Matches(string pattern, string name) =>
        pattern == name || (pattern.Contains('*', StringComparison.Ordinal) && (name[0] != '.' || pattern[0] == '.') && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));

    static bool IsOne(string directory) => File.Exists(Path.Combine(directory, "bin", "compile"));

    static IEnumerable<Buildpack> Ordered(string directory) =>
        Path.Combine(directory, "order") is var order && File.Exists(order)
            ? File.ReadLines(order).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')
                .Select(name => new Buildpack(name, Path.Combine(directory, name), BuildpackOrigin.Shelf)).Where(pack => IsOne(pack.Directory))
            : [];
}
