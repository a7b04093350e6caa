using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Git;

public class RefRulesTests
{
    const string Some = "1111111111111111111111111111111111111111";
    const string Other = "2222222222222222222222222222222222222222";

    static readonly RefRules Rules = new(["main", "master"]);

    [Fact]
    public void The_deploy_branch_deploys_and_every_other_branch_is_kept_and_said_to_be()
    {
        var push = Pushing(["refs/heads/main", "refs/heads/feature", "refs/tags/v1", "refs/notes/commits"]);

        var verdict = Rules.Judge(push, "refs/heads/main");

        Assert.Empty(verdict.Refusals);
        Assert.Equal("refs/heads/main", verdict.Deploys?.Name);
        Assert.Equal(["refs/heads/feature"], verdict.Kept.Select(update => update.Name));
        Assert.Contains("git push <remote> feature:main", Assert.Single(Rules.Explain(push, verdict.Kept)), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_branches_that_would_deploy_are_refused_and_the_one_to_push_is_named()
    {
        var verdict = Rules.Judge(Pushing(["refs/heads/main", "refs/heads/master"]), "refs/heads/master");

        Assert.Null(verdict.Deploys);
        Assert.Contains("git push <remote> master", Assert.Single(verdict.Refusals), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_deployment_both_may_be_pushed_and_are_kept()
    {
        var push = Pushing(["refs/heads/main", "refs/heads/master"], "no-deploy");

        var verdict = Rules.Judge(push, "refs/heads/main");

        Assert.Empty(verdict.Refusals);
        Assert.Null(verdict.Deploys);
        Assert.Equal(2, verdict.Kept.Count);
        Assert.All(Rules.Explain(push, verdict.Kept), line => Assert.Contains("as you asked", line, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_deployed_cannot_be_deleted_and_anything_else_can()
    {
        Assert.Contains("cannot be deleted", Assert.Single(Rules.Judge(Deleting("refs/heads/main"), "refs/heads/main").Refusals), StringComparison.Ordinal);
        Assert.Empty(Rules.Judge(Deleting("refs/heads/master"), "refs/heads/main").Refusals);
        Assert.Empty(Rules.Judge(Deleting("refs/heads/feature"), "refs/heads/main").Refusals);
        Assert.Empty(Rules.Judge(Deleting("refs/tags/v1"), "refs/heads/main").Refusals);
    }

    [Theory]
    [InlineData("refs/paas/x")]
    [InlineData("refs/paas")]
    [InlineData("refs/heads/-x")]
    [InlineData("refs/heads/x\ny")]
    [InlineData("refs/heads/\u001b[31m")]
    [InlineData("refs/heads/caf\uFFFD")]
    [InlineData("refs/heads/../x")]
    [InlineData("refs/heads/x.lock")]
    [InlineData("refs/heads/")]
    [InlineData("refs/heads")]
    [InlineData("HEAD")]
    [InlineData("")]
    public void A_hostile_name_refuses_the_whole_push_and_is_shown_harmlessly(string name)
    {
        var verdict = Rules.Judge(Pushing(["refs/heads/main", name]), "refs/heads/main");

        Assert.Null(verdict.Deploys);
        Assert.NotEmpty(verdict.Refusals);
        Assert.DoesNotContain(verdict.Refusals, line => line.Any(char.IsControl));
    }

    [Fact]
    public void A_name_may_have_two_hundred_bytes_and_not_one_more()
    {
        Assert.True(RefRules.IsWellFormed("refs/heads/" + new string('x', 189)));
        Assert.False(RefRules.IsWellFormed("refs/heads/" + new string('x', 190)));
        Assert.False(RefRules.IsWellFormed("refs/heads/" + new string('ü', 95)));
        Assert.True(RefRules.IsWellFormed("refs/heads/feature/ünïcode→x"));
    }

    [Fact]
    public void Two_thousand_branches_are_mentioned_in_six_lines()
    {
        var push = Pushing([.. Enumerable.Range(0, 2000).Select(i => $"refs/heads/b{i}")]);

        var lines = Rules.Explain(push, Rules.Judge(push, "refs/heads/main").Kept).ToList();

        Assert.Equal(6, lines.Count);
        Assert.StartsWith("1995 more", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void No_name_at_all_makes_the_rules_fail() =>
        Prop.ForAll<string[]>(names =>
        {
            var verdict = Rules.Judge(Pushing([.. names.Select(name => "refs/heads/" + name)]), "refs/heads/main");
            return verdict.Deploys is null || RefRules.IsWellFormed(verdict.Deploys.Name);
        }).QuickCheckThrowOnFailure();

    static Push Pushing(IReadOnlyList<string> names, params string[] options) => Make([.. names.Select(name => new RefUpdate(name, Some, Other))], options);

    static Push Deleting(string name) => Make([new RefUpdate(name, Some, RefUpdate.NoObject)]);

    static Push Make(IReadOnlyList<RefUpdate> updates, params string[] options)
    {
        var environment = new Paas.Receiver.Projects.Environment(
            Paas.Receiver.Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, "/nonexistent", IsDefault: true);
        return new Push("id", new Project(environment, ProjectName.Parse("shop")), RepositoryKind.Project, "me", "127.0.0.1")
        {
            Updates = updates,
            Options = PushOptions.Parse(options),
        };
    }
}
