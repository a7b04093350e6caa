using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Crons;

public sealed class WebCronsTests
{
    // Says what it was asked, and by whom.
    const string App = """
        import os, http.server, time
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.startswith('/slow'):
                    time.sleep(1000)
                self.send_response(500 if self.path.startswith('/bad') else 200)
                self.end_headers()
                self.wfile.write(('%s %s %s' % (self.path, self.headers.get('Authorization'), os.environ['PAAS_RELEASE'])).encode())
                if self.path.startswith('/much'):
                    self.wfile.write(b'x' * 5000000)
            def log_message(self, *args):
                pass
        http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
        """;

    const string Manifest = """
        manifest: {format: 1}
        application: {name: shop}
        instances:
          - name: web
            runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "python app.py"}}
            crons:
              - {runspec: '*/2 * * * *', uri: '/task?token=x%20y&n=1', username: u, password: p}
              - {runspec: '4 * * * *', uri: /bad}
              - {runspec: '4 * * * *', uri: /much}
              - {runspec: '5 * * * *', uri: /slow}
        """;

    [Fact]
    public async Task What_is_due_is_asked_of_the_live_release_and_how_it_went_is_kept()
    {
        if (!Yard.CanRun())
        {
            return;
        }

        await using var yard = await Yard.NewAsync();
        using var database = Database.OpenOrCreate(Path.Combine(yard.State, "crons.db"));
        var projects = ProjectStore.Open(database, yard.Environment, TimeProvider.System);
        var project = projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var releases = new ReleaseStore(database, TimeProvider.System);
        var fleet = yard.NewFleet();
        var release = Seal(releases, project);
        releases.Promote(release, release.Id);
        var runs = new CronRuns(database, yard.State);
        using var crons = new WebCrons(projects, releases, fleet, runs, CronSettings.Default with { Longest = TimeSpan.FromSeconds(1) }, TimeProvider.System, NullLogger<WebCrons>.Instance);

        // Nothing runs yet: that is a failure too, and told.
        crons.Begin(At("2026-03-04T10:02:00Z"), default);
        await crons.DoneAsync();
        Assert.Equal("no instance of web runs", Assert.Single(runs.Of(project)).Failure);

        var launch = yard.NewLaunch("", project) with { Release = release.Id, Number = release.Number, Directory = release.Directory, Types = [new("web", $"{Yard.Python} app.py", 1, Web: true)] };
        await fleet.StartAsync(launch, default);
        Assert.Equal(Verdict.Healthy, await fleet.HealthyAsync(project, release.Id, default));
        crons.Begin(At("2026-03-04T10:03:00Z"), default);
        await crons.DoneAsync();
        Assert.Single(runs.Of(project));

        crons.Begin(At("2026-03-04T10:04:00Z"), default);
        await crons.DoneAsync();
        var three = runs.Of(project).Take(3).ToDictionary(run => run.Uri);
        Assert.Equal((200, null), (three["/task"].Status, three["/task"].Failure));
        Assert.Equal("/task?token=x%20y&n=1 Basic dTpw v1", File.ReadAllText(three["/task"].Log));
        Assert.Equal((500, "answered 500"), (three["/bad"].Status, three["/bad"].Failure));
        Assert.StartsWith("/bad None", File.ReadAllText(three["/bad"].Log));
        Assert.Equal(1024 * 1024, new FileInfo(three["/much"].Log).Length);

        crons.Begin(At("2026-03-04T10:05:00Z"), default);
        await crons.DoneAsync();
        Assert.Equal((null, "no answer within 1 s"), (runs.Of(project)[0].Status, runs.Of(project)[0].Failure));

        // Another release is live now, and it declares nothing.
        var next = Seal(releases, project, "web: exec sleep 1000\n");
        releases.Promote(next, next.Id);
        crons.Begin(At("2026-03-04T10:06:00Z"), default);
        await crons.DoneAsync();
        Assert.Equal(5, runs.Of(project).Count);
    }

    [Fact]
    public async Task Commands_of_an_app_json_run_when_they_are_due_and_how_they_ended_is_kept()
    {
        await using var yard = await Yard.NewAsync();
        using var database = Database.OpenOrCreate(Path.Combine(yard.State, "crons.db"));
        var projects = ProjectStore.Open(database, yard.Environment, TimeProvider.System);
        var project = projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var releases = new ReleaseStore(database, TimeProvider.System);
        var fleet = yard.NewFleet();
        var release = Seal(releases, project, "web: exec sleep 1000\n", """
            {"cron": [
              {"schedule": "*/2 * * * *", "command": "echo $PAAS_RELEASE; pwd >&2; exit 3"},
              {"schedule": "@hourly", "command": "head -c 3000000 /dev/zero"},
              {"schedule": "5 * * * *", "command": "sleep 1000"}
            ]}
            """);
        releases.Promote(release, release.Id);
        var runs = new CronRuns(database, yard.State);
        var launch = yard.NewLaunch("", project) with { Release = release.Id, Number = release.Number, Directory = release.Directory };
        using var crons = new WebCrons(
            projects, releases, fleet, runs,
            CronSettings.Default with { LongestCommand = TimeSpan.FromSeconds(1), Run = (_, _, line, tell, limit, ct) => fleet.RunOnceAsync(launch, ["/bin/sh", "-c", line], tell, limit, ct) },
            TimeProvider.System, NullLogger<WebCrons>.Instance);

        crons.Begin(At("2026-03-04T10:02:00Z"), default);
        await crons.DoneAsync();
        var run = Assert.Single(runs.Of(project));
        Assert.Equal(("(command)", "echo $PAAS_RELEASE; pwd >&2; exit 3", 3, "ended with exit code 3"), (run.Type, run.Uri, run.Status, run.Failure));
        Assert.Equal(new[] { "v1", project.Run }.Order(), File.ReadAllLines(run.Log).Order());

        crons.Begin(At("2026-03-04T11:00:00Z"), default);
        await crons.DoneAsync();
        run = runs.Of(project).Single(one => one.Uri.StartsWith("head", StringComparison.Ordinal));
        Assert.Equal((0, null, 1024 * 1024), (run.Status, run.Failure, new FileInfo(run.Log).Length));

        crons.Begin(At("2026-03-04T10:05:00Z"), default);
        await crons.DoneAsync();
        Assert.Equal("not done within 1 s", runs.Of(project)[0].Failure);
    }

    [Fact]
    public async Task Only_the_newest_runs_are_kept_with_what_was_answered()
    {
        await using var yard = await Yard.NewAsync();
        using var database = Database.OpenOrCreate(Path.Combine(yard.State, "crons.db"));
        var runs = new CronRuns(database, yard.State);
        string? first = null;
        for (var n = 0; n < CronRuns.Kept + 3; n++)
        {
            var log = runs.NewLog(yard.Project, At("2026-03-04T10:02:00Z"));
            first ??= log;
            File.WriteAllText(log, $"{n}");
            runs.Add(yard.Project, new CronRun("r", "web", $"/{n}", At("2026-03-04T10:02:00Z"), 1.5, 200, null, log));
        }

        Assert.Equal(CronRuns.Kept, runs.Of(yard.Project).Count);
        Assert.Equal($"/{CronRuns.Kept + 2}", runs.Of(yard.Project)[0].Uri);
        Assert.False(File.Exists(first));
        Assert.Equal(CronRuns.Kept, Directory.GetFiles(Path.GetDirectoryName(first)!).Length);
    }

    static Release Seal(ReleaseStore releases, Project project, string? procfile = null, string? appJson = null)
    {
        var draft = new Draft(project, ReleaseId.New(TimeProvider.System), new string('a', 40));
        Directory.CreateDirectory(draft.Directory);
        File.WriteAllText(Path.Combine(draft.Directory, procfile is null ? "manifest.yml" : "Procfile"), procfile ?? Manifest);
        File.WriteAllText(Path.Combine(draft.Directory, "app.py"), App);
        if (appJson is not null)
        {
            File.WriteAllText(Path.Combine(draft.Directory, "app.json"), appJson);
        }

        return releases.Seal(draft, null, Mode.Cooking);
    }

    static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
