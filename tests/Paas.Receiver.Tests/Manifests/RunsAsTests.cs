using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class RunsAsTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("tree-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void A_dockerfile_speaks_for_a_tree_where_nothing_else_does()
    {
        Assert.Equal((RunAs.Processes, false), Asked());
        Write("Dockerfile", "FROM scratch");
        Assert.Equal((RunAs.Container, false), Asked());
        Assert.Equal((RunAs.Processes, true), Asked("paas: {run: processes}"));
        Write("Procfile", "web: serve");
        Assert.Equal((RunAs.Processes, false), Asked());
        Write("app.json", """{"paas": {"run": "container"}}""");
        Assert.Equal((RunAs.Container, true), Asked());
        Assert.Equal((RunAs.Processes, true), Asked("paas: {run: processes}"));
    }

    [Theory]
    [InlineData(".buildpacks", "python\n")]
    [InlineData(".paas/hooks/build", "#!/bin/sh\n")]
    public void A_project_that_says_how_it_is_built_is_not_built_otherwise_because_of_a_dockerfile(string path, string text)
    {
        Write("Dockerfile", "FROM scratch");
        Write(path, text);

        Assert.Equal((RunAs.Processes, false), Asked());
    }

    [Fact]
    public void A_section_says_how_containers_are_to_be()
    {
        Write("Procfile", "web: serve");
        Write("app.json", """{"paas": {"run": "container", "container": {"image": "@sha256:0000000000000000000000000000000000000000000000000000000000000000", "port": 80, "memory": 75, "reservation": 50, "read_only": true}, "health": {"path": "/up", "codes": "200,204,300-399"}}}""");

        var manifest = ManifestReader.Read(directory);

        Assert.Equal(new ContainerSection("@sha256:" + new string('0', 64), null, 80, 75, 50, true), manifest.Container);
        Assert.Equal([true, false, true, true, false], ((int[])[200, 201, 204, 350, 400]).Select(manifest.Health.Takes));
    }

    [Theory]
    [InlineData("""{"image": "a", "base": "b"}""", "one of both")]
    [InlineData("""{"base": "a b"}""", "base")]
    [InlineData("""{"image": ""}""", "image")]
    [InlineData("""{"image": "-v"}""", "image")]
    [InlineData("""{"image": "a b"}""", "image")]
    [InlineData("""{"image": "host/name:tag@sha256:77"}""", "image")]
    [InlineData("""{"port": 0}""", "port")]
    [InlineData("""{"port": "80/tcp"}""", "port")]
    [InlineData("""{"memory": 5}""", "memory")]
    [InlineData("""{"memory": 50, "reservation": 51}""", "more than the memory")]
    [InlineData("""{"swap": 5}""", "swap")]
    public void A_section_with_mistakes_is_refused_with_what_is_wrong(string section, string expected)
    {
        Write("Procfile", "web: serve");
        Write("app.json", "{\"paas\": {\"container\": " + section + "}}");

        Assert.Contains(expected, Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("paas: {run: 7}")]
    [InlineData("paas: {run: vm}")]
    [InlineData("paas: {run: [container]}")]
    public void Another_way_to_run_is_refused(string pillar) => Assert.Contains("neither 'processes' nor 'container'", Assert.Throws<Refusal>(() => Asked(pillar)).Message);

    (RunAs, bool) Asked(string pillar = "") => (RunsAs.Of(directory, ManifestReader.Find(directory), PillarReader.Parse(new ProjectFile("init.sls", pillar)), out var said), said);

    void Write(string path, string text)
    {
        var file = Path.Combine(directory, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
