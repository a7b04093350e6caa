using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>See <see cref="Fleet.Prepare"/>.</summary>
sealed class PreparedRun(Command command, Func<Task> clearAway) : IAsyncDisposable
{
    /// <summary>Program, arguments, directory and complete environment. Good for one start, in a process group of whoever starts it.</summary>
    public Command Command => command;

    public async ValueTask DisposeAsync() => await clearAway();
}
