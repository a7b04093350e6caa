using System.Text.Json;
using Paas.Receiver.Api;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Corpus;

/// <summary>The verbs over a project's data and room, as somebody types them: rightly, wrongly, and without being allowed to. What they do with an application is the story TheData.</summary>
public sealed class DataCommandsTests : CorpusAtAStage
{
    private protected override string TokenAt(ApiStage stage) => stage.Admin;

    [Fact]
    public async Task A_backup_is_taken_followed_and_listed()
    {
        _ = stage.Release(stage.Hello, new string('a', 40));
        Directory.CreateDirectory(stage.Hello.Data);
        await File.WriteAllTextAsync(Path.Combine(stage.Hello.Data, "file"), "precious");

        var (code, output, error) = await RunAsync("backup", "hello", "--live");

        Assert.True(code == 0, output + error);
        var id = Assert.Single(stage.The<Journal>().Of(stage.Hello)).Id;
        Assert.Contains($"to bring it back: corpus restore hello {id}", output, StringComparison.Ordinal);
        var listed = (await RunAsync("backup", "hello", "--list")).Output.Split('\n');
        Assert.Equal("TAKEN BY DATA OF FILES BYTES DUMPS ID", string.Join(' ', listed[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Matches($" backup +v1 +1 +[0-9.]+ kB +0 +{id}$", listed[1]);
        using var json = JsonDocument.Parse((await RunAsync("backup", "hello", "--list", "--json")).Output);
        Assert.Equal(id, json.RootElement.GetProperty("items")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_list_and_a_backup_are_not_asked_for_at_once()
    {
        var (code, output, error) = await RunAsync("backup", "hello", "--list", "--live");

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("--list takes no backup", error, StringComparison.Ordinal);
        Assert.Empty(stage.The<Journal>().Of(stage.Hello));
    }

    [Theory]
    [InlineData("backup", "nosuch")]
    [InlineData("backup", "nosuch", "--list")]
    [InlineData("restore", "nosuch")]
    [InlineData("restore", "nosuch", "v1")]
    [InlineData("task", "nosuch", "greet")]
    [InlineData("enlarge", "{here}", "local", "nosuch", "5gb")]
    [InlineData("trim", "{here}", "nowhere", "hello", "5gb")]
    [InlineData("doctor", "nosuch")]
    [InlineData("doctor", "nowhere/hello")]
    public async Task What_is_not_there_is_said_to_be_missing(params string[] arguments)
    {
        var (code, output, error) = await RunAsync(Here(arguments));

        Assert.Equal((1, ""), (code, output));
        Assert.Matches("^corpus: There is no such (project|environment)", error);
    }

    [Theory]
    [InlineData("backup", "hello")]
    [InlineData("restore", "hello")]
    [InlineData("task", "hello", "greet")]
    [InlineData("enlarge", "{here}", "local", "hello", "5gb")]
    [InlineData("trim", "{here}", "local", "hello", "5gb")]
    public async Task Who_may_only_look_changes_nothing(params string[] arguments)
    {
        stage.Access.Users.Add("looker");
        stage.Access.Users.Give("looker", "viewer", null);
        variables["PAAS_TOKEN"] = stage.Access.Tokens.Create("looks", isAdmin: false, user: "looker").Secret;

        var (code, output, error) = await RunAsync(Here(arguments));

        Assert.Equal((4, ""), (code, output));
        Assert.StartsWith("corpus: ", error, StringComparison.Ordinal);
        Assert.Empty(stage.The<Journal>().Of(stage.Hello));
        Assert.Equal(0, (await RunAsync("doctor", "hello")).Code);
        Assert.Equal(0, (await RunAsync("backup", "hello", "--list")).Code);
    }

    [Theory]
    [InlineData("yesterday", 1, "A backup is named by its id")]
    [InlineData("v0x", 1, "A backup is named by its id")]
    [InlineData("v7", 1, "has no backup v7")]
    [InlineData("20260101T000000Z-00000000-0000-4000-8000-000000000000", 1, "has no backup 20260101T000000Z-")]
    public async Task A_backup_that_is_none_is_refused_by_its_name(string backup, int exit, string words)
    {
        _ = stage.Release(stage.Hello, new string('a', 40));

        var (code, output, error) = await RunAsync("restore", "hello", backup);

        Assert.Equal(exit, code);
        Assert.Contains(words, output + error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../greet")]
    [InlineData("..")]
    [InlineData("a b")]
    [InlineData("task_")]
    [InlineData("")]
    public async Task What_is_no_name_of_a_task_runs_nothing(string task)
    {
        var (code, output, error) = await RunAsync("task", "hello", task);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("A task's name has letters, digits, '_' and '-'.", error, StringComparison.Ordinal);
        Assert.Empty(stage.The<Journal>().Of(stage.Hello));
    }

    [Fact]
    public async Task A_task_that_the_release_does_not_have_is_refused_with_those_it_has()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        var hooks = Directory.CreateDirectory(Path.Combine(release.Directory, ".paas", "hooks")).FullName;
        await File.WriteAllTextAsync(Path.Combine(hooks, "task_greet"), "#!/bin/sh\n");
        File.SetUnixFileMode(Path.Combine(hooks, "task_greet"), UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var (code, output, error) = await RunAsync("task", "hello", "nosuch");

        Assert.Equal(1, code);
        Assert.Contains("there are: greet", output + error, StringComparison.Ordinal);
        Assert.Equal("Refused", stage.The<Journal>().Of(stage.Hello)[0].Outcome);
    }

    [Fact]
    public async Task Room_is_moved_by_steps_between_what_is_taken_and_what_the_environment_has()
    {
        var (code, _, error) = await RunAsync(Here("enlarge", "{here}", "local", "hello", "5gb"));
        Assert.Equal(1, code);
        Assert.Contains("has no limit that could be moved", error, StringComparison.Ordinal);

        stage.The<Space>().SetQuota(stage.Hello, 5);
        stage.The<ProjectStore>().Change(stage.Hello.Environment.Name, before => before with { QuotaGigabytes = 10 });
        Assert.Matches("^hello takes [0-9.]+ kB and may take 10 GB\n$", (await RunAsync(Here("enlarge", "{here}", "local", "hello", "5gb"))).Output);
        (code, _, error) = await RunAsync(Here("enlarge", "{here}", "local", "hello", "5gb"));
        Assert.Equal(1, code);
        Assert.Contains("the environment local may take 10 GB", error, StringComparison.Ordinal);

        Assert.EndsWith("may take 5 GB\n", (await RunAsync(Here("trim", "{here}", "local", "hello", "5G"))).Output, StringComparison.Ordinal);
        (code, _, error) = await RunAsync(Here("trim", "{here}", "local", "hello", "5gb"));
        Assert.Equal(1, code);
        Assert.Contains("that is the least", error, StringComparison.Ordinal);
        foreach (var size in (string[])["7gb", "", "5", "-5gb", "5gb; rm"])
        {
            (code, _, error) = await RunAsync(Here("enlarge", "{here}", "local", "hello", "--", size));
            Assert.Equal(1, code);
            Assert.Contains("grows and shrinks by 5gb", error, StringComparison.Ordinal);
        }

        Assert.Equal(2, (await RunAsync(Here("trim", "{here}", "local", "hello"))).Code);
        Assert.Equal(5, stage.The<Space>().QuotaOf(stage.Hello));
    }

    [Fact]
    public async Task Doctor_shows_where_a_projects_bytes_are()
    {
        stage.The<Space>().SetQuota(stage.Hello, 5);
        Directory.CreateDirectory(stage.Hello.Data);
        await File.WriteAllBytesAsync(Path.Combine(stage.Hello.Data, "large"), new byte[300_000]);

        var (code, output, error) = await RunAsync("doctor", "hello");

        Assert.Equal((0, ""), (code, error));
        Assert.Matches("^BYTES +FILES +OF\n30[0-9.]+ kB +1 +data\n", output);
        Assert.Matches("\n[0-9.]+ kB in all, of 5 GB\n$", output);
        using var json = JsonDocument.Parse((await RunAsync("doctor", "hello", "--json")).Output);
        Assert.Equal(5, json.RootElement.GetProperty("quotaGigabytes").GetInt32());
        Assert.Equal(2, (await RunAsync("doctor", "hello", "--fix")).Code);
    }

    string[] Here(params string[] arguments) => [.. arguments.Select(word => word.Replace("{here}", stage.Url.ToString(), StringComparison.Ordinal))];
}
