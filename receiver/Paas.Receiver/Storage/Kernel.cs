using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Paas.Receiver.Storage;

/// <summary>The file calls .NET does not have, one thin line each. Everything above them is <see cref="DirectoryHandle"/> and <see cref="FileHandle"/>.</summary>
/// <remarks>Names are bytes ending in NUL: a Linux name need not be UTF-8, and a .NET string would lose those that are not.</remarks>
static unsafe partial class Kernel
{
    public const int NotPermitted = 1;
    public const int NoEntry = 2;
    public const int Interrupted = 4;
    public const int NoAccess = 13;
    public const int Exists = 17;
    public const int OtherDevice = 18;
    public const int NotADirectory = 20;
    public const int IsADirectory = 21;
    public const int Invalid = 22;
    public const int NotATerminal = 25;
    public const int NoSpace = 28;
    public const int TooManyLinks = 31;
    public const int OutOfRange = 34;
    public const int NotImplemented = 38;
    public const int NotEmpty = 39;
    public const int TooManySymbolicLinks = 40;
    public const int NoData = 61;
    public const int NoSuchDevice = 6;
    public const int NotSupported = 95;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int Truncate = 0x200;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    // The two flags whose value is the processor's: x86 and arm have them the other way round.
    public static readonly int NoFollow = IsArm ? 0x8000 : 0x20000;
    public static readonly int OnlyDirectory = IsArm ? 0x4000 : 0x10000;

    static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <summary>The last call's error as an exception that names what was being done to what.</summary>
    public static IOException Failed(string what, string name) => Failed(what, name, Marshal.GetLastPInvokeError());

    public static IOException Failed(string what, string name, int error) => new($"{what} {name}: {new Win32Exception(error).Message}", error);

    /// <summary>A name as people may read it: whatever is not UTF-8 or could move a cursor is replaced.</summary>
    public static string Show(ReadOnlySpan<byte> name)
    {
        var text = Encoding.UTF8.GetString(name.TrimEnd((byte)0));
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c)) : text;
    }

    /// <summary>The bytes of a name with the NUL that ends it.</summary>
    public static byte[] Name(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    /// <summary>Now, by the clock files are stamped with: nanoseconds since 1970, in the kernel's ticks.</summary>
    public static long FileClock()
    {
        Time time;
        _ = ClockNative(5 /* CLOCK_REALTIME_COARSE */, &time);
        return (time.Seconds * 1_000_000_000) + time.Nanoseconds;
    }

    public static bool IsRoot { get; } = EffectiveUserNative() == 0;

    /// <summary>Throws when a name does not end in NUL: it would be read beyond its end.</summary>
    public static void Check(ReadOnlySpan<byte> name)
    {
        if (name.Length == 0 || name[^1] != 0)
        {
            throw new ArgumentException("The name does not end in NUL.", nameof(name));
        }
    }

    public struct Time
    {
        public long Seconds;
        public long Nanoseconds;

        public static Time Of(long nanoseconds)
        {
            var (seconds, rest) = Math.DivRem(nanoseconds, 1_000_000_000);
            return rest < 0 ? new Time { Seconds = seconds - 1, Nanoseconds = rest + 1_000_000_000 } : new Time { Seconds = seconds, Nanoseconds = rest };
        }
    }

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int directory, byte* name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    public static partial nint ReadDirectory(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    public static partial int MakeDirectoryAt(int directory, byte* name, uint mode);

    [LibraryImport("libc", EntryPoint = "mknodat", SetLastError = true)]
    public static partial int MakeNodeAt(int directory, byte* name, uint mode, ulong device);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(int directory, byte* name, int flags);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    public static partial int LinkAt(int directory, byte* name, int toDirectory, byte* to, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    public static partial int RenameAt(int directory, byte* name, int toDirectory, byte* to);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    public static partial int SymbolicLinkAt(byte* target, int directory, byte* name);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(int directory, byte* name, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static partial int SetTimesAt(int directory, byte* name, Time* accessedAndModified, int flags);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int ChangeOwnerAt(int directory, byte* name, uint owner, uint group, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int ChangeMode(int descriptor, uint mode);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    public static partial int ChangeModeAt(int directory, byte* name, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int ChangeOwner(int descriptor, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    public static partial int SetTimes(int descriptor, Time* accessedAndModified);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int descriptor, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int SetLength(int descriptor, long length);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    public static partial int FlushFileSystem(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    public static partial int StartFlush(int descriptor, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    public static partial nint CopyRange(int from, long* fromOffset, int to, long* toOffset, nuint count, uint flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(int descriptor, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FileControl(int descriptor, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "flistxattr", SetLastError = true)]
    public static partial nint ListAttributes(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "fgetxattr", SetLastError = true)]
    public static partial nint GetAttribute(int descriptor, byte* name, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "fsetxattr", SetLastError = true)]
    public static partial int SetAttribute(int descriptor, byte* name, byte* value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "fremovexattr", SetLastError = true)]
    public static partial int RemoveAttribute(int descriptor, byte* name);

    [LibraryImport("libc", EntryPoint = "llistxattr", SetLastError = true)]
    public static partial nint ListAttributesOf(byte* path, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true)]
    public static partial nint GetAttributeOf(byte* path, byte* name, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "lsetxattr", SetLastError = true)]
    public static partial int SetAttributeOf(byte* path, byte* name, byte* value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockNative(int clock, Time* time);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUserNative();
}
