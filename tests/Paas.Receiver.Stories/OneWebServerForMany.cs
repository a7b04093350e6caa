using System.Globalization;
using System.Net;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Reference 2.3, strategy 2 (RT-07 to RT-09): folders of files and PHP on one nginx of the receiver's, a file for each instance.</summary>
public sealed class OneWebServerForMany(OneWebServerForMany.WithOne shared) : IClassFixture<OneWebServerForMany.WithOne>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Sites_come_change_and_go_and_the_others_lose_no_request()
    {
        if (!BuildingReceiver.Has("nginx", "php", "php-fpm8.2"))
        {
            return;
        }

        await using var steady = await SiteAsync("steady", "steady\n");
        Assert.True((await steady.PushAsync()).Accepted);
        var daemon = Daemon();
        await using var visitor = Visitor.Start(receiver, "steady.localhost", "/", abreast: 4);
        await visitor.OneMoreAsync();

        await using var other = await SiteAsync("other", "other 1\n");
        var first = await other.PushAsync();
        Assert.True(first.Accepted, first.Text);
        Assert.Equal("other 1\n", (await receiver.AskAsync("other.localhost", "/")).Body);
        await using var othersVisitor = Visitor.Start(receiver, "other.localhost", "/", abreast: 2);
        await othersVisitor.OneMoreAsync();
        await other.WriteAsync("index.html", "other 2\n");
        await other.WriteAsync("static.json", """{"headers": {"/**": {"X-Made-By": "other $2"}}}""");
        await other.CommitAsync("Second");
        Assert.True((await other.PushAsync()).Accepted);
        Assert.Equal("other 2\n", (await receiver.AskAsync("other.localhost", "/")).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("other.localhost", "/.paas/static/site")).Status);
        await othersVisitor.StopAsync();
        Assert.Empty(othersVisitor.Failures);

        await using var php = await GitClient.NewAsync(receiver, "php-site");
        await php.WriteAsync("index.php", """
            <?php
            file_put_contents('written', 'x');
            file_put_contents(getenv('PAAS_DATA_DIR') . '/kept', 'x', FILE_APPEND);
            echo __DIR__, ' ', $_SERVER['DOCUMENT_ROOT'], ' ', $_SERVER['REQUEST_URI'], ' ', posix_geteuid(), ' ', getenv('PAAS_RELEASE'), "\n";
            """);
        await php.WriteAsync("picture.txt", "a picture\n");
        await php.CommitAsync("PHP");
        var pushed = await php.PushAsync();
        Assert.True(pushed.Accepted, pushed.Text);
        var run = Path.Combine(receiver.Project("php-site"), "run");
        var (_, said) = await receiver.AskAsync("php-site.localhost", "/some/path?a=b");
        Assert.StartsWith($"{run} {run} /some/path?a=b ", said, StringComparison.Ordinal);
        Assert.EndsWith(" v1\n", said, StringComparison.Ordinal);
        Assert.Equal("a picture\n", (await receiver.AskAsync("php-site.localhost", "/picture.txt")).Body);
        Assert.False(File.Exists(Path.Combine(Directory.GetDirectories(Path.Combine(receiver.Project("php-site"), "deploy"))[0], "written")));
        if (System.Environment.UserName == "root")
        {
            Assert.DoesNotContain(" 0 v1", said, StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.NoContent, (await receiver.AskApiAsync(HttpMethod.Delete, "/api/v1/projects/local/other")).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await receiver.AskAsync("other.localhost", "/")).Status);
        await visitor.OneMoreAsync();
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
        Assert.Equal(["steady\n"], visitor.Answers.Keys);
        Assert.Equal(daemon, Daemon());
        Assert.Equal(2, Directory.GetFiles(Web, "*.json").Length);
    }

    [Fact]
    public async Task It_outlives_the_receiver_comes_back_with_every_site_and_takes_no_bad_one()
    {
        if (!BuildingReceiver.Has("nginx"))
        {
            return;
        }

        await using var one = await SiteAsync("lasting", "lasting\n");
        await one.GitAsync("config", "core.symlinks", "true");
        File.CreateSymbolicLink(Path.Combine(one.Directory, "inside"), "index.html");
        File.CreateSymbolicLink(Path.Combine(one.Directory, "outside"), "/etc/hostname");
        await one.CommitAsync("Links");
        var pushed = await one.PushAsync();
        Assert.True(pushed.Accepted, pushed.Text);
        Assert.Equal("lasting\n", (await receiver.AskAsync("lasting.localhost", "/inside")).Body);
        if (System.Environment.UserName == "root")
        {
            // Of another owner than the link: not the project's to show.
            Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("lasting.localhost", "/outside")).Status);
        }

        var daemon = Daemon();
        var instances = Directory.GetDirectories(Path.Combine(receiver.Root, "state", "instances")).Order().ToList();
        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        await AnswersAsync("lasting");
        Assert.Equal(daemon, Daemon());
        Assert.Equal(instances, Directory.GetDirectories(Path.Combine(receiver.Root, "state", "instances")).Order());

        // Its workers go on without it and hold the ports.
        Assert.True(PosixSignals.Send(daemon, PosixSignals.Kill));
        await Patience.UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(Web, "daemon")) && Daemon() != daemon), "another nginx runs");
        await AnswersAsync("lasting");

        await using var bad = await SiteAsync("refused", "never seen\n");
        await bad.WriteAsync("static.json", """{"headers": {"/**": {"X-Long": "LONG"}}}""".Replace("LONG", new string('x', 5000), StringComparison.Ordinal));
        await bad.CommitAsync("What nginx does not take");
        var refused = await bad.PushAsync();
        Assert.False(refused.Accepted);
        Assert.Contains("nginx refuses the site's configuration", refused.Text, StringComparison.Ordinal);
        await AnswersAsync("lasting");
        await bad.WriteAsync("static.json", "{}");
        await bad.CommitAsync("What it takes");
        var taken = await bad.PushAsync();
        Assert.True(taken.Accepted, taken.Text);

        // While both were away.
        await receiver.KillAsync();
        PosixSignals.Send(Daemon(), PosixSignals.Kill);
        await receiver.StartAgainAsync();
        await AnswersAsync("lasting");
        Assert.Equal("never seen\n", (await receiver.AskAsync("refused.localhost", "/")).Body);

        Task AnswersAsync(string name) =>
            Patience.UntilAsync(async () => (await receiver.AskAsync($"{name}.localhost", "/")).Body == $"{name}\n", $"{name} answers");
    }

    string Web => Path.Combine(receiver.Root, "state", "web");

    int Daemon() => int.Parse(File.ReadAllText(Path.Combine(Web, "daemon")), CultureInfo.InvariantCulture);

    async Task<GitClient> SiteAsync(string name, string page)
    {
        var git = await GitClient.NewAsync(receiver, name);
        await git.WriteAsync("index.html", page);
        await git.CommitAsync("A page");
        return git;
    }

    public sealed class WithOne : SharedReceiver
    {
        protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string> { ["PAAS_WEB_SERVER"] = "shared" };
    }
}
