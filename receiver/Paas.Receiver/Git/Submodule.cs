using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>What a <c>.gitmodules</c> says of one submodule (gitmodules(5)).</summary>
/// <param name="Path">Where it is in the tree.</param>
sealed record Submodule(string Path, string Url)
{
    public const string FileName = ".gitmodules";

    /// <param name="settings">What <c>git config -z --list</c> prints: a key, a line break, a value, NUL.</param>
    public static IReadOnlyList<Submodule> Parse(string settings)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        var urls = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var setting in settings.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, value) = setting.Split('\n', 2) is [var before, var behind] ? (before, behind) : (setting, "");
            if (key.StartsWith("submodule.", StringComparison.Ordinal) && key.LastIndexOf('.') is > 10 and var dot)
            {
                (key[(dot + 1)..] switch { "path" => paths, "url" => urls, _ => [] })[key[10..dot]] = value;
            }
        }

        return [.. paths.Where(pair => urls.ContainsKey(pair.Key)).Select(pair => new Submodule(pair.Value.TrimEnd('/'), urls[pair.Key])).DistinctBy(submodule => submodule.Path)];
    }

    /// <summary>
    /// The repository of ours that it comes from. Nothing is fetched from anywhere: what a release is made of is here, so that it can be made again.
    /// </summary>
    /// <param name="its">The repository whose <c>.gitmodules</c> this is; relative addresses are relative to it, as they are for git.</param>
    /// <exception cref="Refusal">Its address does not lead to this receiver.</exception>
    public RepositoryAddress From(RepositoryAddress its)
    {
        var segments = new List<string>(its.ToString().Split('/'));
        if (Url.StartsWith("./", StringComparison.Ordinal) || Url.StartsWith("../", StringComparison.Ordinal))
        {
            foreach (var part in Url.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != "."))
            {
                if (part != "..")
                {
                    segments.Add(part);
                }
                else if (segments.Count > 0)
                {
                    segments.RemoveAt(segments.Count - 1);
                }
                else
                {
                    throw Elsewhere();
                }
            }

            var path = string.Join('/', segments);
            return RepositoryAddress.TryParse(path) ?? RepositoryAddress.TryParse(path + ".git") ?? throw Elsewhere();
        }

        throw Elsewhere();

        Refusal Elsewhere() => new(
            $"the submodule {Path} comes from '{Logs.LogStream.Harmless(Url)}': push it to this receiver too and write its address in {FileName} relative to this repository's, such as ../NAME.git");
    }
}
