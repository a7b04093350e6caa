using System.Diagnostics;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Runtimes;

public sealed class RunOnceTests
{
    static readonly TimeSpan Plenty = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_release_command_sees_the_release_and_the_data_and_tells_its_code()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));

        var code = await yard.NewFleet().RunOnceAsync(launch, "release", "pwd; ls; echo to stderr >&2; echo $PAAS_RELEASE ${PORT-no port}; : >written; echo kept >$PAAS_DATA_DIR/kept; exit 17", log, Plenty, default);

        Assert.Equal(17, code);
        var lines = await LinesAsync(log);
        Assert.Contains("       app.py", lines);
        Assert.Contains("       to stderr", lines);
        Assert.Contains("       v3 no port", lines);
        Assert.True(yard.Cage.Kind == CageKind.Plain || lines[0] == "       " + launch.Project.Run, lines[0]);
        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(launch.Project.Data, "kept")));
        Assert.False(File.Exists(Path.Combine(launch.Directory, "written")));
        Assert.Empty(Directory.GetDirectories(yard.Settings.Instances));
    }

    [Fact]
    public async Task What_takes_too_long_is_ended_with_all_it_started()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));

        var watch = Stopwatch.StartNew();
        var code = await yard.NewFleet().RunOnceAsync(launch, "release", "trap '' TERM; setsid -f sleep 1000; echo begun; while :; do sleep 1000; done", log, TimeSpan.FromSeconds(1), default);

        Assert.Equal(Fleet.TimedOut, code);
        Assert.True(watch.Elapsed < Plenty, $"{watch.Elapsed}");
        Assert.Equal(["       begun", " !     release took longer than 1 s and was ended"], await LinesAsync(log));
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
    }

    [Fact]
    public async Task What_is_cancelled_is_ended_with_all_it_started()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));
        using var cancel = new CancellationTokenSource();

        var running = yard.NewFleet().RunOnceAsync(launch, "release", "echo begun; setsid -f sleep 1000; sleep 1000", log, Plenty, cancel.Token);
        await foreach (var _ in log.FollowAsync(0, default))
        {
            await cancel.CancelAsync();
            break;
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
        Assert.Empty(Directory.GetDirectories(yard.Settings.Instances));
    }

    [Fact]
    public async Task A_daemon_it_leaves_behind_keeps_nobody_waiting()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));

        var code = await yard.NewFleet().RunOnceAsync(launch, "release", "setsid -f sleep 1000; exit 0", log, Plenty, default);

        Assert.Equal(0, code);
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
    }

    [Fact]
    public async Task A_line_without_end_comes_in_pieces()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));

        var code = await yard.NewFleet().RunOnceAsync(launch, "release", ["/usr/bin/head", "-c", "1000000", "/dev/zero"], log, Plenty, default);

        Assert.Equal(0, code);
        Assert.Equal((1_000_000 + LineReader.Longest - 1) / LineReader.Longest, (await LinesAsync(log)).Count);
    }

    [Fact]
    public async Task What_ran_when_the_receiver_died_is_ended_when_it_is_back()
    {
        await using var yard = await Yard.NewAsync();
        var launch = yard.NewLaunchOf([]);
        using var log = LogStream.Open(Path.Combine(yard.Place, "log"));

        var forgotten = yard.NewFleet().RunOnceAsync(launch, "release", "echo begun; exec sleep 1000", log, TimeSpan.FromMinutes(5), default);
        await foreach (var _ in log.FollowAsync(0, default))
        {
            break;
        }

        await yard.NewFleet().AdoptAsync([]);

        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
        Assert.Equal(128 + 9, await forgotten);
    }

    static async Task<List<string>> LinesAsync(LogStream log)
    {
        log.Close();
        return (await File.ReadAllLinesAsync(log.Path)).ToList();
    }
}
