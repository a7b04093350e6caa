using System.Security.Cryptography;

namespace Paas.Receiver.Storage;

/// <summary>A private key of the receiver's own in a file (PKCS 8 as PEM, 0600).</summary>
static class KeyFile
{
    /// <summary>The key in the file; a new one on P-256, kept there, when there is none.</summary>
    public static ECDsa OpenOrMake(string file)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file))
        {
            key.ImportFromPem(File.ReadAllText(file));
        }
        else
        {
            AtomicFile.Write(file, key.ExportPkcs8PrivateKeyPem() + "\n");
        }

        return key;
    }
}
