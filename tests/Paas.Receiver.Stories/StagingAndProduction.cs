using System.Net;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 3, item 4: staging cooks, production runs the same bytes and builds nothing.</summary>
public sealed class StagingAndProduction
{
    [Fact]
    public async Task A_commit_that_staging_cooked_is_live_in_production_by_a_push_and_nothing_is_built()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await CookedAsync(receiver, "shop");
        await git.GitAsync("remote", "set-url", "--push", "paas", $"http://pusher:{receiver.Token}@127.0.0.1:{receiver.Port}/git/prod/shop.git");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("from v1 of local", push.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("this was built", push.Text, StringComparison.Ordinal);
        Assert.Contains("configured in prod", push.Text, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
        var production = Path.Combine(receiver.Root, "environments", "prod", "projects", "shop");
        // What staging's build made and no commit has; and what production's own configure made of it.
        Assert.Equal("by staging\n", await File.ReadAllTextAsync(Path.Combine(production, "deploy", "current", "built")));
        Assert.Equal("prod\n", await File.ReadAllTextAsync(Path.Combine(production, "deploy", "current", "configured")));
        Assert.Equal(Archive(receiver.Project("shop")), Archive(production));
        await Patience.UntilAsync(() => File.Exists(Path.Combine(production, "project", "VERSION")), "the working copy shows what is deployed");
    }

    [Fact]
    public async Task Promote_takes_what_is_live_in_staging_with_its_commit_and_rolls_back_like_any_other()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await CookedAsync(receiver, "shop");
        Assert.Equal("live", await PromoteAsync(receiver, """{"from":"-"}"""));
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);

        Assert.Equal("live", await PromoteAsync(receiver, "{}"));

        Assert.StartsWith("hello version 2 release v2", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
        await using var clone = await GitClient.NewAsync(receiver, "prod/shop");
        Assert.Equal(await git.HeadAsync(), await clone.RemoteRefAsync());
        Assert.Equal("live", await OutcomeAsync(receiver, "api/v1/projects/prod/shop/rollback", "{}"));
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal("live", await OutcomeAsync(receiver, "api/v1/projects/prod/shop/redeploy", "{}"));
        Assert.Equal("live", await PromoteAsync(receiver, """{"from":"local","release":2}"""));
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_dumps_by_the_projects_own_hook_upgrades_its_data_and_tells_how_it_went()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await CookedAsync(receiver, "shop");
        await git.WriteHookAsync("backup", "echo \"dumped by $(cat VERSION)\" >\"$PAAS_DUMPS_DIR/dump\"");
        await git.WriteHookAsync("upgrade", "echo \"$PAAS_ENVIRONMENT $(cat VERSION)\" >>\"$PAAS_DATA_DIR/upgraded\"; [ ! -e \"$PAAS_DATA_DIR/refuse\" ]");
        await git.WriteHookAsync("notify", "echo \"$PAAS_ENVIRONMENT heard $PAAS_OUTCOME\"");
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal("live", await PromoteAsync(receiver, "{}"));
        var production = Path.Combine(receiver.Root, "environments", "prod", "projects", "shop");
        Assert.Equal("prod 2\n", await File.ReadAllTextAsync(Path.Combine(production, "data", "upgraded")));
        await git.CommitFileAsync("VERSION", "3\n");
        Assert.True((await git.PushAsync()).Accepted);
        await git.GitAsync("remote", "set-url", "--push", "paas", $"http://pusher:{receiver.Token}@127.0.0.1:{receiver.Port}/git/prod/shop.git");
        await File.WriteAllTextAsync(Path.Combine(production, "data", "refuse"), "");

        var refused = await git.PushAsync();

        Assert.False(refused.Accepted);
        Assert.Contains("prod heard rolledBack", refused.Text, StringComparison.Ordinal);
        Assert.Equal("prod 2\n", await File.ReadAllTextAsync(Path.Combine(production, "data", "upgraded")));
        File.Delete(Path.Combine(production, "data", "refuse"));
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        Assert.Contains("prod heard live", push.Text, StringComparison.Ordinal);
        Assert.Equal("prod 2\nprod 3\n", await File.ReadAllTextAsync(Path.Combine(production, "data", "upgraded")));
        Assert.All(Directory.GetFiles(Path.Combine(production, "archives"), "dump", SearchOption.AllDirectories), dump => Assert.Equal("dumped by 2\n", File.ReadAllText(dump)));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(production, "archives"), "dump", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Archives_of_parts_that_bundle_names_lie_beside_the_whole_and_are_the_same_in_production()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await CookedAsync(receiver, "shop");
        await git.WriteAsync(
            ".paas/hooks/bundle", "#!/usr/bin/python3\nimport json, os\np = os.environ['PAAS_COMMON']\nc = json.load(open(p))\nc['archives'] = {'notes': ['built', '*.md']}\njson.dump(c, open(p, 'w'))\n", executable: true);
        await git.WriteAsync("docs/read.md", "read me\n");
        await git.CommitAsync("Name an archive");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);

        Assert.Equal("live", await PromoteAsync(receiver, "{}"));

        var parts = new List<string>();
        foreach (var (environment, number) in new[] { ("local", 2), ("prod", 1) })
        {
            using var release = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/{environment}/shop/releases/{number}")).Body);
            var part = release.RootElement.GetProperty("archives").EnumerateArray().Single();
            Assert.Equal("notes", part.GetProperty("name").GetString());
            Assert.True(release.RootElement.TryGetProperty("checkedAt", out _), "its archive was read again");
            parts.Add(part.GetProperty("digest").GetString()!);
            Assert.Equal(HttpStatusCode.OK, (await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/{environment}/shop/releases/{number}/archives/notes")).Status);
            Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/{environment}/shop/releases/{number}/archives/other")).Status);
        }

        Assert.Equal(parts[0], parts[1]);
        var file = Directory.GetFiles(Path.Combine(receiver.Project("shop"), "releases"), "shop.notes.tar.zst", SearchOption.AllDirectories).Single();
        Assert.Equal(parts[0], Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(file))));
        Assert.Equal(["README.md", "built", "docs/", "docs/read.md"], (await new Command("tar", "-tf", file).OutputAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task What_nobody_cooked_is_refused_with_how_to_cook_it_and_touches_nothing()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await GitClient.NewAsync(receiver, "prod/shop", "hello");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("final mode builds nothing", push.Text, StringComparison.Ordinal);
        Assert.Contains("push the same commit to shop there", push.Text, StringComparison.Ordinal);
        Assert.Null(await git.RemoteRefAsync());
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("shop.prod.localhost")).Status);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(receiver.Root, "environments", "prod", "projects", "shop", "releases")));
        Assert.Equal("refused", await PromoteAsync(receiver, """{"release":7}"""));
    }

    [Fact]
    public async Task A_release_that_fails_in_production_leaves_the_old_one_and_its_data()
    {
        await using var receiver = await WithProductionAsync();
        await using var git = await CookedAsync(receiver, "shop");
        Assert.Equal("live", await PromoteAsync(receiver, "{}"));
        // Staging is happy with it; production's configuration is what it cannot stand.
        await git.WriteHookAsync("configure", "[ \"$PAAS_ENVIRONMENT\" = local ] || echo 'web: exit 1' >Procfile");
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);

        Assert.Equal("rolledBack", await PromoteAsync(receiver, "{}"));

        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("shop.prod.localhost")).Body, StringComparison.Ordinal);
        var production = Path.Combine(receiver.Root, "environments", "prod", "projects", "shop");
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(production, "releases")));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(Path.Combine(production, "build")), path => !path.EndsWith("cache", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_receiver_hands_over_what_it_signed_and_a_key_that_is_not_trusted_opens_nothing()
    {
        await using var staging = await ReceiverProcess.StartAsync();
        await using var git = await CookedAsync(staging, "shop");
        var keys = Places.NewScratch("keys");
        await using var production = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "prod:prod", ["PAAS_TRUSTED_KEYS"] = keys });
        var change = JsonSerializer.Serialize(new { releaseSource = $"http://127.0.0.1:{staging.Port}/local", releaseToken = staging.Token });
        Assert.Equal(HttpStatusCode.OK, (await production.AskApiAsync(HttpMethod.Patch, "api/v1/environments/prod", change)).Status);
        Assert.DoesNotContain(staging.Token, (await production.AskApiAsync(HttpMethod.Get, "api/v1/environments/prod")).Body, StringComparison.Ordinal);

        await git.GitAsync("remote", "add", "production", $"http://pusher:{production.Token}@127.0.0.1:{production.Port}/git/shop.git");
        var untrusted = await git.PushWithAsync("production", "main");
        Assert.False(untrusted.Accepted);
        Assert.Contains("which is not trusted here", untrusted.Text, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(keys, "staging.pem"), (await staging.AskApiAsync(HttpMethod.Get, "api/v1/signing-key")).Body);
        var push = await git.PushWithAsync("production", "main");
        Assert.True(push.Accepted, push.Text);
        Assert.Contains($"from v1 of http://127.0.0.1:{staging.Port} (local)", push.Text, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 ", (await production.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal(Archive(staging.Project("shop")), Archive(production.Project("shop")));

        // Without a push: the commit need not be here at all.
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal("live", await OutcomeAsync(production, "api/v1/projects/prod/shop/promote", "{}"));
        Assert.StartsWith("hello version 2 ", (await production.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        Assert.Equal("live", await OutcomeAsync(production, "api/v1/projects/prod/shop/rollback", "{}"));

        // Production needs staging no more for what it has.
        await staging.StopAsync();
        Assert.Equal("live", await OutcomeAsync(production, "api/v1/projects/prod/shop/redeploy", "{}"));
        Assert.Equal("refused", await OutcomeAsync(production, "api/v1/projects/prod/shop/promote", "{}"));
        Directory.Delete(keys, recursive: true);
    }

    [Fact]
    public async Task A_directory_is_a_release_store_and_whoever_changes_an_archive_in_it_is_found_out()
    {
        await using var staging = await ReceiverProcess.StartAsync();
        await using var git = await CookedAsync(staging, "shop");
        var store = Places.NewScratch("store");
        await new Command("cp", "-R", "--", Path.Combine(staging.Project("shop"), "releases"), Path.Combine(store, "shop")).OutputAsync();
        await File.WriteAllTextAsync(Path.Combine(store, "key"), (await staging.AskApiAsync(HttpMethod.Get, "api/v1/signing-key")).Body);
        await using var production = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "prod:prod", ["PAAS_TRUSTED_KEYS"] = Path.Combine(store, "key") });
        await production.AskApiAsync(HttpMethod.Patch, "api/v1/environments/prod", JsonSerializer.Serialize(new { releaseSource = store }));
        await production.AskApiAsync(HttpMethod.Put, "api/v1/projects/prod/shop");
        var commit = JsonSerializer.Serialize(new { commit = await git.HeadAsync() });
        Assert.Equal("live", await OutcomeAsync(production, "api/v1/projects/prod/shop/promote", commit));

        var archive = Directory.EnumerateFiles(Path.Combine(store, "shop"), "*.tar.zst", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(archive);
        bytes[^5] ^= 1;
        await File.WriteAllBytesAsync(archive, bytes);
        Assert.Equal("rolledBack", await OutcomeAsync(production, "api/v1/projects/prod/shop/promote", commit));

        var record = Directory.EnumerateFiles(Path.Combine(store, "shop"), "release.json", SearchOption.AllDirectories).Single();
        var text = await File.ReadAllTextAsync(record);
        var digest = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
        bytes[^5] ^= 1;
        await File.WriteAllTextAsync(record, text.Replace(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), digest, StringComparison.Ordinal));
        Assert.Equal("refused", await OutcomeAsync(production, "api/v1/projects/prod/shop/promote", commit));
        Assert.StartsWith("hello version 1 release v1", (await production.AskAsync("shop.localhost")).Body, StringComparison.Ordinal);
        Directory.Delete(store, recursive: true);
    }

    static async Task<ReceiverProcess> WithProductionAsync()
    {
        var receiver = await ReceiverProcess.StartAsync();
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"prod"}""")).Status);
        return receiver;
    }

    /// <summary>An application with a build that only staging may run, cooked and live there.</summary>
    static async Task<GitClient> CookedAsync(ReceiverProcess staging, string project)
    {
        var git = await GitClient.NewAsync(staging, project, "hello");
        await git.WriteHookAsync("configure", "echo configured in $PAAS_ENVIRONMENT; echo $PAAS_ENVIRONMENT >configured");
        await git.WriteHookAsync("build", "echo this was built; echo by staging >built");
        await git.CommitAsync("Build something");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        return git;
    }

    static Task<string> PromoteAsync(ReceiverProcess receiver, string order) => OutcomeAsync(receiver, "api/v1/projects/prod/shop/promote", order);

    static async Task<string> OutcomeAsync(ReceiverProcess receiver, string path, string order)
    {
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, path, order);
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        var (_, log) = await receiver.AskApiAsync(HttpMethod.Get, accepted.RootElement.GetProperty("log").GetString()!);
        return log.Split("\"outcome\":\"")[1].Split('"')[0];
    }

    /// <summary>Digest of the one archive that a project's live release has.</summary>
    static string Archive(string project)
    {
        var current = Path.GetFileName(Directory.ResolveLinkTarget(Path.Combine(project, "deploy", "current"), returnFinalTarget: true)!.FullName);
        var archive = Directory.GetFiles(Path.Combine(project, "releases", current), "*-v*.tar.zst").Single();
        return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(archive)));
    }
}
