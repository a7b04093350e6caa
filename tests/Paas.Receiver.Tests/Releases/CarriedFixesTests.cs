using System.Text.Json;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Releases;

/// <summary>What a tree says of the fixes in it may have been written by anybody.</summary>
public sealed class CarriedFixesTests : IDisposable
{
    static readonly ReleaseId Id = ReleaseId.New(TimeProvider.System);

    readonly string scratch = Directory.CreateTempSubdirectory("carried").FullName;

    string Tree => Path.Combine(scratch, "tree");

    string Folder => Directory.CreateDirectory(Path.Combine(Tree, ".paas", "fixes")).FullName;

    public void Dispose() => Directory.Delete(scratch, recursive: true);

    [Fact]
    public void A_fix_is_read_as_it_was_written_with_its_text()
    {
        List(Fix());
        File.WriteAllText(Path.Combine(Folder, Id.Value + ".patch"), "the patch");

        var fix = Assert.Single(CarriedFixes.Read(Tree));

        Assert.Equal(("Say seven", "alice"), (fix.Subject, fix.By));
        Assert.Equal("the patch"u8.ToArray(), CarriedFixes.TextsOf(Tree, fix).Own);
        Assert.Null(CarriedFixes.TextsOf(Tree, fix).Built);
    }

    [Fact]
    public void Nothing_is_read_through_a_link()
    {
        var secret = Path.Combine(scratch, "secret");
        File.WriteAllText(secret, "secret");
        List(Fix());
        File.CreateSymbolicLink(Path.Combine(Folder, Id.Value + ".patch"), secret);
        Assert.Equal((null, null), CarriedFixes.TextsOf(Tree, Assert.Single(CarriedFixes.Read(Tree))));

        File.Move(Path.Combine(Folder, "list.json"), Path.Combine(scratch, "list.json"));
        File.CreateSymbolicLink(Path.Combine(Folder, "list.json"), Path.Combine(scratch, "list.json"));
        Assert.Empty(CarriedFixes.Read(Tree));

        Directory.Move(Path.Combine(Tree, ".paas"), Path.Combine(scratch, "paas"));
        Directory.CreateSymbolicLink(Path.Combine(Tree, ".paas"), Path.Combine(scratch, "paas"));
        CarriedFixes.Forget(Tree);
        Assert.True(Directory.Exists(Path.Combine(scratch, "paas", "fixes")));
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{}")]
    [InlineData("[null, 1]")]
    [InlineData("""[{"id": "../../../etc/passwd", "subject": "x", "by": "y", "files": []}]""")]
    public void What_is_not_as_we_write_it_counts_for_nothing(string list)
    {
        File.WriteAllText(Path.Combine(Folder, "list.json"), list);
        Assert.Empty(CarriedFixes.Read(Tree));
    }

    [Theory]
    [InlineData("two\nlines", "alice")]
    [InlineData("\u001b[31mred", "alice")]
    [InlineData("", "alice")]
    [InlineData("Say seven", "al\tice")]
    public void A_line_that_is_none_is_not_shown(string subject, string by)
    {
        List(Fix() with { Subject = subject, By = by });
        Assert.Empty(CarriedFixes.Read(Tree));
    }

    [Fact]
    public void What_was_pushed_under_that_name_goes()
    {
        List(Fix());
        CarriedFixes.Forget(Tree);
        Assert.False(Path.Exists(Path.Combine(Tree, ".paas", "fixes")));
    }

    static CarriedFix Fix() => new(Id.Value, "Say seven", "alice", DateTimeOffset.UnixEpoch, ["VERSION"]);

    void List(params CarriedFix[] fixes) => File.WriteAllText(Path.Combine(Folder, "list.json"), JsonSerializer.Serialize(fixes, JsonSerializerOptions.Web));
}
