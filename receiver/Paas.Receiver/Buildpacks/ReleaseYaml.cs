using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Buildpacks;

/// <summary>What a buildpack's <c>bin/release</c> prints: <c>config_vars</c> and <c>default_process_types</c>. Add-ons are not ours to give and are passed over.</summary>
static class ReleaseYaml
{
    public static readonly (IReadOnlyDictionary<string, string> Variables, IReadOnlyDictionary<string, string> Types) Nothing =
        (new Dictionary<string, string>(), new Dictionary<string, string>());

    /// <exception cref="Refusal">It is not what a buildpack may print.</exception>
    public static (IReadOnlyDictionary<string, string> Variables, IReadOnlyDictionary<string, string> Types) Read(string pack, string text)
    {
        var mistakes = new Mistakes($"bin/release of the buildpack {pack}");
        var root = Yaml.Parse(text, mistakes);
        var found = root is null || Fields.Of(root, "", mistakes) is not { } top ? Nothing : (Pairs(top, "config_vars", mistakes, PillarReader.IsVariable), Pairs(top, "default_process_types", mistakes, ProcessNames.IsOne));
        mistakes.Throw();
        return found;
    }

    static Dictionary<string, string> Pairs(Fields top, string key, Mistakes mistakes, Func<string, bool> isName)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in top.Free(key).Entries)
        {
            if (!isName(entry.Key))
            {
                mistakes.Add(entry.Line, $"{key}.{entry.Key}", "is not a name that can be used here");
            }
            else if (entry.Value is Scalar { IsNull: false } value && !value.Text.Contains('\n', StringComparison.Ordinal))
            {
                pairs[entry.Key] = value.Text;
            }
            else if (entry.Value is not Scalar { IsNull: true })
            {
                mistakes.Add(entry.Line, $"{key}.{entry.Key}", "a single line was expected");
            }
        }

        return pairs;
    }
}
