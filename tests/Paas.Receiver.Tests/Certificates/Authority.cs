using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Paas.Receiver.Certificates;

/// <summary>A root, an authority below it, and certificates from that: what people really have.</summary>
sealed class Authority : IDisposable
{
    readonly ECDsa rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    readonly X509Certificate2 intermediate;

    public Authority()
    {
        var now = TimeProvider.System.GetUtcNow();
        Root = RequestOf("CN=test root", rootKey, isAuthority: true).CreateSelfSigned(now.AddDays(-2), now.AddYears(2));
        intermediate = RequestOf("CN=test authority", key, isAuthority: true).Create(Root, now.AddDays(-2), now.AddYears(1), Serial());
    }

    public X509Certificate2 Root { get; }

    /// <summary>Certificate and intermediate in one text, and the key.</summary>
    public (string Chain, string Key) Issue(IEnumerable<string> names, DateTimeOffset? until = null)
    {
        var now = TimeProvider.System.GetUtcNow();
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = RequestOf("CN=server", own, isAuthority: false);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        using var signer = intermediate.CopyWithPrivateKey(key);
        using var made = request.Create(signer, now.AddDays(-1), until ?? now.AddDays(90), Serial());
        return ($"{made.ExportCertificatePem()}\n{intermediate.ExportCertificatePem()}\n", own.ExportPkcs8PrivateKeyPem() + "\n");
    }

    public void Dispose()
    {
        Root.Dispose();
        intermediate.Dispose();
        rootKey.Dispose();
        key.Dispose();
    }

    static CertificateRequest RequestOf(string name, ECDsa key, bool isAuthority)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        return request;
    }

    static byte[] Serial()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f;
        return serial;
    }
}
