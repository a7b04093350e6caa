using Xunit;

namespace Paas.Receiver.Ssh;

public sealed class AddressesTests
{
    [Theory]
    [InlineData("/hello.git", "hello.git")]
    [InlineData("hello.git", "hello.git")]
    [InlineData("~/hello.git", "hello.git")]
    [InlineData("/~/qa/hello.git", "qa/hello.git")]
    [InlineData("/qa/hello/pillar.git", "qa/hello/pillar.git")]
    [InlineData("/srv/projects/hello/git/project", "hello.git")]
    [InlineData("/srv/projects/hello/git/project.git", "hello.git")]
    [InlineData("/srv/projects/hello/git/pillar", "hello/pillar.git")]
    [InlineData("/srv/environments/qa/projects/hello/git/pillar.git", "qa/hello/pillar.git")]
    public void A_repository_has_an_address_and_the_path_of_the_RFC(string path, string address) =>
        Assert.Equal(address, Addresses.Parse(path, "/srv")?.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("hello")]
    [InlineData("//hello.git")]
    [InlineData("/../etc/passwd")]
    [InlineData("/srv/projects/../../etc/git/project")]
    [InlineData("/srv/projects/hello/git/../../other/git/project")]
    [InlineData("/srv/projects/hello/data")]
    [InlineData("/srv/projects/HELLO/git/project")]
    [InlineData("/srv2/projects/hello/git/project")]
    [InlineData("~root/hello.git")]
    [InlineData("hello.git/")]
    [InlineData("hello.git\n")]
    [InlineData("--upload-pack=x/hello.git")]
    public void Nothing_else_is_one(string path) => Assert.Null(Addresses.Parse(path, "/srv"));
}
