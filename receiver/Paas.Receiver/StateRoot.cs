using Paas.Receiver.Storage;

namespace Paas.Receiver;

/// <summary>The directory a receiver lives in, held exclusively for as long as it runs, with its journal open.</summary>
sealed class StateRoot : IDisposable
{
    readonly Lease lease;
    readonly string state;

    StateRoot(Lease lease, Database database, string state)
    {
        this.state = state;
        this.lease = lease;
        Database = database;
    }

    public Database Database { get; }

    /// <summary>Null when another receiver holds the root.</summary>
    public static StateRoot? Open(ReceiverOptions options)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(options.Root);
        Directory.CreateDirectory(options.State, Private);
        return Lease.TryTake(Path.Combine(options.State, "lock")) is { } lease
            ? new StateRoot(lease, Database.OpenOrCreate(Path.Combine(options.State, "receiver.db")), options.State)
            : null;
    }

    /// <summary>What instances are recognised by in visitors' cookies, the same in every run.</summary>
    public byte[] StickyKey()
    {
        const int Size = 32;
        var file = Path.Combine(state, "sticky.key");
        if (File.Exists(file) && File.ReadAllBytes(file) is { Length: Size } known)
        {
            return known;
        }

        var key = System.Security.Cryptography.RandomNumberGenerator.GetBytes(Size);
        AtomicFile.Write(file, key);
        return key;
    }

    public void Dispose()
    {
        Database.Dispose();
        lease.Dispose();
    }
}
