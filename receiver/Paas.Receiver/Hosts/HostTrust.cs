using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Paas.Receiver.Hosts;

/// <summary>Who vouches for linked hosts: the machine's authorities, and those of the operator's own.</summary>
/// <param name="Root">A file with certificates (PEM) of further authorities; null for none.</param>
sealed record HostTrust(string? Root)
{
    const int MostNames = 5;

    /// <summary>How a host's certificate is looked at. One that is not good ends the connection before the token is sent, with words that say why.</summary>
    public SslClientAuthenticationOptions Tls()
    {
        var options = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = IsGood };
        if (Root is not null)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(Root);
            using var machines = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
            policy.CustomTrustStore.AddRange(machines.Certificates);
            options.CertificateChainPolicy = policy;
        }

        return options;
    }

    /// <summary>Null when the file can be used.</summary>
    public static string? WhyNot(string file)
    {
        try
        {
            var found = new X509Certificate2Collection();
            found.ImportFromPemFile(file);
            return found.Count > 0 ? null : "holds no certificate";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            return $"cannot be read: {e.Message}";
        }
    }

    static bool IsGood(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        errors == SslPolicyErrors.None ? true : throw new AuthenticationException(string.Join("; ", Faults(certificate as X509Certificate2, chain, errors).Distinct()) + ".");

    static IEnumerable<string> Faults(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null)
        {
            yield return "it shows no certificate";
            yield break;
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(extension => extension.EnumerateDnsNames()).Take(MostNames).ToList();
            yield return $"its certificate is for {(names.Count > 0 ? string.Join(", ", names) : certificate.Subject)}";
        }

        foreach (var status in errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) ? chain!.ChainStatus : [])
        {
            yield return status.Status switch
            {
                X509ChainStatusFlags.NotTimeValid => $"its certificate is good from {certificate.NotBefore:yyyy-MM-dd} to {certificate.NotAfter:yyyy-MM-dd}",
                X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain or X509ChainStatusFlags.NotSignatureValid =>
                    $"its certificate is from '{certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true)}', which is not trusted here (PAAS_HOSTS_ROOT names a file with further roots)",
                _ => status.StatusInformation.Trim().TrimEnd('.'),
            };
        }
    }
}
