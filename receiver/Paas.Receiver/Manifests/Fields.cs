namespace Paas.Receiver.Manifests;

/// <summary>
/// Takes a mapping apart by a schema: each key is asked for once, each mistake is noted with its line and path, and what nobody asked for is
/// unknown. A getter that noted a mistake returns a harmless value, so that the reading goes on to the next one.
/// </summary>
sealed class Fields(Mapping mapping, string path, Mistakes mistakes)
{
    readonly List<string> known = [];

    public int Line => mapping.Line;

    public string PathOf(string key) => path.Length == 0 ? key : $"{path}.{key}";

    public int LineOf(string key) => mapping.Entries.FirstOrDefault(entry => entry.Key == key)?.Line ?? mapping.Line;

    public bool Has(string key) => mapping[key] is { } node && node is not Scalar { IsNull: true };

    public void Mistake(string key, string text) => mistakes.Add(LineOf(key), PathOf(key), text);

    /// <summary>The value; null when the key is absent or has nothing behind it.</summary>
    public Node? Take(string key)
    {
        known.Add(key);
        return Has(key) ? mapping[key] : null;
    }

    public Node? Required(string key)
    {
        var node = Take(key);
        if (node is null)
        {
            Mistake(key, "is missing");
        }

        return node;
    }

    public string? Text(string key, bool required = false)
    {
        var node = required ? Required(key) : Take(key);
        return node is null ? null : TextOf(node, key);
    }

    /// <summary>The literal text of a scalar, whatever it looks like (AMB-35).</summary>
    public string? TextOf(Node node, string key)
    {
        if (node is Scalar scalar)
        {
            return scalar.Text;
        }

        mistakes.Add(node.Line, PathOf(key), $"a text was expected, not {node.Kind}");
        return null;
    }

    public int Number(string key, int otherwise, int least, int most)
    {
        var node = Take(key);
        if (node is null)
        {
            return otherwise;
        }

        if (node is Scalar { AsInteger: { } number } && number >= least && number <= most)
        {
            return (int)number;
        }

        Mistake(key, $"a whole number from {least} to {most} was expected, not {(node is Scalar scalar ? Mistakes.Quote(scalar.Text) : node.Kind)}");
        return otherwise;
    }

    public bool Flag(string key)
    {
        var node = Take(key);
        if (node is null)
        {
            return false;
        }

        if (node is Scalar { AsBoolean: { } truth })
        {
            return truth;
        }

        Mistake(key, $"true or false was expected, not {(node is Scalar scalar ? Mistakes.Quote(scalar.Text) : node.Kind)}");
        return false;
    }

    /// <summary>A mapping below this one; null when it is absent or something else.</summary>
    public Fields? Section(string key, bool required = false) =>
        (required ? Required(key) : Take(key)) is { } node ? Of(node, PathOf(key), mistakes) : null;

    /// <summary>A mapping whose keys are the writer's own; an empty one when it is absent.</summary>
    public Mapping Free(string key)
    {
        var node = Take(key);
        if (node is null or Mapping)
        {
            return node as Mapping ?? new Mapping(mapping.Line, []);
        }

        mistakes.Add(node.Line, PathOf(key), $"a mapping was expected, not {node.Kind}");
        return new Mapping(node.Line, []);
    }

    /// <summary>The items of a list with the path of each.</summary>
    public IEnumerable<(Node Node, string Path)> List(string key, bool required = false)
    {
        var node = required ? Required(key) : Take(key);
        if (node is Sequence sequence)
        {
            return sequence.Items.Select((item, index) => (item, $"{PathOf(key)}.{index}"));
        }

        if (node is not null)
        {
            mistakes.Add(node.Line, PathOf(key), $"a list was expected, not {node.Kind}");
        }

        return [];
    }

    public IEnumerable<Fields> Sections(string key, bool required = false) =>
        List(key, required).Select(item => Of(item.Node, item.Path, mistakes)).OfType<Fields>();

    /// <summary>Call when every known key has been asked for: the others are mistakes.</summary>
    public void NoOthers()
    {
        foreach (var entry in mapping.Entries.Where(entry => !known.Contains(entry.Key, StringComparer.Ordinal)))
        {
            mistakes.Add(entry.Line, PathOf(entry.Key), $"is not known here{(Nearest.Hint(entry.Key, known) is { Length: > 0 } hint ? hint : $"; there are: {string.Join(", ", known.Distinct().Order(StringComparer.Ordinal))}")}");
        }
    }

    /// <summary>Null, and a mistake, when the node is no mapping.</summary>
    public static Fields? Of(Node node, string path, Mistakes mistakes)
    {
        if (node is Mapping mapping)
        {
            return new Fields(mapping, path, mistakes);
        }

        mistakes.Add(node.Line, path, $"a mapping was expected, not {node.Kind}");
        return null;
    }
}
