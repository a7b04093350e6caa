using System.Net;

namespace Paas.Receiver.Runtimes;

/// <summary>An instance whose process is its own and whose port a shared daemon serves (RT-07). Its end is the process's end; the site goes before it (RT-08).</summary>
sealed class SharedInstance(Instance process, NginxDaemon daemon, TimeProvider time) : IInstance
{
    public string Id => process.Id;

    public int? Port => process.Port;

    public string Log => process.Log;

    public int Process => process.Process;

    public Task Gone => process.Gone;

    public bool RanOutOfMemory => process.RanOutOfMemory;

    public bool CouldNotListen => false; // the daemon says so when the site is added

    public bool Report(string given, int code) => process.Report(given, code);

    public Task<IPEndPoint> AnsweredAtAsync(CancellationToken ct) => Listening.AnswersAsync(Port!.Value, time, ct);

    public bool Answers(IPEndPoint at) => daemon.Listens(at.Port);

    public string? ListensElsewhere() => null;

    public Task<int?> CodeAsync() => process.CodeAsync();

    /// <summary>Nothing new comes in any more; the daemon answers what it has taken, and the process what the daemon asks it.</summary>
    public async Task<bool> EndPolitelyAsync(TimeSpan timeout)
    {
        await daemon.RemoveAsync(Id);
        return await process.EndPolitelyAsync(timeout);
    }

    public async Task<bool> KillAsync()
    {
        await daemon.RemoveAsync(Id);
        return await process.KillAsync();
    }

    public async Task ClearAwayAsync()
    {
        await daemon.RemoveAsync(Id);
        await process.ClearAwayAsync();
    }
}
