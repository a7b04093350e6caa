using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Runtimes;

public sealed class SharedNginxTests : IDisposable
{
    readonly string release = Directory.CreateTempSubdirectory("shared-").FullName;

    public void Dispose() => Directory.Delete(release, recursive: true);

    [Theory]
    [InlineData("exec .paas/static/serve", "dist\nspa\n", "static", "dist", true)]
    [InlineData("exec .paas/static/serve", ".\npages\n", "static", ".", false)]
    [InlineData(".paas/static/serve htdocs", null, "static", "htdocs", false)]
    [InlineData(".paas/static/serve 'a/b-c'", "dist\nspa\n", "static", "a/b-c", false)]
    [InlineData("exec .paas/php/serve", "public", "php", "public", false)]
    public void What_a_buildpack_leaves_to_a_web_server_can_be_shared(string command, string? site, string kind, string folder, bool singlePage)
    {
        Write(kind, site);

        Assert.Equal(new Served("nginx", kind, folder, singlePage), SharedNginx.Of(new ProcessType("web", command, 1, Web: true), release));
    }

    [Theory]
    [InlineData("./serve", "dist\nspa\n")]
    [InlineData("exec .paas/static/serve; reboot", "dist\nspa\n")]
    [InlineData("exec .paas/static/serve", null)]
    [InlineData("exec .paas/static/serve", "../other\npages\n")]
    [InlineData("exec .paas/static/serve", "/etc\npages\n")]
    [InlineData("exec .paas/static/serve", "a\"; }\npages\n")]
    [InlineData(".paas/static/serve a/../../b", null)]
    [InlineData("exec .paas/php/serve", "")]
    public void Everything_else_is_a_program_of_its_own(string command, string? site)
    {
        Write("static", site);
        Write("php", site);

        Assert.Null(SharedNginx.Of(new ProcessType("web", command, 1, Web: true), release));
    }

    [Fact]
    public void A_link_in_the_place_of_the_folders_name_is_not_followed()
    {
        var outside = Path.Combine(release, "outside");
        File.WriteAllText(outside, "dist\npages\n");
        Directory.CreateDirectory(Path.Combine(release, ".paas", "static"));
        File.CreateSymbolicLink(Path.Combine(release, ".paas", "static", "site"), outside);

        Assert.Null(SharedNginx.Of(new ProcessType("web", "exec .paas/static/serve", 1, Web: true), release));
    }

    void Write(string kind, string? site)
    {
        if (site is not null)
        {
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(release, ".paas", kind)).FullName, kind == "php" ? "root" : "site"), site);
        }
    }
}
