namespace Paas.Receiver.Storage;

/// <summary>An exclusive hold on a name, across processes, gone with its holder (the kernel lets go of it, so it is never stale).</summary>
sealed class Lease : IDisposable
{
    readonly FileStream file;

    Lease(FileStream file) => this.file = file;

    /// <summary>Null when somebody else holds it.</summary>
    public static Lease? TryTake(string path)
    {
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Linux.
            return new Lease(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            return null;
        }
    }

    public void Dispose() => file.Dispose();
}
