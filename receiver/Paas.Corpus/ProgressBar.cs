namespace Paas.Corpus;

/// <summary>
/// On a terminal, a last line that shows how far long work is, below the lines of its log as they come: against what the same took the last time, where that is known. It is gone when
/// the work is over. Where the output is no terminal there are the lines and nothing else.
/// </summary>
sealed class ProgressBar : IAsyncDisposable
{
    const int Cells = 24;
    const string Clear = "\r\e[K";

    static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(200);

    readonly Surroundings surroundings;
    readonly Lock drawing = new();
    readonly CancellationTokenSource stop = new();
    readonly long began;
    readonly Task beating;
    TimeSpan? expected;

    ProgressBar(Surroundings surroundings)
    {
        this.surroundings = surroundings;
        began = surroundings.Time.GetTimestamp();
        beating = BeatAsync();
    }

    /// <summary>Null where the output is no terminal.</summary>
    public static ProgressBar? On(Surroundings surroundings) => surroundings is { IsTerminal: true, Json: false } ? new ProgressBar(surroundings) : null;

    /// <summary>What it took the last time.</summary>
    public void Expect(TimeSpan time) => expected = time;

    /// <summary>One line above the bar.</summary>
    public void WriteLine(string line)
    {
        lock (drawing)
        {
            surroundings.Out.Write(Clear);
            surroundings.Out.WriteLine(line);
            Draw();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await beating;
        stop.Dispose();
        lock (drawing)
        {
            surroundings.Out.Write(Clear);
            surroundings.Out.Flush();
        }
    }

    /// <summary>As much of the bar as the time that has passed is of the time expected, never all of it.</summary>
    public static string Of(TimeSpan passed, TimeSpan? expected)
    {
        if (expected is not { TotalMilliseconds: > 0 } whole)
        {
            var at = (int)(passed / Beat) % Cells;
            return $"[{new string(' ', at)}={new string(' ', Cells - at - 1)}] {passed.TotalSeconds:0} s";
        }

        var full = (int)Math.Min(Cells - 1, passed / whole * Cells);
        return $"[{new string('=', full)}>{new string(' ', Cells - full - 1)}] {passed.TotalSeconds:0} s of about {Math.Max(1, whole.TotalSeconds):0} s";
    }

    async Task BeatAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            lock (drawing)
            {
                Draw();
            }

            await Task.Delay(Beat, surroundings.Time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    void Draw()
    {
        surroundings.Out.Write(Clear + Of(surroundings.Time.GetElapsedTime(began), expected));
        surroundings.Out.Flush();
    }
}
