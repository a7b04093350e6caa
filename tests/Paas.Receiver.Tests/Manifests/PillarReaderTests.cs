using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class PillarReaderTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("pillar").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Scalars_under_env_become_the_environment_as_they_are_written()
    {
        var pillar = Parse("""
            makina-projects.hello:
              api_version: 2
            env:
              DEBUG: yes
              RATIO: 1.10
              ZERO: 007
              EMPTY:
              QUOTED: "a\nb"
              TEXT: |
                one
                two
            """);

        Assert.Equal(
            new Dictionary<string, string> { ["DEBUG"] = "yes", ["RATIO"] = "1.10", ["ZERO"] = "007", ["EMPTY"] = "", ["QUOTED"] = "a\nb", ["TEXT"] = "one\ntwo" },
            pillar.Environment);
        Assert.Empty(pillar.Secrets);
    }

    [Fact]
    public void No_file_and_an_empty_file_are_an_empty_pillar()
    {
        Assert.Same(Pillar.Empty, PillarReader.Read(directory));
        Assert.Same(Pillar.Empty, PillarReader.Read(Path.Combine(directory, "nosuch")));
        Assert.Empty(Parse("").Environment);
        Assert.Empty(Parse("# nothing yet\n").Environment);
    }

    [Fact]
    public void Values_that_look_secret_are_listed_for_masking()
    {
        var pillar = Parse("""
            env:
              DB_PASSWORD: hunter2hunter2
              API_TOKEN: tok-123456
              SecretSauce: ketchup
              AWS_ACCESS_KEY_ID: AKIA0000
              CREDENTIALS: user-and-more
              DATABASE_URL: postgres://app:p%40ss-word@db/x?y=1
              FORGE: https://ghp_0123456789abcdefghij@forge.example/x.git
              CERT_PRIVATE: |
                -----BEGIN-----
                MIIEvQIBADAN
              TOKEN_LIFETIME: 3600
              USE_TOKENS: true
              KEYBOARD: qwerty-layout
              PLAIN: visible
            deeper:
              credentials: {user: someone, list: [first-one, second-one]}
            """);

        Assert.Equal(
            new[]
            {
                "hunter2hunter2", "tok-123456", "ketchup", "AKIA0000", "user-and-more", "p%40ss-word", "p@ss-word", "ghp_0123456789abcdefghij",
                "-----BEGIN-----", "MIIEvQIBADAN", "someone", "first-one", "second-one",
            }.Order(),
            pillar.Secrets.Order());
        var shown = pillar.Shown().ToDictionary(one => one.Name, one => one.Value);
        Assert.Equal("visible", shown["PLAIN"]);
        Assert.Equal("qwerty-layout", shown["KEYBOARD"]);
        foreach (var hidden in (string[])["DB_PASSWORD", "API_TOKEN", "DATABASE_URL", "FORGE", "CERT_PRIVATE", "AWS_ACCESS_KEY_ID"])
        {
            Assert.Equal(Pillar.Stars, shown[hidden]);
        }
    }

    [Fact]
    public void Jinja_is_refused_with_its_line_unless_the_file_says_it_is_none()
    {
        var message = Refused("env:\n  A: {{ pillar['x'] }}\n{% if x %}\n");
        Assert.Contains("line 2  uses a Jinja template", message, StringComparison.Ordinal);
        Assert.Contains("line 3", message, StringComparison.Ordinal);

        Assert.Equal("{{ x }}", Parse("#!yaml\nenv:\n  A: '{{ x }}'\n").Environment["A"]);
        Assert.Contains("Jinja", Refused("#!jinja|yaml\nenv:\n  A: '{{ x }}'\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_wrong_is_told_at_once()
    {
        var message = Refused("""
            env:
              1ST: a
              WITH SPACE: b
              LIST: [1]
              MAP: {a: b}
              PORT: 80
              PAAS_RELEASE: v1
              NUL: "a\0b"
              A=B: c
            """);

        foreach (var line in Enumerable.Range(2, 8))
        {
            Assert.Contains($"line {line}  env.", message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("- a")]
    [InlineData("text")]
    [InlineData("env: [a]")]
    [InlineData("env: text")]
    [InlineData("env: {A: 1, A: 2}")]
    [InlineData("env: {A: !!python/object:os.system x}")]
    public void What_is_no_pillar_is_refused(string text) => Refused(text);

    [Fact]
    public void Random_text_never_crashes_and_what_is_read_can_be_an_environment()
    {
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll<NonNull<string>>(value =>
        {
            try
            {
                var quoted = System.Text.Json.JsonSerializer.Serialize(value.Get);
                var pillar = Parse($"#!yaml\nenv:\n  X: {quoted}\n  PASSWORD: {quoted}\n");
                Assert.All(pillar.Environment.Values, text => Assert.DoesNotContain('\0', text));
                Assert.Equal(pillar.Environment["PASSWORD"].Length >= 6 ? Pillar.Stars : pillar.Shown()[0].Value, pillar.Shown()[0].Value);
            }
            catch (Refusal)
            {
                // An answer.
            }
        }));
    }

    static Pillar Parse(string text) => PillarReader.Parse(new ProjectFile(PillarReader.FileName, text));

    static string Refused(string text) => Assert.Throws<Refusal>(() => Parse(text)).Message;
}
