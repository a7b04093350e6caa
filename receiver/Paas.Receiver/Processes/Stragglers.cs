using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Paas.Receiver.Processes;

/// <summary>
/// Every process that belongs to one marked start, wherever it forked to: a daemon leaves its group, its session and its parent,
/// but not the mount namespace of its cage, whose mounts carry the marker in their paths; nor, without a cage, the environment it started with.
/// </summary>
static partial class Stragglers
{
    /// <summary>More than the kernel takes as a program's environment and arguments.</summary>
    const int LargestFile = 4 * 1024 * 1024;

    /// <summary>How long the kernel may take to end killed processes before we give up on them (one that hangs in a dead disk cannot be ended).</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <param name="marker">A text that occurs nowhere else, such as a UUID: part of the scratch directory's path and of the environment.</param>
    public static IReadOnlyList<int> Find(string marker)
    {
        var mark = Encoding.UTF8.GetBytes(marker);
        var buffer = ArrayPool<byte>.Shared.Rent(LargestFile);
        try
        {
            return Find(mark, buffer);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static List<int> Find(byte[] mark, byte[] buffer)
    {
        var ours = NamespaceOf("self", buffer);
        var known = new Dictionary<ulong, bool>();
        var found = new List<int>();
        foreach (var name in Directory.EnumerateDirectories("/proc").Select(directory => directory["/proc/".Length..]))
        {
            if (char.IsAsciiDigit(name[0]) && int.Parse(name, CultureInfo.InvariantCulture) is var process && process != System.Environment.ProcessId && IsMarked(name))
            {
                found.Add(process);
            }
        }

        return found;

        bool IsMarked(string process)
        {
            var mounts = NamespaceOf(process, buffer);
            if (mounts == 0)
            {
                return false; // gone, a zombie, or somebody else's
            }

            if (mounts != ours)
            {
                if (!known.TryGetValue(mounts, out var marked))
                {
                    known[mounts] = marked = Holds($"/proc/{process}/mountinfo", mark, buffer);
                }

                if (marked)
                {
                    return true;
                }
            }

            return Holds($"/proc/{process}/environ", mark, buffer);
        }
    }

    /// <summary>Waits until none is left; false when some are when <paramref name="grace"/> is over.</summary>
    public static async Task<bool> WaitAsync(string marker, TimeSpan grace, TimeProvider time)
    {
        var begun = time.GetTimestamp();
        while (Find(marker) is { Count: > 0 } left)
        {
            var remaining = grace - time.GetElapsedTime(begun);
            if (remaining <= TimeSpan.Zero)
            {
                return false;
            }

            try
            {
                await Task.WhenAll(left.Select(ExitWatch.Of)).WaitAsync(remaining, time);
            }
            catch (TimeoutException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Kills until none is left, those that were forked meanwhile too. False when the kernel does not let one go.</summary>
    public static async Task<bool> KillAsync(string marker)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (Find(marker) is { Count: > 0 } left)
        {
            foreach (var process in left)
            {
                PosixSignals.Send(process, PosixSignals.Kill);
            }

            var remaining = Patience - TimeProvider.System.GetElapsedTime(begun);
            try
            {
                await Task.WhenAll(left.Select(ExitWatch.Of)).WaitAsync(remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero);
            }
            catch (TimeoutException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The number in <c>mnt:[4026531840]</c>; 0 when it may not be read or is not there.</summary>
    static ulong NamespaceOf(string process, byte[] buffer)
    {
        var length = (int)ReadLinkNative($"/proc/{process}/ns/mnt", buffer, buffer.Length);
        return length > 6 && ulong.TryParse(buffer.AsSpan(5, length - 6), CultureInfo.InvariantCulture, out var number) ? number : 0;
    }

    // All of /proc is read at each stop: the framework's file classes take five times as long here, most of it for checks that these files need not.
    static bool Holds(string path, ReadOnlySpan<byte> text, byte[] buffer)
    {
        var file = OpenNative(path, 0x80000 /* O_CLOEXEC */);
        if (file < 0)
        {
            return false;
        }

        var held = 0;
        while (held < buffer.Length && (int)ReadNative(file, ref buffer[held], buffer.Length - held) is > 0 and var read)
        {
            held += read;
        }

        _ = CloseNative(file);
        return buffer.AsSpan(0, held).IndexOf(text) >= 0;
    }

    [LibraryImport("libc", EntryPoint = "readlink", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ReadLinkNative(string path, [Out] byte[] buffer, nint size);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenNative(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint ReadNative(int file, ref byte buffer, nint size);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseNative(int file);
}
