using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What an application prints reaches a syslog receiver over TLS (RFC 5425) whose certificate this machine trusts.</summary>
public sealed class LogsOverTls
{
    [Fact]
    public async Task Lines_arrive_in_RFC_5425_frames_at_a_receiver_that_the_machine_trusts()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var trusted = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.pem");
        await File.WriteAllTextAsync(trusted, certificate.ExportCertificatePem());
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        try
        {
            // OpenSSL's own way of saying what a machine trusts.
            await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["SSL_CERT_FILE"] = trusted });
            await using var git = await GitClient.NewAsync(receiver, "drained");
            await git.WriteAsync("Procfile", "worker: until [ -e \"$PAAS_DATA_DIR/say\" ]; do sleep 0.02; done; echo 'Grüße über TLS'; exec sleep 1000\n");
            await git.CommitAsync("Say something");
            Assert.True((await git.PushAsync()).Accepted);
            var (status, body) = await receiver.AskApiAsync(
                HttpMethod.Post, "api/v1/projects/-/drained/drains", $$"""{"url": "syslog+tls://localhost:{{((IPEndPoint)listener.LocalEndpoint).Port}}"}""");
            Assert.True((int)status < 300, body);
            await File.WriteAllTextAsync(Path.Combine(receiver.Project("drained"), "data", "say"), "");

            using var socket = await listener.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(30));
            await using var stream = new SslStream(new NetworkStream(socket));
            await stream.AuthenticateAsServerAsync(certificate);
            var frame = await FrameAsync(stream).WaitAsync(TimeSpan.FromSeconds(30));

            Assert.True(stream.SslProtocol >= System.Security.Authentication.SslProtocols.Tls12);
            Assert.Matches(@"^<14>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ local\.drained worker\.1 - - Grüße über TLS$", frame);
        }
        finally
        {
            File.Delete(trusted);
        }
    }

    /// <summary>MSG-LEN SP SYSLOG-MSG, the length in bytes.</summary>
    static async Task<string> FrameAsync(Stream stream)
    {
        var one = new byte[1];
        var length = 0;
        while (await stream.ReadAsync(one) == 1 && one[0] != ' ')
        {
            length = (length * 10) + (one[0] - '0');
        }

        var message = new byte[length];
        await stream.ReadExactlyAsync(message);
        return Encoding.UTF8.GetString(message).TrimEnd('\n');
    }
}
