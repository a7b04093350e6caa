using System.Runtime.InteropServices;
using System.Text;

namespace Paas.Receiver.Storage;

/// <summary>Makes one file, directory, link or pipe look like another: owner and group, extended attributes (POSIX ACLs are some), mode with setuid, time of change to the nanosecond.</summary>
/// <remarks>
/// What the receiver may not set (another's owner when it is not root, <c>security.*</c>, <c>trusted.*</c>) or the file system does not have
/// is left out and noted. The order matters: a change of owner clears setuid and capabilities, and a read-only mode would forbid attributes.
/// </remarks>
static unsafe class Metadata
{
    const long Omit = 0x3FFFFFFE; // UTIME_OMIT: the time of last access is nobody's data

    public static void Copy(Inode of, int from, int to, string shown, Action<string> note)
    {
        if (Kernel.ChangeOwner(to, of.Owner, of.Group) != 0)
        {
            OwnerRefused(of, Inode.Of(to), shown, note);
        }

        CopyAttributes(new Open(from), new Open(to), shown, note);
        if (Kernel.ChangeMode(to, of.Permissions) != 0)
        {
            throw Kernel.Failed("set the mode of", shown);
        }

        var times = stackalloc Kernel.Time[] { new Kernel.Time { Nanoseconds = Omit }, Kernel.Time.Of(of.ModifiedNs) };
        if (Kernel.SetTimes(to, times) != 0)
        {
            throw Kernel.Failed("set the time of", shown);
        }
    }

    /// <summary>The same for what cannot be opened: symbolic links and pipes.</summary>
    public static void Copy(Inode of, DirectoryHandle from, ReadOnlySpan<byte> name, DirectoryHandle to, ReadOnlySpan<byte> newName, Action<string> note)
    {
        var shown = to.Show(newName);
        fixed (byte* t = newName)
        {
            if (Kernel.ChangeOwnerAt(to.Descriptor, t, of.Owner, of.Group, 0x100 /* AT_SYMLINK_NOFOLLOW */) != 0)
            {
                OwnerRefused(of, to.Stat(newName)!.Value, shown, note);
            }

            CopyAttributes(new Named(PathOf(from, name)), new Named(PathOf(to, newName)), shown, note);
            if (!of.IsSymbolicLink && Kernel.ChangeModeAt(to.Descriptor, t, of.Permissions, 0) != 0)
            {
                throw Kernel.Failed("set the mode of", shown);
            }

            var times = stackalloc Kernel.Time[] { new Kernel.Time { Nanoseconds = Omit }, Kernel.Time.Of(of.ModifiedNs) };
            if (Kernel.SetTimesAt(to.Descriptor, t, times, 0x100) != 0)
            {
                throw Kernel.Failed("set the time of", shown);
            }
        }
    }

    static void OwnerRefused(Inode of, Inode has, string shown, Action<string> note)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error is not (Kernel.NotPermitted or Kernel.Invalid))
        {
            throw Kernel.Failed("set the owner of", shown, error);
        }

        if ((of.Owner, of.Group) != (has.Owner, has.Group))
        {
            note($"{shown}: owner {of.Owner}:{of.Group} could not be kept");
        }
    }

    // The kernel has no call for attributes of a name in an open directory; its own view of the descriptor is one.
    static byte[] PathOf(DirectoryHandle directory, ReadOnlySpan<byte> name) => [.. Encoding.ASCII.GetBytes($"/proc/self/fd/{directory.Descriptor}/"), .. name];

    static void CopyAttributes<T>(T from, T to, string shown, Action<string> note)
        where T : IBearer
    {
        var wanted = List(from, shown);
        var present = List(to, shown);
        foreach (var name in wanted)
        {
            if (!MaySet(name))
            {
                continue;
            }

            var value = Value(from, name, shown);
            var error = value is null ? Kernel.NoData : to.Set(name, value);
            switch (error)
            {
                case 0 or Kernel.NoData:
                    break;
                case Kernel.NotSupported or Kernel.NotPermitted:
                    note($"{shown}: attribute {Kernel.Show(name)} could not be kept");
                    break;
                default:
                    throw Kernel.Failed($"set the attribute {Kernel.Show(name)} of", shown, error);
            }
        }

        foreach (var name in present)
        {
            if (MaySet(name) && !name.AsSpan().StartsWith("security."u8) && !wanted.Exists(w => w.AsSpan().SequenceEqual(name)))
            {
                _ = to.Remove(name); // inherited from the directory above (a default ACL), not the original's
            }
        }
    }

    static bool MaySet(ReadOnlySpan<byte> name) => Kernel.IsRoot || !(name.StartsWith("security."u8) || name.StartsWith("trusted."u8));

    static List<byte[]> List<T>(T bearer, string shown)
        where T : IBearer
    {
        var size = bearer.List(null, 0);
        while (size > 0)
        {
            var buffer = new byte[size];
            var length = bearer.List(buffer, buffer.Length);
            if (length >= 0)
            {
                var names = new List<byte[]>();
                var rest = buffer.AsSpan(0, (int)length);
                while (!rest.IsEmpty)
                {
                    var end = rest.IndexOf((byte)0) + 1;
                    names.Add(rest[..end].ToArray());
                    rest = rest[end..];
                }

                return names;
            }

            size = Marshal.GetLastPInvokeError() == Kernel.OutOfRange ? bearer.List(null, 0) : -1;
        }

        var error = size == 0 ? 0 : Marshal.GetLastPInvokeError();
        return error is 0 or Kernel.NotSupported or Kernel.NotPermitted ? [] : throw Kernel.Failed("list the attributes of", shown, error);
    }

    static byte[]? Value<T>(T bearer, byte[] name, string shown)
        where T : IBearer
    {
        while (true)
        {
            var size = bearer.Get(name, null, 0);
            var value = size > 0 ? new byte[size] : [];
            var length = size > 0 ? bearer.Get(name, value, value.Length) : size;
            if (length >= 0)
            {
                return value[..(int)length];
            }

            var error = Marshal.GetLastPInvokeError();
            if (error != Kernel.OutOfRange)
            {
                return error is Kernel.NoData or Kernel.NotSupported ? null : throw Kernel.Failed($"read the attribute {Kernel.Show(name)} of", shown, error);
            }
        }
    }

    interface IBearer
    {
        long List(byte[]? into, int size);

        long Get(byte[] name, byte[]? into, int size);

        int Set(byte[] name, byte[] value);

        int Remove(byte[] name);
    }

    readonly struct Open(int descriptor) : IBearer
    {
        public long List(byte[]? into, int size)
        {
            fixed (byte* i = into)
            {
                return Kernel.ListAttributes(descriptor, i, (nuint)size);
            }
        }

        public long Get(byte[] name, byte[]? into, int size)
        {
            fixed (byte* n = name, i = into)
            {
                return Kernel.GetAttribute(descriptor, n, i, (nuint)size);
            }
        }

        public int Set(byte[] name, byte[] value)
        {
            fixed (byte* n = name, v = value)
            {
                return Kernel.SetAttribute(descriptor, n, v, (nuint)value.Length, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
            }
        }

        public int Remove(byte[] name)
        {
            fixed (byte* n = name)
            {
                return Kernel.RemoveAttribute(descriptor, n);
            }
        }
    }

    readonly struct Named(byte[] path) : IBearer
    {
        public long List(byte[]? into, int size)
        {
            fixed (byte* p = path, i = into)
            {
                return Kernel.ListAttributesOf(p, i, (nuint)size);
            }
        }

        public long Get(byte[] name, byte[]? into, int size)
        {
            fixed (byte* p = path, n = name, i = into)
            {
                return Kernel.GetAttributeOf(p, n, i, (nuint)size);
            }
        }

        public int Set(byte[] name, byte[] value)
        {
            fixed (byte* p = path, n = name, v = value)
            {
                return Kernel.SetAttributeOf(p, n, v, (nuint)value.Length, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
            }
        }

        public int Remove(byte[] name) => Kernel.NotSupported; // new links and pipes inherit nothing that could be removed
    }
}
