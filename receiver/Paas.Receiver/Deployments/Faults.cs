namespace Paas.Receiver.Deployments;

/// <summary>
/// Named fault points at every step: <c>PAAS_FAULT=kill:STEP:before|after</c> or <c>fail:STEP:before|after</c>, several separated by commas;
/// <c>PAAS_FAULT=@FILE</c> reads them from a file at every point, so that one receiver can meet many. On the way back the points are <c>undo</c>
/// and the name of each <see cref="Undo"/>. In builds that are installed the calls are not even compiled.
/// </summary>
static class Faults
{
#if FAULT_POINTS
    static readonly string Setting = System.Environment.GetEnvironmentVariable("PAAS_FAULT") ?? "";
#endif

    [System.Diagnostics.Conditional("FAULT_POINTS")]
    public static void At(string step, string moment)
    {
#if FAULT_POINTS
        var wanted = Wanted();
        if (wanted.Contains($"kill:{step}:{moment}"))
        {
            // SIGKILL, as the kernel or an operator would: nothing is flushed, no finally runs.
            Processes.PosixSignals.Send(System.Environment.ProcessId, Processes.PosixSignals.Kill);
            SpinWait.SpinUntil(() => false);
        }

        if (wanted.Contains($"fail:{step}:{moment}"))
        {
            throw new InjectedFaultException($"fault injected {moment} {step}");
        }
#else
        _ = (step, moment);
#endif
    }

#if FAULT_POINTS
    static string[] Wanted()
    {
        var wanted = Setting is not ['@', ..] ? Setting : File.Exists(Setting[1..]) ? File.ReadAllText(Setting[1..]) : "";
        return wanted.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
#endif
}

/// <summary>Thrown on purpose by a fault point; treated like any trouble of ours.</summary>
sealed class InjectedFaultException(string message) : Exception(message);
