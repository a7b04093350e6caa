using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Archives;

/// <summary>
/// What a tree holds, as one SHA-256 in lower-case hexadecimal: over its entries, sorted by the bytes of their paths (a directory's path ends in <c>/</c>, the root has none), each being
/// <c>kind path NUL size NUL value NUL</c>. Kind is <c>d</c>, <c>f</c>, <c>x</c> (a file its owner may execute) or <c>l</c>; size is decimal, 0 for what is no file;
/// value is a file's own SHA-256 in hexadecimal, a link's target, or empty. Times, owners and other mode bits are not part of it.
/// </summary>
sealed class ContentDigest : IDisposable
{
    public const byte Directory = (byte)'d';
    public const byte File = (byte)'f';
    public const byte Executable = (byte)'x';
    public const byte Link = (byte)'l';

    readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The entry in the form that is hashed, for those who must sort first.</summary>
    /// <param name="path">Without NUL; a directory's with <c>/</c>.</param>
    /// <param name="value">A file's SHA-256 as bytes, or a link's target without NUL.</param>
    public static byte[] Entry(byte kind, ReadOnlySpan<byte> path, long size, ReadOnlySpan<byte> value)
    {
        var text = kind is File or Executable ? Encoding.ASCII.GetBytes(Convert.ToHexStringLower(value)) : value;
        Span<byte> digits = stackalloc byte[20];
        _ = Utf8Formatter.TryFormat(size, digits, out var length);
        return [kind, .. path, 0, .. digits[..length], 0, .. text, 0];
    }

    public void Add(ReadOnlySpan<byte> entry) => hash.AppendData(entry);

    public string Finish() => Convert.ToHexStringLower(hash.GetHashAndReset());

    public void Dispose() => hash.Dispose();
}
