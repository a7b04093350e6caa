using System.Text.Json;

namespace Paas.Receiver.Manifests;

/// <summary>A value of a configuration file with the line it stands on (from 1), whether the file was YAML or JSON.</summary>
abstract record Node(int Line)
{
    /// <summary>How many values it holds, itself included, with every alias counted as often as it is used.</summary>
    public virtual long Size => 1;

    /// <summary>What it is, for people.</summary>
    public abstract string Kind { get; }

    /// <summary>Writes it as JSON; plain scalars as YAML 1.1 reads them (what Paasmaker's loader did).</summary>
    public abstract void WriteTo(Utf8JsonWriter writer);

    /// <summary>The same value as JSON, independent of the file.</summary>
    public JsonElement ToJson()
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            WriteTo(writer);
        }

        using var document = JsonDocument.Parse(bytes.ToArray());
        return document.RootElement.Clone();
    }
}

/// <summary>A scalar as it is written: <c>1.10</c> stays <c>1.10</c> (AMB-35).</summary>
/// <param name="Plain">Not quoted: <c>true</c>, <c>12</c> and <c>null</c> mean more than their letters.</param>
sealed record Scalar(int Line, string Text, bool Plain) : Node(Line)
{
    public override string Kind => IsNull ? "nothing" : "a single value";

    public bool IsNull => Plain && Text is "" or "~" or "null" or "Null" or "NULL";

    /// <summary>YAML 1.1's words, which manifests of that time use.</summary>
    public bool? AsBoolean => !Plain ? null : Text.ToLowerInvariant() switch
    {
        "true" or "yes" or "on" => true,
        "false" or "no" or "off" => false,
        _ => null,
    };

    public long? AsInteger => Plain && Text.Length is > 0 and <= 18 && long.TryParse(Text, System.Globalization.NumberStyles.AllowLeadingSign, null, out var number) ? number : null;

    public override void WriteTo(Utf8JsonWriter writer)
    {
        if (IsNull)
        {
            writer.WriteNullValue();
        }
        else if (AsBoolean is { } truth)
        {
            writer.WriteBooleanValue(truth);
        }
        else if (AsInteger is { } number)
        {
            writer.WriteNumberValue(number);
        }
        else if (Plain && IsDecimal(Text) && decimal.TryParse(Text, System.Globalization.NumberStyles.Float, null, out var fraction))
        {
            writer.WriteNumberValue(fraction);
        }
        else
        {
            writer.WriteStringValue(Text);
        }
    }

    static bool IsDecimal(string text) =>
        text.Length <= 28 && text.Contains('.', StringComparison.Ordinal) && text.All(c => char.IsAsciiDigit(c) || c is '.' or '-' or '+' or 'e' or 'E');
}

sealed record Sequence(int Line, IReadOnlyList<Node> Items) : Node(Line)
{
    public override long Size { get; } = 1 + Items.Sum(item => item.Size);

    public override string Kind => "a list";

    public override void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var item in Items)
        {
            item.WriteTo(writer);
        }

        writer.WriteEndArray();
    }
}

/// <summary>Keys are unique: a repeated one is a mistake of the file and never gets here.</summary>
sealed record Mapping(int Line, IReadOnlyList<Entry> Entries) : Node(Line)
{
    public override long Size { get; } = 1 + Entries.Sum(entry => 1 + entry.Value.Size);

    public override string Kind => "a mapping";

    public Node? this[string key] => Entries.FirstOrDefault(entry => entry.Key == key)?.Value;

    public override void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        foreach (var entry in Entries)
        {
            writer.WritePropertyName(entry.Key);
            entry.Value.WriteTo(writer);
        }

        writer.WriteEndObject();
    }
}

/// <param name="Line">The line of the key.</param>
sealed record Entry(int Line, string Key, Node Value);
