using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.BackingServices;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Deployments;
using Paas.Receiver.Diagnostics;
using Paas.Receiver.Git;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Toolchains;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Api;

/// <summary>The API with the real rooms below it, on a loopback port, with two projects; nothing of it is left afterwards.</summary>
sealed class ApiStage : IAsyncDisposable
{
    readonly WebApplication server;
    readonly Database opened;

    ApiStage(WebApplication app, Database database, AccessRoom access, string root, ManualTime time)
    {
        Time = time;
        Access = access;
        server = app;
        opened = database;
        Root = root;
    }

    public string Root { get; }

    public AccessRoom Access { get; }

    /// <summary>The gatekeeper's clock: move it on and throttling is over.</summary>
    public ManualTime Time { get; }

    public Uri Url { get; private set; } = null!;

    public string Admin { get; private set; } = "";

    /// <summary>Good for every project, but no administrator.</summary>
    public string Developer { get; private set; } = "";

    /// <summary>Good for <c>local/hello</c>.</summary>
    public string OnlyHello { get; private set; } = "";

    /// <summary>Good for <c>local/other</c>.</summary>
    public string OnlyOther { get; private set; } = "";

    public Project Hello { get; private set; } = null!;

    public Project Other { get; private set; } = null!;

    public T The<T>()
        where T : notnull => server.Services.GetRequiredService<T>();

    /// <param name="hostsRoot">A file with authorities that vouch for linked hosts.</param>
    /// <param name="identity">Served over TLS, by what this says for each connection; null is plain HTTP.</param>
    public static async Task<ApiStage> OpenAsync(string? hostsRoot = null, Func<SslStreamCertificateContext>? identity = null)
    {
        var root = Directory.CreateTempSubdirectory("api").FullName;
        var state = Directory.CreateDirectory(Path.Combine(root, "state"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        var hooks = Directory.CreateDirectory(Path.Combine(root, "hooks")).FullName;
        var database = Database.OpenOrCreate(Path.Combine(state, "receiver.db"));
        var environment = new Projects.Environment(Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, door =>
        {
            if (identity is not null)
            {
                door.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = identity() }) });
            }
        }));
        var time = new ManualTime();
        var access = new AccessRoom(database, time);
        access.AddTo(builder.Services)
            .AddSingleton(TimeProvider.System)
            .AddSingleton(database)
            .AddSingleton(await Cage.ProbeAsync(state))
            .AddSingleton<GeneratedSecrets>()
            .AddSingleton(new ProjectUsers(database, root, (70_000, 99_999), TimeProvider.System))
            .AddSingleton(ProjectStore.Open(database, environment, TimeProvider.System))
            .AddSingleton(new GitProgram(Path.Combine(state, "git"), hooks))
            .AddSingleton<ReleaseStore>()
            .AddSingleton<PatchStore>()
            .AddSingleton<PatchWriter>()
            .AddSingleton<Drift>()
            .AddSingleton<Spares>()
            .AddSingleton<Archivist>()
            .AddSingleton<Bundler>()
            .AddSingleton(new BuildSettings { Root = root, Longest = TimeSpan.FromMinutes(1) })
            .AddSingleton<DraftBuilder>()
            .AddSingleton<ServiceStore>()
            .AddSingleton(new ToolchainShelf([], "", othersMustRead: false))
            .AddSingleton(new Signatures(state, []))
            .AddSingleton<ReleaseSources>()
            .AddSingleton(new FleetSettings { Root = root, State = state, Hooks = hooks, ReportPort = () => 1 })
            .AddSingleton(new Containers.Engine(new Containers.EngineAddress("/nonexistent/docker.sock", 0)))
            .AddSingleton(new Containers.OwnThings(root))
            .AddSingleton(provider => new LogDrains.Drains(
                database, provider.GetRequiredService<ProjectStore>(), new InstanceLogs(Path.Combine(state, "logs"), TimeProvider.System), TimeProvider.System,
                Microsoft.Extensions.Logging.Abstractions.NullLogger<LogDrains.Drains>.Instance))
            .AddSingleton(new RegistryAddress("127.0.0.1:1"))
            .AddSingleton<ImagePuller>()
            .AddSingleton(new RelayPlace(Path.Combine(state, "engine")))
            .AddSingleton<ImageMaker>()
            .AddSingleton<ImageBuilder>()
            .AddSingleton<ImageBundler>()
            .AddSingleton<ReleaseImages>()
            .AddSingleton<Access.RegistryCredentials>()
            .AddSingleton(new ImageStore.RegistryServer(state, null, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<ImageStore.RegistryServer>.Instance))
            .AddSingleton<Fleet>()
            .AddSingleton(new RouterOptions())
            .AddSingleton<Router>()
            .AddSingleton(new AccessLog(Path.Combine(state, "access"), AccessLogFormat.Off, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance))
            .AddSingleton(new ReceiverAddress("localhost", 8080))
            .AddSingleton(new Limits(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), TimeSpan.Zero))
            .AddSingleton(new DeploymentLogs(state))
            .AddSingleton<Journal>()
            .AddSingleton<Domains>()
            .AddSingleton<Visitors>()
            .AddSingleton<AdditionStore>()
            .AddSingleton<Formations>()
            .AddSingleton(new Crons.CronRuns(database, state))
            .AddSingleton<Operations>()
            .AddSingleton<MarkStore>()
            .AddSingleton<Launches>()
            .AddSingleton<ProjectHooks>()
            .AddSingleton<Bounces>()
            .AddSingleton<ArchiveChecks>()
            .AddSingleton<Deliverable>()
            .AddSingleton<FixWorkflow>()
            .AddSingleton<TreeAgain>()
            .AddSingleton<ChangeRecorder>()
            .AddSingleton<HandMade>()
            .AddSingleton<CookingWorkflow>()
            .AddSingleton<FinalWorkflow>()
            .AddSingleton<ImportWorkflow>()
            .AddSingleton<EditableWorkflow>()
            .AddSingleton<WorkingCopies>()
            .AddSingleton<RollbackWorkflow>()
            .AddSingleton<Upkeep>()
            .AddSingleton(provider => ActivatorUtilities.CreateInstance<Housekeeping>(provider, 3))
            .AddSingleton<WayForward>()
            .AddSingleton(new Notifications.TellingOptions())
            .AddSingleton<IReadOnlyList<Notifications.INotificationChannel>>([])
            .AddSingleton<Notifications.Outbox>()
            .AddSingleton<Announcing>()
            .AddSingleton(provider => new Space(database, provider.GetRequiredService<ProjectStore>(), provider.GetRequiredService<ReleaseStore>(), provider.GetRequiredService<DeploymentLogs>(), provider.GetRequiredService<ImageStore.RegistryServer>(), TimeProvider.System, null))
            .AddSingleton<Deployer>()
            .AddSingleton<Standstill>()
            .AddSingleton<DeploymentQueue>()
            .AddSingleton<ManualFixes>()
            .AddSingleton<Marks>()
            .AddSingleton<ServicePorts>()
            .AddSingleton<Pipelines>()
            .AddSingleton<Demolition>()
            .AddSingleton(new DoctorSettings { Root = root, State = state })
            .AddSingleton<MachineChecks>()
            .AddSingleton<RecordChecks>()
            .AddSingleton<ServiceChecks>()
            .AddSingleton<LeftoverChecks>()
            .AddSingleton<HostChecks>()
            .AddSingleton<Doctor>()
            .AddSingleton(provider => ActivatorUtilities.CreateInstance<Telemetry.Measurements>(provider, root))
            .AddSingleton(new Telemetry.Readiness(state, database, TimeProvider.System))
            .AddSingleton(new ImportSettings(1_000_000))
            .AddSingleton(provider => new ServerBackups.ServerBackup(
                root, state, database, provider.GetRequiredService<Standstill>(), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<ServerBackups.ServerBackup>.Instance))
            .AddSingleton<Wiring.WireStore>()
            .AddSingleton(new Hosts.HostTrust(hostsRoot))
            .AddApi(new ThisHost(IPAddress.Loopback, "localhost", root, Enum.GetValues<EnvironmentType>()));
        var app = builder.Build();
        app.MapApi();
        var stage = new ApiStage(app, database, access, root, time);
        await app.StartAsync();
        stage.Url = new Uri(app.Urls.Single() + "/");
        var tokens = stage.The<Tokens>();
        stage.Admin = tokens.EnsureAdmin(null)!;
        stage.Developer = tokens.Create("dev", isAdmin: false).Secret;
        stage.OnlyHello = tokens.Create("hello-ci", isAdmin: false, "local/hello").Secret;
        stage.OnlyOther = tokens.Create("other-ci", isAdmin: false, "local/other").Secret;
        stage.Hello = stage.The<ProjectStore>().FindOrCreate(null, ProjectName.Parse("hello"));
        stage.Other = stage.The<ProjectStore>().FindOrCreate(null, ProjectName.Parse("other"));
        return stage;
    }

    /// <summary>A client that gives this token; null gives none.</summary>
    public HttpClient Client(string? token)
    {
        var client = new HttpClient { BaseAddress = Url };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>A sealed release that is live.</summary>
    public Release Release(Project project, string commit)
    {
        var draft = new Draft(project, ReleaseId.New(TimeProvider.System), commit);
        Directory.CreateDirectory(draft.Directory);
        File.WriteAllText(Path.Combine(draft.Directory, "Procfile"), "web: x\n");
        var release = The<ReleaseStore>().Seal(draft, null, Mode.Cooking);
        The<ReleaseStore>().Promote(release, draft.Id);
        return release;
    }

    /// <summary>A deployment that does what the test says, through the real queue.</summary>
    public Deployment Deploy(Project project, Func<Deployment, Task<Outcome>> work)
    {
        var (id, journal) = (ReleaseId.New(TimeProvider.System), The<Journal>());
        var request = new DeploymentRequest { Project = project, Kind = DeploymentKind.Push, Ref = "refs/heads/main", NewCommit = new string('c', 40), Async = true, By = "tester", From = "here" };
        journal.Add(id, request, Mode.Cooking);
        var deployment = new Deployment(id, request, The<DeploymentLogs>().Open(project, id));
        The<DeploymentQueue>().Resume(deployment, async self =>
        {
            journal.Start(id, null);
            var outcome = await work(self);
            journal.Finish(id, outcome, outcome == Outcome.RolledBack ? "it did not start" : null, null);
            return outcome;
        });
        return deployment;
    }

    /// <summary>Commits this text as the project's pillar.</summary>
    public async Task ConfigureAsync(Project project, string text)
    {
        var git = The<GitProgram>();
        var repository = new GitRepository(project.PillarRepository, git);
        await repository.CreateAsync();
        var work = Directory.CreateTempSubdirectory("pillar").FullName;
        try
        {
            File.WriteAllText(Path.Combine(work, "init.sls"), text);
            foreach (var arguments in (string[][])[
                ["init", "-q", "-b", "main"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "x"],
                ["push", "-q", "-f", project.PillarRepository, "main:refs/heads/main"]])
            {
                await new Command("git", arguments) { Directory = work }.With([new("HOME", work)]).OutputAsync();
            }
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>Lines as an instance of a release would have printed them.</summary>
    public string Print(Release release, string type, params IEnumerable<string> lines)
    {
        var place = Directory.CreateDirectory(Path.Combine(
            Root, "state", "logs", release.Project.Environment.Name.Value, release.Project.Name.Value, release.Id.Value, $"{type}.1.abc")).FullName;
        var file = Path.Combine(place, "current");
        var second = (1UL << 62) + 10 + (ulong)TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        File.AppendAllLines(file, lines.Select((line, i) => $"@{second:x16}{i:x8} {line}"));
        return file;
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(new[] { Hello, Other }.SelectMany(The<DeploymentQueue>().InLine).Select(deployment => deployment.Finished));
        await server.StopAsync();
        await The<Demolition>().Deleted;
        await server.DisposeAsync();
        Access.Dispose();
        opened.Dispose();
        Directory.Delete(Root, recursive: true);
    }
}
