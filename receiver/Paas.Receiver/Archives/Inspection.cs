using System.Security.Cryptography;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>What a stored archive turns out to be.</summary>
/// <param name="Archive">SHA-256 of its bytes.</param>
/// <param name="Content">Digest of what is packed in it.</param>
sealed record Inspected(string Archive, string Content);

/// <summary>Reads a <c>.tar.zst</c> again from where it was stored, behind everybody else on the machine, and unpacks nothing of it.</summary>
static class Inspection
{
    /// <summary>Of one that <see cref="Bundler"/> wrote; the content is <see cref="ContentDigest"/>'s.</summary>
    /// <exception cref="Refusal">It is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Task<Inspected> OfTreeAsync(string file, CancellationToken ct) => ReadAsync(file, output => TarDigest.Read(output, ct), ct);

    /// <summary>The same of anything else; the content is the SHA-256 of the bytes that are packed.</summary>
    /// <inheritdoc cref="OfTreeAsync" path="/exception"/>
    public static Task<Inspected> OfBytesAsync(string file, CancellationToken ct) => ReadAsync(file, output => Convert.ToHexStringLower(SHA256.HashData(output)), ct);

    static async Task<Inspected> ReadAsync(string file, Func<Stream, string> digest, CancellationToken ct)
    {
        await using var archive = new FileStream(file, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        await using var child = Bundler.StartProgram(new Command("nice", "-n", "15", "zstd", "-q", "-dc", "--memory=256MB"));
        Bundler.Widen(child.Input);
        Bundler.Widen(child.Output);
        await using var stop = ct.Register(() => child.Signal(PosixSignals.Kill));
        var said = child.ReadAllAsync(child.Error);
        var feed = OwnThread.RunAsync(() => FeedAndHash(archive, child.Input));
        var read = OwnThread.RunAsync(() => digest(child.Output));
        try
        {
            var content = await read;
            var bytes = await feed;
            return await child.WaitAsync(CancellationToken.None) == 0 ? new Inspected(bytes, content) : throw new Refusal($"The archive is damaged: {(await said).Trim()}");
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(ct);
        }
        finally
        {
            child.Signal(PosixSignals.Kill);
            _ = await child.WaitAsync(CancellationToken.None);
            await Task.WhenAny(Task.WhenAll(feed, read, said));
        }
    }

    // The whole file is hashed, also when nobody reads it any more.
    static string FeedAndHash(FileStream archive, Stream input)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (buffer, isRead) = (new byte[1 << 20], true);
        for (int count; (count = archive.Read(buffer)) > 0;)
        {
            hash.AppendData(buffer, 0, count);
            try
            {
                if (isRead)
                {
                    input.Write(buffer, 0, count);
                }
            }
            catch (IOException)
            {
                isRead = false; // zstd's exit code and words say why
            }
        }

        Bundler.Hush(input);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
