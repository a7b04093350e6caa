using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>What lstat says of a name: never follows a link. Times are nanoseconds since 1970.</summary>
readonly partial record struct Inode(
    ulong Device, ulong Number, uint RawMode, uint Links, uint Owner, uint Group, long Size, long Blocks, long ModifiedNs, long ChangedNs)
{
    const int NoEntry = 2;
    const int NotADirectory = 20;

    public bool IsDirectory => (RawMode & 0xF000) == 0x4000;

    public bool IsFile => (RawMode & 0xF000) == 0x8000;

    public bool IsSymbolicLink => (RawMode & 0xF000) == 0xA000;

    public bool IsCharacterDevice => (RawMode & 0xF000) == 0x2000;

    /// <summary>Permission bits with setuid, setgid and sticky: 0..07777.</summary>
    public uint Permissions => RawMode & 0xFFF;

    public bool IsPipe => (RawMode & 0xF000) == 0x1000;

    /// <summary>Something else is mounted here; a rename cannot cross it, even where the device is the same (bind mounts).</summary>
    public bool IsMountPoint { get; private init; }

    /// <summary>Null when nothing has that name.</summary>
    public static Inode? Of(string path)
    {
        if (StatxNative(-100, path, 0x100 /* AT_SYMLINK_NOFOLLOW */, 0x7FF, out var s) == 0)
        {
            return From(s);
        }

        var error = Marshal.GetLastPInvokeError();
        return error is NoEntry or NotADirectory ? null : throw new IOException($"stat {path}: {new Win32Exception(error).Message}", error);
    }

    /// <summary>Of a name (ending in NUL) in an open directory. False when nothing has that name; any other trouble is <paramref name="error"/>.</summary>
    internal static unsafe bool TryAt(int directory, byte* name, out Inode inode, out int error)
    {
        error = 0;
        if (StatxNative(directory, name, 0x100 /* AT_SYMLINK_NOFOLLOW */, 0x7FF, out var s) == 0)
        {
            inode = From(s);
            return true;
        }

        inode = default;
        var failed = Marshal.GetLastPInvokeError();
        error = failed is NoEntry or NotADirectory ? 0 : failed;
        return false;
    }

    /// <summary>Of what is open.</summary>
    internal static unsafe Inode Of(int descriptor)
    {
        byte empty = 0;
        return StatxNative(descriptor, &empty, 0x1000 /* AT_EMPTY_PATH */, 0x7FF, out var s) == 0
            ? From(s) : throw new IOException($"stat: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}", Marshal.GetLastPInvokeError());
    }

    static Inode From(in StatxResult s) => new(
        ((ulong)s.DeviceMajor << 32) | s.DeviceMinor, s.Number, s.Mode, s.Links, s.Owner, s.Group, (long)s.Size, (long)s.Blocks,
        (s.ModifiedSeconds * 1_000_000_000) + s.ModifiedNanoseconds, (s.ChangedSeconds * 1_000_000_000) + s.ChangedNanoseconds)
    {
        IsMountPoint = (s.Attributes & 0x2000) != 0,
    };

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatxNative(int directory, string path, int flags, uint mask, out StatxResult result);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static unsafe partial int StatxNative(int directory, byte* path, int flags, uint mask, out StatxResult result);

    [StructLayout(LayoutKind.Explicit, Size = 256)]
    struct StatxResult
    {
        [FieldOffset(8)] public ulong Attributes;
        [FieldOffset(16)] public uint Links;
        [FieldOffset(20)] public uint Owner;
        [FieldOffset(24)] public uint Group;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Number;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(48)] public ulong Blocks;
        [FieldOffset(96)] public long ChangedSeconds;
        [FieldOffset(104)] public uint ChangedNanoseconds;
        [FieldOffset(112)] public long ModifiedSeconds;
        [FieldOffset(120)] public uint ModifiedNanoseconds;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
    }
}
