using System.Text.Json;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Deployments;

public class StepChoiceTests
{
    [Fact]
    public void Only_leaves_out_all_others_and_skip_that_one()
    {
        Assert.Equal(["configure", "build"], Running(StepChoice.Of(new Wishes { Only = ["build", "configure"] }, Pillar.Empty)));
        Assert.Equal(StepChoice.Names.Except(["backup"]), Running(StepChoice.Of(new Wishes { Skip = ["backup"] }, Pillar.Empty)));
        Assert.Equal(["build"], Running(StepChoice.Of(new Wishes { Only = ["build", "configure"], Skip = ["configure"] }, Pillar.Empty)));
        Assert.Equal(StepChoice.Names, Running(StepChoice.Of(Wishes.None, Pillar.Empty)));
    }

    [Fact]
    public void What_makina_states_users_type_means_what_it_meant()
    {
        var choice = StepChoice.Of(new Wishes { Only = ["install", "fixperms", "sync_modules"] }, Pillar.Empty);

        Assert.True(choice.Runs("build") && choice.Runs("upgrade") && choice.Runs("post_install"));
        Assert.False(choice.Runs("backup") || choice.Runs("notify"));
        Assert.False(StepChoice.Of(new Wishes { Skip = ["archive"] }, Pillar.Empty).Runs("backup"));
    }

    [Fact]
    public void The_configuration_may_choose_too_and_the_call_wins()
    {
        var pillar = Configured("""{"only": "build,upgrade", "only_steps": ["010_a"], "skip_upgrade": true, "skip_notify": "no"}""");

        Assert.Equal(["build"], Running(StepChoice.Of(Wishes.None, pillar)));
        Assert.Equal(["configure"], Running(StepChoice.Of(new Wishes { Only = ["configure"] }, pillar)));
        Assert.True(StepChoice.Of(Wishes.None, pillar).RunsScript("010_a.sh"));
        Assert.False(StepChoice.Of(Wishes.None, pillar).RunsScript("020_b.sh"));
        Assert.True(StepChoice.Of(new Wishes { OnlySteps = ["020_b.sh"] }, pillar).RunsScript("020_b.sh"));
    }

    [Theory]
    [InlineData("biuld")]
    [InlineData("seal")]
    [InlineData("rollback")]
    [InlineData("restore")]
    public void What_cannot_be_chosen_is_refused(string step)
    {
        Assert.Throws<Refusal>(() => StepChoice.Of(new Wishes { Only = [step] }, Pillar.Empty));
        Assert.Throws<Refusal>(() => StepChoice.Of(Wishes.None, Configured($$"""{"skip_{{step}}": true}""")));
    }

    static IEnumerable<string> Running(StepChoice choice) => StepChoice.Names.Where(choice.Runs);

    static Pillar Configured(string json) => Pillar.Empty with { Document = JsonDocument.Parse(json).RootElement };
}
