using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class LayersTests : IDisposable
{
    readonly string tree = Directory.CreateTempSubdirectory("layers").FullName;

    public void Dispose() => Directory.Delete(tree, recursive: true);

    [Fact]
    public void Each_layer_wins_over_those_below_it_mappings_merge_and_lists_are_replaced()
    {
        var pillar = Resolve(
            defaults: """
                env: {A: default, B: default, C: default, D: default}
                data:
                  hosts: [one, two]
                  mail: {from: a@example.org, port: 25}
                env_defaults:
                  staging:
                    env: {B: staging, C: staging, D: staging}
                    data: {mail: {port: 26}}
                  prod:
                    env: {A: prod}
                """,
            pillar: """
                env: {C: pillar, D: pillar}
                data:
                  hosts: [three]
                """,
            call: new() { ["D"] = "call", ["data.mail.to"] = "b@example.org" });

        Assert.Equal(new Dictionary<string, string> { ["A"] = "default", ["B"] = "staging", ["C"] = "pillar", ["D"] = "call" }, pillar.Environment);
        Assert.Equal(
            """{"hosts":["three"],"mail":{"from":"a@example.org","port":26,"to":"b@example.org"}}""",
            pillar.Document.GetProperty("data").GetRawText());
        Assert.Equal(
            [
                ("A", "default", ".paas/defaults.yml"), ("B", "staging", "env_defaults.staging"), ("C", "pillar", "pillar"), ("D", "call", "call"),
                ("data.hosts", """["three"]""", "pillar"), ("data.mail.from", "a@example.org", ".paas/defaults.yml"),
                ("data.mail.port", "26", "env_defaults.staging"), ("data.mail.to", "b@example.org", "call"),
            ],
            pillar.Shown().Select(one => (one.Name, one.Value, one.From!)));
    }

    [Fact]
    public void A_pillar_may_say_what_differs_by_environment_too_and_the_environments_own_name_is_the_most_particular()
    {
        var pillar = Resolve(
            defaults: "env_defaults: {staging: {env: {A: one, B: one, C: one}}}",
            pillar: "env_defaults: {staging: {env: {B: two, C: two}}, qa-eu: {env: {C: three}}}",
            environment: "qa-eu");

        Assert.Equal(new Dictionary<string, string> { ["A"] = "one", ["B"] = "two", ["C"] = "three" }, pillar.Environment);
    }

    [Theory]
    [InlineData(".paas/defaults.yml")]
    [InlineData("PILLAR.sample")]
    [InlineData("PILLAR.sample.sls")]
    [InlineData(".salt/PILLAR.sample")]
    public void Defaults_are_found_where_makina_states_has_them(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(tree, name))!);
        File.WriteAllText(Path.Combine(tree, name), "makina-projects.projectname:\n  env: {A: sample}\n  data: {x: 1}\n");

        var pillar = Layers.Resolve(new LayerSources
        {
            Defaults = Layers.DefaultsIn(tree),
            Pillar = new ProjectFile("init.sls", "makina-projects.hello:\n  env: {B: own}\nmakina-projects.other:\n  env: {C: foreign}\n"),
            Of = Hello(),
        });

        Assert.Equal(new Dictionary<string, string> { ["A"] = "sample", ["B"] = "own" }, pillar.Environment);
        Assert.Equal(1, pillar.Document.GetProperty("data").GetProperty("x").GetInt32());
    }

    [Fact]
    public void A_reference_stands_for_the_value_it_names_through_every_layer()
    {
        var pillar = Resolve(
            defaults: """
                env:
                  STATIC: "{data_root}/static"
                  URL: "http://{HOST}:{data.port}{prefix}"
                  HOST: "{project}.example.org"
                prefix: /app
                data: {port: 80}
                """,
            pillar: "data: {port: 8080}");

        Assert.Equal("/srv/projects/hello/data/static", pillar.Environment["STATIC"]);
        Assert.Equal("http://hello.example.org:8080/app", pillar.Environment["URL"]);
    }

    [Fact]
    public void What_nothing_defines_a_shells_and_a_templates_braces_stay_as_they_are()
    {
        var pillar = Resolve(pillar: """
            #!yaml
            env:
              FORMAT: "{level} {message}"
              SHELL: "${project}/x"
              TEMPLATE: "{{project}}"
              JSON: '{"project": {"a": 1}}'
              EMPTY: "{}"
            """);

        Assert.Equal("{level} {message}", pillar.Environment["FORMAT"]);
        Assert.Equal("${project}/x", pillar.Environment["SHELL"]);
        Assert.Equal("{{project}}", pillar.Environment["TEMPLATE"]);
        Assert.Equal("""{"project": {"a": 1}}""", pillar.Environment["JSON"]);
        Assert.Equal("{}", pillar.Environment["EMPTY"]);
    }

    [Fact]
    public void A_circle_of_references_is_refused_with_its_members()
    {
        var refusal = Assert.Throws<Refusal>(() => Resolve(pillar: "env:\n  A: \"{B}\"\n  B: \"x{C}\"\n  C: \"{A}\"\n"));

        Assert.Contains("refers to itself: ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(" → ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void References_that_double_at_each_step_are_refused_and_cost_little()
    {
        var lines = Enumerable.Range(1, 200).Select(i => $"  V{i}: \"{{V{i - 1}}}{{V{i - 1}}}\"");

        var refusal = Assert.Throws<Refusal>(() => Resolve(pillar: $"env:\n  V0: xxxxxxxxxx\n{string.Join('\n', lines)}\n"));

        Assert.Contains("longer than", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_is_generated_once_masked_and_may_be_part_of_a_value()
    {
        var made = new Dictionary<string, string>();
        string Secret(string name, int length) => made.TryGetValue(name, out var known) ? known : made[name] = new string((char)('a' + made.Count), length);
        const string text = "env:\n  URL: \"postgres://app:{secret:db}@localhost/app\"\n  AGAIN: \"{secret:db}\"\n  SHORT: \"{secret:short:8}\"\n";

        var first = Layers.Resolve(new LayerSources { Pillar = new ProjectFile("init.sls", text), Of = Hello(), Secret = Secret });
        var second = Layers.Resolve(new LayerSources { Pillar = new ProjectFile("init.sls", text), Of = Hello(), Secret = Secret });

        Assert.Equal(2, made.Count);
        Assert.Equal($"postgres://app:{made["db"]}@localhost/app", first.Environment["URL"]);
        Assert.Equal((32, 8), (first.Environment["AGAIN"].Length, first.Environment["SHORT"].Length));
        Assert.Equal(first.Environment, second.Environment);
        Assert.Contains(made["db"], first.Secrets);
        Assert.All(first.Shown(), one => Assert.Equal(Pillar.Stars, one.Value));
    }

    [Theory]
    [InlineData("env:\n  A: \"{secret:x:4}\"\n", "8 to 128")]
    [InlineData("env:\n  A: \"{secret:x:1000}\"\n", "8 to 128")]
    [InlineData("env_defaults: [staging]\n", "a mapping was expected")]
    [InlineData("env_defaults: {staging: {env: {PAAS_X: 1}}}\n", "env_defaults.staging.env.PAAS_X")]
    [InlineData("env: {A: [1]}\n", "a single value was expected")]
    [InlineData("- a\n", "a mapping was expected")]
    [InlineData("env:\n  A: {{ pillar }}\n", "Jinja")]
    public void What_cannot_be_used_is_refused_in_every_layer(string text, string why)
    {
        Assert.Contains(why, Assert.Throws<Refusal>(() => Resolve(pillar: text)).Message, StringComparison.Ordinal);
        Assert.Contains(why, Assert.Throws<Refusal>(() => Resolve(defaults: text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_of_all_layers_are_said_at_once()
    {
        var refusal = Assert.Throws<Refusal>(() => Resolve(defaults: "env: {1A: x}", pillar: "env: {PORT: 1}", call: new() { ["env.PM_X"] = "1" }));

        Assert.Contains(".paas/defaults.yml has a mistake", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("pillar's init.sls has a mistake", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("what was set in this call has a mistake", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_with_everything_below_it_commented_out_says_nothing()
    {
        Assert.Equal("kept", Resolve(defaults: "env: {A: kept}", pillar: "env:\n#  A: other\n").Environment["A"]);
    }

    [Fact]
    public void A_key_with_a_line_break_is_refused()
    {
        Assert.Contains("line break", Assert.Throws<Refusal>(() => Resolve(pillar: "\"data\\nmore\": {secret:x}\n")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_is_read_or_refused_and_nothing_else()
    {
        var pieces = Gen.Elements("env:", "\n", "  ", "A: ", "\"{A}\"", "{secret:x}", "{", "}", "env_defaults:", "staging:", "[", "]", "&a", "*a", "data: ", "- ", "x", "{data.A}", ": ", "makina-projects.hello:");
        Prop.ForAll(pieces.ListOf().Select(list => string.Concat(list)).ToArbitrary(), text =>
        {
            try
            {
                _ = Resolve(defaults: text, pillar: text).Shown();
            }
            catch (Refusal)
            {
                // expected of most
            }
        }).QuickCheckThrowOnFailure();
    }

    static Project Hello(string environment = "local") =>
        new(new Projects.Environment(EnvironmentName.Parse(environment), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, "/srv", IsDefault: true), ProjectName.Parse("hello"));

    static Pillar Resolve(string? defaults = null, string? pillar = null, Dictionary<string, string>? call = null, string environment = "local") => Layers.Resolve(new LayerSources
    {
        Defaults = defaults is null ? null : new ProjectFile(".paas/defaults.yml", defaults),
        Pillar = pillar is null ? null : new ProjectFile("init.sls", pillar),
        Call = call ?? [],
        Of = Hello(environment),
        Secret = (name, length) => new string('s', length),
    });
}
