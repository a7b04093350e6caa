using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>How much a project may take, and what goes when it is much.</summary>
public sealed class TheRoom
{
    [Fact]
    public async Task Releases_beyond_the_size_that_is_kept_go_but_never_the_one_a_rollback_needs_and_room_is_shown_and_moved()
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_KEEP_SIZE"] = "2", ["PAAS_KEEP_RELEASES"] = "5", ["PAAS_QUOTA"] = "5" });
        await using var git = await GitClient.NewAsync(receiver, "room");
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        for (var version = 1; version <= 4; version++)
        {
            await git.WriteAsync("large", Convert.ToBase64String(RandomNumberGenerator.GetBytes(1_500_000)));
            await git.CommitAsync($"Version {version}");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        Assert.Equal(2, Directory.EnumerateDirectories(Path.Combine(receiver.Project("room"), "releases")).Count());
        Assert.Equal("Live", await Rollbacks.RollBackAsync(receiver, "room", 3));

        var space = await SpaceAsync(receiver, HttpMethod.Get, "space", null);
        Assert.Equal(5, space.GetProperty("quotaGigabytes").GetInt32());
        Assert.InRange(space.GetProperty("bytes").GetInt64(), 6_000_000, 60_000_000);
        Assert.Equal(10, (await SpaceAsync(receiver, HttpMethod.Post, "enlarge", """{"size": "5GB"}""")).GetProperty("quotaGigabytes").GetInt32());
        Assert.Equal(5, (await SpaceAsync(receiver, HttpMethod.Post, "trim", """{"size": "5g"}""")).GetProperty("quotaGigabytes").GetInt32());
        Assert.Equal(HttpStatusCode.Conflict, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/room/trim", """{"size": "5gb"}""")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/projects/-/room/enlarge", """{"size": "7gb"}""")).Status);
    }

    static async Task<JsonElement> SpaceAsync(ReceiverProcess receiver, HttpMethod method, string what, string? json)
    {
        var (status, body) = await receiver.AskApiAsync(method, $"api/v1/projects/-/room/{what}", json);
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonDocument.Parse(body).RootElement;
    }
}
