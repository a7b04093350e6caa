using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Routing;

/// <summary>
/// Names and hashed passwords of those who may pass a route. A right answer is remembered, so that only a visitor's first request costs the hash;
/// hashing is done on the pool and two at a time, so that guessing costs the guesser and not the other visitors.
/// </summary>
sealed class DoorList(IReadOnlyDictionary<string, string> hashes)
{
    const int Rounds = 60_000;
    const int SaltSize = 16;
    const int MostRemembered = 1000;
    const int LongestHeader = 1024;

    static readonly SemaphoreSlim Hashing = new(2);
    static readonly byte[] Session = RandomNumberGenerator.GetBytes(32);
    static readonly string Nobody = Hash("");

    readonly ConcurrentDictionary<string, bool> right = new(StringComparer.Ordinal);

    /// <summary>Their names.</summary>
    public IEnumerable<string> Users => hashes.Keys;

    public static string Hash(string password)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltSize);
        return $"pbkdf2-sha256${Rounds}${Convert.ToBase64String(salt)}${Convert.ToBase64String(Derive(password, salt, Rounds))}";
    }

    /// <summary>Is this <c>Authorization</c> header that of somebody who may pass?</summary>
    public async ValueTask<bool> AdmitAsync(string? header, CancellationToken ct)
    {
        if (header is null || header.Length > LongestHeader || !header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var seen = Convert.ToHexString(HMACSHA256.HashData(Session, Encoding.UTF8.GetBytes(header)));
        return right.ContainsKey(seen) || await Task.Run(() => HashAsync(header, seen, ct), ct);
    }

    async Task<bool> HashAsync(string header, string seen, CancellationToken ct)
    {
        if (Read(header) is not var (user, password))
        {
            return false;
        }

        await Hashing.WaitAsync(ct);
        try
        {
            // Somebody who is not there takes as long as a wrong password.
            var holds = Matches(password, hashes.GetValueOrDefault(user) ?? Nobody) && hashes.ContainsKey(user);
            if (holds && right.Count < MostRemembered)
            {
                right[seen] = true;
            }

            return holds;
        }
        finally
        {
            Hashing.Release();
        }
    }

    static (string User, string Password)? Read(string header)
    {
        var bytes = new byte[LongestHeader];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), bytes, out var length))
        {
            return null;
        }

        var text = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : (text[..colon], text[(colon + 1)..]);
    }

    static bool Matches(string password, string hash)
    {
        var parts = hash.Split('$');
        return parts is ["pbkdf2-sha256", var rounds, var salt, var derived] && int.TryParse(rounds, out var count) && count is > 0 and <= 10_000_000
            && CryptographicOperations.FixedTimeEquals(Derive(password, Convert.FromBase64String(salt), count), Convert.FromBase64String(derived));
    }

    static byte[] Derive(string password, byte[] salt, int rounds) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, rounds, HashAlgorithmName.SHA256, 32);
}
