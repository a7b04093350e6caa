using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Corpus;
using Paas.Receiver.Api;
using Paas.Receiver.Containers;
using Paas.Receiver.Deployments;
using Paas.Receiver.Hosts;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Diagnostics;

public sealed class DoctorTests : IAsyncLifetime
{
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task A_receiver_that_is_well_is_told_so_and_every_area_was_looked_at()
    {
        stage.Release(stage.Hello, new string('a', 40));

        var findings = await ExamineAsync(new Examination());

        Assert.DoesNotContain(findings, finding => finding.Severity >= Severity.Warning && finding.Area is not ("disk" or "clock"));
        Assert.Equal(
            ["clock", "containers", "database", "disk", "files", "groups", "journal", "kernel", "permissions", "programs", "trees"],
            findings.Select(finding => finding.Area).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_nobody_knows_is_moved_aside_and_what_is_known_stays()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        var orphans = new[] { stage.Hello.Deploy, stage.Hello.Releases, stage.Hello.Archives }
            .Select(place => Directory.CreateDirectory(Path.Combine(place, ReleaseId.New(TimeProvider.System).Value)).FullName).ToList();
        orphans.ForEach(orphan => File.WriteAllText(Path.Combine(orphan, "kept"), "whole"));

        var seen = await ExamineAsync(new Examination());
        Assert.Equal(3, Of(seen, "files").Count(finding => finding.Severity == Severity.Warning));
        Assert.All(orphans, orphan => Assert.True(Directory.Exists(orphan)));

        var mended = await ExamineAsync(new Examination(Fix: true));
        Assert.Equal(3, Of(mended, "files").Count(finding => finding.Severity == Severity.Mended));
        Assert.All(orphans, orphan => Assert.False(Directory.Exists(orphan)));
        Assert.True(Directory.Exists(release.Directory));
        Assert.Equal(3, Directory.GetFiles(Path.Combine(stage.Root, "state", "orphans", "local", "hello"), "kept", SearchOption.AllDirectories).Length);

        Assert.Equal(Severity.Fine, Assert.Single(Of(await ExamineAsync(new Examination(Fix: true)), "files")).Severity);
    }

    [Fact]
    public async Task A_project_that_is_being_deployed_is_left_alone()
    {
        var draft = Directory.CreateDirectory(Path.Combine(stage.Hello.Deploy, ReleaseId.New(TimeProvider.System).Value)).FullName;
        var end = new TaskCompletionSource<Outcome>();
        var deployment = stage.Deploy(stage.Hello, _ => end.Task);

        var findings = await ExamineAsync(new Examination(Fix: true));

        Assert.Equal(Severity.Fine, Assert.Single(Of(findings, "files")).Severity);
        Assert.True(Directory.Exists(draft));
        end.SetResult(Outcome.RolledBack);
        await deployment.Finished;
    }

    [Fact]
    public async Task Lost_releases_and_directories_of_nobody_are_named_and_never_touched()
    {
        var release = stage.Release(stage.Hello, new string('a', 40));
        Directory.Delete(release.Directory, recursive: true);
        var foreign = Directory.CreateDirectory(Path.Combine(stage.Root, "projects", "somebodys")).FullName;

        var findings = await ExamineAsync(new Examination(Fix: true));

        Assert.Contains(findings, finding => finding is { Severity: Severity.Problem, Area: "files" } && finding.Message.Contains("has lost its directory", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding is { Severity: Severity.Problem, Area: "files" } && finding.Message.Contains("current leads to", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding is { Severity: Severity.Warning } && finding.Message.StartsWith(foreign, StringComparison.Ordinal));
        Assert.True(Directory.Exists(foreign));
    }

    [Fact]
    public async Task A_key_that_others_may_read_is_closed_again()
    {
        var key = Path.Combine(stage.Root, "state", "release-key.pem");
        await File.WriteAllTextAsync(key, "a key");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

        var seen = Of(await ExamineAsync(new Examination()), "permissions");
        Assert.Contains(seen, finding => finding.Severity == Severity.Problem && finding.Message.Contains("0644", StringComparison.Ordinal));
        var mended = Of(await ExamineAsync(new Examination(Fix: true)), "permissions");

        Assert.Contains(mended, finding => finding.Severity == Severity.Mended && finding.Message.StartsWith(key, StringComparison.Ordinal));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
    }

    [Fact]
    public async Task A_clock_that_was_put_back_and_a_repository_without_its_objects_are_problems()
    {
        await stage.ConfigureAsync(stage.Hello, "env: {A: b}");
        var objects = Path.Combine(stage.Hello.PillarRepository, "objects");
        Assert.Contains(await ExamineAsync(new Examination(Repositories: true)), finding => finding is { Area: "repositories", Severity: Severity.Fine });
        foreach (var file in Directory.GetFiles(objects, "*", SearchOption.AllDirectories).Where(file => !file.Contains("/info/", StringComparison.Ordinal)))
        {
            File.Delete(file);
        }

        await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.RolledBack)).Finished;
        stage.The<Database>().Write("UPDATE deployments SET asked_at = '2999-01-01T00:00:00.0000000+00:00'");

        var findings = await ExamineAsync(new Examination(Repositories: true));

        Assert.Contains(findings, finding => finding is { Area: "repositories", Severity: Severity.Problem });
        Assert.Contains(findings, finding => finding is { Area: "clock", Severity: Severity.Problem } && finding.Message.Contains("put back", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding is { Area: "database", Severity: Severity.Fine });
    }

    [Fact]
    public async Task Doors_that_are_closed_or_somebody_elses_and_certificates_that_end_are_named()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var open = (IPEndPoint)silent.LocalEndpoint;
        using var wrong = new TcpListener(IPAddress.Loopback, 0);
        wrong.Start();
        var says = (IPEndPoint)wrong.LocalEndpoint;
        var answering = Task.Run(async () =>
        {
            using var client = await wrong.AcceptTcpClientAsync();
            await client.GetStream().WriteAsync("HTTP/1.1 400\r\n"u8.ToArray());
        });
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var gone = (IPEndPoint)closed.LocalEndpoint;
        closed.Stop();
        var now = DateTimeOffset.UtcNow;
        var settings = new DoctorSettings
        {
            Root = stage.Root,
            State = Path.Combine(stage.Root, "state"),
            Doors = [("open", open, null), ("ssh", says, "SSH-"), ("closed", gone, null)],
            Certificates = () => [("a.example.org", now.AddDays(-1)), ("b.example.org", now.AddDays(3)), ("c.example.org", now.AddDays(60))],
        };
        var checks = ActivatorUtilities.CreateInstance<ServiceChecks>(stage.The<IServiceProvider>(), settings);

        var ports = await checks.PortsAsync(default).ToListAsync();
        await answering;

        Assert.Equal([Severity.Fine, Severity.Problem, Severity.Problem], ports.Select(finding => finding.Severity));
        Assert.Equal([Severity.Problem, Severity.Warning, Severity.Fine], (await checks.CertificatesAsync().ToListAsync()).Select(finding => finding.Severity));
    }

    [Fact]
    public async Task Corpus_says_what_wants_doing_and_its_exit_code_does_too()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var surroundings = new Surroundings
        {
            Out = output,
            Error = output,
            Variable = name => name switch { "PAAS_URL" => stage.Url.ToString(), "PAAS_TOKEN" => stage.Admin, _ => null },
            Directory = stage.Root,
            Home = stage.Root,
        };
        Directory.CreateDirectory(Path.Combine(stage.Hello.Archives, "left by hand"));

        var before = await CommandLine.RunAsync(["doctor"], surroundings);
        Assert.Equal(1, before);
        Assert.Contains("left by hand belongs to nothing", output.ToString(), StringComparison.Ordinal);
        output.GetStringBuilder().Clear();

        await CommandLine.RunAsync(["doctor", "--fix", "--json"], surroundings);
        using (var json = System.Text.Json.JsonDocument.Parse(output.ToString()))
        {
            Assert.Contains(json.RootElement.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("severity").GetString() == "mended");
        }

        Assert.Equal(2, await CommandLine.RunAsync(["doctor", "hello", "--fix"], surroundings));
    }

    [Fact]
    public async Task A_host_that_is_gone_and_a_clock_that_is_not_a_hosts_are_named()
    {
        var links = stage.The<HostLinks>();
        links.Put(new LinkedHost("itself", stage.Url, stage.Admin, DateTimeOffset.UnixEpoch, "test"));
        Assert.Equal(Severity.Fine, Assert.Single(Of(await ExamineAsync(new Examination()), "hosts")).Severity);

        foreach (var (minutes, where) in ((int, string)[])[(1, "60 s ahead of"), (-1, "behind that of itself")])
        {
            var off = await ActivatorUtilities.CreateInstance<HostChecks>(stage.The<IServiceProvider>(), new Shifted(TimeSpan.FromMinutes(minutes))).LookAsync(default).ToListAsync();
            Assert.Contains(where, Assert.Single(off, finding => finding is { Area: "clock", Severity: Severity.Warning }).Message.Replace("61 s", "60 s", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        links.Put(new LinkedHost("gone", new Uri("http://127.0.0.1:1/"), stage.Admin, DateTimeOffset.UnixEpoch, "test"));
        var gone = Assert.Single(Of(await ExamineAsync(new Examination()), "hosts"), finding => finding.Severity == Severity.Warning);
        Assert.Contains("gone (127.0.0.1:1) cannot be reached", gone.Message, StringComparison.Ordinal);
        Assert.Contains("corpus unlink_host gone", gone.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_from_the_future_tells_of_a_clock_that_was_put_back()
    {
        var file = Path.Combine(stage.Root, "state", "sticky.key");
        await File.WriteAllTextAsync(file, "");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(1));

        Assert.Contains(Of(await ExamineAsync(new Examination()), "clock"), finding => finding.Severity == Severity.Warning && finding.Message.StartsWith(file, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Images_of_projects_that_are_gone_are_removed_and_no_others()
    {
        var removed = new List<string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var docker = builder.Build();
        docker.MapGet("/version", () => Results.Text("""{"ApiVersion":"1.41","MinAPIVersion":"1.12"}""", "application/json"));
        docker.MapGet("/{version}/images/json", () => Results.Text(
            """
            [{"Id":"sha256:a","RepoTags":["local/hello:1"],"Labels":{"paas.project":"local/hello"}},
             {"Id":"sha256:b","RepoTags":["local/gone:1","local/gone:2"],"Labels":{"paas.project":"local/gone"}},
             {"Id":"sha256:c","RepoTags":null,"Labels":null}]
            """, "application/json"));
        docker.MapDelete("/{version}/images/{**name}", (string name) =>
        {
            removed.Add(Uri.UnescapeDataString(name));
            return Results.Text("[]", "application/json");
        });
        await docker.StartAsync();
        using var engine = new Engine(new EngineAddress(null, new Uri(docker.Urls.Single()).Port));
        var checks = ActivatorUtilities.CreateInstance<LeftoverChecks>(stage.The<IServiceProvider>(), engine);

        var seen = Assert.Single(await checks.ImagesAsync(new Examination(), default).ToListAsync());
        Assert.Equal(Severity.Warning, seen.Severity);
        Assert.Contains("image local/gone:1, local/gone:2 belongs to no project", seen.Message, StringComparison.Ordinal);
        Assert.Empty(removed);
        Assert.Equal(Severity.Mended, Assert.Single(await checks.ImagesAsync(new Examination(Fix: true), default).ToListAsync()).Severity);
        Assert.Equal(["local/gone:1", "local/gone:2"], removed);
    }

    [Fact]
    public async Task Control_groups_of_what_has_ended_are_removed_and_young_ones_left()
    {
        var state = Path.Combine(stage.Root, "state");
        if (ControlGroups.Find(state, out _) is not { } groups)
        {
            return; // no control group may be written to here
        }

        var made = groups.Make("of-the-doctor", CageLimits.None).Select(file => Path.GetDirectoryName(file)!).ToList();
        var later = ActivatorUtilities.CreateInstance<LeftoverChecks>(stage.The<IServiceProvider>(), new Shifted(TimeSpan.FromHours(1)));

        Assert.Equal(Severity.Fine, Assert.Single(Of(await ExamineAsync(new Examination(Fix: true)), "groups")).Severity);
        Assert.All(made, group => Assert.True(Directory.Exists(group)));
        Assert.Equal(Severity.Warning, Assert.Single(await later.GroupsAsync(new Examination()).ToListAsync()).Severity);
        Assert.Equal(Severity.Mended, Assert.Single(await later.GroupsAsync(new Examination(Fix: true)).ToListAsync()).Severity);
        Assert.All(made, group => Assert.False(Directory.Exists(group)));
    }

    [Fact]
    public async Task A_registry_that_does_not_answer_is_a_problem_and_one_that_nobody_uses_is_not_asked()
    {
        Assert.Empty(await stage.The<ServiceChecks>().BackgroundAsync(default).ToListAsync());
        await using var away = new RegistryServer(Path.Combine(stage.Root, "state"), new Uri("http://127.0.0.1:1/"), TimeProvider.System, NullLogger<RegistryServer>.Instance);
        var checks = ActivatorUtilities.CreateInstance<ServiceChecks>(stage.The<IServiceProvider>(), away);

        var finding = Assert.Single(await checks.BackgroundAsync(default).ToListAsync());

        Assert.Equal(("registry", Severity.Problem), (finding.Area, finding.Severity));
    }

    Task<IReadOnlyList<Diagnosis>> ExamineAsync(Examination examination) => stage.The<Doctor>().ExamineAsync(examination, default);

    static IEnumerable<Diagnosis> Of(IEnumerable<Diagnosis> findings, string area) => findings.Where(finding => finding.Area == area);

    /// <summary>A clock that is off.</summary>
    sealed class Shifted(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
