using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>What an archive is said to be: whose, of which commit, with which bytes and which tree. It is this that is signed, never the file alone.</summary>
sealed record Provenance(string Project, string Commit, string ArchiveDigest, string ContentDigest)
{
    /// <summary>As it is signed: lines that <c>printf</c> can write and <c>openssl dgst -sha256 -verify</c> can check.</summary>
    public byte[] Statement => Encoding.UTF8.GetBytes($"paas-release 1\nproject {Project}\ncommit {Commit}\narchive {ArchiveDigest}\ncontent {ContentDigest}\n");
}

/// <param name="Key">The first 16 hexadecimal digits of the SHA-256 of the public key (SubjectPublicKeyInfo).</param>
/// <param name="Value">Base64 of an ECDSA P-256 signature in DER, over SHA-256.</param>
sealed record Signature(string Key, string Value);

/// <summary>
/// Signs what this receiver cooks and says whose signatures are believed: its own key, made when it is first needed and kept in <c>state</c> (0600), and the public keys
/// that its operator trusts. Those are read at each question, so that one can be added or taken away while the receiver runs.
/// </summary>
/// <param name="trusted">Files with public keys in PEM, or directories of them.</param>
sealed class Signatures(string stateDirectory, IReadOnlyList<string> trusted)
{
    readonly Lazy<ECDsa> own = new(() => KeyFile.OpenOrMake(Path.Combine(stateDirectory, "release-key.pem")));

    /// <summary>What the operators of other receivers trust.</summary>
    public string PublicKey => own.Value.ExportSubjectPublicKeyInfoPem() + "\n";

    public string KeyId => IdOf(own.Value);

    public Signature Sign(Provenance what)
    {
        lock (own)
        {
            return new Signature(KeyId, Convert.ToBase64String(own.Value.SignData(what.Statement, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)));
        }
    }

    /// <param name="from">Where the archive comes from, for people.</param>
    /// <exception cref="Refusal">Nobody whom this receiver trusts has signed it.</exception>
    public void Verify(Provenance what, Signature? signature, string from)
    {
        if (signature is null)
        {
            throw new Refusal($"the archive of {what.Project} at {what.Commit[..8]} in {from} is not signed: only what a trusted receiver has cooked is unpacked");
        }

        foreach (var key in Trusted())
        {
            using (key)
            {
                if (IdOf(key) == signature.Key)
                {
                    if (Fits(key, what, signature.Value))
                    {
                        return;
                    }

                    throw new Refusal($"the signature of {what.Project} at {what.Commit[..8]} in {from} is wrong: project, commit or archive are not what was signed");
                }
            }
        }

        throw new Refusal(
            $"the archive of {what.Project} at {what.Commit[..8]} in {from} is signed by key {signature.Key}, which is not trusted here: "
            + "put that receiver's key (corpus signing-key) where PAAS_TRUSTED_KEYS leads to");
    }

    IEnumerable<ECDsa> Trusted()
    {
        var mine = ECDsa.Create();
        mine.ImportSubjectPublicKeyInfo(own.Value.ExportSubjectPublicKeyInfo(), out _);
        yield return mine;
        foreach (var file in trusted.SelectMany(FilesOf))
        {
            if (Read(file) is { } key)
            {
                yield return key;
            }
        }
    }

    static IEnumerable<string> FilesOf(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path).Order(StringComparer.Ordinal) : File.Exists(path) ? [path] : [];

    static ECDsa? Read(string file)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(file));
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException or IOException or UnauthorizedAccessException)
        {
            // A file that is no key vouches for nothing; the others still do.
            key.Dispose();
            return null;
        }
    }

    static bool Fits(ECDsa key, Provenance what, string value)
    {
        var signature = new byte[value.Length];
        return Convert.TryFromBase64String(value, signature, out var length)
            && key.VerifyData(what.Statement, signature.AsSpan(0, length), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    static string IdOf(ECDsa key) => Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()))[..16];
}
