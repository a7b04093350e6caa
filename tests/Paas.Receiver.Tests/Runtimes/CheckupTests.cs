using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Runtimes;

/// <summary>Instances that are asked how they are: when they start, and from then on.</summary>
public sealed class CheckupTests
{
    // Answers with the status that stands in data/status; 'none' is silence.
    const string App = """
        import os, http.server
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status = open(os.environ['PAAS_DATA_DIR'] + '/status').read().strip()
                if status == 'none':
                    import time; time.sleep(1000)
                self.send_response(int(status) if self.path == '/up?deep=1' else 404)
                self.end_headers()
                self.wfile.write(os.environ['PAAS_INSTANCE'].encode())
            def log_message(self, *args):
                print(self.path, args[2], self.headers['User-Agent'], flush=True)
        http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
        """;

    static readonly HealthCheck Soon = new("/up?deep=1") { Interval = TimeSpan.FromMilliseconds(50), Patience = TimeSpan.FromSeconds(5), Failures = 2 };

    [Fact]
    public async Task One_that_listens_is_not_healthy_before_it_answers_as_it_should()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = Launch(yard, "503", Soon);
        await fleet.StartAsync(launch, default);
        var verdict = fleet.HealthyAsync(launch.Project, launch.Release, default);

        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, null, 1).Any(), "the first question");
        Assert.False(verdict.IsCompleted);
        Assert.Empty(fleet.Backends(launch.Project, launch.Release, "web"));
        Say(launch, "204");

        Assert.Equal(Verdict.Healthy, await verdict);
        Assert.Contains(fleet.LastLines(launch.Project, launch.Release, null, 10), line => line == "/up?deep=1 503 paas-health");
    }

    [Fact]
    public async Task One_that_never_answers_as_it_should_is_told_of_with_what_it_said()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = Launch(yard, "503", Soon) with { StartTimeout = TimeSpan.FromSeconds(2) };
        await fleet.StartAsync(launch, default);

        var verdict = await fleet.HealthyAsync(launch.Project, launch.Release, default);

        Assert.Equal((Health.Unwell, "web.1 was not well within 2 s: GET /up?deep=1 answered 503"), (verdict.Health, verdict.Reason));
        Assert.NotEmpty(verdict.LastLines);
    }

    [Theory]
    [InlineData("500")]
    [InlineData("none")]
    public async Task One_that_stops_answering_is_replaced_by_a_brand_new_one(string status)
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = Launch(yard, "200", Soon with { Patience = TimeSpan.FromMilliseconds(300) }) with { StopTimeout = TimeSpan.FromSeconds(1) };
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var first = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;

        Say(launch, status);
        await Yard.UntilAsync(() => fleet.Status(launch.Project, launch.Release)[0].Id is var id && id.Length > 0 && id != first, "another instance");
        Say(launch, "200");
        await Yard.UntilAsync(() => fleet.Backends(launch.Project, launch.Release, "web") is [{ } backend] && backend.Instance != first, "it is healthy");

        Assert.Empty(Stragglers.Find(first));
    }

    [Fact]
    public async Task One_bad_answer_among_good_ones_changes_nothing()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = Launch(yard, "200", Soon with { Failures = 1000 });
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(launch.Project, launch.Release, default));
        var first = fleet.Backends(launch.Project, launch.Release, "web")[0].Instance;

        Say(launch, "500");
        await Yard.UntilAsync(() => fleet.LastLines(launch.Project, launch.Release, null, 5).Any(line => line.Contains(" 500 ", StringComparison.Ordinal)), "a bad answer");
        Say(launch, "200");

        Assert.Equal(first, fleet.Backends(launch.Project, launch.Release, "web")[0].Instance);
    }

    [Fact]
    public async Task A_command_is_asked_in_the_instances_own_surroundings_of_a_worker_too()
    {
        await using var yard = await Yard.NewAsync();
        var fleet = yard.NewFleet();
        var launch = yard.NewLaunchOf([new("worker", "exec sleep 1000", 1, Web: false)]) with
        {
            Health = new HealthCheck { Command = "test \"$PAAS_PROJECT${PORT-}\" = shop && test -e $PAAS_DATA_DIR/well", Interval = TimeSpan.FromMilliseconds(50), Failures = 1 },
        };
        await fleet.StartAsync(launch, default);
        var verdict = fleet.HealthyAsync(launch.Project, launch.Release, default);
        await Yard.UntilAsync(() => fleet.Status(launch.Project, launch.Release)[0].Id.Length > 0, "an instance");
        File.WriteAllText(Path.Combine(launch.Project.Data, "well"), "");

        Assert.Equal(Verdict.Healthy, await verdict);
        var first = fleet.Status(launch.Project, launch.Release)[0].Id;
        File.Delete(Path.Combine(launch.Project.Data, "well"));
        await Yard.UntilAsync(() => fleet.Status(launch.Project, launch.Release)[0].Id is { Length: > 0 } id && id != first, "another one");
        await fleet.StopAsync(launch.Project, launch.Release);
        Assert.Empty(Stragglers.Find(Path.GetFileName(yard.Place)));
    }

    static Launch Launch(Yard yard, string status, HealthCheck check)
    {
        var launch = yard.NewLaunchOf([new("web", $"{Yard.Python} answer.py", 1, Web: true)]) with { Health = check };
        File.WriteAllText(Path.Combine(launch.Directory, "answer.py"), App);
        Say(launch, status);
        return launch;
    }

    static void Say(Launch launch, string status)
    {
        var file = Path.Combine(launch.Project.Data, "status");
        File.WriteAllText(file + ".new", status);
        File.Move(file + ".new", file, overwrite: true);
    }
}
