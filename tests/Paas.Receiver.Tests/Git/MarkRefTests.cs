using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Paas.Receiver.Git;

/// <summary>Reference 3.2, R1 to R7, and the tables of 3.13.</summary>
public class MarkRefTests
{
    [Theory]
    [InlineData("refs/heads/paasta-testcluster.main", "Branch", "testcluster.main", null, "")]
    [InlineData("refs/heads/paasta-dev-stage.everything", "Branch", "dev-stage.everything", null, "")]
    [InlineData("refs/tags/paasta-prod.canary-20260101T120000-deploy", "Deploy", "prod.canary", null, "20260101T120000")]
    [InlineData("refs/tags/paasta-no-more-hyphens-20160202T233805-deploy", "Deploy", "no-more-hyphens", null, "20160202T233805")]
    [InlineData("refs/tags/paasta-group-00000000T000000-deploy", "Deploy", "group", null, "00000000T000000")]
    [InlineData("refs/tags/paasta-but-why+extrastuff-20220101T000000-deploy", "Deploy", "but-why", "extrastuff", "20220101T000000")]
    [InlineData("refs/tags/paasta-group+1.2-3-20220101T000000-rollback", "Rollback", "group", "1.2-3", "20220101T000000")]
    [InlineData("refs/tags/paasta-paasta-test-cluster.main-20160202T233805-deploy", "Deploy", "test-cluster.main", null, "20160202T233805")]
    [InlineData("refs/tags/paasta-clustera.main-123-stop", "Stop", "clustera.main", null, "123")]
    [InlineData("refs/tags/paasta-paasta-clustera.main-20160202T233805-start", "Start", "clustera.main", null, "20160202T233805")]
    [InlineData("refs/tags/clustera.main-20160202T233805-stop", "Stop", "clustera.main", null, "20160202T233805")]
    public void Every_form_of_the_grammar_is_read_from_its_right_end(string name, string kind, string target, string? version, string stamp)
    {
        var mark = MarkRef.TryParse(name)!;

        Assert.Equal((kind, target, version, stamp), (mark.Kind.ToString(), mark.Target, mark.ImageVersion, mark.Stamp));
        Assert.True(mark.IsFor(target));
    }

    [Theory]
    [InlineData("refs/heads/main")]
    [InlineData("refs/heads/feature/paasta-x")]
    [InlineData("refs/tags/v1.0")]
    [InlineData("refs/tags/group-20160202T233805-deploy")] // without the word in front
    [InlineData("refs/tags/paasta-20160202T233805-deploy")] // no group
    [InlineData("refs/tags/paasta--20160202T233805-deploy")]
    [InlineData("refs/tags/paasta-group-20160202-deploy")]
    [InlineData("refs/tags/paasta-group-20160202T23380-deploy")]
    [InlineData("refs/tags/paasta-group-2016020aT233805-deploy")]
    [InlineData("refs/tags/paasta-group+-20160202T233805-deploy")]
    [InlineData("refs/tags/paasta-gro/up-20160202T233805-deploy")]
    [InlineData("refs/tags/paasta-group-20160202T233805-DEPLOY")]
    [InlineData("refs/tags/paasta-group-20160202T233805-deploy-x")]
    [InlineData("refs/tags/paasta-group-20160202T233805-deploy\n")]
    [InlineData("refs/tags/-stop")]
    [InlineData("refs/tags/")]
    [InlineData("")]
    public void What_is_none_of_them_is_none(string name) => Assert.Null(MarkRef.TryParse(name));

    [Theory]
    [InlineData("paasta-fake_group1.everywhere-20160202T233805-deploy", "fake_group1", false)]
    [InlineData("paasta-fake_group1-20160202T233805-deploy", "fake_group1.everywhere", false)]
    [InlineData("paasta-clusterXmain-20160202T233805-deploy", "cluster.main", false)] // a dot is a dot
    [InlineData("paasta-other-cluster.main-20160202T233805-deploy", "cluster.main", false)]
    [InlineData("paasta-paasta-x-20160202T233805-deploy", "x", true)]
    [InlineData("paasta-paasta-x-20160202T233805-deploy", "paasta-x", true)] // a group may be called so
    [InlineData("paasta-x-20160202T233805-deploy", "paasta-x", false)]
    [InlineData("paasta-paasta-paasta-x-20160202T233805-deploy", "x", false)]
    [InlineData("other.main-1-stop", "other.main", true)]
    public void Groups_are_compared_letter_by_letter(string tag, string group, bool expected) =>
        Assert.Equal(expected, MarkRef.TryParse("refs/tags/" + tag)!.IsFor(group));

    [Fact]
    public void What_is_written_for_a_group_is_read_as_that_group()
    {
        var letters = Gen.Elements('a', 'Z', '0', '.', '_', '-').NonEmptyListOf().Select(list => new string([.. list.Take(60)]));
        Prop.ForAll(letters.ToArbitrary(), group =>
        {
            var mark = MarkRef.TryParse(MarkRef.Name(MarkKind.Deploy, group, "20260101T000000", "v-1"));
            return mark is { Kind: MarkKind.Deploy, Stamp: "20260101T000000", ImageVersion: "v-1" } && mark.IsFor(group);
        }).QuickCheckThrowOnFailure();
    }
}
