using System.Text.Json.Nodes;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;
using Environment = Paas.Receiver.Projects.Environment;

namespace Paas.Receiver.BackingServices;

public sealed class ServiceStoreTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("services-").FullName;
    readonly Database database;
    readonly ServiceStore store;

    public ServiceStoreTests()
    {
        database = Database.OpenOrCreate(Path.Combine(root, "receiver.db"));
        store = new ServiceStore(database, [new ParametersService(), new FilesystemService()], TimeProvider.System);
    }

    public void Dispose()
    {
        database.Dispose();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public void Every_kind_is_one_that_a_manifest_can_name() =>
        Assert.Equal(Plugins.Services.Order(), new IBackingService[] { new ParametersService(), new FilesystemService() }.Select(kind => kind.Name).Order());

    [Fact]
    public void Parameters_are_handed_over_as_they_are_today()
    {
        Assert.Equal("""{"variables":{"one":"two","n":3,"provider":"paasmaker.service.parameters"}}""", store.Provide(Project("a"), Asking("{name: variables, plugin: paasmaker.service.parameters, parameters: {one: two, n: 3}}")));
        Assert.Equal("""{"variables":{"one":"three","provider":"paasmaker.service.parameters"}}""", store.Provide(Project("a"), Asking("{name: variables, plugin: paasmaker.service.parameters, parameters: {one: three}}")));
        Assert.Equal("{}", store.Provide(Project("a"), null));
    }

    [Fact]
    public void A_filesystem_is_the_same_for_all_releases_and_no_other_projects()
    {
        var first = Directory_(store.Provide(Project("shop"), Asking("{name: files, plugin: paasmaker.service.filesystem}")), "files");
        File.WriteAllText(Path.Combine(first, "kept"), "");

        Assert.Equal(first, Directory_(new ServiceStore(database, [new FilesystemService()], TimeProvider.System).Provide(Project("shop"), Asking("{name: files, plugin: paasmaker.service.filesystem}")), "files"));
        Assert.True(File.Exists(Path.Combine(first, "kept")));
        Assert.StartsWith(Project("shop").Data + "/services/shopfile", first, StringComparison.Ordinal);
        Assert.NotEqual(Path.GetFileName(first), Path.GetFileName(Directory_(store.Provide(Project("other"), Asking("{name: files, plugin: paasmaker.service.filesystem}")), "files")));
        Assert.NotEqual(first, Directory_(store.Provide(Project("shop"), Asking("{name: more, plugin: paasmaker.service.filesystem}")), "more"));
    }

    [Fact]
    public void A_link_in_its_place_is_not_followed()
    {
        Directory.CreateDirectory(Project("shop").Data);
        File.CreateSymbolicLink(Path.Combine(Project("shop").Data, "services"), root);

        Assert.Throws<Refusal>(() => store.Provide(Project("shop"), Asking("{name: files, plugin: paasmaker.service.filesystem}")));
    }

    Project Project(string name) =>
        new(new Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true), ProjectName.Parse(name));

    static Application Asking(string service) => ManifestReader.Parse(new ProjectFile("manifest.yml",
        $$"""
        manifest: {format: 1}
        application: {name: x}
        instances: [{name: web, runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: serve} } }]
        services: [{{service}}]
        """)).Application!;

    static string Directory_(string services, string name) => JsonNode.Parse(services)![name]!["directory"]!.GetValue<string>();
}
