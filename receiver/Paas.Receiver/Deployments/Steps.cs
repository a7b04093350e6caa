using System.Diagnostics;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Runs one deployment's steps: each is in the journal before it acts, together with the way back from what it will do, and after.
/// </summary>
/// <param name="begun">How many steps of this deployment are in the journal already.</param>
sealed class Steps(Journal journal, ReleaseId id, LogStream log, CancellationToken ct, int begun = 0)
{
    /// <summary>What is being done before the first step.</summary>
    public const string Nothing = "queue";

    readonly Lock gate = new();
    readonly List<(string Name, TimeSpan Took)> timings = [];
    int lastNumber = begun;
    int lastWayBack;
    int? unfinished;

    /// <summary>What is being done now; after a failure, what failed.</summary>
    public string Current { get; private set; } = Nothing;

    /// <summary>False while nothing has been touched: what is refused until then needs no way back.</summary>
    public bool HaveBegun => lastNumber > 0;

    /// <summary>The number of the step that is over but not yet recorded so; the journal's last write takes it along.</summary>
    public int? Unfinished => unfinished;

    /// <summary>Every step that ended, with its time, in the order of beginning.</summary>
    public IReadOnlyList<(string Name, TimeSpan Took)> Timings
    {
        get
        {
            lock (gate)
            {
                return [.. timings];
            }
        }
    }

    /// <summary>What is looked at between two steps, in case it is wrong: it is no step, since it does nothing.</summary>
    public void LookAt(string what) => Current = what;

    public Task RunAsync(string name, Func<Task> act, params IReadOnlyList<Undo> waysBack) =>
        RunAsync<object?>(name, async () => { await act(); return null; }, waysBack);

    public async Task<T> RunAsync<T>(string name, Func<Task<T>> act, params IReadOnlyList<Undo> waysBack)
    {
        if (!Step.Behind.Contains(name))
        {
            ct.ThrowIfCancellationRequested();
        }

        var number = Begin(name, waysBack);
        Current = name;
        var watch = Stopwatch.StartNew();
        Faults.At(name, "before", id.Value);
        var result = await Tracing.Traces.StepAsync(name, act);
        Faults.At(name, "after", id.Value);
        lock (gate)
        {
            timings.Add((name, watch.Elapsed));
            unfinished = number;
        }

        return result;
    }

    /// <summary>A step that goes on while the following ones run; awaiting the result is the caller's business, and its failure is the deployment's.</summary>
    public Task<T> Alongside<T>(string name, Func<Task<T>> act, params IReadOnlyList<Undo> waysBack)
    {
        var number = Begin(name, waysBack);
        return Task.Run(async () =>
        {
            var watch = Stopwatch.StartNew();
            Faults.At(name, "before", id.Value);
            var result = await Tracing.Traces.StepAsync(name, act);
            Faults.At(name, "after", id.Value);
            journal.FinishStep(id, number);
            lock (gate)
            {
                timings.Add((name, watch.Elapsed));
            }

            return result;
        });
    }

    /// <summary>The line under a result: what took how long.</summary>
    public void Report()
    {
        var told = Timings.Where(step => step.Took >= TimeSpan.FromMilliseconds(1)).Select(step => $"{step.Name} {Readable(step.Took)}").ToList();
        if (told.Count > 0)
        {
            log.Detail(string.Join(" · ", told));
        }
    }

    /// <summary><c>41 ms</c>, <c>1.2 s</c>, <c>3 min 20 s</c>.</summary>
    public static string Readable(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => $"{time.TotalMilliseconds:0} ms",
        { TotalMinutes: < 1 } => $"{time.TotalSeconds:0.0} s",
        _ => $"{(int)time.TotalMinutes} min {time.Seconds} s",
    };

    int Begin(string name, IReadOnlyList<Undo> waysBack)
    {
        lock (gate)
        {
            var number = ++lastNumber;
            journal.BeginStep(id, number, name, unfinished, [.. waysBack.Select(wayBack => (++lastWayBack, wayBack))]);
            unfinished = null;
            return number;
        }
    }
}
