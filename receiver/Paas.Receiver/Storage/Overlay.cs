using System.Runtime.InteropServices;

namespace Paas.Receiver.Storage;

/// <summary>What overlayfs writes into an upper layer to say that something below is hidden.</summary>
static partial class Overlay
{
    /// <summary>True when this upper directory hides everything the lower one of its name holds.</summary>
    public static bool IsOpaque(string directory)
    {
        Span<byte> value = stackalloc byte[4];
        return (Read(directory, "trusted.overlay.opaque", value) == 1 && value[0] == (byte)'y')
            || (Read(directory, "user.overlay.opaque", value) == 1 && value[0] == (byte)'y');
    }

    static unsafe nint Read(string path, string name, Span<byte> value)
    {
        fixed (byte* place = value)
        {
            return GetXattrNative(path, name, place, value.Length);
        }
    }

    [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial nint GetXattrNative(string path, string name, byte* value, nint size);
}
