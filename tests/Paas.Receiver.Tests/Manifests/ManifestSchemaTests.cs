using System.Text.Json;
using System.Text.RegularExpressions;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

/// <summary>The published JSON Schema says what the reader reads: an editor that completes by it leads nobody into a refusal.</summary>
public partial class ManifestSchemaTests
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

    [Theory]
    [MemberData(nameof(Objects))]
    public void Every_key_that_is_known_is_in_the_schema(string path)
    {
        // The reader says what it knows where it meets what it does not.
        var message = Refused(path + "zzz");
        var known = Known().Match(message);

        Assert.True(known.Success, message);
        Assert.Equal(
            At(path).GetProperty("properties").EnumerateObject().Where(property => !IsDeprecated(property.Value)).Select(property => property.Name).Order(StringComparer.Ordinal),
            known.Groups["keys"].Value.Split(", "));
    }

    public static TheoryData<string> Objects()
    {
        var all = new TheoryData<string> { "" };
        Walk(Schema, "", path =>
        {
            if (At(path + "/").TryGetProperty("properties", out _))
            {
                all.Add(path + "/");
            }
            else if (At(path + "/[]/") is { ValueKind: JsonValueKind.Object } items && items.TryGetProperty("properties", out _))
            {
                all.Add(path + "/[]/");
            }
        });
        return all;
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_manifest_that_is_read_is_valid_by_the_schema(string name, string text)
    {
        ManifestReader.Parse(new ProjectFile(name, text), PrepareShelfTests.Ours);

        Assert.Equal([], JsonSchema.Mistakes(Schema, Yaml.Parse(text, new Mistakes(name))!.ToJson()));
    }

    /// <summary>A key gone, a key too many, a value of another kind: what the schema calls wrong, the reader refuses.</summary>
    [Theory]
    [InlineData("format: 1", "format: one")]
    [InlineData("name: foo.com", "name: under_score")]
    [InlineData("name: foo.com", "nmae: foo.com")]
    [InlineData("quantity: 2", "quantity: 2000")]
    [InlineData("strategy: downthenup", "strategy: sideways")]
    [InlineData("codes: 200-204", "codes: [200]")]
    [InlineData("interval: 3", "interval: 0")]
    [InlineData("run: processes", "run: wild")]
    [InlineData("uri: '/", "uri: '")]
    [InlineData("bounce_margin_factor: 0.5", "bounce_margin_factor: 2")]
    [InlineData("plugin: paasmaker.service.parameters", "plugin: paasmaker.service.mysql")]
    public void What_the_schema_calls_wrong_is_refused(string right, string wrong)
    {
        var text = Everything.Replace(right, wrong, StringComparison.Ordinal);

        Assert.NotEqual(Everything, text);
        Assert.NotEmpty(JsonSchema.Mistakes(Schema, Yaml.Parse(text, new Mistakes("manifest.yml"))!.ToJson()));
        Assert.Throws<Refusal>(() => ManifestReader.Parse(new ProjectFile("manifest.yml", text), PrepareShelfTests.Ours));
    }

    /// <summary>Every key that there is.</summary>
    const string Everything = """
        manifest: {format: 1}
        application:
          name: foo.com
          tags: {owner: team-a}
          prepare:
            runtime: {plugin: paasmaker.runtime.python, version: 3, name: p, parameters: {}}
            commands:
              - {plugin: paasmaker.prepare.shell, name: first, parameters: {commands: [make]}}
              - {plugin: paasmaker.prepare.pythonpip, parameters: {virtualenv_name: venv}}
        instances:
          - name: web
            quantity: 2
            runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "./serve %(port)d", start_timeout: 20, standalone_wait: 1}}
            startup:
              - {plugin: paasmaker.startup.shell, parameters: {commands: ["true"]}}
              - {plugin: paasmaker.startup.filesystemlinker, name: links, parameters: {directories: [uploads]}}
            placement: {plugin: paasmaker.placement.default, name: near, parameters: {tags: {region: a}}}
            hostnames: [foo.com, '*.foo.com']
            crons: [{runspec: '*/5 * * * *', uri: '/crons?x', username: u, password: p}]
          - name: worker
            runtime: {plugin: paasmaker.runtime.node.nvm, version: "18", parameters: {launch_command: work}}
            exclusive: true
            standalone: true
        services:
          - {name: variables, plugin: paasmaker.service.parameters, parameters: {one: two}}
          - {name: files, plugin: paasmaker.service.filesystem}
        paas:
          strategy: downthenup
          bounce_margin_factor: 0.5
          run: processes
          web_server: own
          network: false
          buildpacks: [node, ./tools/pack, "https://example.org/pack.git#v1"]
          health: {path: /up, codes: 200-204, command: "curl -f localhost:$PORT", timeout: 9, grace: 9, interval: 3, patience: 2, failures: 4}
          container: {image: ":v1", port: 80, memory: 64, reservation: 32, read_only: true}
          routes: [{host: shop.example.org, path: /a, type: web, allow: [10.0.0.0/8], sticky: true, users: {ann: ANN_PASSWORD}}]
        """;

    public static TheoryData<string, string> Samples() => new()
    {
        { "everything", Everything },
        {
            "static", """
            manifest: {format: 1}
            application: {name: site}
            instances: [{name: web, runtime: {plugin: paasmaker.runtime.static, version: 1, parameters: {document_root: public}}}]
            """
        },
        {
            "php", """
            manifest: {format: 1}
            application: {name: shop}
            instances: [{name: web, runtime: {plugin: paasmaker.runtime.php, version: 8.2, parameters: {document_root: web}}}]
            services: [{name: old, provider: paasmaker.service.parameters}]
            paas: {health: {codes: 200}}
            """
        },
        {
            "by make", """
            manifest: {format: 1}
            application: {name: shop}
            instances: [{name: web, runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: x}}}]
            paas: {run: container, container: {make: itest}}
            """
        },
    };

    [Fact]
    public void The_sample_of_every_key_leaves_none_out()
    {
        var sample = Yaml.Parse(Everything, new Mistakes("sample"))!.ToJson();
        var all = new List<string>();
        Walk(Schema, "", all.Add);
        var missing = all.Where(path => !Deprecated(path) && !Holds(sample, path.Split('/'))).Except(["paas/container/base", "paas/container/make"]); // 'image' is there

        Assert.Equal([], missing);

        static bool Holds(JsonElement value, ReadOnlySpan<string> path)
        {
            if (path.Length == 0)
            {
                return true;
            }

            if (path[0] == "[]")
            {
                foreach (var item in value.EnumerateArray())
                {
                    if (Holds(item, path[1..]))
                    {
                        return true;
                    }
                }

                return false;
            }

            // A runtime has the same keys wherever it stands.
            return value.TryGetProperty(path[0], out var below) ? Holds(below, path[1..]) : path.Length == 1 && path[0] == "name";
        }

        static bool Deprecated(string path) => At(path + "/") is { ValueKind: JsonValueKind.Object } at && IsDeprecated(at);
    }

    static bool IsDeprecated(JsonElement schema) => schema.TryGetProperty("description", out var description) && description.GetString()!.StartsWith("Deprecated", StringComparison.Ordinal);

    [GeneratedRegex("zzz: is not known here; there are: (?<keys>[a-z_, ]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Known();

    /// <summary>The schema of what stands at a path that ends with '/'; undefined where it leads nowhere.</summary>
    static JsonElement At(string path)
    {
        var schema = Schema;
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            schema = JsonSchema.Follow(Schema, schema);
            if (part == "[]" ? !schema.TryGetProperty("items", out schema) : !(schema.TryGetProperty("properties", out var all) && all.TryGetProperty(part, out schema)))
            {
                return default;
            }
        }

        return JsonSchema.Follow(Schema, schema);
    }

    [Fact]
    public void Its_plug_ins_are_those_that_there_are()
    {
        var text = Schema.GetRawText();
        foreach (var plugin in Plugins.Runtimes.Concat(PrepareShelfTests.Ours.Names).Concat(Plugins.Startups).Concat(Plugins.Services))
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
