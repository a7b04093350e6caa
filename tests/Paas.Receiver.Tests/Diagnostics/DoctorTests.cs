using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Paas.Corpus;
using Paas.Receiver.Api;
using Paas.Receiver.Deployments;
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
            ["clock", "containers", "database", "disk", "files", "journal", "kernel", "permissions", "programs", "trees"],
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

    Task<IReadOnlyList<Diagnosis>> ExamineAsync(Examination examination) => stage.The<Doctor>().ExamineAsync(examination, default);

    static IEnumerable<Diagnosis> Of(IEnumerable<Diagnosis> findings, string area) => findings.Where(finding => finding.Area == area);
}
