namespace Paas.Receiver.Processes;

/// <summary>Runs one caged command to its end. Nothing it started is left when this returns, however it returns.</summary>
static class CagedRun
{
    /// <summary>What <c>timeout</c> answers too: the limit was reached.</summary>
    public const int TookTooLong = 124;

    /// <summary>The exit code, 128+N for a signal, <see cref="TookTooLong"/> at the limit. Both outputs go to <paramref name="tell"/> line by line.</summary>
    /// <param name="marker">What tells the command's processes from all others (see <see cref="Stragglers"/>).</param>
    public static Task<int> ToEndAsync(string marker, Command command, Action<string> tell, TimeSpan longest, CancellationToken ct) =>
        ToEndAsync(marker, command, child => Task.WhenAll(TellAsync(child.Output, tell), TellAsync(child.Error, tell)), longest, ct);

    /// <summary>The same with its bytes as they come.</summary>
    /// <param name="read">Reads both outputs to their end.</param>
    public static async Task<int> ToEndAsync(string marker, Command command, Func<ChildProcess, Task> read, TimeSpan longest, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        over.CancelAfter(longest);
        await using var child = command.Start();
        child.Input.Close();
        var reading = read(child);
        try
        {
            return await child.WaitAsync(over.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return TookTooLong;
        }
        finally
        {
            // Whatever it left behind holds the pipes open: it goes first, then the readers come to their end.
            child.Signal(PosixSignals.Kill);
            await Stragglers.KillAsync(marker);
            await reading;
        }
    }

    static async Task TellAsync(Stream output, Action<string> tell)
    {
        await foreach (var line in LineReader.ReadAsync(output))
        {
            tell(line);
        }
    }
}
