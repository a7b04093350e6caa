using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>
/// Hashes and writes the small files of an archive beside the thread that reads it: each is made by the reader, so that order and names stay its business, and filled here.
/// Bounded: a reader that is quicker than the disk waits.
/// </summary>
sealed class FileWriters : IDisposable
{
    /// <summary>Bytes; what is larger the reader writes itself, piece by piece.</summary>
    public const int LargestFile = 256 << 10;

    const int MostWaiting = 64;

    static readonly int Count = Math.Clamp(System.Environment.ProcessorCount - 1, 1, 4);

    readonly BlockingCollection<Job> jobs = new(MostWaiting);
    readonly Thread[] threads;
    Exception? failure;

    public FileWriters()
    {
        threads = [.. Enumerable.Range(0, Count).Select(_ => new Thread(Work) { IsBackground = true, Name = "unpack" })];
        Array.ForEach(threads, thread => thread.Start());
    }

    /// <param name="file">Theirs from here on.</param>
    /// <param name="written">Gets the content's SHA-256.</param>
    /// <exception cref="IOException">An earlier file could not be written.</exception>
    public void Write(FileHandle file, ReadOnlySpan<byte> content, uint mode, long time, Action<ReadOnlySpan<byte>> written)
    {
        if (failure is not null)
        {
            file.Dispose();
            Finish();
        }

        var buffer = ArrayPool<byte>.Shared.Rent(content.Length);
        content.CopyTo(buffer);
        jobs.Add(new Job(file, buffer, content.Length, mode, time, written));
    }

    /// <summary>Returns when everything is written. Nothing can be given afterwards.</summary>
    /// <exception cref="IOException">A file could not be written.</exception>
    public void Finish()
    {
        jobs.CompleteAdding();
        Array.ForEach(threads, thread => thread.Join());
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Nobody writes any more when this returns.</summary>
    public void Dispose()
    {
        jobs.CompleteAdding();
        Array.ForEach(threads, thread => thread.Join());
        jobs.Dispose();
    }

    void Work()
    {
        foreach (var job in jobs.GetConsumingEnumerable())
        {
            using (job.File)
            {
                try
                {
                    if (failure is null)
                    {
                        Fill(job);
                    }
                }
                catch (Exception e)
                {
                    // The reader gets it with its next file, or at the end.
                    failure ??= e;
                }
            }

            ArrayPool<byte>.Shared.Return(job.Buffer);
        }
    }

    static void Fill(Job job)
    {
        var content = job.Buffer.AsSpan(0, job.Length);
        job.File.Write(content);
        Finish(job.File.Descriptor, job.Mode, job.Time);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _ = SHA256.HashData(content, hash);
        job.Written(hash);
    }

    /// <summary>Mode and times of a file that is written.</summary>
    public static unsafe void Finish(int descriptor, uint mode, long seconds)
    {
        if (Kernel.ChangeMode(descriptor, mode) != 0)
        {
            throw Kernel.Failed("set the mode of", "a file");
        }

        var time = new Kernel.Time { Seconds = Math.Clamp(seconds, 0, uint.MaxValue) };
        var times = stackalloc Kernel.Time[] { time, time };
        _ = Kernel.SetTimes(descriptor, times);
    }

    sealed record Job(FileHandle File, byte[] Buffer, int Length, uint Mode, long Time, Action<ReadOnlySpan<byte>> Written);
}
