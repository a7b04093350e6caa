using System.Net;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 3, item 4: what somebody else packed is taken over, signed, and goes the way of what was cooked here.</summary>
public sealed class ArchivesMadeElsewhere
{
    [Fact]
    public async Task An_imported_archive_is_listed_promoted_and_deployed_like_one_of_ours()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"prod"}""")).Status);
        await using var git = await GitClient.NewAsync(receiver, "shop", "hello");
        var commit = await git.HeadAsync();
        var files = Places.NewScratch("archives");
        var zip = Path.Combine(files, "shop.zip");
        await new Command("python3", "-m", "zipfile", "-c", zip, ".") { Directory = git.Directory }.OutputAsync();
        var tar = Path.Combine(files, "shop.tar.gz");
        await new Command("tar", "-C", git.Directory, "--exclude=.git", "-czf", tar, ".").OutputAsync();

        // Taken over: there, signed, and nothing runs.
        var (code, output, error) = await CorpusCommand.RunAsync(receiver, "import", "shop", zip, "--commit", commit);
        Assert.True(code == 0, output + error);
        Assert.Contains("v1 is taken over", output, StringComparison.Ordinal);
        var first = await ReleaseAsync(receiver, "local", 1);
        Assert.Equal((true, commit, false), (first.GetProperty("imported").GetBoolean(), first.GetProperty("commit").GetString(), first.TryGetProperty("liveAt", out _)));
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("shop.localhost")).Status);

        // Production takes it by number, as what staging cooked.
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "promote", "-e", "local", "shop", "v1", "--to", "prod")).Code);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal(first.GetProperty("archiveDigest").GetString(), (await ReleaseAsync(receiver, "prod", 1)).GetProperty("archiveDigest").GetString());

        // And by its commit: a push there builds nothing.
        await git.GitAsync("remote", "set-url", "--push", "paas", $"http://pusher:{receiver.Token}@127.0.0.1:{receiver.Port}/git/prod/shop.git");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains("from v1 of local", push.Text, StringComparison.Ordinal);

        // At once, of no commit, and again what it was.
        (code, output, error) = await CorpusCommand.RunAsync(receiver, "import", "shop", tar, "--deploy");
        Assert.True(code == 0, output + error);
        Assert.StartsWith("hello version 1 release v2", (await receiver.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "redeploy", "shop")).Code);
        Assert.StartsWith("hello version 1 release v3", (await receiver.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        var second = await ReleaseAsync(receiver, "local", 2);
        Assert.Equal(second.GetProperty("contentDigest").GetString()![..40], second.GetProperty("commit").GetString());

        // Beside the rest of what is there, not instead of it; and nothing is left of the work.
        Assert.False((await ReleaseAsync(receiver, "local", 1)).GetProperty("pruned").GetBoolean());
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "rollback", "shop")).Code);
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, "current", "shop", "v1")).Code);
        Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries(Path.Combine(receiver.Project("shop"), "build")), path => path.EndsWith(".sent", StringComparison.Ordinal) || path.EndsWith(".imported", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_no_archive_or_a_hostile_one_leaves_nothing_and_what_does_not_start_is_taken_back()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(receiver, "shop", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        var files = Places.NewScratch("archives");
        await File.WriteAllTextAsync(Path.Combine(files, "rubbish.zip"), "no archive at all");
        await new Command("python3", "-c", "import zipfile; z = zipfile.ZipFile('evil.zip', 'w'); z.writestr('../../evil', 'x'); w = zipfile.ZipFile('wont.zip', 'w'); w.writestr('Procfile', 'web: exit 1')") { Directory = files }.OutputAsync();

        foreach (var (file, why) in new[] { ("rubbish.zip", "no .tar.zst"), ("evil.zip", "leads elsewhere"), ("wont.zip", "healthy failed") })
        {
            var (code, output, _) = await CorpusCommand.RunAsync(receiver, "import", "shop", Path.Combine(files, file), "--deploy");
            Assert.Equal(1, code);
            Assert.Contains(why, output, StringComparison.Ordinal);
            Assert.Contains("v1 still serves", output, StringComparison.Ordinal);
        }

        Assert.StartsWith("hello version 1 release v1", (await receiver.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(receiver.Project("shop"), "releases")));
        Assert.Empty(Directory.EnumerateFiles(receiver.Project("shop"), "evil", SearchOption.AllDirectories));
        Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries(Path.Combine(receiver.Project("shop"), "build")), path => path.EndsWith(".sent", StringComparison.Ordinal) || path.EndsWith(".imported", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_import_that_is_killed_anywhere_leaves_nothing_and_the_next_one_works()
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SETTLE"] = "0" });
        var files = Places.NewScratch("archives");
        var zip = Path.Combine(files, "shop.zip");
        await new Command("python3", "-c", "import zipfile; z = zipfile.ZipFile('shop.zip', 'w'); z.writestr('Procfile', 'web: exec python3 -m http.server $PORT'); z.writestr('page', 'imported')") { Directory = files }.OutputAsync();
        var imported = 0;
        foreach (var moment in new[] { "import:before", "import:after", "seal:after" })
        {
            receiver.Arm($"kill:{moment}");
            var asking = CorpusCommand.RunAsync(receiver, "import", "shop", zip);
            Assert.Equal(137, await receiver.ExitAsync());
            receiver.Arm(null);

            await receiver.StartAgainAsync();

            // Cut off before anything was accepted, or told what became of it.
            var (asked, said, wrong) = await asking;
            Assert.True(asked is 1 or 3, $"{moment}: {asked} {said}{wrong}");
            var project = receiver.Project("shop");
            await Patience.UntilAsync(() => Left(project).Count == imported, $"{moment}: nothing is left but {imported} releases: {string.Join(", ", Left(project))}");
            var (code, output, error) = await CorpusCommand.RunAsync(receiver, "import", "shop", zip);
            Assert.True(code == 0, $"{moment}: {output}{error}");
            Assert.Equal(++imported, Left(project).Count);
        }

        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "import", "shop", zip, "--deploy")).Code);
        Assert.Equal("imported", (await receiver.AskAsync("shop.localhost", "/page")).Body);

        // Everything that imports leave anywhere in a project; its caches and what it had aside for looking at are no part of them.
        static List<string> Left(string project) =>
        [
            .. new[] { "build", "deploy", "releases" }.Select(place => Path.Combine(project, place)).Where(Directory.Exists).SelectMany(Directory.EnumerateFileSystemEntries)
                .Where(path => Path.GetFileName(path) is not ("cache" or "patches")).Select(path => Path.GetRelativePath(project, path)),
        ];
    }

    static async Task<JsonElement> ReleaseAsync(ReceiverProcess receiver, string environment, int number)
    {
        using var release = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/{environment}/shop/releases/{number}")).Body);
        return release.RootElement.Clone();
    }
}
