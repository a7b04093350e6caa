using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>An open file of a <see cref="DirectoryHandle"/>. Whoever opened it closes it.</summary>
readonly unsafe struct FileHandle(int descriptor, DirectoryHandle directory, byte[] name) : IDisposable
{
    const int SeekData = 3;
    const int SeekHole = 4;
    const nuint Clone = 0x40049409; // FICLONE
    const int LargestCopy = 16 << 20;

    public int Descriptor => descriptor;

    public Inode Inode => Inode.Of(descriptor);

    string Shown => directory.Show(name);

    /// <summary>0 at the end.</summary>
    public int Read(Span<byte> into)
    {
        fixed (byte* to = into)
        {
            while (true)
            {
                var count = Kernel.Read(descriptor, to, (nuint)into.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                ThrowUnlessInterrupted("read");
            }
        }
    }

    /// <summary>All of it, however many calls that takes.</summary>
    public void Write(ReadOnlySpan<byte> content)
    {
        while (content.Length > 0)
        {
            fixed (byte* from = content)
            {
                var count = Kernel.Write(descriptor, from, (nuint)content.Length);
                if (count < 0)
                {
                    ThrowUnlessInterrupted("write");
                    continue;
                }

                content = content[(int)count..];
            }
        }
    }

    /// <summary>Waits until the content is on the disk.</summary>
    public void Flush()
    {
        if (Kernel.Flush(descriptor) != 0)
        {
            throw Kernel.Failed("flush", Shown);
        }
    }

    /// <summary>Sets the disk to work on what was written so far, and does not wait: a later <see cref="Flush"/> has less to do.</summary>
    public void StartFlush(long offset = 0, long count = 0) => _ = Kernel.StartFlush(descriptor, offset, count, 2 /* SYNC_FILE_RANGE_WRITE */);

    /// <summary>Shares the source's blocks where the file system can (reflink). False where it cannot.</summary>
    public bool TryShareBlocksOf(FileHandle source)
    {
        if (Kernel.Control(descriptor, Clone, source.Descriptor) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error is Kernel.NotSupported or Kernel.OtherDevice or Kernel.Invalid or Kernel.NotATerminal or Kernel.NotImplemented or Kernel.NotPermitted
            ? false : throw Kernel.Failed("share the blocks of", source.Shown, error);
    }

    /// <summary>Copies the source, as long as it was when looked at, into this empty file; holes stay holes. Returns the bytes the source really had.</summary>
    public long CopyFrom(FileHandle source, Inode of, CancellationToken ct)
    {
        if (of.Size == 0)
        {
            return 0;
        }

        if (of.Blocks * 512 >= of.Size)
        {
            return CopyRange(source, 0, of.Size, ct);
        }

        long offset = 0;
        while (offset < of.Size)
        {
            var data = Kernel.Seek(source.Descriptor, offset, SeekData);
            if (data < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error == Kernel.NoSuchDevice)
                {
                    break; // ENXIO: a hole up to the end
                }

                return error == Kernel.Invalid ? CopyRange(source, 0, of.Size, ct) : throw Kernel.Failed("read", source.Shown, error);
            }

            var hole = Kernel.Seek(source.Descriptor, data, SeekHole);
            if (hole < 0)
            {
                throw Kernel.Failed("read", source.Shown);
            }

            offset = Math.Min(hole, of.Size);
            var copied = CopyRange(source, data, offset - data, ct);
            if (copied < offset - data)
            {
                break; // it shrank meanwhile; the caller looks and tries again
            }
        }

        if (Kernel.SetLength(descriptor, of.Size) != 0)
        {
            throw Kernel.Failed("write", Shown);
        }

        return of.Size;
    }

    public void Dispose() => _ = Kernel.Close(descriptor);

    long CopyRange(FileHandle source, long offset, long count, CancellationToken ct)
    {
        long done = 0;
        var inKernel = count > 65536; // below that, one read and one write cost less
        var buffer = Span<byte>.Empty;
        while (done < count)
        {
            ct.ThrowIfCancellationRequested();
            if (inKernel)
            {
                var (from, to) = (offset + done, offset + done);
                var copied = Kernel.CopyRange(source.Descriptor, &from, descriptor, &to, (nuint)Math.Min(count - done, LargestCopy), 0);
                if (copied > 0)
                {
                    done += copied;
                    continue;
                }

                var error = Marshal.GetLastPInvokeError();
                if (copied < 0 && error is not (Kernel.OtherDevice or Kernel.Invalid or Kernel.NotSupported or Kernel.NotImplemented or Kernel.Interrupted or Kernel.NotPermitted))
                {
                    throw Kernel.Failed("copy", source.Shown, error);
                }

                // 0 can also mean "not this kind of file", so the end is believed only from read(2).
                inKernel = copied < 0 && error == Kernel.Interrupted;
                continue;
            }

            if (buffer.IsEmpty)
            {
                buffer = new byte[(int)Math.Min(count - done, 1 << 18)];
            }

            if (Kernel.Seek(source.Descriptor, offset + done, 0) < 0 || Kernel.Seek(descriptor, offset + done, 0) < 0)
            {
                throw Kernel.Failed("copy", source.Shown);
            }

            var read = source.Read(buffer[..(int)Math.Min(count - done, buffer.Length)]);
            if (read == 0)
            {
                break;
            }

            Write(buffer[..read]);
            done += read;
        }

        return done;
    }

    void ThrowUnlessInterrupted(string what)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error != Kernel.Interrupted)
        {
            throw Kernel.Failed(what, Shown, error);
        }
    }
}
