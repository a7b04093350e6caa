using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Each gives a clear message, changes nothing that was live, and leaves nothing behind.</summary>
public sealed class ApplicationsThatMisbehave(HastyReceiver shared) : IClassFixture<HastyReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Theory]
    [InlineData("nothing-to-run", "Procfile")]
    [InlineData("never-listens", "listen")]
    [InlineData("wont-build", "exit code 3")]
    public async Task It_is_refused_in_words_and_the_old_release_serves_on(string sample, string words)
    {
        await using var git = await LiveAsync($"bad-{sample}");
        var live = await git.RemoteRefAsync();
        await git.CommitSampleAsync(sample);

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains(words, StringComparison.Ordinal));
        Assert.Equal(live, await git.RemoteRefAsync());
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync($"bad-{sample}.localhost")).Body, StringComparison.Ordinal);
        AssertTidy($"bad-{sample}");
    }

    [Fact]
    public async Task Every_mistake_of_a_manifest_is_told_at_once_with_its_path()
    {
        await using var git = await GitClient.NewAsync(receiver, "bad-manifest", "bad-manifest");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        foreach (var path in new[] { "manifest.format: ", "application.name: ", "instances.0.quantity: ", "instances.1.quantty: ", "instances.1.runtime" })
        {
            Assert.True(push.Remote.Any(line => line.StartsWith("         line ", StringComparison.Ordinal) && line.Contains(path, StringComparison.Ordinal)), path + " in " + push.Text);
        }

        Assert.Contains(" !     manifest failed: manifest.yml has 6 mistakes:", push.Remote);

        AssertTidy("bad-manifest");
    }

    [Theory]
    [InlineData("0", false)]
    [InlineData("0.3", false)]
    [InlineData("0.3", true)]
    public async Task One_that_listens_and_dies_a_moment_later_is_taken_back_and_the_old_release_serves_on(string life, bool keepsData)
    {
        var name = $"dies-{life.Replace(".", "", StringComparison.Ordinal)}-{(keepsData ? "data" : "plain")}";
        await using var git = await LiveAsync(name);
        var live = await git.RemoteRefAsync();
        var note = Path.Combine(receiver.Project(name), "data", "note");
        if (keepsData)
        {
            await File.WriteAllTextAsync(note, "as it was");
        }

        await git.CommitSampleAsync("listens-then-dies");
        await git.CommitFileAsync("life", life + "\n");

        var push = await git.PushAsync();

        Assert.False(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains("exited with code 7", StringComparison.Ordinal));
        Assert.Contains(push.Remote, line => line.Contains("something went wrong after all", StringComparison.Ordinal));
        Assert.Equal(live, await git.RemoteRefAsync());
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync($"{name}.localhost")).Body, StringComparison.Ordinal);
        Assert.True(!keepsData || await File.ReadAllTextAsync(note) == "as it was");
        AssertTidy(name);
    }

    [Fact]
    public async Task A_first_release_that_listens_and_dies_leaves_nothing_live()
    {
        await using var git = await GitClient.NewAsync(receiver, "dies-first", "listens-then-dies");

        var push = await git.PushAsync();

        Assert.False(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains("nothing is live now", StringComparison.Ordinal));
        Assert.Null(await git.RemoteRefAsync());
        AssertTidy("dies-first");
    }

    [Fact]
    public async Task One_that_dies_while_it_is_live_is_started_again()
    {
        await using var git = await GitClient.NewAsync(receiver, "dies-later", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var before = (await receiver.AskAsync("dies-later.localhost")).Body;
        var process = Assert.Single(Leftovers.Of(receiver.Project("dies-later")), IsPython);

        PosixSignals.Send(process, PosixSignals.Kill);

        await Patience.UntilAsync(async () => !IsAlive(process) && (await receiver.AskAsync("dies-later.localhost")) is { Status: HttpStatusCode.OK } answer && answer.Body == before, "it answers again");
    }

    [Fact]
    public async Task One_that_ignores_SIGTERM_is_killed_when_its_time_is_over()
    {
        await using var git = await GitClient.NewAsync(receiver, "ignores-term", "ignores-term");
        Assert.True((await git.PushAsync()).Accepted);
        var stubborn = Assert.Single(Leftovers.Of(receiver.Project("ignores-term")), IsPython);
        await git.CommitSampleAsync("hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.False(IsAlive(stubborn));
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("ignores-term.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_forked_away_from_the_old_release_is_gone_after_the_next()
    {
        await using var git = await GitClient.NewAsync(receiver, "forks-away", "forks-away");
        Assert.True((await git.PushAsync()).Accepted);
        var note = Path.Combine(receiver.Project("forks-away"), "data", "runaway");
        await Patience.UntilAsync(() => File.Exists(note), "it has forked");
        var runaway = Leftovers.Of(receiver.Project("forks-away")).Where(IsPython).ToList();
        Assert.Equal(2, runaway.Count);
        await git.CommitSampleAsync("hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.All(runaway, process => Assert.False(IsAlive(process)));
    }

    [Fact]
    public async Task One_that_wants_a_port_that_is_taken_says_so_itself_and_is_refused()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        await using var git = await LiveAsync("port-taken");
        await git.WriteAsync("Procfile", $"web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 {port}\n");
        await git.CommitAsync("Want a port of its own");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("Address already in use", StringComparison.Ordinal));
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("port-taken.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_listens_elsewhere_is_told_so()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        free.Stop();
        await using var git = await LiveAsync("elsewhere");
        await git.WriteAsync("Procfile", $"web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 {port}\n");
        await git.CommitAsync("Listen elsewhere");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     healthy failed:", StringComparison.Ordinal) && line.Contains(port, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_release_command_that_never_ends_is_ended_at_the_limit()
    {
        await using var git = await LiveAsync("release-hangs");
        await git.WriteAsync("Procfile", "release: sleep 3600\nweb: exec /usr/bin/python3 app.py\n");
        await git.CommitAsync("Hang");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("release took longer than 5 s", StringComparison.Ordinal));
        Assert.DoesNotContain(Leftovers.Of(receiver.Project("release-hangs")), process => CommandLine(process).StartsWith("sleep", StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_that_prints_without_end_keeps_a_bounded_log()
    {
        await using var git = await GitClient.NewAsync(receiver, "shouts-on", "hello");
        await git.WriteAsync("Procfile", "web: yes 'all work and no play makes jack a dull boy' | head -c 67108864; exec /usr/bin/python3 app.py\n");
        await git.CommitAsync("Shout");

        var push = await git.PushAsync();

        // On a busy machine its six seconds may be over before it is done; its log is bounded either way.
        Assert.True(push.Accepted || push.Remote.Any(line => line.Contains("listen", StringComparison.Ordinal)), push.Text);
        var logs = new DirectoryInfo(Path.Combine(receiver.Root, "state", "logs", "local", "shouts-on"));
        Assert.InRange(logs.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length), 0, 11 * 1024 * 1024);
    }

    [Fact]
    public async Task One_that_prints_a_gigabyte_while_it_is_live_answers_all_the_same_and_keeps_a_bounded_log()
    {
        await using var git = await GitClient.NewAsync(receiver, "shouts-a-lot", "hello");
        await git.WriteAsync("Procfile", "web: (yes 'all work and no play makes jack a dull boy' | head -c 1073741824; : >\"$PAAS_DATA_DIR/done\") & exec /usr/bin/python3 app.py\n");
        await git.CommitAsync("Shout");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        var done = Path.Combine(receiver.Project("shouts-a-lot"), "data", "done");
        var answers = 0;
        for (var end = DateTime.UtcNow.AddMinutes(3); !File.Exists(done) && DateTime.UtcNow < end; answers++)
        {
            Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("shouts-a-lot.localhost")).Status);
        }

        Assert.True(File.Exists(done), $"it is still printing after {answers} answers");
        Assert.True(answers > 0);
        var logs = new DirectoryInfo(Path.Combine(receiver.Root, "state", "logs", "local", "shouts-a-lot"));
        Assert.InRange(logs.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length), 0, 11 * 1024 * 1024);
    }

    async Task<GitClient> LiveAsync(string project)
    {
        var git = await GitClient.NewAsync(receiver, project, "hello");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        return git;
    }

    void AssertTidy(string project)
    {
        var build = Path.Combine(receiver.Project(project), "build");
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(build), path => Path.GetFileName(path) is not "cache" && !Path.GetFileName(path).StartsWith(".discarded-", StringComparison.Ordinal));
        var deploy = Path.Combine(receiver.Project(project), "deploy");
        Assert.InRange(Directory.EnumerateDirectories(deploy).Count(path => new DirectoryInfo(path).LinkTarget is null), 0, 1);
    }

    static bool IsPython(int process) => CommandLine(process).StartsWith("/usr/bin/python3", StringComparison.Ordinal);

    static string CommandLine(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    // A zombie has ended.
    static bool IsAlive(int process) => CommandLine(process).Length > 0;
}
