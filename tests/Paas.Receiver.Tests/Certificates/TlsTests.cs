using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Routing;
using Xunit;

namespace Paas.Receiver.Certificates;

public sealed class TlsTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("tls").FullName;
    readonly Authority authority = new();
    readonly CertificateStore store;

    public TlsTests()
    {
        Directory.CreateDirectory(Path.Combine(directory, "given", "live.test"));
        store = CertificateStore.Open(Path.Combine(directory, "own"), Path.Combine(directory, "given"), "paas.test", TimeProvider.System, NullLogger.Instance);
    }

    public void Dispose()
    {
        store.Dispose();
        authority.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task The_name_a_visitor_asks_for_chooses_the_certificate_with_its_chain()
    {
        Put("a.crt", "a.key", "a.test", "www.a.test");
        Put("wild.pem", "wild.key", "*.w.test");
        Put("live.test/fullchain.pem", "live.test/privkey.pem", "live.test");
        store.Refresh();
        await using var house = await SecureHouseAsync();

        foreach (var name in new[] { "a.test", "www.a.test", "x.w.test", "live.test", "A.TEST" })
        {
            Assert.True((await HandshakeAsync(house, name)).Trusted, name);
        }

        foreach (var name in new[] { "b.test", "w.test", "x.y.w.test", "paas.test", "app.paas.test" })
        {
            Assert.Equal((false, "CN=paas.test"), await HandshakeAsync(house, name));
        }
    }

    [Fact]
    public async Task A_certificate_that_is_replaced_is_used_from_the_next_handshake_on()
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await SecureHouseAsync();
        var before = store.ValidityOf("a.test");

        Put("a.crt", "a.key", TimeProvider.System.GetUtcNow().AddDays(200), "a.test");
        await RouterTests.UntilAsync(() => store.ValidityOf("a.test") is { } now && now.To > before!.Value.To.AddDays(1)); // nobody called Refresh
        Put("new.pem", "new.key", "new.test");
        await RouterTests.UntilAsync(() => store.Covers("new.test"));
        Assert.True((await HandshakeAsync(house, "new.test")).Trusted);
        File.Delete(Path.Combine(directory, "given", "new.pem"));
        await RouterTests.UntilAsync(() => !store.Covers("new.test"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")]
    public async Task A_file_that_is_broken_leaves_what_was_there(string text)
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await SecureHouseAsync();

        await File.WriteAllTextAsync(Path.Combine(directory, "given", "a.crt"), text);
        store.Refresh();

        Assert.True((await HandshakeAsync(house, "a.test")).Trusted);
    }

    [Fact]
    public async Task An_application_learns_that_its_visitor_came_by_HTTPS_over_HTTP1_and_HTTP2()
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await SecureHouseAsync(new RouterOptions { HstsSeconds = 1000 });
        house.Router.Assign("k", ["a.test"], [await house.ApplicationAsync(context => context.Response.WriteAsync($"{context.Request.Headers["X-Forwarded-Proto"]} {context.Request.Headers["Forwarded"]}"))]);

        foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
        {
            using var client = ClientOf(house);
            using var answer = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"https://a.test:{house.Address.Port}/") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact });
            Assert.Equal(version, answer.Version);
            Assert.StartsWith("https ", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.Equal("max-age=1000", answer.Headers.GetValues("Strict-Transport-Security").Single());
        }
    }

    [Fact]
    public async Task A_WebSocket_runs_over_TLS()
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await SecureHouseAsync();
        house.Router.Assign("k", ["a.test"], [await house.ApplicationAsync(async context =>
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[100];
            var got = await socket.ReceiveAsync(buffer, default);
            await socket.SendAsync(buffer.AsMemory(0, got.Count), WebSocketMessageType.Text, endOfMessage: true, default);
        })]);
        using var visitor = new ClientWebSocket();
        using var handler = HandlerOf(house);
        await visitor.ConnectAsync(new Uri($"wss://a.test:{house.Address.Port}/"), new HttpMessageInvoker(handler), default);

        await visitor.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, default);
        var echo = new byte[100];
        Assert.Equal(5, (await visitor.ReceiveAsync(echo, default)).Count);
    }

    [Fact]
    public async Task Visitors_of_a_name_with_a_certificate_are_sent_to_HTTPS_and_others_are_served()
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { Https = new HttpsWish(8443, store.Covers), TrustedPeers = [IPNetwork.Parse("127.0.0.1/32")] });
        house.Router.Assign("a", ["a.test", "b.test"], [await house.NamedAsync("served")]);

        Assert.StartsWith("HTTP/1.1 301 ", await TellAsync("GET /p?q=1 HTTP/1.1\r\nHost: a.test:80"), StringComparison.Ordinal);
        Assert.Contains("Location: https://a.test:8443/p?q=1\r\n", await TellAsync("GET /p?q=1 HTTP/1.1\r\nHost: a.test:80"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 308 ", await TellAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0"), StringComparison.Ordinal);
        Assert.Contains("served", await TellAsync("GET / HTTP/1.1\r\nHost: b.test"), StringComparison.Ordinal);
        Assert.Contains("served", await TellAsync("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https"), StringComparison.Ordinal);

        Task<string> TellAsync(string head) => house.TellAsync(head + "\r\nConnection: close\r\n\r\n");
    }

    [Fact]
    public async Task A_visitor_who_says_nothing_does_not_keep_others_from_their_handshake()
    {
        Put("a.crt", "a.key", "a.test");
        store.Refresh();
        await using var house = await SecureHouseAsync();
        var silent = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => house.VisitAsync()));
        await silent[0].WriteAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");

        Assert.True((await HandshakeAsync(house, "a.test")).Trusted);
        silent.ToList().ForEach(one => one.Dispose());
    }

    [Fact]
    public void The_receivers_own_certificate_stays_the_same_and_is_nobody_elses_to_read()
    {
        var file = Path.Combine(directory, "own", "self-signed");
        var before = File.ReadAllText(file);
        using var again = CertificateStore.Open(Path.Combine(directory, "own"), null, "paas.test", TimeProvider.System, NullLogger.Instance);

        Assert.Equal(before, File.ReadAllText(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.False(again.Covers("paas.test"));
    }

    void Put(string certificate, string key, params string[] names) => Put(certificate, key, null, names);

    void Put(string certificate, string key, DateTimeOffset? until, params string[] names)
    {
        var (chain, secret) = authority.Issue(names, until);
        File.WriteAllText(Path.Combine(directory, "given", key), secret);
        File.WriteAllText(Path.Combine(directory, "given", certificate), chain);
    }

    Task<RoutingHouse> SecureHouseAsync(RouterOptions? options = null) =>
        RoutingHouse.OpenAsync(options, secure: store);

    async Task<(bool Trusted, string Subject)> HandshakeAsync(RoutingHouse house, string name)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, house.Address.Port);
        var trusted = false;
#pragma warning disable CA5359 // what was presented is looked at afterwards
        await using var stream = new SslStream(client.GetStream(), leaveInnerStreamOpen: false, (_, certificate, chain, errors) =>
        {
            trusted = Trusts((X509Certificate2)certificate!, chain!) && !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch);
            return true;
        });
#pragma warning restore CA5359
        await stream.AuthenticateAsClientAsync(name);
        return (trusted, stream.RemoteCertificate!.Subject);
    }

    // Only the root is trusted: the authority between must have come along.
    bool Trusts(X509Certificate2 certificate, X509Chain sent)
    {
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.Add(authority.Root);
        chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        return chain.Build(certificate);
    }

    SocketsHttpHandler HandlerOf(RoutingHouse house) => new()
    {
        UseProxy = false,
        ConnectCallback = async (_, ct) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, house.Address.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        },
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, chain, _) => Trusts((X509Certificate2)certificate!, chain!) },
    };

    HttpClient ClientOf(RoutingHouse house) => new(HandlerOf(house));
}
