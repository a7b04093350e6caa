using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Paas.Receiver.Access;

/// <summary>Credentials for the length of one visit, for a caller whom another of our doors has let in. In memory only.</summary>
sealed class Passes
{
    readonly ConcurrentDictionary<string, Caller> valid = new(StringComparer.Ordinal);

    /// <summary>Good until it is disposed.</summary>
    public Pass Issue(Caller caller)
    {
        var secret = "pass_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        valid[HashOf(secret)] = caller;
        return new Pass(secret, () => valid.TryRemove(HashOf(secret), out _));
    }

    public Caller? Find(string secret) =>
        secret.StartsWith("pass_", StringComparison.Ordinal) && secret.Length == 53 ? valid.GetValueOrDefault(HashOf(secret)) : null;

    // Looked up by its hash: how far a comparison gets says nothing of the secret.
    static string HashOf(string secret) => Convert.ToBase64String(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret)));
}

/// <summary>See <see cref="Passes.Issue"/>.</summary>
sealed class Pass(string secret, Action end) : IDisposable
{
    public string Secret => secret;

    public void Dispose() => end();
}
