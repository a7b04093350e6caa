using Paas.Receiver.Storage;

namespace Paas.Receiver;

/// <summary>The directory a receiver lives in, held exclusively for as long as it runs, with its journal open.</summary>
sealed class StateRoot : IDisposable
{
    readonly Lease lease;

    StateRoot(Lease lease, Database database)
    {
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
            ? new StateRoot(lease, Database.OpenOrCreate(Path.Combine(options.State, "receiver.db")))
            : null;
    }

    public void Dispose()
    {
        Database.Dispose();
        lease.Dispose();
    }
}
