namespace Paas.Receiver.Stage;

/// <summary>A build that waits until the story lets it go on: how a deployment is held in its middle for as long as a story needs.</summary>
sealed class Gate(ReceiverProcess receiver, string project)
{
    readonly string cache = Path.Combine(receiver.Project(project), "build", "cache");

    /// <summary>The build hook. It says its number when it has begun, and ends with the code it is given.</summary>
    public static Task InstallAsync(GitClient git) => git.WriteHookAsync(
        "build",
        """
        n=$(cat NUMBER)
        echo "building $n"
        : >"$PAAS_CACHE_DIR/begun-$n"
        until [ -s "$PAAS_CACHE_DIR/code-$n" ]; do sleep 0.01; done
        exit "$(cat "$PAAS_CACHE_DIR/code-$n")"
        """);

    /// <summary>Returns when the build of this number waits.</summary>
    public Task BegunAsync(int number) => Patience.UntilAsync(() => File.Exists(Path.Combine(cache, $"begun-{number}")), $"build {number} begins");

    /// <summary>Lets a build go on, also one that has not begun.</summary>
    public async Task OpenAsync(int number, int code = 0)
    {
        Directory.CreateDirectory(cache);
        await File.WriteAllTextAsync(Path.Combine(cache, $"code-{number}.new"), $"{code}\n");
        File.Move(Path.Combine(cache, $"code-{number}.new"), Path.Combine(cache, $"code-{number}"));
    }
}

/// <summary>For what nobody tells us of: looked at again and again, in milliseconds, with a limit.</summary>
static class Patience
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task UntilAsync(Func<bool> met, string what) => UntilAsync(() => Task.FromResult(met()), what);

    public static async Task UntilAsync(Func<Task<bool>> met, string what)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!await met())
        {
            if (clock.Elapsed > Limit)
            {
                throw new TimeoutException($"Waited {Limit.TotalSeconds} seconds in vain: {what}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }
    }
}
