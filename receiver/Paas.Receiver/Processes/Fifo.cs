using System.ComponentModel;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Paas.Receiver.Processes;

/// <summary>Named pipes: how a program of a few lines rings the receiver without a client program of its own.</summary>
static partial class Fifo
{
    const int ReadAndWrite = 2;
    const int NonBlocking = 0x800;
    const int CloseOnExec = 0x80000;

    /// <summary>The longest text that write(2) puts into a pipe in one piece (PIPE_BUF).</summary>
    public const int AtomicWrite = 4096;

    /// <summary>Makes a named pipe (0600).</summary>
    public static void Create(string path)
    {
        if (MkfifoNative(path, 0x180) != 0)
        {
            throw Failed("mkfifo", path);
        }
    }

    /// <summary>A stream on one side of the pipe; reads and writes wait in epoll, not in a thread.</summary>
    /// <remarks>
    /// Opened for reading and writing at once, whichever way it is used: so the open never waits for the other side, a reader sees no
    /// end while nobody writes, a writer gets no EPIPE while nobody reads, and a program that opens the other side never waits either.
    /// </remarks>
    public static Stream Open(string path, PipeDirection direction) =>
        new AnonymousPipeClientStream(direction, new SafePipeHandle(OpenBothSides(path), ownsHandle: true));

    /// <summary>Wakes every program that waits in open(2) for the other side; it then reads an end at once. A missing pipe is no error.</summary>
    public static void Unblock(string path)
    {
        var descriptor = OpenNative(path, ReadAndWrite | NonBlocking | CloseOnExec);
        if (descriptor >= 0)
        {
            _ = CloseNative((int)descriptor);
        }
    }

    static nint OpenBothSides(string path)
    {
        var descriptor = OpenNative(path, ReadAndWrite | NonBlocking | CloseOnExec);
        return descriptor >= 0 ? descriptor : throw Failed("open", path);
    }

    static IOException Failed(string what, string path)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{what} {path}: {new Win32Exception(error).Message}", error);
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkfifoNative(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenNative(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseNative(int descriptor);
}
