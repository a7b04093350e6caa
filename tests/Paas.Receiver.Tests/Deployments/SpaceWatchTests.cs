using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Api;
using Paas.Receiver.Diagnostics;
using Paas.Receiver.Notifications;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Deployments;

public sealed class SpaceWatchTests : IAsyncLifetime
{
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task What_an_application_writes_beyond_its_quota_is_told_to_the_operators_and_said_by_the_doctor()
    {
        var space = new Space(stage.The<Database>(), stage.The<ProjectStore>(), stage.The<ReleaseStore>(), stage.The<DeploymentLogs>(), stage.The<ImageStore.RegistryServer>(), TimeProvider.System, 5, gigabyte: 1_000_000);
        var announcing = new Announcing(
            stage.The<Launches>(), stage.The<ReleaseStore>(), stage.The<Journal>(), stage.The<Visitors>(), stage.The<Fleet>(), stage.The<Outbox>(),
            new TellingOptions { Operators = [new Recipient("webhook", "https://example.org/")] }, TimeProvider.System, NullLogger<Announcing>.Instance);
        using var watch = new SpaceWatch(space, stage.The<ProjectStore>(), announcing, TimeProvider.System, NullLogger<SpaceWatch>.Instance);
        await watch.LookAsync(default);
        Assert.Empty(Told());

        Directory.CreateDirectory(stage.Hello.Data);
        await File.WriteAllBytesAsync(Path.Combine(stage.Hello.Data, "written"), new byte[5_100_000]);
        await watch.LookAsync(default);
        await watch.LookAsync(default);

        var notice = Assert.Single(Told());
        Assert.Equal("quota", notice.GetProperty("event").GetString());
        var facts = notice.GetProperty("facts");
        Assert.Equal(("hello", "100", "5"), (facts.GetProperty("project").GetString(), facts.GetProperty("percent").GetString(), facts.GetProperty("quotaGigabytes").GetString()));
        var checks = new RecordChecks(
            stage.The<DoctorSettings>(), stage.The<Database>(), stage.The<Access.AuditLog>(), stage.The<ProjectStore>(), stage.The<ReleaseStore>(), stage.The<Journal>(), stage.The<DeploymentQueue>(),
            stage.The<Git.GitProgram>(), stage.The<Archives.Drift>(), space);
        var found = await checks.SpaceAsync().ToListAsync();
        Assert.Equal([Severity.Problem, Severity.Note], found.Select(finding => finding.Severity));
        Assert.Contains("local/hello takes 5 MB of 5 GB", found[0].Message, StringComparison.Ordinal);
    }

    List<JsonElement> Told() => [.. stage.The<Database>().Read<string>("SELECT notice FROM notices").Select(text => JsonDocument.Parse(text).RootElement)];
}
