using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 6, item 2: a release's image goes where the release goes, without a registry.</summary>
public sealed class ImagesTravel(ContainingReceiver shared) : IClassFixture<ContainingReceiver>
{
    readonly ReceiverProcess staging = shared.Receiver;

    [DockerFact]
    public async Task An_image_that_staging_built_runs_in_production_and_on_another_machine_and_comes_back_from_its_archive()
    {
        Assert.Equal(HttpStatusCode.Created, (await staging.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"prod"}""")).Status);
        await using var git = await GitClient.NewAsync(staging, "boxed", "contained");
        File.Copy("/bin/busybox", Path.Combine(git.Directory, "busybox"));
        await git.CommitAsync("Bring busybox");
        await PushedAsync(git);
        var first = await ImageOfAsync(git);
        Assert.Equal("live", await OutcomeAsync(staging, "api/v1/projects/prod/boxed/promote", "{}"));
        Assert.Equal("contained version 1 release v1\n", await AskAsync(staging, "boxed.prod.localhost"));

        // The same bytes: one file with two names.
        var saved = Assert.Single(Directory.GetFiles(Path.Combine(staging.Project("boxed"), "releases"), "*.image.tar.zst", SearchOption.AllDirectories));
        var promoted = Assert.Single(Directory.GetFiles(Path.Combine(staging.Root, "environments", "prod", "projects", "boxed", "releases"), "*.image.tar.zst", SearchOption.AllDirectories));
        Assert.Equal(await File.ReadAllBytesAsync(saved), await File.ReadAllBytesAsync(promoted));

        // Staging's retention takes its own names away, and production still has what it needs.
        foreach (var version in (string[])["2\n", "3\n", "4\n"])
        {
            await git.CommitFileAsync("VERSION", version);
            await PushedAsync(git);
        }

        Assert.NotNull(await shared.Docker.Engine.FindImageAsync(first));
        Assert.Equal("live", await OutcomeAsync(staging, "api/v1/projects/prod/boxed/promote", "{}"));
        Assert.Equal("contained version 4 release v2\n", await AskAsync(staging, "boxed.prod.localhost"));

        // Somebody cleans the engine up: the way back does not need it.
        await Patience.UntilAsync(
            async () =>
            {
                // The container that ran it may be going still: then only a name of it goes, and it follows by its number.
                var image = await shared.Docker.Engine.FindImageAsync(first);
                foreach (var name in image?.RepoTags is { Count: > 0 } tags ? [.. tags] : new List<string> { first })
                {
                    await shared.Docker.Engine.RemoveImageAsync(name);
                }

                return await shared.Docker.Engine.FindImageAsync(first) is null;
            },
            "nothing runs the image any more");
        Assert.Equal("live", await OutcomeAsync(staging, "api/v1/projects/prod/boxed/rollback", "{}"));
        Assert.Equal("contained version 1 release v1\n", await AskAsync(staging, "boxed.prod.localhost"));
        Assert.NotNull(await shared.Docker.Engine.FindImageAsync(first));

        await OnAnotherMachineAsync(git);
    }

    async Task OnAnotherMachineAsync(GitClient git)
    {
        var keys = Places.NewScratch("keys");
        await File.WriteAllTextAsync(Path.Combine(keys, "staging.pem"), (await staging.AskApiAsync(HttpMethod.Get, "api/v1/signing-key")).Body);
        await using var engine = await DockerEngine.StartAsync();
        await using var production = await ReceiverProcess.StartAsync(
            new Dictionary<string, string> { ["PAAS_DEFAULT_ENVIRONMENT"] = "prod:prod", ["PAAS_TRUSTED_KEYS"] = keys, ["DOCKER_HOST"] = engine.Address, ["PAAS_STOP_TIMEOUT"] = "3" });
        var source = JsonSerializer.Serialize(new { releaseSource = $"http://127.0.0.1:{staging.Port}/local", releaseToken = staging.Token });
        Assert.Equal(HttpStatusCode.OK, (await production.AskApiAsync(HttpMethod.Patch, "api/v1/environments/prod", source)).Status);
        await production.AskApiAsync(HttpMethod.Put, "api/v1/projects/prod/boxed");

        Assert.Equal("live", await OutcomeAsync(production, "api/v1/projects/prod/boxed/promote", "{}"));

        Assert.Equal("contained version 4 release v1\n", await AskAsync(production, "boxed.localhost"));
        Assert.NotNull(await engine.Engine.FindImageAsync(await ImageOfAsync(git)));

        // An archive that was changed on the way is found out before the engine hears of it.
        var saved = Directory.GetFiles(Path.Combine(staging.Project("boxed"), "releases"), "*v4.image.tar.zst", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(saved);
        bytes[^5] ^= 1;
        await File.WriteAllBytesAsync(saved, bytes);
        var outcome = await OutcomeAsync(production, "api/v1/projects/prod/boxed/promote", "{}");
        Assert.Contains(outcome, (string[])["refused", "rolledBack"]);
        Assert.Equal("contained version 4 release v1\n", await AskAsync(production, "boxed.localhost"));
        Directory.Delete(keys, recursive: true);
    }

    static async Task PushedAsync(GitClient git)
    {
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
    }

    async Task<string> ImageOfAsync(GitClient git) => (await shared.Docker.Engine.FindImageAsync($"services-boxed:paasta-{await git.HeadAsync()}"))!.Id;

    static async Task<string> AskAsync(ReceiverProcess receiver, string host)
    {
        var (status, body) = await receiver.AskAsync(host, "/cgi-bin/plain");
        Assert.True(status == HttpStatusCode.OK, $"{status} {body}\n{receiver.Output}");
        return body;
    }

    static async Task<string> OutcomeAsync(ReceiverProcess receiver, string path, string order)
    {
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, path, order);
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        var (_, log) = await receiver.AskApiAsync(HttpMethod.Get, accepted.RootElement.GetProperty("log").GetString()!);
        var outcome = log.Split("\"outcome\":\"")[1].Split('"')[0];
        return outcome is "live" or "refused" or "rolledBack" ? outcome : throw new Xunit.Sdk.XunitException(log);
    }
}
