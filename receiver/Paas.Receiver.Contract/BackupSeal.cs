using System.Security.Cryptography;

namespace Paas.Receiver.Contract;

/// <summary>
/// How a backup of a whole receiver ends: a zstd frame that is skipped when it is unpacked (RFC 8878, 3.1.2) with the SHA-256 of everything before it. A backup without it is
/// cut off. It proves that the bytes are whole, not who made them.
/// </summary>
public static class BackupSeal
{
    /// <summary>Bytes.</summary>
    public const int Size = 48;

    public const string MediaType = "application/vnd.paas.backup+zstd";

    // Skippable frame magic and the length of what follows, both little-endian; then our own name.
    static ReadOnlySpan<byte> Head => [0x5F, 0x2A, 0x4D, 0x18, 40, 0, 0, 0, (byte)'p', (byte)'a', (byte)'a', (byte)'s', (byte)'-', (byte)'b', (byte)'k', (byte)'1'];

    /// <param name="digest">SHA-256 of all bytes so far.</param>
    public static byte[] Of(ReadOnlySpan<byte> digest) => [.. Head, .. digest];

    /// <summary>Null when the file is whole; else what is wrong with it, in words. Reads all of it.</summary>
    public static async Task<string?> WhyNotWholeAsync(Stream file, CancellationToken ct)
    {
        var left = file.Length - Size;
        if (left < 0)
        {
            return "it is cut off, or no backup of a receiver";
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        file.Position = 0;
        while (left > 0)
        {
            var count = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), ct);
            if (count == 0)
            {
                return "it is cut off";
            }

            hash.AppendData(buffer, 0, count);
            left -= count;
        }

        var end = new byte[Size];
        await file.ReadExactlyAsync(end, ct);
        return !end.AsSpan(0, Head.Length).SequenceEqual(Head) ? "it is cut off, or no backup of a receiver"
            : CryptographicOperations.FixedTimeEquals(end.AsSpan(Head.Length), hash.GetHashAndReset()) ? null : "it is damaged: its bytes are not those that were written";
    }
}
