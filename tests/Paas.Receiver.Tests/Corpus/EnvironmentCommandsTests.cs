using System.Text.Json;
using Paas.Receiver.Api;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Corpus;

/// <summary>The RFC's verbs for platforms (R15.2 to R15.7), in its order of arguments.</summary>
public sealed class EnvironmentCommandsTests : IAsyncLifetime
{
    readonly string home = Directory.CreateTempSubdirectory("corpus").FullName;
    ApiStage stage = null!;
    string token = "";

    public async Task InitializeAsync()
    {
        stage = await ApiStage.OpenAsync();
        token = stage.Admin;
    }

    public async Task DisposeAsync()
    {
        await stage.DisposeAsync();
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task Init_env_answers_with_the_uuid_and_everything_takes_it()
    {
        var (code, output, error) = await RunAsync("init_env", "{here}", "prod", "localhost", "--tag", "region=north", "--quota", "10");

        Assert.Equal((0, "prod is a prod environment in final mode.\n"), (code, error));
        var uuid = output.Trim();
        Assert.Equal(stage.The<ProjectStore>().FindEnvironment(uuid)!.Uuid.ToString(), uuid);
        Assert.Equal(0, (await RunAsync("init", "{here}", uuid, "shop")).Code);
        Assert.NotNull(stage.The<ProjectStore>().Find("prod/shop"));
        foreach (var environment in (string[])["prod", uuid])
        {
            Assert.StartsWith("prod/shop (final)", (await RunAsync("status", "shop", "-e", environment, "--endpoint", "{here}")).Output, StringComparison.Ordinal);
        }

        Assert.Equal(0, (await RunAsync("change_env", "{here}", "prod", "--mode", "cooking", "--quota", "0")).Code);
        var listed = (await RunAsync("environments", "--endpoint", "{here}")).Output.Split('\n');
        Assert.StartsWith("local (default)  staging  cooking", listed[1], StringComparison.Ordinal);
        Assert.Equal(["prod", "prod", "cooking", "1", "-", "region=north", uuid], listed[2].Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Init_says_where_to_push_to_and_does_no_harm_twice()
    {
        var (code, output, _) = await RunAsync("init", "{here}", "-", "shop");

        Assert.Equal(0, code);
        Assert.Contains($"{stage.Url}git/shop.git\n", output, StringComparison.Ordinal);
        Assert.Contains($"{stage.Url}git/shop/pillar.git\n", output, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Path.Combine(stage.Root, "projects", "shop", "git", "pillar", "objects")));
        Assert.Contains("is there already", (await RunAsync("init", "{here}", "local", "shop")).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync("init", "{here}", "local", "No Name")).Code);
        Assert.Equal(1, (await RunAsync("init", "{here}", "nosuch", "shop")).Code);
    }

    [Fact]
    public async Task Listhosts_shows_the_hosts_of_every_receiver_in_the_settings_file()
    {
        var path = Path.Combine(home, SettingsFile.Name);
        File.WriteAllText(path, $"one:\n  url: {stage.Url}\n  password: {token}\ntwo:\n  url: {stage.Url}\n  password: {token}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        token = "";

        var (code, output, error) = await RunAsync("listhosts");

        Assert.Equal((0, ""), (code, error));
        Assert.Equal(4, output.Split('\n').Length);
        Assert.Contains("*.localhost", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync("--endpoint", "two", "listhosts", "--json")).Output);
        Assert.True(json.RootElement.GetProperty("items")[0].GetProperty("freeBytes").GetInt64() > 0);
    }

    [Fact]
    public async Task Destroy_wants_to_be_meant_and_takes_everything_of_the_project_away()
    {
        var project = stage.The<ProjectStore>().FindOrCreate(null, ProjectName.Parse("doomed"));
        var secret = stage.The<Receiver.Access.Tokens>().Create("doomed-ci", isAdmin: false, project.Key).Secret;
        var release = stage.Release(project, new string('a', 40));
        stage.Print(release, "web", "hello");
        await stage.Deploy(project, _ => Task.FromResult(Outcome.Live)).Finished;
        Assert.Equal(2, (await RunAsync("destroy", "{here}", "local", "doomed")).Code);
        Assert.NotNull(stage.The<ProjectStore>().Find(project.Key));

        var (code, output, error) = await RunAsync("destroy", "{here}", "local", "doomed", "--yes");

        Assert.Equal((0, "local/doomed is destroyed.\n", ""), (code, output, error));
        Assert.False(Directory.Exists(project.Directory));
        Assert.Empty(stage.The<Journal>().Of(project));
        Assert.Empty(stage.The<Receiver.Releases.ReleaseStore>().List(project));
        Assert.Null(stage.The<Receiver.Access.Tokens>().Find(secret));
        Assert.False(Directory.Exists(Path.Combine(stage.Root, "state", "logs", "local", "doomed")));
        Assert.Equal(1, (await RunAsync("status", "doomed", "--endpoint", "{here}")).Code);
        Assert.Equal(1, stage.Release(stage.The<ProjectStore>().FindOrCreate(null, project.Name), new string('b', 40)).Number);
        Assert.NotNull(stage.The<ProjectStore>().Find(stage.Hello.Key));
    }

    [Fact]
    public async Task Destroy_takes_back_what_is_being_deployed_first()
    {
        var project = stage.The<ProjectStore>().FindOrCreate(null, ProjectName.Parse("busy"));
        var started = new TaskCompletionSource();
        var running = stage.Deploy(project, async self =>
        {
            started.SetResult();
            await Task.WhenAny(Task.Delay(Timeout.Infinite, self.Cancellation));
            return Outcome.Cancelled;
        });
        await started.Task;
        var waiting = stage.Deploy(project, _ => Task.FromResult(Outcome.Live));

        Assert.Equal(0, (await RunAsync("destroy", "{here}", "local", "busy", "--yes")).Code);

        Assert.Equal((Outcome.Cancelled, Outcome.Cancelled), (await running.Finished, await waiting.Finished));
        Assert.Null(stage.The<ProjectStore>().Find(project.Key));
    }

    [Fact]
    public async Task Destroy_without_a_project_frees_the_whole_environment()
    {
        await RunAsync("init_env", "{here}", "qa");
        await RunAsync("init", "{here}", "qa", "one");
        await RunAsync("init", "{here}", "qa", "two");

        Assert.Equal(0, (await RunAsync("destroy", "{here}", "qa", "--yes")).Code);

        Assert.Null(stage.The<ProjectStore>().FindEnvironment("qa"));
        Assert.DoesNotContain(stage.The<ProjectStore>().List(), project => project.Environment.Name.Value == "qa");
        Assert.False(Directory.Exists(Path.Combine(stage.Root, "environments", "qa")));
        Assert.Contains("stays", (await RunAsync("destroy", "{here}", "local", "--yes")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_an_administrator_makes_changes_and_destroys_environments()
    {
        token = stage.Developer;
        foreach (var arguments in (string[][])[
            ["init_env", "{here}", "qa"], ["change_env", "{here}", "local", "--mode", "final"], ["destroy", "{here}", "local", "--yes"]])
        {
            Assert.Equal(4, (await RunAsync(arguments)).Code);
        }

        Assert.Equal(0, (await RunAsync("init", "{here}", "local", "mine")).Code);
        Assert.Equal(0, (await RunAsync("environments", "--endpoint", "{here}")).Code);
        token = stage.OnlyHello;
        Assert.Equal(4, (await RunAsync("destroy", "{here}", "local", "hello", "--yes")).Code);
        Assert.Equal(1, (await RunAsync("init", "{here}", "local", "mine2")).Code);
        stage.The<ProjectStore>().Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
        Assert.DoesNotContain("qa", (await RunAsync("environments", "--endpoint", "{here}")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("init_env", "{here}", "production")]
    [InlineData("init_env", "{here}", "qa", "moon")]
    [InlineData("init_env", "{here}", "qa", "--quota", "7")]
    [InlineData("init_env", "{here}", "qa", "--mode", "raw")]
    [InlineData("init_env", "{here}", "qa", "--name", "../x")]
    [InlineData("change_env", "{here}", "nosuch", "--quota", "5")]
    public async Task What_cannot_be_is_refused_with_words(params string[] arguments)
    {
        var (code, output, error) = await RunAsync(arguments);

        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith("corpus: ", error, StringComparison.Ordinal);
        Assert.Single(stage.The<ProjectStore>().Environments());
    }

    async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        var code = await CommandLine.RunAsync([.. arguments.Select(argument => argument == "{here}" ? stage.Url.ToString() : argument)], new Surroundings
        {
            Out = output,
            Error = error,
            Directory = home,
            Home = home,
            Variable = name => name == "PAAS_TOKEN" && token.Length > 0 ? token : null,
        });
        return (code, output.ToString(), error.ToString());
    }
}
