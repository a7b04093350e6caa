using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Paas.Receiver.Storage;

/// <summary>Puts a file, a link or a directory in its place whole or not at all, by rename(2).</summary>
static partial class AtomicFile
{
    const int CurrentDirectory = -100;
    const uint Exchange = 2;

    /// <summary>Replaces a file's content durably: temporary file beside it (0600), flush, rename, flush of the directory.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            Rename(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    public static void Write(string path, string content) => Write(path, Encoding.UTF8.GetBytes(content));

    /// <summary>Makes <paramref name="link"/> a symbolic link to <paramref name="target"/>; whoever looks sees the old link or the new one.</summary>
    public static void Link(string link, string target)
    {
        // Delete-then-create would leave a moment without the link, and File.Move cannot replace a link to a directory.
        var temporary = $"{link}.{Guid.NewGuid():N}.tmp";
        File.CreateSymbolicLink(temporary, target);
        Rename(temporary, link);
        FlushDirectory(Path.GetDirectoryName(link)!);
    }

    /// <summary>rename(2): atomic, replaces a file or link that is in the way, never a directory that holds something.</summary>
    public static void Rename(string from, string to)
    {
        if (RenameNative(from, to) != 0)
        {
            throw Failed("rename", from, to);
        }
    }

    /// <summary>Swaps two names in one step (renameat2 with RENAME_EXCHANGE).</summary>
    public static void Swap(string one, string other)
    {
        if (RenameAt2Native(CurrentDirectory, one, CurrentDirectory, other, Exchange) != 0)
        {
            throw Failed("exchange", one, other);
        }
    }

    /// <summary>Why nothing can be written there, in the kernel's words; null when something can. Nothing is touched to learn it.</summary>
    public static string? WhyNotWritable(string path) =>
        AccessNative(path, 2 /* W_OK */) == 0 ? null : Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    /// <summary>Makes the names in a directory durable.</summary>
    public static void FlushDirectory(string path)
    {
        var descriptor = OpenNative(path, 0x10000 /* O_DIRECTORY */, 0);
        if (descriptor < 0)
        {
            throw Failed("open", path, path);
        }

        _ = FsyncNative(descriptor);
        _ = CloseNative(descriptor);
    }

    static IOException Failed(string what, string from, string to)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{what} {from} → {to}: {new Win32Exception(error).Message}", error);
    }

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameNative(string from, string to);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2Native(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AccessNative(string path, int mode);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenNative(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FsyncNative(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseNative(int descriptor);
}
