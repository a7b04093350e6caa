using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>A directory at a second place (mount(2) with MS_BIND), in the receiver's own mount namespace. It lasts as long as the machine is up.</summary>
static partial class BindMount
{
    const nuint Bind = 0x1000;
    const int Detach = 2;

    /// <summary>Shows <paramref name="directory"/> at <paramref name="place"/>, an empty directory. Null when it does; else what the kernel said.</summary>
    public static string? TryMake(string directory, string place) =>
        MountNative(directory, place, null, Bind, nint.Zero) == 0 ? null : new Win32Exception(Marshal.GetLastPInvokeError()).Message;

    /// <summary>Whoever is still in it stays there; the place is free at once. What is not mounted is no error.</summary>
    public static void Remove(string place) => _ = UnmountNative(place, Detach);

    /// <summary>True when the two names lead to one directory.</summary>
    public static bool IsThere(string directory, string place) =>
        Inode.Of(directory) is { IsDirectory: true } one && Inode.Of(place) is { IsDirectory: true } other && one.Device == other.Device && one.Number == other.Number;

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountNative(string source, string target, string? type, nuint flags, nint data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnmountNative(string target, int flags);
}
