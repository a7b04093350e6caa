using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Access;

/// <summary>Says whether a user name and a password belong together.</summary>
interface IPasswordSource
{
    /// <summary>What settings and logs call it.</summary>
    string Name { get; }

    /// <summary>The user; null when the pair is wrong, unknown here, or cannot be asked about just now.</summary>
    Task<User?> CheckAsync(string user, string password, CancellationToken ct);
}

/// <summary>Local users' passwords: PBKDF2 with SHA-512, a salt each. A name that is not there costs as much time as one that is.</summary>
sealed class Passwords(Users users) : IPasswordSource, IDisposable
{
    public const int Shortest = 10;

    // OWASP's count for PBKDF2-HMAC-SHA512.
    const int Rounds = 210_000;
    const int Longest = 512;

    static readonly string Nobodys = Keep(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));

    // Each check keeps a processor busy for a tenth of a second: guessing must not keep the deployments from theirs.
    readonly SemaphoreSlim atOnce = new(1);

    public string Name => Users.Local;

    public async Task<User?> CheckAsync(string user, string password, CancellationToken ct)
    {
        if (password.Length > Longest)
        {
            return null;
        }

        var kept = Users.IsName(user) ? users.KeptPassword(user) : null;
        await atOnce.WaitAsync(ct);
        try
        {
            var right = await Task.Run(() => Fits(kept ?? Nobodys, password), ct);
            return right && kept is not null ? users.Find(user) : null;
        }
        finally
        {
            atOnce.Release();
        }
    }

    public void Dispose() => atOnce.Dispose();

    /// <summary>What is kept instead of the password.</summary>
    /// <exception cref="Refusal">It is too short or too long.</exception>
    public static string Keep(string password)
    {
        if (password.Length is < Shortest or > Longest)
        {
            throw new Refusal($"A password is {Shortest} to {Longest} characters.");
        }

        var salt = RandomNumberGenerator.GetBytes(16);
        return $"pbkdf2-sha512:{Rounds}:{Convert.ToBase64String(salt)}:{Convert.ToBase64String(Derive(password, salt, Rounds))}";
    }

    static bool Fits(string kept, string password) =>
        kept.Split(':') is ["pbkdf2-sha512", var rounds, var salt, var hash]
        && CryptographicOperations.FixedTimeEquals(Derive(password, Convert.FromBase64String(salt), int.Parse(rounds)), Convert.FromBase64String(hash));

    static byte[] Derive(string password, byte[] salt, int rounds) =>
        Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), salt, rounds, HashAlgorithmName.SHA512, 32);
}
