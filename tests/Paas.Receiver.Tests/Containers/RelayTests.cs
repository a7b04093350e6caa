using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Paas.Receiver.Containers;

/// <summary>What a build may ask of the engine, without any engine.</summary>
public sealed class RelayTests
{
    const string Image = "services-shop:paasta-0123456789012345678901234567890123456789";

    static readonly RelayTerms Terms = new(
        "b1", Image, new Dictionary<string, string> { ["paas.root"] = "/srv" }, new Dictionary<string, string> { ["paas.root"] = "/srv", ["paas.project"] = "local/shop" }, "paas-net", 64 << 20, 50);

    [Theory]
    [InlineData(Image, true)]
    [InlineData("services-shop:dev", true)]
    [InlineData("services-shop", true)]
    [InlineData("docker.io/library/services-shop:dev", true)]
    [InlineData("services-shop:paasta-other", false)]
    [InlineData("services-shopping:dev", false)]
    [InlineData("services-other:paasta-1", false)]
    [InlineData("localhost:5000/services-shop:dev", false)]
    [InlineData("services-shop:dev/../x", false)]
    [InlineData("busybox", false)]
    public void A_build_names_its_own_image_and_further_ones_of_its_project(string name, bool may)
    {
        if (may)
        {
            Assert.StartsWith("services-shop:", Terms.Named(name), StringComparison.Ordinal);
        }
        else
        {
            Assert.Contains(Image, Assert.Throws<RelayRefusedException>(() => Terms.Named(name)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"HostConfig": {"Privileged": true}}""", "Privileged")]
    [InlineData("""{"HostConfig": {"Binds": ["/:/host"]}}""", "Binds")]
    [InlineData("""{"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}}""", "'bind'")]
    [InlineData("""{"HostConfig": {"Mounts": [{"Type": "volume", "Source": "x", "Target": "/host"}]}}""", "'volume'")]
    [InlineData("""{"HostConfig": {"NetworkMode": "host"}}""", "host")]
    [InlineData("""{"HostConfig": {"NetworkMode": "container:x"}}""", "container:x")]
    [InlineData("""{"HostConfig": {"PidMode": "host"}}""", "PidMode")]
    [InlineData("""{"HostConfig": {"IpcMode": "host"}}""", "IPC host")]
    [InlineData("""{"HostConfig": {"CapAdd": ["SYS_ADMIN"]}}""", "CapAdd")]
    [InlineData("""{"HostConfig": {"Devices": [{"PathOnHost": "/dev/sda"}]}}""", "Devices")]
    [InlineData("""{"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}}""", "SecurityOpt")]
    [InlineData("""{"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}""", "port 80")]
    [InlineData("""{"HostConfig": {"VolumesFrom": ["x"]}}""", "VolumesFrom")]
    [InlineData("""{"Volumes": {"/:/host": {}}}""", "Volumes")]
    public void What_reaches_beyond_a_container_is_refused_by_name(string order, string named) =>
        Assert.Contains(named, Assert.Throws<RelayRefusedException>(() => Terms.ContainerOf((JsonObject)JsonNode.Parse(order)!, "sha256:1")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_container_is_confined_whatever_it_asks_for()
    {
        // Keys in another case are others to us and the same to the engine.
        var made = Terms.ContainerOf((JsonObject)JsonNode.Parse("""
            {"Image": "busybox", "Cmd": ["x"], "hostconfig": {"privileged": true}, "NetworkingConfig": {"EndpointsConfig": {"host": {}}}, "Labels": {"paas.root": "/other", "mine": "1"},
             "HostConfig": {"AutoRemove": true, "PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}, "Memory": 999999999999, "OomScoreAdj": -1000, "BlkioWeight": 3}}
            """)!, "sha256:1");

        Assert.Equal(["Image", "Labels", "Cmd", "HostConfig"], made.Select(one => one.Key));
        Assert.Equal("sha256:1", (string?)made["Image"]);
        Assert.Equal("""{"mine":"1","paas.root":"/srv","paas.build":"b1"}""", made["Labels"]!.ToJsonString());
        var host = made["HostConfig"]!;
        Assert.Equal("paas-net", (string?)host["NetworkMode"]);
        Assert.Equal("""{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}""", host["PortBindings"]!.ToJsonString());
        Assert.Equal(64 << 20, (long?)host["Memory"]);
        Assert.Equal("""["ALL"]""", host["CapDrop"]!.ToJsonString());
        Assert.Null(host["OomScoreAdj"]);
        Assert.False(host.AsObject().ContainsKey("Privileged"));
    }

    [Theory]
    [InlineData("remote=http%3A%2F%2F10.0.0.1%2F")]
    [InlineData("networkmode=host")]
    [InlineData("version=2")]
    [InlineData("session=abc")]
    [InlineData("extrahosts=%5B%22a%3A1.2.3.4%22%5D")]
    [InlineData("t=services-other%3Alatest")]
    [InlineData("t=services-shop%3Adev&t=busybox")]
    public async Task A_build_is_one_of_a_context_that_comes_along(string query)
    {
        var request = (await ReadAsync($"POST /v1.41/build?{query} HTTP/1.1\r\n\r\n"))!;
        Assert.Throws<RelayRefusedException>(() => Terms.BuildOf(request));
    }

    [Fact]
    public async Task A_build_bears_its_labels_and_only_what_is_known_goes_on()
    {
        var (query, names) = Terms.BuildOf((await ReadAsync(
            "POST /v1.41/build?t=services-shop&buildargs=%7B%7D&cachefrom=%5B%22services-other%3A1%22%5D&labels=%7B%22paas.project%22%3A%22local%2Fother%22%7D&networkmode=default&memory=1&remote=&version=1&dockerfile=a%2Bb HTTP/1.1\r\n\r\n"))!);

        Assert.Equal(["services-shop:latest"], names);
        Assert.Equal(["buildargs", "dockerfile", "t", "labels", "networkmode"], query.Select(one => one.Name));
        Assert.Contains(("dockerfile", "a+b"), query);
        Assert.Contains(("labels", """{"paas.root":"/srv","paas.project":"local/shop"}"""), query);
        Assert.Contains(("networkmode", "paas-net"), query);
    }

    [Fact]
    public async Task A_body_ends_where_it_says_and_what_is_behind_it_is_nobodys()
    {
        Assert.Equal("hello", Encoding.ASCII.GetString(await (await ReadAsync("POST /build HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloPOST /x"))!.DocumentAsync(default)));
        Assert.Equal("hello you", Encoding.ASCII.GetString(await (await ReadAsync("POST /build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n4\r\n you\r\n0\r\na: b\r\n\r\nGET /"))!.DocumentAsync(default)));
        Assert.Empty(await (await ReadAsync("GET /v1.50/images/json?all=1 HTTP/1.1\r\n\r\nGET /"))!.DocumentAsync(default));
        await Assert.ThrowsAsync<IOException>(async () => await (await ReadAsync("POST /build HTTP/1.1\r\nContent-Length: 9\r\n\r\nhello"))!.DocumentAsync(default));
        await Assert.ThrowsAsync<IOException>(async () => await (await ReadAsync("POST /build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"))!.DocumentAsync(default));
        await Assert.ThrowsAsync<IOException>(async () => await (await ReadAsync("POST /build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello"))!.DocumentAsync(default));
        var tooMuch = await Assert.ThrowsAsync<RelayRefusedException>(async () => await (await ReadAsync($"POST /x HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n{new string('x', 2_000_000)}"))!.DocumentAsync(default));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooMuch.Status);
    }

    [Theory]
    [InlineData("POST /build HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("POST /build HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")]
    [InlineData("POST /build HTTP/1.1\r\nContent-Length : 5\r\n\r\n")]
    [InlineData("POST /build HTTP/1.1\r\nContent-Length: +5\r\n\r\n")]
    [InlineData("POST /build HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")]
    [InlineData("POST /build HTTP/1.1\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("GET /containers/../images/json HTTP/1.1\r\n\r\n")]
    [InlineData("GET /containers/%2e%2e/json HTTP/1.1\r\n\r\n")]
    [InlineData("GET //containers/json HTTP/1.1\r\n\r\n")]
    [InlineData("GET /a%0d%0ab HTTP/1.1\r\n\r\n")]
    [InlineData("GET http://elsewhere/ HTTP/1.1\r\n\r\n")]
    [InlineData("GET /containers/json\r\n\r\n")]
    [InlineData("GET /cut HTTP/1.1\r\n")]
    public async Task What_can_be_read_in_two_ways_is_not_read(string request) => await Assert.ThrowsAsync<RelayRefusedException>(() => ReadAsync(request));

    [Fact]
    public async Task A_version_is_the_askers_own_and_nothing_else_is_one()
    {
        Assert.Equal(("v1.41", "containers"), await SeenAsync("/v1.41/containers/json"));
        Assert.Equal((null, "containers"), await SeenAsync("/containers/json"));
        Assert.Equal((null, "v1.41x"), await SeenAsync("/v1.41x/containers/json"));
        Assert.Null(await ReadAsync(""));

        static async Task<(string?, string)> SeenAsync(string path) => await ReadAsync($"GET {path} HTTP/1.1\r\n\r\n") is { } request ? (request.Version, request.Segments[0]) : default;
    }

    static Task<RelayRequest?> ReadAsync(string text) => RelayRequest.ReadAsync(new MemoryStream(Encoding.Latin1.GetBytes(text)), CancellationToken.None);
}
