using System.Text.Json.Nodes;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Deployments;

public sealed class CommonTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("common").FullName;
    readonly Project project;
    readonly ReleaseId deployment = ReleaseId.New(TimeProvider.System);
    readonly LogStream log;
    readonly Common common;

    public CommonTests()
    {
        project = new Project(new Projects.Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true), ProjectName.Parse("hello"));
        Directory.CreateDirectory(project.Build);
        log = LogStream.Open(Path.Combine(root, "log"));
        var pillar = Layers.Resolve(new LayerSources { Pillar = new ProjectFile("init.sls", "env: {A: one, GONE: x}\ndata: {deep: {er: 1}}\n"), Of = project });
        common = new Common(project, deployment, pillar, log);
    }

    public void Dispose()
    {
        log.Dispose();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public void A_step_finds_the_configuration_and_where_everything_is()
    {
        var found = Read(common.HandOut("configure").File);

        Assert.Equal("one", (string?)found["env"]!["A"]);
        Assert.Equal(1, (int?)found["data"]!["deep"]!["er"]);
        Assert.Equal(("hello", "staging", "configure"), ((string?)found["name"], (string?)found["default_env"], (string?)found["step"]));
        Assert.Equal(project.Data, (string?)found["data_root"]);
        Assert.Equal(Path.Combine(project.Archives, deployment.Value), (string?)found["current_archive_dir"]);
    }

    [Fact]
    public async Task What_one_step_changes_the_next_one_finds_and_the_log_says()
    {
        Change("configure", document =>
        {
            document["env"]!["A"] = "two";
            document["env"]!["B_TOKEN"] = "very-secret";
            ((JsonObject)document["env"]!).Remove("GONE");
            document["processes"]!["worker"] = "./work";
            document["processes"]!["web"] = new JsonObject { ["command"] = "./serve", ["quantity"] = 2 };
            document["archives"]!["assets"] = new JsonArray("public/**");
            document["data"]!["new"] = new JsonArray(1, 2);
        });

        var next = Read(common.HandOut("build").File);

        Assert.Equal([1, 2], next["data"]!["new"]!.AsArray().Select(one => (int)one!));
        Assert.Equal(new Dictionary<string, string> { ["A"] = "two", ["B_TOKEN"] = "very-secret" }, common.Pillar.Environment);
        Assert.Equal([new ProcessType("worker", "./work", 1, false), new ProcessType("web", "./serve", 2, true)], common.Additions.Processes!);
        Assert.Equal(["public/**"], common.Additions.Archives!["assets"]);
        log.Trouble("it is very-secret");
        log.Close();
        var said = await File.ReadAllTextAsync(log.Path);
        Assert.Contains("configure changed common: 8 values", said, StringComparison.Ordinal);
        Assert.Contains("env.A = two\n", said, StringComparison.Ordinal);
        Assert.Contains("env.GONE is gone\n", said, StringComparison.Ordinal);
        Assert.Contains("env.B_TOKEN = ********\n", said, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", said, StringComparison.Ordinal);
        Assert.Equal(common.Additions.ToJson(), Additions.FromJson(common.Additions.ToJson()).ToJson());
    }

    [Fact]
    public void A_step_that_changes_nothing_leaves_nothing()
    {
        Change("configure", _ => { });

        Assert.Same(Additions.None, common.Additions);
        Assert.Null(Additions.None.ToJson());
    }

    [Theory]
    [InlineData("[]", "no JSON object")]
    [InlineData("{", "no JSON object")]
    [InlineData("", "no JSON object")]
    [InlineData("""{"env": {"A": "1", "A": "2"}}""", "no JSON object")]
    [InlineData("""{"env": []}""", "env: an object")]
    [InlineData("""{"env": {"PORT": "1"}}""", "given by the receiver")]
    [InlineData("""{"env": {"A B": "1"}}""", "variable's name")]
    [InlineData("""{"env": {"A": {}}}""", "single value")]
    [InlineData("""{"env": {}, "processes": {"Web!": "x"}}""", "processes.Web!")]
    [InlineData("""{"env": {}, "processes": {"web": {"command": "x", "quantity": 100000}}}""", "processes.web")]
    [InlineData("""{"env": {}, "archives": {"a": "b"}}""", "archives.a")]
    public void What_later_steps_could_not_use_is_refused(string left, string why)
    {
        var (directory, file) = common.HandOut("build");
        File.WriteAllText(file, left);

        Assert.Contains(why, Assert.Throws<Refusal>(() => common.TakeBack("build", directory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_cannot_make_the_receiver_read_or_write_another_file()
    {
        var secret = Path.Combine(root, "secret.json");
        File.WriteAllText(secret, """{"env": {"STOLEN": "x"}}""");
        var (directory, file) = common.HandOut("build");
        File.Delete(file);
        File.CreateSymbolicLink(file, secret);

        Assert.Throws<Refusal>(() => common.TakeBack("build", directory));
        var (_, next) = common.HandOut("post_build");
        Assert.NotEqual(file, next);
        Assert.Equal("""{"env": {"STOLEN": "x"}}""", File.ReadAllText(secret));

        File.Delete(next);
        Assert.Throws<Refusal>(() => common.TakeBack("post_build", Path.GetDirectoryName(next)!));
    }

    [Fact]
    public void A_file_too_large_for_anybody_is_refused()
    {
        var (directory, file) = common.HandOut("build");
        File.WriteAllText(file, $$"""{"env": {}, "x": "{{new string('x', 2_000_000)}}"}""");

        Assert.Throws<Refusal>(() => common.TakeBack("build", directory));
    }

    void Change(string step, Action<JsonObject> change)
    {
        var (directory, file) = common.HandOut(step);
        var document = Read(file);
        change(document);
        File.WriteAllText(file, document.ToJsonString());
        common.TakeBack(step, directory);
    }

    static JsonObject Read(string file) => (JsonObject)JsonNode.Parse(File.ReadAllText(file))!;
}
