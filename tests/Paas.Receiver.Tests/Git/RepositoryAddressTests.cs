using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Paas.Receiver.Git;

public class RepositoryAddressTests
{
    [Theory]
    [InlineData("shop.git", null, "shop", "Project")]
    [InlineData("prod/shop.git", "prod", "shop", "Project")]
    [InlineData("shop/pillar.git", null, "shop", "Pillar")]
    [InlineData("shop/project.git", null, "shop", "Project")]
    [InlineData("prod/shop/pillar.git", "prod", "shop", "Pillar")]
    [InlineData("prod/shop/project.git", "prod", "shop", "Project")]
    public void These_forms_name_a_repository(string path, string? environment, string project, string kind)
    {
        var address = RepositoryAddress.TryParse(path);

        Assert.Equal((environment, project, kind), (address?.Environment?.Value, address?.Project.Value, address?.Kind.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("shop")]
    [InlineData(".git")]
    [InlineData("pillar.git")]
    [InlineData("prod/pillar.git.git")]
    [InlineData("Shop.git")]
    [InlineData("shop.git/")]
    [InlineData("/shop.git")]
    [InlineData("prod//shop.git")]
    [InlineData("../shop.git")]
    [InlineData("shop..git")]
    [InlineData("-shop.git")]
    [InlineData("shop\0.git")]
    [InlineData("a/b/shop.git")]
    public void Everything_else_names_none(string path) => Assert.Null(RepositoryAddress.TryParse(path));

    [Fact]
    public void No_text_makes_it_fail() => Prop.ForAll<string>(text => RepositoryAddress.TryParse(text ?? "") is null || text!.EndsWith(".git", StringComparison.Ordinal)).QuickCheckThrowOnFailure();
}
