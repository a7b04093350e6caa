using System.Text.RegularExpressions;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>Where a project's configuration comes from; the later win: what the tree ships, what it ships for this type of environment, the pillar, the call.</summary>
sealed record LayerSources
{
    /// <summary><see cref="Layers.DefaultsIn"/> of the tree.</summary>
    public ProjectFile? Defaults { get; init; }

    /// <summary>The pillar's <c>init.sls</c>.</summary>
    public ProjectFile? Pillar { get; init; }

    /// <summary>What came with this call: a variable's name, or a path with dots, and its value.</summary>
    public IReadOnlyDictionary<string, string> Call { get; init; } = new Dictionary<string, string>();

    /// <summary>The environment the project is in; null takes no <c>env_defaults</c>.</summary>
    public Project? Of { get; init; }

    /// <summary>A generated secret by its name and length; null shows that there is one without making it.</summary>
    public Func<string, int, string>? Secret { get; init; }
}

/// <summary>
/// Puts a project's configuration together (reference 2.3): mappings merge, lists and single values are replaced, <c>{name}</c> stands for another
/// value, <c>{secret:NAME}</c> for one that is generated once and remembered.
/// </summary>
static partial class Layers
{
    /// <summary>What a tree may ship its defaults in (R1.5); the first that is there is read.</summary>
    public static readonly IReadOnlyList<string> DefaultsNames = [".paas/defaults.yml", "PILLAR.sample", "PILLAR.sample.sls", ".salt/PILLAR.sample"];

    /// <summary>Characters of one value, references resolved.</summary>
    const int LongestValue = 100_000;

    /// <summary>Characters of all values that references were resolved in; a file cannot grow without end by naming itself.</summary>
    const int LargestResolved = 4_000_000;

    const int SecretLength = 32;

    const string TypeDefaults = "env_defaults";

    static readonly Mapping Nothing = new(1, []);

    /// <exception cref="Refusal">It is no file of this tree.</exception>
    public static ProjectFile? DefaultsIn(string tree)
    {
        foreach (var name in DefaultsNames)
        {
            if (ProjectFile.Read(tree, name) is { } file)
            {
                return file;
            }
        }

        return null;
    }

    /// <exception cref="Refusal">A layer cannot be used; every mistake of it with its line.</exception>
    public static Pillar Resolve(LayerSources sources)
    {
        if (sources is { Defaults: null, Pillar: null, Call.Count: 0 })
        {
            return Pillar.Empty;
        }

        var layers = Stack(sources);
        var merged = layers.Aggregate(Nothing, (below, layer) => Merge(below, layer.Values));
        if (Keys(merged).FirstOrDefault(key => key.Contains('\n', StringComparison.Ordinal)) is { } broken)
        {
            throw new Refusal($"the configuration has a key with a line break in it: '{LogStream.Harmless(broken)}'");
        }

        var mistakes = new Mistakes("the configuration");
        var references = new References(merged, sources, mistakes);
        var resolved = (Mapping)references.Resolve(merged, "");
        mistakes.Throw();

        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in resolved["env"] is Mapping env ? env.Entries : [])
        {
            environment[entry.Key] = entry.Value is Scalar { IsNull: false } value ? value.Text : "";
        }

        var secrets = PillarReader.SecretsOf(resolved);
        secrets.UnionWith(references.Secrets);
        return new Pillar(environment, [.. secrets])
        {
            Document = resolved.ToJson(),
            Origins = Leaves(resolved, "").ToDictionary(path => path, path => layers.Last(layer => Has(layer.Values, path)).Name),
        };
    }

    /// <summary>Checks one file by itself, as a push of it does; nothing is generated.</summary>
    /// <exception cref="Refusal">Every mistake with its line.</exception>
    public static void Check(ProjectFile file, bool isPillar) =>
        Resolve(isPillar ? new LayerSources { Pillar = file } : new LayerSources { Defaults = file });

    static List<(string Name, Mapping Values)> Stack(LayerSources sources)
    {
        var refusals = new List<string>();
        var defaults = Body(sources.Defaults, sources.Defaults?.Name, sources.Of, refusals);
        var pillar = Body(sources.Pillar, sources.Pillar is { } file ? $"pillar's {file.Name}" : null, sources.Of, refusals);
        var call = Called(sources.Call, refusals);
        if (refusals.Count > 0)
        {
            throw new Refusal(string.Join('\n', refusals));
        }

        var byType = Merge(defaults[TypeDefaults] as Mapping ?? Nothing, pillar[TypeDefaults] as Mapping ?? Nothing);
        var layers = new List<(string, Mapping)> { (sources.Defaults?.Name ?? "", Without(defaults, TypeDefaults)) };
        foreach (var name in sources.Of is { Environment: var environment } ? NamesOf(environment) : [])
        {
            if (byType[name] is Mapping values)
            {
                layers.Add(($"{TypeDefaults}.{name}", values));
            }
        }

        return [.. layers, ("pillar", Without(pillar, TypeDefaults)), ("call", call)];
    }

    // preprod, qa and test are staging (A7); the environment's own name is the most particular.
    static IEnumerable<string> NamesOf(Projects.Environment environment) => new[]
    {
        environment.Type.ToString().ToLowerInvariant(), environment.Name.Value,
    }.Distinct();

    /// <summary>A file's own keys with those below <c>makina-projects.NAME</c>, where makina-states has them.</summary>
    static Mapping Body(ProjectFile? file, string? shownAs, Project? of, List<string> refusals)
    {
        if (file is null)
        {
            return Nothing;
        }

        var mistakes = new Mistakes(shownAs!);
        try
        {
            PillarReader.RefuseJinja(file.Text, mistakes);
            mistakes.Throw();
            if (Yaml.Parse(file.Text, mistakes) is not { } root)
            {
                mistakes.Throw();
                return Nothing;
            }

            if (root is not Mapping whole)
            {
                mistakes.Add(root.Line, "", $"a mapping was expected, not {root.Kind}");
                throw mistakes.Refusal();
            }

            var body = Without(whole, key => key.StartsWith("makina-projects.", StringComparison.Ordinal));
            foreach (var key in new[] { "makina-projects.projectname", $"makina-projects.{of?.Name}" }.Distinct())
            {
                body = whole[key] is Mapping own ? Merge(body, own) : body;
            }

            CheckBody(body, "", mistakes);
            mistakes.Throw();
            return body;
        }
        catch (Refusal refusal)
        {
            refusals.Add(refusal.Message);
            return Nothing;
        }
    }

    static void CheckBody(Mapping body, string path, Mistakes mistakes)
    {
        var fields = new Fields(body, path, mistakes);
        foreach (var entry in fields.Free("env").Entries)
        {
            PillarReader.CheckVariable(entry, fields.PathOf("env"), mistakes);
        }

        if (path.Length == 0)
        {
            foreach (var entry in fields.Free(TypeDefaults).Entries)
            {
                if (entry.Value is Mapping inner)
                {
                    CheckBody(inner, $"{TypeDefaults}.{entry.Key}", mistakes);
                }
                else if (entry.Value is not Scalar { IsNull: true })
                {
                    mistakes.Add(entry.Line, $"{TypeDefaults}.{entry.Key}", $"a mapping was expected, not {entry.Value.Kind}");
                }
            }
        }
    }

    static Mapping Called(IReadOnlyDictionary<string, string> call, List<string> refusals)
    {
        var mistakes = new Mistakes("what was set in this call");
        var values = Nothing;
        foreach (var (name, value) in call)
        {
            var parts = name.Contains('.', StringComparison.Ordinal) ? name.Split('.') : ["env", name];
            if (parts.Any(part => part.Length == 0))
            {
                mistakes.Add(1, name, "is no path");
                continue;
            }

            Node node = new Scalar(1, value, Plain: true);
            foreach (var part in parts.Reverse())
            {
                node = new Mapping(1, [new Entry(1, part, node)]);
            }

            values = Merge(values, (Mapping)node);
        }

        CheckBody(values, "", mistakes);
        if (mistakes.Any)
        {
            refusals.Add(mistakes.Refusal().Message);
        }

        return values;
    }

    static Mapping Merge(Mapping below, Mapping above)
    {
        if (below.Entries.Count == 0 || above.Entries.Count == 0)
        {
            return below.Entries.Count == 0 ? above : below;
        }

        var entries = below.Entries.ToDictionary(entry => entry.Key, StringComparer.Ordinal);
        foreach (var entry in above.Entries)
        {
            // "env:" with everything below it commented out says nothing; it does not say "no variables".
            entries[entry.Key] = !entries.TryGetValue(entry.Key, out var under) || under.Value is not Mapping one ? entry
                : entry.Value is Mapping other ? entry with { Value = Merge(one, other) }
                : entry.Value is Scalar { IsNull: true } ? under
                : entry;
        }

        return new Mapping(above.Line, [.. entries.Values]);
    }

    static Mapping Without(Mapping mapping, string key) => Without(mapping, one => one == key);

    static Mapping Without(Mapping mapping, Func<string, bool> goes) =>
        mapping.Entries.Any(entry => goes(entry.Key)) ? new Mapping(mapping.Line, [.. mapping.Entries.Where(entry => !goes(entry.Key))]) : mapping;

    static IEnumerable<string> Leaves(Node node, string path) => node is Mapping { Entries.Count: > 0 } mapping
        ? mapping.Entries.SelectMany(entry => Leaves(entry.Value, path.Length == 0 ? entry.Key : $"{path}\n{entry.Key}"))
        : path.Length == 0 ? [] : [path];

    static IEnumerable<string> Keys(Mapping mapping) =>
        mapping.Entries.SelectMany(entry => entry.Value is Mapping inner ? Keys(inner).Prepend(entry.Key) : [entry.Key]);

    static bool Has(Mapping layer, string path)
    {
        Node? node = layer;
        foreach (var part in path.Split('\n'))
        {
            node = (node as Mapping)?[part];
        }

        return node is not null;
    }

    // One resolution: every reference is followed once, a circle is said with its members.
    sealed class References(Mapping root, LayerSources sources, Mistakes mistakes)
    {
        readonly Dictionary<string, string> facts = FactsOf(sources.Of);
        readonly Dictionary<string, string?> known = new(StringComparer.Ordinal);
        readonly List<string> following = [];
        long resolved;

        public HashSet<string> Secrets { get; } = new(StringComparer.Ordinal);

        public Node Resolve(Node node, string path) => node switch
        {
            Mapping mapping => new Mapping(mapping.Line, [.. mapping.Entries.Select(entry => entry with { Value = Resolve(entry.Value, path.Length == 0 ? entry.Key : $"{path}.{entry.Key}") })]),
            Sequence sequence => new Sequence(sequence.Line, [.. sequence.Items.Select((item, index) => Resolve(item, $"{path}.{index}"))]),
            Scalar { IsNull: false } scalar when scalar.Text.Contains('{', StringComparison.Ordinal) => scalar with { Text = Text(scalar, path) },
            _ => node,
        };

        string Text(Scalar scalar, string path)
        {
            // Where nothing is too long, and it is looked at once: the file's own size was bounded.
            var text = Reference().Replace(scalar.Text, reference => ValueOf(reference, scalar, path) ?? reference.Value);
            resolved += text.Length;
            if (text.Length > LongestValue || resolved > LargestResolved)
            {
                if (resolved < long.MaxValue / 2)
                {
                    mistakes.Add(scalar.Line, path, $"is longer than {LongestValue:N0} characters once its references are resolved");
                }

                resolved = long.MaxValue / 2;
                return "";
            }

            return text;
        }

        string? ValueOf(Match reference, Scalar scalar, string path)
        {
            if (resolved > LargestResolved)
            {
                return "";
            }

            if (reference.Groups["secret"] is { Success: true } secret)
            {
                return Generated(secret.Value, reference.Groups["length"], scalar, path);
            }

            var name = reference.Groups["name"].Value;
            if (known.TryGetValue(name, out var value))
            {
                return value;
            }

            if (Find(name) is not { } target)
            {
                return known[name] = facts.GetValueOrDefault(name);
            }

            if (following.Contains(name))
            {
                mistakes.Add(scalar.Line, path, $"refers to itself: {string.Join(" → ", following.SkipWhile(one => one != name).Append(name))}");
                return known[name] = "";
            }

            following.Add(name);
            value = target.IsNull ? "" : target.Text.Contains('{', StringComparison.Ordinal) ? Text(target, name) : target.Text;
            following.RemoveAt(following.Count - 1);
            return known[name] = value;
        }

        string Generated(string name, Group length, Scalar scalar, string path)
        {
            var wanted = length.Success ? int.Parse(length.ValueSpan, System.Globalization.CultureInfo.InvariantCulture) : SecretLength;
            if (wanted is < 8 or > 128)
            {
                mistakes.Add(scalar.Line, path, $"a generated secret has 8 to 128 characters, not {wanted}");
                return "";
            }

            var value = sources.Secret?.Invoke(name, wanted) ?? Pillar.Stars;
            Secrets.Add(value);
            return value;
        }

        // The nearest meaning first: a variable, a value of data, a path from the top.
        Scalar? Find(string name) => new[] { $"env.{name}", $"data.{name}", name }.Select(At).OfType<Scalar>().FirstOrDefault();

        Node? At(string path)
        {
            Node? node = root;
            foreach (var part in path.Split('.'))
            {
                node = (node as Mapping)?[part];
            }

            return node;
        }

        // makina-states' own names for where things are (reference 2.2).
        static Dictionary<string, string> FactsOf(Project? project) => project is null ? [] : new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["project"] = project.Name.Value,
            ["environment"] = project.Environment.Name.Value,
            ["default_env"] = project.Environment.Type.ToString().ToLowerInvariant(),
            ["fqdn"] = System.Net.Dns.GetHostName(),
            ["project_dir"] = project.Directory,
            ["project_root"] = project.Run,
            ["run_root"] = project.Run,
            ["data_root"] = project.Data,
            ["build_root"] = project.Build,
            ["deploy_root"] = project.Deploy,
            ["releases_root"] = project.Releases,
            ["archives_root"] = project.Archives,
        };
    }

    // "${HOME}" is a shell's, "{{ x }}" a template's; neither is ours.
    [GeneratedRegex("""(?<![\$\{])\{(?:secret:(?<secret>[A-Za-z0-9_.-]{1,60})(?::(?<length>[0-9]{1,4}))?|(?<name>[A-Za-z_][A-Za-z0-9_.-]{0,200}))\}(?!\})""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 2000)]
    private static partial Regex Reference();
}
