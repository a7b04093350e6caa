using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.ImageStore;

/// <summary>Issue 6, item 6: what no image needs any more goes, and nothing else, with the real docker-registry.</summary>
public sealed class RegistryServerTests : IAsyncLifetime
{
    const string One = "application/vnd.docker.distribution.manifest.v2+json";
    const string Several = "application/vnd.docker.distribution.manifest.list.v2+json";

    readonly string state = Directory.CreateTempSubdirectory("images").FullName;
    readonly OnCall time = new();
    readonly Project shop;
    readonly Project other;
    readonly HashSet<string> named = [];
    RegistryServer server;

    public RegistryServerTests()
    {
        var environment = new Projects.Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, state, IsDefault: true);
        (shop, other) = (new Project(environment, ProjectName.Parse("shop")), new Project(environment, ProjectName.Parse("other")));
        server = New();
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await server.DisposeAsync();
        Directory.Delete(state, recursive: true);
    }

    [WithRegistryFact]
    public async Task An_image_for_several_machines_stays_whole_and_a_replaced_one_goes_an_hour_later()
    {
        var (arm, pc) = (await PushAsync(shop, null, "arm"), await PushAsync(shop, null, "pc"));
        var list = Manifest(Several, new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = Several,
            ["manifests"] = new JsonArray(Part(One, arm), Part(One, pc)),
        });
        await PutAsync(shop, "many", list);
        var first = await PushAsync(shop, "latest", "first");
        var before = server.TakenBy(shop);
        var second = await PushAsync(shop, "latest", "second");

        await CleanAsync();
        await AllAreThereAsync(arm, pc, Digest(list.Bytes), first, second);

        // Nobody who asked for the tag an hour ago is still about to fetch what it led to then.
        File.SetLastWriteTimeUtc(Path.Combine(Repository("shop"), "_manifests", "tags", "latest", "current", "link"), DateTime.UtcNow.AddHours(-2));
        await CleanAsync();
        await AllAreThereAsync(arm, pc, Digest(list.Bytes), second);
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(shop, first));
        Assert.Equal(before.Files, server.TakenBy(shop).Files);
        Assert.False(File.Exists(Path.Combine(state, "registry", "cleaning-is-due")));
    }

    [WithRegistryFact]
    public async Task What_a_release_names_by_its_digest_stays_without_a_tag()
    {
        var (kept, gone) = (await PushAsync(shop, null, "kept"), await PushAsync(shop, null, "gone"));
        await PushAsync(shop, "latest", "tagged");
        named.Add(kept["sha256:".Length..]);

        server.CleanLater();
        await CleanAsync();

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(shop, kept));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(shop, gone));
    }

    [WithRegistryFact]
    public async Task Nothing_is_taken_from_under_a_push_and_a_receiver_that_was_killed_remembers_what_was_due()
    {
        await PushAsync(other, "latest", "others");
        server.Begun(shop);
        var (config, layer) = (await UploadAsync(shop, "{}"u8.ToArray()), await UploadAsync(shop, "a layer"u8.ToArray()));
        server.Forget(other);
        await CleanAsync();

        await PutAsync(shop, "latest", Manifest(One, Image(config, layer)));
        server.Arrived(shop, "latest");
        Assert.NotEqual((0, 0), server.TakenBy(shop));

        // The next receiver: what was deleted is still there, and goes at the first occasion.
        Assert.True(File.Exists(Path.Combine(state, "registry", "cleaning-is-due")));
        await server.DisposeAsync();
        server = New();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(shop, "latest"));
        await CleanAsync();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(shop, "latest"));
        Assert.Equal(3, Directory.GetFiles(Path.Combine(state, "registry", "data", "docker", "registry", "v2", "blobs"), "data", SearchOption.AllDirectories).Length);
    }

    [WithRegistryFact]
    public async Task A_registry_of_somebody_elses_is_used_and_a_destroyed_project_leaves_no_image_in_it()
    {
        await using var theirs = await ForeignRegistry.StartAsync(Path.Combine(state, "theirs"));
        await server.DisposeAsync();
        server = New(theirs.Address);

        var digest = await PushAsync(shop, "latest", "shop");
        await PushAsync(other, "latest", "other");
        Assert.Equal(digest, await server.DigestAsync(shop, "latest", CancellationToken.None));
        Assert.Equal((0, 0), server.TakenBy(shop));
        await server.ForgottenAsync(shop);

        Assert.Null(await server.DigestAsync(shop, "latest", CancellationToken.None));
        Assert.NotNull(await server.DigestAsync(other, "latest", CancellationToken.None));
        Assert.False(Directory.Exists(Path.Combine(state, "registry", "data")));
    }

    RegistryServer New(Uri? upstream = null) => new(state, upstream, time, NullLogger<RegistryServer>.Instance, _ => named);

    string Repository(string project) => Path.Combine(state, "registry", "data", "docker", "registry", "v2", "repositories", "local", project);

    async Task AllAreThereAsync(params string[] digests)
    {
        foreach (var digest in digests)
        {
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(shop, digest));
        }
    }

    /// <summary>The moment of quiet has passed; returns when what is done in it is done.</summary>
    Task CleanAsync()
    {
        time.Ring();
        return StatusAsync(shop, "none");
    }

    async Task<string> PushAsync(Project project, string? tag, string content)
    {
        var (config, layer) = (await UploadAsync(project, "{}"u8.ToArray()), await UploadAsync(project, System.Text.Encoding.UTF8.GetBytes(content)));
        var manifest = Manifest(One, Image(config, layer));
        await PutAsync(project, tag ?? Digest(manifest.Bytes), manifest);
        if (tag is not null)
        {
            server.Arrived(project, tag);
        }

        return Digest(manifest.Bytes);
    }

    Task<string> UploadAsync(Project project, byte[] bytes) => server.AskAsync(
        async http =>
        {
            using var begun = await http.PostAsync($"v2/{project.Key}/blobs/uploads/", null);
            var place = begun.Headers.Location!.ToString();
            using var content = new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
            using var put = await http.PutAsync($"{place}{(place.Contains('?', StringComparison.Ordinal) ? '&' : '?')}digest={Digest(bytes)}", content);
            Assert.Equal(HttpStatusCode.Created, put.StatusCode);
            return Digest(bytes);
        },
        CancellationToken.None);

    Task<bool> PutAsync(Project project, string reference, (string Type, byte[] Bytes) manifest) => server.AskAsync(
        async http =>
        {
            using var content = new ByteArrayContent(manifest.Bytes) { Headers = { ContentType = new MediaTypeHeaderValue(manifest.Type) } };
            using var put = await http.PutAsync($"v2/{project.Key}/manifests/{reference}", content);
            Assert.True(put.StatusCode == HttpStatusCode.Created, await put.Content.ReadAsStringAsync());
            return true;
        },
        CancellationToken.None);

    Task<HttpStatusCode> StatusAsync(Project project, string reference) => server.AskAsync(
        async http =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"v2/{project.Key}/manifests/{reference}");
            request.Headers.Accept.ParseAdd(One);
            request.Headers.Accept.ParseAdd(Several);
            using var answer = await http.SendAsync(request);
            return answer.StatusCode;
        },
        CancellationToken.None);

    static (string Type, byte[] Bytes) Manifest(string type, JsonObject manifest) => (type, System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString()));

    static JsonObject Image(string config, string layer) => new()
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = One,
        ["config"] = Part("application/vnd.docker.container.image.v1+json", config),
        ["layers"] = new JsonArray(Part("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)),
    };

    static JsonObject Part(string type, string digest) => new()
    {
        ["mediaType"] = type,
        ["size"] = 7,
        ["digest"] = digest,
        ["platform"] = new JsonObject { ["architecture"] = "amd64", ["os"] = "linux" },
    };

    static string Digest(byte[] bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>The machine's clock, but who waits for a moment of quiet waits for the test.</summary>
    sealed class OnCall : TimeProvider
    {
        readonly List<Action> waiting = [];

        public void Ring() => waiting.ForEach(call => call());

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime == Timeout.InfiniteTimeSpan)
            {
                waiting.Clear();
                waiting.Add(() => callback(state));
            }

            return System.CreateTimer(callback, state, dueTime, period);
        }
    }
}
