namespace Paas.Receiver.Deployments;

/// <summary>
/// Named fault points at every step: <c>PAAS_FAULT=kill:STEP:before|after</c> or <c>fail:STEP:before|after</c>, several separated by commas;
/// <c>PAAS_FAULT=@FILE</c> reads them from a file at every point, so that one receiver can meet many. On the way back the points are <c>undo</c>
/// and the name of each <see cref="Undo"/>. In builds that are installed the calls are not even compiled.
/// </summary>
/// <remarks>
/// For deployments side by side, each point for one of them: <c>hold:…</c> keeps the first that comes there, and when every such point has somebody the receiver is killed
/// with all of them where they are; <c>once:…</c> fails the first that comes there. None has two of either. Who had which is written to <c>FILE.taken</c>, a line
/// <c>POINT DEPLOYMENT</c> each.
/// </remarks>
static class Faults
{
#if FAULT_POINTS
    static readonly string Setting = System.Environment.GetEnvironmentVariable("PAAS_FAULT") ?? "";
    static readonly Lock Gate = new();
    static readonly Dictionary<string, string> Taken = [];
    static readonly Task Never = new TaskCompletionSource().Task;
#endif

    /// <param name="deployment">Its id; what is none meets only <c>kill:…</c> and <c>fail:…</c>.</param>
    [System.Diagnostics.Conditional("FAULT_POINTS")]
    public static void At(string step, string moment, string deployment = "")
    {
#if FAULT_POINTS
        var (wanted, point) = (Wanted(), $"{step}:{moment}");
        if (wanted.Contains($"kill:{point}"))
        {
            End();
        }

        if (wanted.Contains($"fail:{point}") || Takes($"once:{point}", wanted, deployment))
        {
            throw new InjectedFaultException($"fault injected {moment} {step}");
        }

        if (Takes($"hold:{point}", wanted, deployment) || IsHeld(wanted, deployment))
        {
            if (AllAreHeld(wanted))
            {
                End();
            }

#pragma warning disable VSTHRD002 // It is meant to stand still for good; as a task, so that the pool knows that this thread is none to count on.
            Never.Wait();
#pragma warning restore VSTHRD002
        }
#else
        _ = (step, moment, deployment);
#endif
    }

#if FAULT_POINTS
    /// <summary>SIGKILL, as the kernel or an operator would: nothing is flushed, no finally runs.</summary>
    static void End()
    {
        Processes.PosixSignals.Send(System.Environment.ProcessId, Processes.PosixSignals.Kill);
        SpinWait.SpinUntil(() => false);
    }

    static bool Takes(string fault, string[] wanted, string deployment)
    {
        if (deployment.Length == 0 || !wanted.Contains(fault))
        {
            return false;
        }

        lock (Gate)
        {
            // Those of a former list, which is not wanted any more, count no longer.
            foreach (var former in Taken.Keys.Except(wanted).ToList())
            {
                Taken.Remove(former);
            }

            if (Taken.ContainsKey(fault) || Taken.ContainsValue(deployment))
            {
                return false;
            }

            Taken[fault] = deployment;
            File.AppendAllText(Setting[1..] + ".taken", $"{fault} {deployment}\n");
            return true;
        }
    }

    /// <summary>What else it does alongside stands still too, as it would when the receiver had been killed at once.</summary>
    static bool IsHeld(string[] wanted, string deployment)
    {
        lock (Gate)
        {
            return Taken.Any(taken => taken.Value == deployment && taken.Key.StartsWith("hold:", StringComparison.Ordinal) && wanted.Contains(taken.Key));
        }
    }

    static bool AllAreHeld(string[] wanted)
    {
        lock (Gate)
        {
            return wanted.Where(fault => fault.StartsWith("hold:", StringComparison.Ordinal)).All(Taken.ContainsKey);
        }
    }

    static string[] Wanted()
    {
        var wanted = Setting is not ['@', ..] ? Setting : File.Exists(Setting[1..]) ? File.ReadAllText(Setting[1..]) : "";
        return wanted.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
#endif
}

/// <summary>Thrown on purpose by a fault point; treated like any trouble of ours.</summary>
sealed class InjectedFaultException(string message) : Exception(message);
