using System.ComponentModel;
using Paas.Receiver.Notifications;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Wiring;

/// <summary>
/// Keeps what is outside in step with what is wanted, by the operator's hooks. Nothing waits for it: a hook that fails is told of, recorded and called again, also after a restart, and
/// changes no deployment. A hook may be called twice with the same words, and has to make no difference of it.
/// </summary>
sealed partial class Wirer(WireStore store, WiringOptions options, Func<WantedWires> wanted, Outbox outbox, TellingOptions telling, TimeProvider time, ILogger<Wirer> logger) : BackgroundService
{
    static readonly TimeSpan[] Pauses =
        [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10)];

    const int LongestTrouble = 500;

    /// <summary>One look: what is new is noted, and what is due is tried.</summary>
    public async Task StepAsync(CancellationToken ct)
    {
        var states = Reconcile(wanted());
        foreach (var state in states.Where(state => state.State != "there" && state.NextAt <= time.GetUtcNow() && options.HookOf(state.Wire.Kind) is not null)
            .OrderBy(state => state.State, StringComparer.Ordinal)) // adding before removing: a name that moves is never nowhere
        {
            ct.ThrowIfCancellationRequested();
            await TryAsync(state, ct);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options is { DnsHook: null, FirewallHook: null })
        {
            return;
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await StepAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // An exception that left a background service would stop the whole receiver.
                Log.Stuck(logger, e);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return; // what is left is in the database
            }

            await Task.Delay(options.Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    List<WireState> Reconcile(WantedWires now)
    {
        var states = store.List().ToDictionary(state => (state.Wire.Kind, state.Wire.Words));
        var changes = new List<WireState>();
        var keep = new HashSet<(string, string)>();
        foreach (var wire in now.Wires.Where(wire => options.HookOf(wire.Kind) is not null))
        {
            keep.Add((wire.Kind, wire.Words));
            if (!states.TryGetValue((wire.Kind, wire.Words), out var known) || known.State == "removing")
            {
                changes.Add(new WireState(wire, "adding", 0, time.GetUtcNow(), null));
            }
        }

        // Without its hook nothing of a kind is done, and nothing forgotten.
        changes.AddRange(states.Values.Where(state => !keep.Contains((state.Wire.Kind, state.Wire.Words)) && state.State != "removing" && options.HookOf(state.Wire.Kind) is not null
            && !now.Unsettled.Contains(state.Wire.Owner)).Select(state => state with { State = "removing", Tries = 0, NextAt = time.GetUtcNow(), Trouble = null }));
        store.Put(changes);
        foreach (var change in changes)
        {
            states[(change.Wire.Kind, change.Wire.Words)] = change;
        }

        return [.. states.Values];
    }

    async Task TryAsync(WireState state, CancellationToken ct)
    {
        var trouble = await CallAsync(state, ct);
        if (trouble is not null)
        {
            var pause = Pauses[Math.Min(state.Tries, Pauses.Length - 1)];
            store.Put([state with { Tries = state.Tries + 1, NextAt = time.GetUtcNow() + pause, Trouble = trouble }]);
            Log.Failed(logger, state.Wire.Kind, state.State, state.Wire.Words, trouble, pause);
            if (state.Tries == 0)
            {
                Tell(state, trouble);
            }
        }
        else if (state.State == "adding")
        {
            store.Put([state with { State = "there", Tries = 0, Trouble = null }]);
        }
        else
        {
            store.Forget(state.Wire);
        }
    }

    /// <summary>Null when it worked, else in a line why not.</summary>
    async Task<string?> CallAsync(WireState state, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(options.Patience);
        var command = new Command(options.HookOf(state.Wire.Kind)!, [state.State == "adding" ? "add" : "remove", .. state.Wire.Words.Split(' ')]) { OwnGroup = true }.With(options.Variables);
        try
        {
            var result = await command.RunAsync(limit.Token);
            return result.ExitCode == 0 ? null : $"exit code {result.ExitCode}{LastLine(result.Error)}";
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return $"it did not end within {options.Patience.TotalSeconds:0} seconds";
        }
        catch (Win32Exception e)
        {
            return $"it cannot be started: {e.Message}";
        }
    }

    static string LastLine(string error) =>
        error.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is [.., var last] ? ": " + Logs.LogStream.Harmless(last.Length > LongestTrouble ? last[..LongestTrouble] : last) : "";

    void Tell(WireState state, string trouble)
    {
        var what = $"{state.Wire.Kind} {(state.State == "adding" ? "add" : "remove")} {state.Wire.Words}";
        outbox.Put(
            new Notice
            {
                Id = $"wire-{Guid.NewGuid():N}",
                Event = "wiring",
                Subject = $"the {state.Wire.Kind} hook failed",
                Text = $"{what}\n{trouble}\n\nNo deployment waits for it. It is tried again; corpus wiring shows how it stands.\n",
                Facts = new Dictionary<string, string?> { ["kind"] = state.Wire.Kind, ["action"] = state.State == "adding" ? "add" : "remove", ["words"] = state.Wire.Words, ["failure"] = trouble, ["project"] = state.Wire.Owner.Length > 0 ? state.Wire.Owner : null },
            },
            telling.Operators);
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "The {kind} hook failed {action} {words}: {why}; it is called again in {pause}")]
        public static partial void Failed(ILogger logger, string kind, string action, string words, string why, TimeSpan pause);

        [LoggerMessage(Level = LogLevel.Error, Message = "What is outside could not be compared with what is wanted")]
        public static partial void Stuck(ILogger logger, Exception exception);
    }
}
