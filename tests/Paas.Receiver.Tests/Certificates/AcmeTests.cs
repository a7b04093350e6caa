using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Routing;
using Xunit;

namespace Paas.Receiver.Certificates;

/// <summary>Against Debian's pebble, Let's Encrypt's own test authority: strict, and refusing some nonces on purpose.</summary>
public sealed class AcmeTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("acme").FullName;
    readonly Authority authority = new();
    readonly Challenges challenges = new();
    readonly List<Process> started = [];

    public void Dispose()
    {
        foreach (var process in started)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        authority.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [PebbleFact]
    public async Task A_name_that_leads_here_gets_a_certificate_and_others_are_asked_for_later()
    {
        await using var house = await RoutingHouse.OpenAsync(new RouterOptions { Https = new HttpsWish(1, _ => true) }, first: challenges.TryAnswerAsync);
        var (pebble, dns) = (FreePort(), FreePort());
        await StartDnsAsync(dns);
        await StartPebbleAsync(pebble, house.Address.Port, dns);
        using var store = CertificateStore.Open(Path.Combine(directory, "own"), null, "paas.test", TimeProvider.System, NullLogger.Instance);
        var names = new List<string> { "shop.test", "*.wild.test", "localhost", "x.localhost", "_control" };
        using var renewals = Renewing();

        await renewals.LookAsync(default);
        Assert.True(store.Covers("shop.test"));
        var first = store.ValidityOf("shop.test");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(directory, "own", "shop.test", "certificate.pem")));
        await renewals.LookAsync(default);
        Assert.Equal(first, store.ValidityOf("shop.test"));

        // After a restart the same account orders for a second name; the first one's certificate is there.
        names.Add("second.test");
        using var again = Renewing();
        await again.LookAsync(default);
        Assert.True(store.Covers("second.test"));
        Assert.Equal(first, store.ValidityOf("shop.test"));

        // What cannot be shown is not had, and not asked for again at once.
        names.Add("third.test");
        house.Broken = true;
        await again.LookAsync(default);
        house.Broken = false;
        await again.LookAsync(default);
        Assert.False(store.Covers("third.test"));

        Renewals Renewing() => new(
            new AcmeSettings(new Uri($"https://localhost:{pebble}/dir"), "me@paas.test", Path.Combine(directory, "root.pem")),
            Path.Combine(directory, "own"), store, challenges, () => names, TimeProvider.System, NullLogger<Renewals>.Instance);
    }

    async Task StartDnsAsync(int port)
    {
        Start("pebble-challtestsrv", ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", $"127.0.0.1:{port}", "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", $"127.0.0.1:{FreePort()}"]);
        await ListeningAsync(port);
    }

    async Task StartPebbleAsync(int port, int httpPort, int dns)
    {
        var (chain, key) = authority.Issue(["localhost"]);
        await File.WriteAllTextAsync(Path.Combine(directory, "root.pem"), authority.Root.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(directory, "pebble.pem"), chain);
        await File.WriteAllTextAsync(Path.Combine(directory, "pebble.key"), key);
        await File.WriteAllTextAsync(Path.Combine(directory, "pebble.json"), $$"""
            {"pebble": {"listenAddress": "127.0.0.1:{{port}}", "managementListenAddress": "127.0.0.1:{{FreePort()}}",
              "certificate": "{{directory}}/pebble.pem", "privateKey": "{{directory}}/pebble.key", "httpPort": {{httpPort}}, "tlsPort": 1, "ocspResponderURL": "", "externalAccountBindingRequired": false
            } }
            """);
        Start("pebble", ["-config", Path.Combine(directory, "pebble.json"), "-dnsserver", $"127.0.0.1:{dns}"]);
        await ListeningAsync(port);
    }

    void Start(string program, string[] arguments)
    {
        var info = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment["PEBBLE_VA_NOSLEEP"] = "1";
        info.Environment["PEBBLE_WFE_NONCEREJECT"] = "30";
        var process = Process.Start(info)!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        started.Add(process);
    }

    static async Task ListeningAsync(int port) => await RouterTests.UntilAsync(() =>
    {
        try
        {
            using var client = new TcpClient();
            client.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    });

    // Pebble takes no port 0; between this and its own bind another could take it, which the test would show as not listening.
    static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }
}

/// <summary>Runs where Debian's pebble is installed.</summary>
sealed class PebbleFactAttribute : FactAttribute
{
    public PebbleFactAttribute()
    {
        if (!File.Exists("/usr/bin/pebble") || !File.Exists("/usr/bin/pebble-challtestsrv"))
        {
            Skip = "pebble is not installed (apt-get install pebble)";
        }
    }
}
