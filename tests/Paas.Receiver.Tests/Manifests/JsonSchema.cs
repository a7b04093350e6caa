using System.Text.Json;
using System.Text.RegularExpressions;

namespace Paas.Receiver.Manifests;

/// <summary>As much of JSON Schema as our schema uses; a word that is not known here is an error, so that nothing is taken for checked that is not.</summary>
static class JsonSchema
{
    /// <summary>What is wrong with a value, each with its path.</summary>
    public static IReadOnlyList<string> Mistakes(JsonElement whole, JsonElement value) => [.. Check(whole, whole, value, "")];

    /// <summary>The definition that a reference names, or the schema itself.</summary>
    public static JsonElement Follow(JsonElement whole, JsonElement schema) =>
        schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("$ref", out var reference) ? whole.GetProperty("definitions").GetProperty(reference.GetString()!["#/definitions/".Length..]) : schema;

    static IEnumerable<string> Check(JsonElement whole, JsonElement schema, JsonElement value, string path)
    {
        var found = Follow(whole, schema);
        return found.EnumerateObject().SelectMany(word => Check(whole, found, word, value, path)).ToList();
    }

    static IEnumerable<string> Check(JsonElement whole, JsonElement schema, JsonProperty word, JsonElement value, string path)
    {
        var number = value.ValueKind == JsonValueKind.Number ? value.GetDecimal() : (decimal?)null;
        var text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        var members = value.ValueKind == JsonValueKind.Object ? value.EnumerateObject().ToList() : [];
        var items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [];
        return word.Name switch
        {
            "$schema" or "title" or "description" or "default" or "definitions" => [],
            "properties" => members.Where(member => word.Value.TryGetProperty(member.Name, out _)).SelectMany(member => Check(whole, word.Value.GetProperty(member.Name), member.Value, $"{path}/{member.Name}")),
            "items" => items.SelectMany((item, index) => Check(whole, word.Value, item, $"{path}/{index}")),
            "additionalProperties" => members.Where(member => !schema.GetProperty("properties").TryGetProperty(member.Name, out _)).Select(member => $"{path}/{member.Name} is not known"),
            "required" => value.ValueKind != JsonValueKind.Object ? [] : word.Value.EnumerateArray().Select(name => name.GetString()!).Where(name => !value.TryGetProperty(name, out _)).Select(name => $"{path}/{name} is missing"),
            "anyOf" => Unless(word.Value.EnumerateArray().Any(one => !Check(whole, one, value, path).Any())),
            "type" => Unless((word.Value.ValueKind == JsonValueKind.Array ? word.Value.EnumerateArray().Select(one => one.GetString()!) : [word.Value.GetString()!]).Any(IsOf)),
            "enum" => Unless(word.Value.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value))),
            "pattern" => Unless(text is null || Regex.IsMatch(text, word.Value.GetString()!, RegexOptions.None, TimeSpan.FromSeconds(1))),
            "minLength" => Unless(text is null || text.Length >= word.Value.GetInt32()),
            "maxLength" => Unless(text is null || text.Length <= word.Value.GetInt32()),
            "minItems" => Unless(value.ValueKind != JsonValueKind.Array || items.Count >= word.Value.GetInt32()),
            "minimum" => Unless(number is null || number >= word.Value.GetDecimal()),
            "maximum" => Unless(number is null || number <= word.Value.GetDecimal()),
            "exclusiveMinimum" => Unless(number is null || number > word.Value.GetDecimal()),
            _ => throw new NotSupportedException(word.Name),
        };

        IEnumerable<string> Unless(bool right) => right ? [] : [$"{path}: {word.Name}"];

        bool IsOf(string type) => type switch
        {
            "object" => value.ValueKind == JsonValueKind.Object,
            "array" => value.ValueKind == JsonValueKind.Array,
            "string" => text is not null,
            "number" => number is not null,
            "integer" => number is { } some && decimal.Truncate(some) == some,
            "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
            _ => throw new NotSupportedException(type),
        };
    }
}
