using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlScalar = YamlDotNet.Core.Events.Scalar;

namespace Paas.Receiver.Manifests;

/// <summary>
/// YAML to <see cref="Node"/>s in bounded time and memory: one document, plain data only (as Paasmaker's safe loader), aliases shared and not
/// copied, depth and size limited. What the schema should know of a repeated key or a foreign tag is reported, not thrown.
/// </summary>
sealed class Yaml
{
    public const int Deepest = 40;
    public const int MostValues = 20_000;

    readonly string text;
    readonly Mistakes mistakes;
    readonly Parser parser;
    readonly Dictionary<string, Node> anchors = new(StringComparer.Ordinal);
    int values;

    Yaml(string text, Mistakes mistakes)
    {
        this.text = text;
        this.mistakes = mistakes;
        parser = new Parser(new StringReader(text));
    }

    /// <summary>Null when the file is empty or cannot be read; the latter has left a mistake.</summary>
    public static Node? Parse(string text, Mistakes mistakes)
    {
        var nul = text.IndexOf('\0', StringComparison.Ordinal);
        if (nul >= 0 || text.Length > ProjectFile.Largest)
        {
            // The scanner takes NUL for the end and would read half a file.
            mistakes.Add(1 + text.AsSpan(0, Math.Max(0, nul)).Count('\n'), "", nul >= 0 ? "holds a NUL character" : $"is larger than {ProjectFile.Largest:N0} characters");
            return null;
        }

        var yaml = new Yaml(text, mistakes);
        try
        {
            return yaml.Document();
        }
        catch (YamlException e)
        {
            mistakes.Add((int)Math.Max(1, e.Start.Line), "", yaml.Explain(e));
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or OverflowException or IndexOutOfRangeException)
        {
            // The scanner stumbles over some texts that nobody writes ("...\n>"); that is the text's fault, not ours.
            mistakes.Add((int)Math.Max(1, yaml.parser.Current?.End.Line ?? 1), "", "is not YAML here");
            return null;
        }
    }

    Node? Document()
    {
        parser.Consume<StreamStart>();
        if (!parser.TryConsume<DocumentStart>(out _))
        {
            return null;
        }

        var root = Value(0);
        parser.Consume<DocumentEnd>();
        if (parser.Accept<DocumentStart>(out var second))
        {
            throw new YamlException(second.Start, second.End, "a second document begins here; only one is read");
        }

        return root is Scalar { IsNull: true } ? null : root;
    }

    Node Value(int depth)
    {
        var next = parser.Current!;
        if (depth > Deepest)
        {
            throw new YamlException(next.Start, next.End, $"nested more than {Deepest} levels deep");
        }

        if (++values > MostValues)
        {
            throw new YamlException(next.Start, next.End, $"more than {MostValues} values");
        }

        var node = parser.Current switch
        {
            AnchorAlias alias => Alias(alias),
            YamlScalar scalar => Scalar(scalar),
            SequenceStart start => Sequence(start, depth),
            MappingStart start => Mapping(start, depth),
            var other => throw new YamlException(other!.Start, other.End, "a value was expected here"),
        };
        if (node.Size > MostValues)
        {
            throw new YamlException(next.Start, next.End, $"aliases make more than {MostValues} values of it");
        }

        return node;
    }

    Node Alias(AnchorAlias alias)
    {
        parser.MoveNext();
        return anchors.TryGetValue(alias.Value.Value, out var node)
            ? node
            : throw new YamlException(alias.Start, alias.End, AliasHint("*" + alias.Value.Value));
    }

    Scalar Scalar(YamlScalar scalar)
    {
        parser.MoveNext();
        CheckTag(scalar);
        // "!" and !!str say: these letters, whatever they look like.
        var plain = scalar.Style == ScalarStyle.Plain && (scalar.Tag.IsEmpty || (!scalar.Tag.IsNonSpecific && scalar.Tag.Value != "tag:yaml.org,2002:str"));
        return Anchored(scalar, new Scalar(Line(scalar), scalar.Value, plain));
    }

    Sequence Sequence(SequenceStart start, int depth)
    {
        parser.MoveNext();
        CheckTag(start);
        var items = new List<Node>();
        while (!parser.TryConsume<SequenceEnd>(out _))
        {
            items.Add(Value(depth + 1));
        }

        return Anchored(start, new Sequence(Line(start), items));
    }

    Mapping Mapping(MappingStart start, int depth)
    {
        parser.MoveNext();
        CheckTag(start);
        var entries = new List<Entry>();
        var lines = new Dictionary<string, int>(StringComparer.Ordinal);
        var merged = new List<Entry>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (Value(depth + 1) is not Scalar key)
            {
                throw new YamlException(start.Start, start.End, "a mapping's keys are single words");
            }

            // An alias as a key points to another line; the entry is here.
            var value = Value(depth + 1);
            if (key is { Text: "<<", Plain: true })
            {
                merged.AddRange(Merge(key, value));
            }
            else if (!lines.TryAdd(key.Text, key.Line))
            {
                mistakes.Add(key.Line, "", $"{Mistakes.Quote(key.Text)} is given twice; first on line {lines[key.Text]}");
            }
            else
            {
                entries.Add(new Entry(key.Line, key.Text, value));
            }
        }

        entries.AddRange(merged.Where(entry => lines.TryAdd(entry.Key, entry.Line)));
        return Anchored(start, new Mapping(Line(start), entries));
    }

    // "<<: *base": what base has and this mapping does not.
    IEnumerable<Entry> Merge(Scalar key, Node value)
    {
        switch (value)
        {
            case Mapping one:
                return one.Entries;
            case Sequence many when many.Items.All(item => item is Mapping):
                return many.Items.SelectMany(item => ((Mapping)item).Entries);
            default:
                mistakes.Add(key.Line, "", "'<<' merges a mapping, or a list of them, into this one");
                return [];
        }
    }

    T Anchored<T>(NodeEvent at, T node)
        where T : Node
    {
        if (!at.Anchor.IsEmpty)
        {
            anchors[at.Anchor.Value] = node;
        }

        return node;
    }

    void CheckTag(NodeEvent at)
    {
        if (!at.Tag.IsEmpty && !at.Tag.IsNonSpecific && !at.Tag.Value.StartsWith("tag:yaml.org,2002:", StringComparison.Ordinal))
        {
            mistakes.Add(Line(at), "", $"the tag {Mistakes.Quote(at.Tag.Value)} means nothing here; only plain values are read");
        }
        else if (!at.Tag.IsEmpty && !at.Tag.IsNonSpecific && at.Tag.Value["tag:yaml.org,2002:".Length..] is not ("str" or "int" or "float" or "bool" or "null" or "seq" or "map"))
        {
            mistakes.Add(Line(at), "", $"the tag {Mistakes.Quote(at.Tag.Value)} is not read; only plain values are");
        }
    }

    static int Line(ParsingEvent at) => (int)at.Start.Line;

    string Explain(YamlException e)
    {
        if (AliasAt(e.Start) is { } alias)
        {
            return AliasHint(alias);
        }

        var line = text.Split('\n').ElementAtOrDefault((int)e.Start.Line - 1) ?? "";
        return line.TakeWhile(char.IsWhiteSpace).Contains('\t')
            ? "a tab begins this line; YAML wants spaces there"
            : char.ToLowerInvariant(e.Message.FirstOrDefault('?')) + new string([.. e.Message.Skip(1)]).TrimEnd('.');
    }

    // AMB-37: an unquoted *.host is the commonest mistake in manifests.
    string? AliasAt(Mark mark)
    {
        var from = (int)Math.Clamp(mark.Index, 0, text.Length);
        while (from > 0 && !char.IsWhiteSpace(text[from - 1]) && text[from - 1] is not ('[' or ',' or '{'))
        {
            from--;
        }

        return from < text.Length && text[from] == '*'
            ? new string([.. text.AsSpan(from).ToString().TakeWhile(c => !char.IsWhiteSpace(c) && c is not (',' or ']' or '}')).Take(100)])
            : null;
    }

    static string AliasHint(string alias) => $"{Mistakes.Quote(alias)} begins with '*', which refers to an anchor in YAML, and there is none of that name; put it in quotes if it is a host name";
}
