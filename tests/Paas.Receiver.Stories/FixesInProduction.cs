using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>R7.6 where nothing is ever built: a fix made there at night is not lost by what comes from staging, and one made in staging is known wherever its archive goes.</summary>
public sealed class FixesInProduction
{
    static readonly Dictionary<string, string> Quick = new() { ["PAAS_SETTLE"] = "0" };

    [Fact]
    public async Task A_fix_made_in_production_is_on_every_archive_of_its_commit_that_is_deployed_there_until_it_is_given_up()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Quick);
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"prod"}""")).Status);
        await using var git = await GitClient.NewAsync(receiver, "shop", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await CorpusAsync(receiver, "promote", "-e", "local", "shop", "--to", "prod");
        await CorpusAsync(receiver, "fix", "-e", "prod", "shop", "-m", "Say seven", "--", "sh", "-c", "echo 7 >VERSION");
        Assert.StartsWith("hello version 7 release v2", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);

        // Staging's own archive knows nothing of it.
        var promoted = await CorpusAsync(receiver, "promote", "-e", "local", "shop", "--to", "prod");
        Assert.Contains("from v1 of local", promoted, StringComparison.Ordinal);
        Assert.Contains("fix 1 is applied: Say seven", promoted, StringComparison.Ordinal);
        Assert.DoesNotContain("does not contain", promoted, StringComparison.Ordinal);
        Assert.StartsWith("hello version 7 release v3", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);
        var archive = ArchiveOf(receiver, 3);
        Assert.NotEqual(ArchiveOf(receiver, 1), archive); // what runs is not what staging cooked

        // Production's own archive has it already, and is not made anew; what is rolled back is exactly the old release.
        var again = await CorpusAsync(receiver, "redeploy", "-e", "prod", "shop");
        Assert.Contains("fix 1 is in it already", again, StringComparison.Ordinal);
        Assert.Equal(archive, ArchiveOf(receiver, 4));
        await CorpusAsync(receiver, "rollback", "-e", "prod", "shop", "v1");
        Assert.StartsWith("hello version 1 release v1", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);

        // A patch that was only kept.
        await CorpusAsync(receiver, "fix", "-e", "prod", "shop", "-n", "-m", "Say more", "--", "sh", "-c", "echo more >more");
        Assert.Contains("fix 2 is applied: Say more", await CorpusAsync(receiver, "redeploy", "-e", "prod", "shop"), StringComparison.Ordinal);
        Assert.StartsWith("hello version 7 release v5", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);
        Assert.Contains("has 1, has 2", await CorpusAsync(receiver, "releases", "-e", "prod", "shop"), StringComparison.Ordinal);

        // Without: what is said to be left out is not in it, whichever archive the project has.
        Assert.Contains("without fix 1, as asked for", await CorpusAsync(receiver, "redeploy", "-e", "prod", "shop", "--discard-fixes"), StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v6", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);
        await CorpusAsync(receiver, "patches", "-e", "prod", "shop", "1", "--drop");
        await CorpusAsync(receiver, "redeploy", "-e", "prod", "shop");
        Assert.StartsWith("hello version 1 release v7", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Production(receiver), "deploy", "current", "more")), "the other one is kept");
    }

    [Fact]
    public async Task A_fix_made_in_staging_is_listed_where_its_archive_is_promoted_to_and_missed_only_when_it_is_missing()
    {
        await using var staging = await ReceiverProcess.StartAsync(Quick);
        await using var git = await GitClient.NewAsync(staging, "shop", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        await CorpusAsync(staging, "fix", "shop", "-m", "Say seven", "--", "sh", "-c", "echo 7 >VERSION");
        var keys = Places.NewScratch("keys");
        await File.WriteAllTextAsync(Path.Combine(keys, "staging.pem"), (await staging.AskApiAsync(HttpMethod.Get, "api/v1/signing-key")).Body);
        await using var production = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "prod:prod", ["PAAS_TRUSTED_KEYS"] = keys, ["PAAS_SETTLE"] = "0" });
        var source = JsonSerializer.Serialize(new { releaseSource = $"http://127.0.0.1:{staging.Port}/local", releaseToken = staging.Token });
        Assert.Equal(HttpStatusCode.OK, (await production.AskApiAsync(HttpMethod.Patch, "api/v1/environments/prod", source)).Status);
        Assert.Equal(HttpStatusCode.Created, (await production.AskApiAsync(HttpMethod.Put, "api/v1/projects/prod/shop")).Status);

        await PromoteAsync(production);

        Assert.StartsWith("hello version 7 release v1", await PageAsync(production, "shop.localhost"), StringComparison.Ordinal);
        Assert.Contains("has 1", await CorpusAsync(production, "releases", "shop"), StringComparison.Ordinal);
        using var patches = JsonDocument.Parse(await CorpusAsync(production, "patches", "shop", "--json"));
        var fix = patches.RootElement.GetProperty("items").EnumerateArray().Single();
        Assert.Equal(["Say seven", "admin", "brought"], new[] { "subject", "by", "state" }.Select(name => fix.GetProperty(name).GetString()));
        Assert.Equal("VERSION", fix.GetProperty("files").EnumerateArray().Single().GetString());
        Assert.Equal(await CorpusAsync(staging, "patches", "shop", "1"), await CorpusAsync(production, "patches", "shop", "1"));

        // The same archive again: the same fix, once. Nobody is told that it is missing.
        Assert.DoesNotContain("does not contain", await PromoteAsync(production), StringComparison.Ordinal);
        Assert.DoesNotContain("does not contain", await CorpusAsync(production, "redeploy", "shop"), StringComparison.Ordinal);
        Assert.Contains("has 1", (await CorpusAsync(production, "releases", "shop")).Split('\n').Single(line => line.Contains("v3", StringComparison.Ordinal)), StringComparison.Ordinal);

        // Taken home and pushed it is in the commit, which production's repository need not have.
        await git.CommitFileAsync("VERSION", "7\n");
        await git.CommitFileAsync("other", "x\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.DoesNotContain("does not contain", await PromoteAsync(production), StringComparison.Ordinal);

        await CorpusAsync(production, "rollback", "shop", "v3");
        await git.CommitFileAsync("VERSION", "8\n");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Contains("v3 has a manual fix that this promotion does not contain: VERSION (Say seven)", await PromoteAsync(production), StringComparison.Ordinal);
        Directory.Delete(keys, recursive: true);
    }

    [Fact]
    public async Task What_production_configured_is_part_of_what_was_sealed_and_no_drift()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Quick);
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"prod"}""")).Status);
        await using var git = await GitClient.NewAsync(receiver, "shop", "hello");
        await git.WriteHookAsync("configure", "echo $PAAS_ENVIRONMENT >configured");
        await git.CommitAsync("Configure something");
        Assert.True((await git.PushAsync()).Accepted);
        await CorpusAsync(receiver, "promote", "-e", "local", "shop", "--to", "prod");
        Assert.DoesNotContain("past the receiver", await CorpusAsync(receiver, "status", "-e", "prod", "shop", "--verify"), StringComparison.Ordinal);

        // Only what somebody changed is the difference.
        var first = Directory.ResolveLinkTarget(Path.Combine(Production(receiver), "deploy", "current"), returnFinalTarget: true)!.FullName;
        await File.WriteAllTextAsync(Path.Combine(first, "VERSION"), "9\n");
        Assert.Contains("changed past the receiver: VERSION", await CorpusAsync(receiver, "status", "-e", "prod", "shop"), StringComparison.Ordinal);
        await git.CommitFileAsync("VERSION", "2\n");
        Assert.True((await git.PushAsync()).Accepted);
        var promoted = await CorpusAsync(receiver, "promote", "-e", "local", "shop", "--to", "prod");
        Assert.Contains("v1 was changed past the receiver: VERSION; it is kept as fix 1", promoted, StringComparison.Ordinal);
        var patch = await CorpusAsync(receiver, "patches", "-e", "prod", "shop", "1");
        Assert.Contains("+9", patch, StringComparison.Ordinal);
        Assert.DoesNotContain("configured", patch, StringComparison.Ordinal);

        // Unpacked again it is configured again.
        var back = await CorpusAsync(receiver, "rollback", "-e", "prod", "shop", "v1", "--code-only");
        Assert.Contains("it is unpacked from its archive again", back, StringComparison.Ordinal);
        Assert.StartsWith("hello version 1 release v1", await PageAsync(receiver, "shop.prod.localhost"), StringComparison.Ordinal);
        Assert.Equal("prod\n", await File.ReadAllTextAsync(Path.Combine(first, "configured")));
        Assert.DoesNotContain("past the receiver", await CorpusAsync(receiver, "status", "-e", "prod", "shop", "--verify"), StringComparison.Ordinal);
    }

    static async Task<string> PromoteAsync(ReceiverProcess production)
    {
        var (status, body) = await production.AskApiAsync(HttpMethod.Post, "api/v1/projects/prod/shop/promote", "{}");
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        var log = (await production.AskApiAsync(HttpMethod.Get, accepted.RootElement.GetProperty("log").GetString()!)).Body;
        Assert.True(log.Contains("\"outcome\":\"live\"", StringComparison.Ordinal), log);
        return log;
    }

    static async Task<string> CorpusAsync(ReceiverProcess receiver, params string[] arguments)
    {
        var (code, output, error) = await CorpusCommand.RunAsync(receiver, arguments);
        Assert.True(code == 0, $"corpus {string.Join(' ', arguments)}: {output}{error}{receiver.Output}");
        return output;
    }

    static async Task<string> PageAsync(ReceiverProcess receiver, string host) => (await receiver.AskAsync(host, "/plain")).Body;

    static string Production(ReceiverProcess receiver) => Path.Combine(receiver.Root, "environments", "prod", "projects", "shop");

    static string ArchiveOf(ReceiverProcess receiver, int release) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
        File.ReadAllBytes(Directory.GetFiles(Path.Combine(Production(receiver), "releases"), $"shop-v{release}.tar.zst", SearchOption.AllDirectories).Single())));
}
