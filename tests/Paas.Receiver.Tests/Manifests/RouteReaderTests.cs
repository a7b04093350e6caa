using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public class RouteReaderTests
{
    [Fact]
    public void Host_names_and_routes_are_read_with_who_may_pass()
    {
        var manifest = Read(WithRoutes("""
              routes:
                - {host: Shop.example.org, path: /admin/, users: {anna: DOOR_PASSWORD}, allow: [10.0.0.0/8, 192.0.2.1]}
                - {sticky: true}
            """));

        Assert.Equal(["a.example.org", "*.b.example.org"], manifest.Addresses.Take(2).Select(address => address.Host));
        var admin = manifest.Addresses[2];
        Assert.Equal(("shop.example.org", "/admin", "DOOR_PASSWORD", "192.0.2.1/32"), (admin.Host, admin.Path, admin.Users["anna"], admin.Allow[1].ToString()));
        Assert.Equal((null, true), (manifest.Addresses[3].Host, manifest.Addresses[3].Sticky));
    }

    [Fact]
    public void Every_mistake_of_a_route_is_said_at_once()
    {
        var refusal = Assert.Throws<Refusal>(() => Read(WithRoutes("""
              routes:
                - {host: "no host", path: "a/../b", users: {anna: "p4ss word"}, allow: [everywhere], hots: x}
                - {type: nobody}
                - {host: "*"}
            """)));

        Assert.All(["'no host'", "'a/../b'", "pillar's variable", "'everywhere'", "hots", "'nobody'", "'*'"], text => Assert.Contains(text, refusal.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("p4ss", refusal.Message, StringComparison.Ordinal);
    }

    static Manifest Read(string text) => ManifestReader.Parse(new ProjectFile("manifest.yml", text));

    static string WithRoutes(string routes) => """
        manifest: {format: 1}
        application: {name: x}
        instances:
          - name: web
            runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "python3 app.py"}}
            hostnames: [a.example.org, "*.b.example.org"]
        paas:

        """ + routes;
}
