using System.Text.Json;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

/// <summary>The published JSON Schema says what the reader reads: an editor that completes by it leads nobody into a refusal.</summary>
public class ManifestSchemaTests
{
    static readonly JsonElement Schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "manifest.schema.json"))).RootElement;

    public static TheoryData<string> Properties()
    {
        var all = new TheoryData<string>();
        Walk(Schema, "", path => all.Add(path));
        return all;
    }

    [Theory]
    [MemberData(nameof(Properties))]
    public void Every_key_of_the_schema_is_known_where_it_stands(string path)
    {
        // A list in the place of a text and a text in the place of anything else: wrong enough to be said, if the key is looked at at all.
        var message = Refused(path);

        Assert.DoesNotContain($"{Last(path)}: is not known here", message);
        Assert.Contains("is not known here", Refused(path[..(path.LastIndexOf('/') + 1)] + "zzz"));
    }

    [Fact]
    public void Its_plug_ins_are_those_that_there_are()
    {
        var text = Schema.GetRawText();
        foreach (var plugin in Plugins.Runtimes.Concat(Plugins.Prepares).Concat(Plugins.Startups).Concat(Plugins.Services))
        {
            Assert.Contains($"\"{plugin}\"", text);
        }
    }

    static string Last(string path) => path[(path.LastIndexOf('/') + 1)..];

    /// <summary>The reader's words on a manifest that holds nothing but this one key, at its place.</summary>
    static string Refused(string path)
    {
        var text = "{}";
        foreach (var part in path.Split('/').Reverse())
        {
            text = part == "[]" ? $"[{text}]" : $"{{\"{part}\": {text}}}";
        }

        return Assert.Throws<Refusal>(() => ManifestReader.Parse(new ProjectFile("manifest.yml", text))).Message;
    }

    static void Walk(JsonElement schema, string path, Action<string> found)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            schema = Schema.GetProperty("definitions").GetProperty(reference.GetString()!["#/definitions/".Length..]);
        }

        if (schema.TryGetProperty("properties", out var properties))
        {
            foreach (var property in properties.EnumerateObject())
            {
                found(path + property.Name);
                Walk(property.Value, $"{path}{property.Name}/", found);
            }
        }

        if (schema.TryGetProperty("items", out var items))
        {
            Walk(items, $"{path}[]/", found);
        }
    }
}
