using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Processes;

/// <summary>Tells when any process ends, child or not, as an event: a pidfd each and one thread that waits on them all.</summary>
static partial class ExitWatch
{
    const int NoSuchProcess = 3;
    const int PidfdOpen = 434;

    // struct epoll_event is packed on x86-64 only.
    static readonly int DataOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    static readonly int EventSize = DataOffset + 8;

    static readonly Lazy<int> Epoll = new(Begin);
    static readonly Dictionary<long, (int Descriptor, TaskCompletionSource Gone)> Waiting = [];
    static long last;

    /// <summary>Completes when the process is gone (a zombie counts as gone), at once when there is none.</summary>
    /// <remarks>A process id may have been given to somebody else; a caller that reads one from a file checks whose it is.</remarks>
    public static Task Of(int process)
    {
        var epoll = Epoll.Value;
        var descriptor = (int)SyscallNative(PidfdOpen, process, 0);
        if (descriptor < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == NoSuchProcess ? Task.CompletedTask : throw new IOException($"pidfd_open {process}: {new Win32Exception(error).Message}", error);
        }

        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var number = Interlocked.Increment(ref last);
        lock (Waiting)
        {
            Waiting[number] = (descriptor, gone);
        }

        Span<byte> interest = stackalloc byte[EventSize];
        MemoryMarshal.Write(interest, 1 /* EPOLLIN */);
        MemoryMarshal.Write(interest[DataOffset..], number);
        if (EpollCtlNative(epoll, 1 /* EPOLL_CTL_ADD */, descriptor, interest) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            Forget(number);
            throw new IOException($"epoll_ctl: {new Win32Exception(error).Message}", error);
        }

        return gone.Task;
    }

    static int Begin()
    {
        var epoll = EpollCreateNative(0x80000 /* EPOLL_CLOEXEC */);
        if (epoll < 0)
        {
            throw new IOException($"epoll_create: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }

        new Thread(() => Listen(epoll)) { IsBackground = true, Name = "exits" }.Start();
        return epoll;
    }

    static void Listen(int epoll)
    {
        const int AtOnce = 64;
        Span<byte> fired = stackalloc byte[AtOnce * EventSize];
        while (true)
        {
            var count = EpollWaitNative(epoll, fired, AtOnce, -1);
            for (var i = 0; i < count; i++)
            {
                Forget(MemoryMarshal.Read<long>(fired[((i * EventSize) + DataOffset)..]))?.SetResult();
            }
        }
    }

    static TaskCompletionSource? Forget(long number)
    {
        lock (Waiting)
        {
            if (!Waiting.Remove(number, out var watched))
            {
                return null;
            }

            // Closing alone would not take it out of the set while a child that was just forked, not yet another program, holds it too.
            _ = EpollCtlNative(Epoll.Value, 2 /* EPOLL_CTL_DEL */, watched.Descriptor, []);
            _ = CloseNative(watched.Descriptor);
            return watched.Gone;
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SyscallNative(long number, long first, long second);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreateNative(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollCtlNative(int epoll, int operation, int descriptor, Span<byte> interest);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWaitNative(int epoll, Span<byte> events, int count, int timeout);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseNative(int descriptor);
}
