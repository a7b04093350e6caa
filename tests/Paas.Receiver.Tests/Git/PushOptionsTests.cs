using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Git;

public class PushOptionsTests
{
    [Fact]
    public void Every_option_is_read()
    {
        var options = PushOptions.Parse(["async", "rebuild", "mode=final", "discard-edits", "only=post_deploy", "manifest=ops/manifest.yml", "no-deploy"]);

        Assert.True(options is { Async: true, Rebuild: true, Mode: Mode.Final, DiscardEdits: true, Only: ["post_deploy"], Manifest: "ops/manifest.yml", NoDeploy: true, Deploy: false });
        Assert.Equal(PushOptions.None, PushOptions.Parse([]));
        Assert.True(PushOptions.Parse(["deploy", "deploy"]).Deploy);
    }

    [Fact]
    public void Everything_that_is_wrong_is_said_at_once_with_what_was_probably_meant()
    {
        var refusal = Assert.Throws<Refusal>(() => PushOptions.Parse(["asinc", "no_deploy", "mode=prod", "rebuild=yes", "zzz", "manifest=../etc/passwd", "only="]));

        var lines = refusal.Message.Split('\n');
        Assert.Equal(7, lines.Length);
        Assert.Contains("Did you mean 'async'?", lines[0], StringComparison.Ordinal);
        Assert.Contains("Did you mean 'no-deploy'?", lines[1], StringComparison.Ordinal);
        Assert.Contains("mode=editable", lines[2], StringComparison.Ordinal);
        Assert.Contains("takes no value", lines[3], StringComparison.Ordinal);
        Assert.Contains("There are: async", lines[4], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mode=final", "mode=cooking")]
    [InlineData("deploy", "no-deploy")]
    [InlineData("manifest=a", "manifest=b")]
    public void Two_that_exclude_each_other_are_refused(string one, string other) =>
        Assert.Throws<Refusal>(() => PushOptions.Parse([one, other]));

    [Theory]
    [InlineData("manifest=/etc/passwd")]
    [InlineData("manifest=a/../../b")]
    [InlineData("manifest=.git/config")]
    [InlineData("manifest=a\nb")]
    [InlineData("manifest=")]
    [InlineData("only=Rm -rf")]
    [InlineData("")]
    [InlineData("=")]
    [InlineData("ASYNC")]
    public void A_hostile_value_is_refused(string option) => Assert.Throws<Refusal>(() => PushOptions.Parse([option]));

    [Fact]
    public void More_options_than_a_person_types_are_refused() =>
        Assert.Throws<Refusal>(() => PushOptions.Parse([.. Enumerable.Range(0, 33).Select(i => $"o{i}")]));

    [Fact]
    public void Any_text_is_an_option_or_a_refusal_without_control_characters() =>
        Prop.ForAll<string[]>(texts =>
        {
            try
            {
                PushOptions.Parse([.. texts.Select(text => text ?? "")]);
                return true;
            }
            catch (Refusal refusal)
            {
                return refusal.Message.All(c => c is '\n' or '\t' || !char.IsControl(c));
            }
        }).QuickCheckThrowOnFailure();
}
