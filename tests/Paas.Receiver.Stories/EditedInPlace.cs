using System.Net;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>A receiver whose own environment is for development.</summary>
public sealed class Workshop : SharedReceiver
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "local:dev" };
}

/// <summary>Issue 3, item 2: in editable mode run is the checkout, and what people write there is theirs.</summary>
public sealed class EditedInPlace(Workshop shared) : IClassFixture<Workshop>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Run_is_the_working_copy_and_an_edit_shows_without_a_deployment()
    {
        await using var git = await PushedAsync("edits");

        var project = receiver.Project("edits");
        Assert.Equal("hello from v1", (await receiver.AskAsync("edits.localhost", "/page.txt")).Body);
        await File.WriteAllTextAsync(Path.Combine(project, "run", "page.txt"), "edited by hand");

        Assert.Equal("edited by hand", (await receiver.AskAsync("edits.localhost", "/page.txt")).Body);
        Assert.Equal("edited by hand", await File.ReadAllTextAsync(Path.Combine(project, "project", "page.txt")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(project, "releases")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(project, "archives")));
    }

    [Fact]
    public async Task Recipes_are_those_that_were_pushed_last()
    {
        await using var git = await PushedAsync("recipes");
        var recipe = Path.Combine(receiver.Root, "salt", "makina-projects", "recipes", "notes.txt");
        foreach (var text in new[] { "one", "two" })
        {
            await git.CommitFileAsync(".salt/notes.txt", text);
            Assert.True((await git.PushAsync()).Accepted);

            Assert.Equal(text, await File.ReadAllTextAsync(recipe));
        }
    }

    [Fact]
    public async Task A_build_happens_in_place_and_its_results_stay_through_the_next_push()
    {
        await using var git = await GitClient.NewAsync(receiver, "builds");
        await WriteAsync(git, "one");
        await git.WriteHookAsync("build", "echo built >>built.log");
        await git.CommitAsync("Build");
        Assert.True((await git.PushAsync()).Accepted);
        await git.CommitFileAsync("page.txt", "two");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal("built\nbuilt\n", await File.ReadAllTextAsync(Path.Combine(receiver.Project("builds"), "run", "built.log")));
        Assert.Equal("two", (await receiver.AskAsync("builds.localhost", "/page.txt")).Body);
    }

    [Fact]
    public async Task A_push_that_would_lose_an_edit_is_refused_by_its_name_unless_it_is_given_up()
    {
        await using var git = await PushedAsync("keeps");
        var run = Path.Combine(receiver.Project("keeps"), "run");
        await File.WriteAllTextAsync(Path.Combine(run, "page.txt"), "precious");
        await File.WriteAllTextAsync(Path.Combine(run, "new.txt"), "precious too");
        await git.WriteAsync("new.txt", "pushed");
        await git.CommitFileAsync("page.txt", "pushed");

        var refused = await git.PushAsync();

        Assert.False(refused.Accepted);
        Assert.Contains("page.txt", refused.Text, StringComparison.Ordinal);
        Assert.Contains("new.txt", refused.Text, StringComparison.Ordinal);
        Assert.Contains("-o discard-edits", refused.Text, StringComparison.Ordinal);
        Assert.Equal("precious", (await receiver.AskAsync("keeps.localhost", "/page.txt")).Body);
        Assert.Equal("precious too", (await receiver.AskAsync("keeps.localhost", "/new.txt")).Body);

        var given = await git.PushAsync("discard-edits");
        Assert.True(given.Accepted, given.Text);
        Assert.Equal("pushed", (await receiver.AskAsync("keeps.localhost", "/page.txt")).Body);
    }

    [Fact]
    public async Task Edits_that_a_push_does_not_touch_or_brings_itself_stay()
    {
        await using var git = await PushedAsync("stays");
        var run = Path.Combine(receiver.Project("stays"), "run");
        await File.WriteAllTextAsync(Path.Combine(run, "page.txt"), "fixed on the spot");
        await File.WriteAllTextAsync(Path.Combine(run, "other.txt"), "only here");
        await File.WriteAllTextAsync(Path.Combine(run, "notes"), "never tracked");
        await File.WriteAllTextAsync(Path.Combine(run, "same.txt"), "untracked, and the same as pushed");
        await git.WriteAsync("third.txt", "pushed");
        await git.WriteAsync("same.txt", "untracked, and the same as pushed");
        await git.CommitFileAsync("page.txt", "fixed on the spot");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        foreach (var (name, content) in new[] { ("page.txt", "fixed on the spot"), ("other.txt", "only here"), ("notes", "never tracked"), ("third.txt", "pushed"), ("same.txt", "untracked, and the same as pushed") })
        {
            Assert.Equal(content, (await receiver.AskAsync("stays.localhost", "/" + name)).Body);
        }

        // And the file that is edited still counts as edited.
        await git.CommitFileAsync("other.txt", "pushed");
        Assert.Contains("other.txt", (await git.PushAsync()).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redeploy_restarts_what_is_there_and_a_rollback_is_refused()
    {
        await using var git = await PushedAsync("again");
        var run = Path.Combine(receiver.Project("again"), "run");
        await File.WriteAllTextAsync(Path.Combine(run, "page.txt"), "edited");

        var (_, body) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/again/redeploy", "{}");
        var log = (await receiver.AskApiAsync(HttpMethod.Get, body.Split("\"log\":\"")[1].Split('"')[0])).Body;

        Assert.Contains("v2 is live", log, StringComparison.Ordinal);
        Assert.Equal("edited", (await receiver.AskAsync("again.localhost", "/page.txt")).Body);
        (_, body) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/again/rollback", "{}");
        log = (await receiver.AskApiAsync(HttpMethod.Get, body.Split("\"log\":\"")[1].Split('"')[0])).Body;
        Assert.Contains("nothing to go back to", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task From_editable_to_cooking_and_back_nothing_of_one_reaches_the_other()
    {
        await using var git = await PushedAsync("both");
        var project = receiver.Project("both");
        await git.CommitFileAsync("page.txt", "cooked");
        var cooked = await git.PushAsync("mode=cooking");
        Assert.True(cooked.Accepted, cooked.Text);
        Assert.Equal("deploy/current", new FileInfo(Path.Combine(project, "run")).LinkTarget);
        Assert.Equal("cooked", (await receiver.AskAsync("both.localhost", "/page.txt")).Body);
        var release = Directory.ResolveLinkTarget(Path.Combine(project, "deploy", "current"), returnFinalTarget: true)!.FullName;

        await git.CommitFileAsync("third.txt", "editable again");
        var edited = await git.PushAsync();
        Assert.True(edited.Accepted, edited.Text);
        await File.AppendAllTextAsync(Path.Combine(project, "run", "page.txt"), " and edited");

        Assert.Equal("cooked and edited", (await receiver.AskAsync("both.localhost", "/page.txt")).Body);
        Assert.Equal("cooked", await File.ReadAllTextAsync(Path.Combine(release, "page.txt")));
        await git.CommitFileAsync("third.txt", "leaving");
        var refused = await git.PushAsync("mode=cooking");
        Assert.False(refused.Accepted);
        Assert.Contains("page.txt", refused.Text, StringComparison.Ordinal);
        var left = await git.PushAsync("mode=cooking", "discard-edits");
        Assert.True(left.Accepted, left.Text);
        var kept = Directory.EnumerateDirectories(Path.Combine(project, "archives"), "project.edited", SearchOption.AllDirectories);
        Assert.Contains(kept, directory => File.ReadAllText(Path.Combine(directory, "page.txt")) == "cooked and edited");
    }

    [Fact]
    public async Task A_cooking_that_fails_gives_the_edited_files_back()
    {
        await using var git = await PushedAsync("returns");
        var project = receiver.Project("returns");
        await File.WriteAllTextAsync(Path.Combine(project, "run", "notes"), "untracked");
        await git.WriteAsync("Procfile", "web: exit 1\n");
        await git.CommitAsync("Break it");

        var push = await git.PushAsync("mode=cooking");

        Assert.False(push.Accepted);
        Assert.Equal("hello from v1", (await receiver.AskAsync("returns.localhost", "/page.txt")).Body);
        Assert.Equal("untracked", await File.ReadAllTextAsync(Path.Combine(project, "project", "notes")));
        await File.WriteAllTextAsync(Path.Combine(project, "run", "page.txt"), "still edited here");
        Assert.Equal("still edited here", (await receiver.AskAsync("returns.localhost", "/page.txt")).Body);
    }

    [Fact]
    public async Task A_push_that_does_not_start_is_mended_in_place()
    {
        await using var git = await PushedAsync("mends");
        await git.WriteAsync("Procfile", "web: exit 1\n");
        await git.CommitAsync("Break it");
        var broken = await git.PushAsync();
        Assert.False(broken.Accepted);

        await File.WriteAllTextAsync(Path.Combine(receiver.Project("mends"), "run", "Procfile"), Web);
        var (_, body) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/mends/redeploy", "{}");
        var log = (await receiver.AskApiAsync(HttpMethod.Get, body.Split("\"log\":\"")[1].Split('"')[0])).Body;

        Assert.Contains("is live", log, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("mends.localhost", "/page.txt")).Status);
    }

    [Fact]
    public async Task After_a_reboot_the_mount_is_there_again_and_what_lay_in_its_place_is_kept()
    {
        await using var own = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "local:dev" });
        await using var git = await GitClient.NewAsync(own, "boots");
        await WriteAsync(git, "hello from v1");
        await git.CommitAsync("First");
        Assert.True((await git.PushAsync()).Accepted);
        var run = Path.Combine(own.Project("boots"), "run");
        await own.StopAsync();
        await Leftovers.EndAllAsync(own.Root);
        var wasMounted = (await new Command("umount", "--", run).RunAsync()).ExitCode == 0;
        if (wasMounted)
        {
            await File.WriteAllTextAsync(Path.Combine(run, "written-meanwhile"), "by somebody");
        }

        await own.StartAgainAsync();

        await Patience.UntilAsync(async () => (await own.AskAsync("boots.localhost", "/page.txt")).Body == "hello from v1", "it is up again");
        Assert.True(File.Exists(Path.Combine(run, "page.txt")));
        if (wasMounted)
        {
            var found = Assert.Single(Directory.EnumerateDirectories(Path.Combine(own.Project("boots"), "archives"), "run.found-*"));
            Assert.Equal("by somebody", await File.ReadAllTextAsync(Path.Combine(found, "written-meanwhile")));
        }
    }

    const string Web = "web: exec /usr/bin/python3 -m http.server $PORT --bind 127.0.0.1\n";

    async Task<GitClient> PushedAsync(string name)
    {
        var git = await GitClient.NewAsync(receiver, name);
        await WriteAsync(git, "hello from v1");
        await git.CommitAsync("First");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text + receiver.Output);
        return git;
    }

    /// <summary>Serves its own files, so that what is on disk is what visitors see.</summary>
    static async Task WriteAsync(GitClient git, string page)
    {
        await git.WriteAsync("Procfile", Web);
        await git.WriteAsync("page.txt", page);
        await git.WriteAsync("other.txt", "other");
        await git.WriteAsync("third.txt", "third");
    }
}
