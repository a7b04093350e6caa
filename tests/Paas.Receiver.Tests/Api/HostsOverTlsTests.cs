using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Paas.Receiver.Certificates;
using Paas.Receiver.Hosts;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>Links over HTTPS, as they are everywhere but on loopback: by the operator's own authority, and by nobody else's.</summary>
public sealed class HostsOverTlsTests : IAsyncLifetime
{
    readonly string home = Directory.CreateTempSubdirectory("tls").FullName;
    readonly Authority trusted = new();
    readonly Authority stranger = new();
    SslStreamCertificateContext shown = null!;
    ApiStage stage = null!;
    ApiStage paris = null!;

    public async Task InitializeAsync()
    {
        var root = Path.Combine(home, "root.pem");
        await File.WriteAllTextAsync(root, trusted.Root.ExportCertificatePem());
        (stage, paris) = (await ApiStage.OpenAsync(hostsRoot: root), await ApiStage.OpenAsync(identity: () => shown));
    }

    public async Task DisposeAsync()
    {
        await stage.DisposeAsync();
        await paris.DisposeAsync();
        trusted.Dispose();
        stranger.Dispose();
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task The_operators_authority_vouches_for_a_host()
    {
        shown = Identity(trusted, "localhost");

        var (status, said) = await LinkAsync();

        Assert.True(status == HttpStatusCode.Created, said);
        Assert.Equal("https", Assert.Single(stage.The<HostLinks>().List()).Url.Scheme);
    }

    [Theory]
    [InlineData("stranger", "its certificate is from 'test authority', which is not trusted here (PAAS_HOSTS_ROOT")]
    [InlineData("expired", "its certificate is good from ")]
    [InlineData("other name", "its certificate is for paris.example.org")]
    public async Task Whoever_cannot_show_who_he_is_gets_no_token(string fault, string why)
    {
        shown = fault switch
        {
            "stranger" => Identity(stranger, "localhost"),
            "expired" => Identity(trusted, "localhost", TimeProvider.System.GetUtcNow().AddHours(-1)),
            _ => Identity(trusted, "paris.example.org"),
        };

        var (status, said) = await LinkAsync();

        Assert.NotEqual(HttpStatusCode.Created, status);
        Assert.Contains("paris (localhost:", said, StringComparison.Ordinal);
        Assert.Contains(why, said, StringComparison.Ordinal);
        Assert.DoesNotContain(paris.Admin, said, StringComparison.Ordinal);
        Assert.Empty(stage.The<HostLinks>().List());
    }

    [Fact]
    public async Task A_file_that_holds_no_authority_is_named_at_the_start()
    {
        var file = Path.Combine(home, "empty.pem");
        await File.WriteAllTextAsync(file, "nothing of the kind");

        Assert.Equal("holds no certificate", HostTrust.WhyNot(file));
        Assert.StartsWith("cannot be read", HostTrust.WhyNot(file + ".missing"), StringComparison.Ordinal);
    }

    async Task<(HttpStatusCode Status, string Said)> LinkAsync()
    {
        using var client = stage.Client(stage.Admin);
        using var answer = await client.PutAsJsonAsync("api/v1/hosts/paris", new { url = $"https://localhost:{paris.Url.Port}", token = paris.Admin });
        return (answer.StatusCode, System.Text.RegularExpressions.Regex.Unescape(await answer.Content.ReadAsStringAsync()));
    }

    static SslStreamCertificateContext Identity(Authority authority, string name, DateTimeOffset? until = null)
    {
        var (chain, key) = authority.Issue([name], until);
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(chain);
        return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPem(chain, key), certificates, offline: true);
    }
}
