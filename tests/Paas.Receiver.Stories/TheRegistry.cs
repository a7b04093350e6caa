using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 6, item 6: the real docker command logs in, pushes and pulls; what may be done, the receiver says.</summary>
public sealed class TheRegistry(ContainingReceiver shared) : IClassFixture<ContainingReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [RegistryFact]
    public async Task Docker_pushes_and_pulls_what_its_credentials_are_for_and_a_destroyed_project_keeps_nothing()
    {
        foreach (var project in (string[])["local/shelf", "local/other"])
        {
            await receiver.AskApiAsync(HttpMethod.Put, $"api/v1/projects/{project}");
        }

        var place = $"127.0.0.1:{receiver.Port}";
        using var docker = new DockerClient(shared.Docker);
        await docker.BuildAsync("thing", "#!/bin/sh\nexec sleep 1000\n", 80);
        await docker.DoAsync("tag", "thing", $"{place}/local-shelf:latest");
        await docker.DoAsync("tag", "thing", $"{place}/local/shelf:1.0");

        // Without a login, and with a wrong one.
        var (code, said) = await docker.RunAsync("push", $"{place}/local-shelf:latest");
        Assert.True(code != 0, said);
        (code, said) = await docker.RunAsync("login", "-u", "anybody", "-p", "wrong", place);
        Assert.True(code != 0, said);
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("v2/", "image_" + new string('0', 48)));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("v2/", receiver.Token));

        await docker.DoAsync("login", "-u", "anybody", "-p", receiver.Token, place);
        await docker.DoAsync("push", $"{place}/local-shelf:latest");
        await docker.DoAsync("push", $"{place}/local/shelf:1.0");
        Assert.Equal(HttpStatusCode.OK, await AskAsync("v2/local-shelf/manifests/1.0", receiver.Token));
        (code, said) = await docker.RunAsync("push", $"{place}/local-nowhere:latest");
        Assert.True(code != 0, said);

        // What is there comes back as the same image.
        var id = (await shared.Docker.Engine.FindImageAsync("thing"))!.Id;
        await docker.DoAsync("rmi", $"{place}/local-shelf:latest", $"{place}/local/shelf:1.0", "thing");
        Assert.Null(await shared.Docker.Engine.FindImageAsync(id));
        await docker.DoAsync("pull", $"{place}/local-shelf:latest");
        Assert.Equal(id, (await shared.Docker.Engine.FindImageAsync($"{place}/local-shelf:latest"))!.Id);

        // PaaSTA's verb pushes what itest made, once.
        var (sha, host) = (new string('a', 40), new Dictionary<string, string> { ["DOCKER_HOST"] = shared.Docker.Address });
        await docker.DoAsync("tag", id, $"services-shelf:paasta-{sha}");
        var (refused, _, why) = await CorpusCommand.RunAsync(receiver, host, "push-to-registry", "-s", "services-shelf", "-c", sha[..8]);
        Assert.True(refused == 1 && why.Contains("a whole commit", StringComparison.Ordinal), why);
        var (pushed, _, pushTrouble) = await CorpusCommand.RunAsync(receiver, host, "push-to-registry", "-s", "services-shelf", "-c", sha);
        Assert.True(pushed == 0, pushTrouble);
        Assert.Equal(HttpStatusCode.OK, await AskAsync($"v2/local/shelf/manifests/paasta-{sha}", receiver.Token));
        Assert.Contains("is there already", (await CorpusCommand.RunAsync(receiver, host, "push-to-registry", "-s", "shelf", "-c", sha)).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await CorpusCommand.RunAsync(receiver, host, "push-to-registry", "-s", "shelf", "-c", new string('b', 40))).Code);
        await docker.DoAsync("rmi", $"services-shelf:paasta-{sha}");

        // A token that may only look pulls and does not push; one for another project sees nothing.
        var reader = await TokenAsync("""{"name":"reader","project":"local/shelf","permissions":["WORKSPACE_VIEW"]}""");
        Assert.Equal(HttpStatusCode.OK, await AskAsync("v2/local-shelf/tags/list", reader));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync("v2/local-shelf/blobs/uploads/", reader, HttpMethod.Post));
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync("v2/_catalog", receiver.Token));
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync("v2/local-other/../local-shelf/manifests/latest/x", receiver.Token));

        // A blob of another project's is not to be had by naming its digest in a mount.
        Assert.Equal(HttpStatusCode.Accepted, await AskAsync("v2/local-other/blobs/uploads/?mount=sha256:" + new string('0', 64) + "&from=local/shelf", receiver.Token, HttpMethod.Post));

        // The receiver dies, its registry outlives it; the next one takes over what is there.
        await receiver.KillAsync();
        await receiver.StartAgainAsync();
        Assert.Equal(HttpStatusCode.OK, await AskAsync("v2/local-shelf/manifests/latest", receiver.Token));

        var blobs = Path.Combine(receiver.Root, "state", "registry", "data", "docker", "registry", "v2", "blobs");
        blobs = Directory.Exists(blobs) ? blobs : Directory.GetDirectories(receiver.Root, "blobs", SearchOption.AllDirectories).Single();
        Assert.NotEmpty(Directory.GetFiles(blobs, "data", SearchOption.AllDirectories));
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/local/shelf");
        Assert.True(status is HttpStatusCode.OK or HttpStatusCode.NoContent or HttpStatusCode.Accepted, body);
        await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/local/shelf");
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync("v2/local-shelf/manifests/latest", receiver.Token));
        await Patience.UntilAsync(() => Directory.GetFiles(blobs, "data", SearchOption.AllDirectories).Length == 0, "what no image needs is removed");
        await docker.DoAsync("push", $"{place}/local-shelf:latest");
        Assert.Equal(HttpStatusCode.OK, await AskAsync("v2/local-shelf/manifests/latest", receiver.Token));
    }

    async Task<string> TokenAsync(string order)
    {
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/tokens", order);
        Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Created, body);
        return JsonDocument.Parse(body).RootElement.GetProperty("secret").GetString()!;
    }

    async Task<HttpStatusCode> AskAsync(string path, string password, HttpMethod? method = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(receiver.Address, path));
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes("anybody:" + password)));
        request.Headers.Accept.ParseAdd("application/vnd.docker.distribution.manifest.v2+json");
        using var answer = await receiver.Http.SendAsync(request);
        return answer.StatusCode;
    }
}

/// <summary>Runs where there are a Docker engine, the docker command and docker-registry, else is skipped with the reason.</summary>
public sealed class RegistryFactAttribute : FactAttribute
{
    public RegistryFactAttribute() => Skip = WhyNot;

    static string? WhyNot { get; } = Found();

    static string? Found()
    {
        var why = DockerEngine.WhyNot ?? (!File.Exists("/usr/bin/docker-registry") ? "docker-registry is not installed" : null);
        if (why is not null)
        {
            Console.WriteLine($"skipped: {why}");
        }

        return why;
    }
}
