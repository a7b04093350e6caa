using System.Text;
using System.Text.Json;

namespace Paas.Receiver.Manifests;

/// <summary>JSON to <see cref="Node"/>s, comments and trailing commas tolerated, as people write <c>app.json</c>.</summary>
static class Json
{
    /// <summary>Null when it cannot be read; a mistake says why.</summary>
    public static Node? Parse(string text, Mistakes mistakes)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = Yaml.Deepest });
        var lines = new Lines(bytes);
        try
        {
            reader.Read();
            var root = Value(ref reader, lines, mistakes);
            reader.Read();
            return root;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            var line = e is JsonException { LineNumber: { } number } ? (int)number + 1 : 1;
            mistakes.Add(line, "", "is not JSON here" + (e is JsonException ? $": {e.Message.Split(" LineNumber:")[0].TrimEnd('.')}" : ""));
            return null;
        }
    }

    static Node Value(ref Utf8JsonReader reader, Lines lines, Mistakes mistakes)
    {
        var line = lines.At(reader.TokenStartIndex);
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var entries = new List<Entry>();
                var seen = new HashSet<string>(StringComparer.Ordinal);
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    var (key, at) = (reader.GetString()!, lines.At(reader.TokenStartIndex));
                    reader.Read();
                    var value = Value(ref reader, lines, mistakes);
                    if (seen.Add(key))
                    {
                        entries.Add(new Entry(at, key, value));
                    }
                    else
                    {
                        mistakes.Add(at, "", $"{Mistakes.Quote(key)} is given twice");
                    }
                }

                return new Mapping(line, entries);
            case JsonTokenType.StartArray:
                var items = new List<Node>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(Value(ref reader, lines, mistakes));
                }

                return new Sequence(line, items);
            case JsonTokenType.String:
                return new Scalar(line, reader.GetString()!, Plain: false);
            default:
                return new Scalar(line, Encoding.UTF8.GetString(reader.ValueSpan), Plain: true);
        }
    }

    sealed class Lines(byte[] bytes)
    {
        long index;
        int line = 1;

        // Asked in ascending order only.
        public int At(long position)
        {
            for (; index < position; index++)
            {
                line += bytes[index] == '\n' ? 1 : 0;
            }

            return line;
        }
    }
}
