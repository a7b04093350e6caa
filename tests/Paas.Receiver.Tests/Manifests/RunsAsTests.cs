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
