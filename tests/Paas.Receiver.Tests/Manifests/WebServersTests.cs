using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class WebServersTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("tree-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData("", "", false, false)]
    [InlineData("", "", true, true)]
    [InlineData("shared", "", false, true)]
    [InlineData("own", "", true, false)]
    [InlineData("own", "shared", false, true)]
    [InlineData("shared", "own", true, false)]
    public void The_pillar_wins_over_the_tree_and_the_tree_over_the_host(string tree, string pillar, bool host, bool shared)
    {
        File.WriteAllText(Path.Combine(directory, "Procfile"), "web: exec .paas/static/serve\n");
        File.WriteAllText(Path.Combine(directory, "app.json"), tree.Length == 0 ? "{}" : $$"""{"paas": {"web_server": "{{tree}}" } }""");

        Assert.Equal(shared, WebServers.IsShared(ManifestReader.Read(directory), PillarReader.Parse(new ProjectFile("init.sls", pillar.Length == 0 ? "" : $"paas: {{web_server: {pillar}}}")), host));
    }

    [Fact]
    public void Another_word_is_a_mistake_where_it_stands()
    {
        File.WriteAllText(Path.Combine(directory, "Procfile"), "web: serve\n");
        Assert.Contains(
            "paas.web_server: '[shared]' is neither", // as it is written
            Assert.Throws<Refusal>(() => WebServers.IsShared(ManifestReader.Read(directory), PillarReader.Parse(new ProjectFile("init.sls", "paas: {web_server: '[shared]'}")), false)).Message);
        File.WriteAllText(Path.Combine(directory, "app.json"), """{"paas": {"web_server": "apache"}}""");
        Assert.Contains("paas.web_server: 'apache' is neither 'own' nor 'shared'", Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message);
    }
}
