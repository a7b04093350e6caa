using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Paas.Receiver.Processes;

/// <summary>A command that is running: its three streams, its end, and a stop that is polite first.</summary>
sealed class ChildProcess : IAsyncDisposable
{
    readonly Process process;
    readonly bool ownGroup;

    ChildProcess(Process process, bool ownGroup)
    {
        this.process = process;
        this.ownGroup = ownGroup;
        Id = process.Id;
    }

    public int Id { get; }

    public Stream Input => process.StandardInput.BaseStream;

    public Stream Output => process.StandardOutput.BaseStream;

    public Stream Error => process.StandardError.BaseStream;

    public static ChildProcess Start(Command command)
    {
        var started = new Process { StartInfo = command.StartInfo() };
        started.Start();
        return new ChildProcess(started, command.OwnGroup);
    }

    /// <summary>The exit code; a death by signal N is 128+N.</summary>
    public async Task<int> WaitAsync(CancellationToken ct = default)
    {
        await process.WaitForExitAsync(ct);
        return process.ExitCode;
    }

    /// <summary>Sends a signal to the child, or to its whole group where it leads one. A child that is gone is no error.</summary>
    public void Signal(int signal)
    {
        if (!process.HasExited)
        {
            PosixSignals.Send(ownGroup ? -Id : Id, signal);
        }
    }

    /// <summary>Terminate; after <paramref name="grace"/>, kill. Returns once the child is gone.</summary>
    public async Task<int> StopAsync(TimeSpan grace)
    {
        Signal(PosixSignals.Terminate);
        try
        {
            return await WaitAsync().WaitAsync(grace);
        }
        catch (TimeoutException)
        {
            Signal(PosixSignals.Kill);
            return await WaitAsync();
        }
    }

    /// <summary>Everything one of the outputs says, decoded as UTF-8, until it is closed.</summary>
    public async Task<string> ReadAllAsync(Stream output)
    {
        using var reader = new StreamReader(output);
        return await reader.ReadToEndAsync();
    }

    public ValueTask DisposeAsync()
    {
        process.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>kill(2): <see cref="Process"/> knows only SIGKILL, and only for one process.</summary>
static partial class PosixSignals
{
    public const int Kill = 9;
    public const int Terminate = 15;

    /// <summary>Sends a signal to a process, or with a negative id to a process group. False when nothing was there to receive it.</summary>
    public static bool Send(int processOrGroup, int signal) => KillNative(processOrGroup, signal) == 0;

    /// <summary>True while a process with this id exists.</summary>
    public static bool IsAlive(int process) => KillNative(process, 0) == 0;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int KillNative(int pid, int signal);
}
