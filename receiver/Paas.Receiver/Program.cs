using Paas.Receiver;
using Paas.Receiver.Access;
using Paas.Receiver.Api;
using Paas.Receiver.Archives;
using Paas.Receiver.BackingServices;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Certificates;
using Paas.Receiver.Crons;
using Paas.Receiver.Containers;
using Paas.Receiver.Deployments;
using Paas.Receiver.Diagnostics;
using Paas.Receiver.Git;
using Paas.Receiver.GitHttp;
using Paas.Receiver.Hooks;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Notifications;
using Paas.Receiver.LogDrains;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Registry;
using Paas.Receiver.Releases;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;
using Paas.Receiver.ServerBackups;
using Paas.Receiver.ServiceControl;
using Paas.Receiver.Storage;
using Paas.Receiver.Ssh;
using Paas.Receiver.Telemetry;
using Paas.Receiver.Toolchains;
using Paas.Receiver.Wiring;

// Exit codes (contract.md): 0 stopped on request, 1 failed, 2 bad configuration.
var handedOver = ActivationSockets.Take();
InlineCompletions.PrepareProcess();
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
ReceiverOptions options;
try
{
    options = ReceiverOptions.From(builder.Configuration);
}
catch (BadConfigurationException bad)
{
    await Console.Error.WriteLineAsync(bad.Message);
    return 2;
}

if (MachineCommands.Is(args))
{
    return await MachineCommands.RunAsync(args, options.Root, options.State, () => StateRoot.Open(options) is { } held ? (held, held.Database) : null, CancellationToken.None);
}

// The machine: a root of our own, held by one receiver at a time.
using var root = StateRoot.Open(options);
if (root is null)
{
    await Console.Error.WriteLineAsync($"Another receiver uses {options.Root}.");
    return 1;
}

var services = builder.Services;
services.AddSingleton(options);
services.AddSingleton(TimeProvider.System);
services.AddSingleton(root.Database);
var users = new ProjectUsers(root.Database, options.Root, options.Users, TimeProvider.System);
services.AddSingleton(users);
IReadOnlyDictionary<string, Language> languages;
try
{
    languages = Language.In([.. options.Buildpacks, Path.Combine(AppContext.BaseDirectory, "buildpacks")]);
}
catch (FormatException bad)
{
    await Console.Error.WriteLineAsync($"PAAS_BUILDPACKS: {bad.Message}");
    return 2;
}

var toolchains = new ToolchainShelf(options.Toolchains, Command.CleanEnvironment["PATH"], users.Finding.IsGiven, languages);
services.AddSingleton(await Cage.ProbeAsync(options.State, options.Cages, users.SettleIn, toolchains.Places));
services.AddSingleton<GeneratedSecrets>();
try
{
    services.AddSingleton(ProjectStore.Open(root.Database, options.DefaultEnvironment, TimeProvider.System));
}
catch (Refusal refusal)
{
    await Console.Error.WriteLineAsync(refusal.Message);
    return 2;
}


// What was pushed, by whom, saying what of itself.
services.AddSingleton(new GitProgram(Path.Combine(options.State, "git"), options.HooksDirectory) { MaxInputSize = options.MaxPush * 1_000_000L });
services.AddSingleton(new RefRules(options.DeployBranches));
services.AddSingleton(new OpenPushes(options.State));
services.AddSingleton<PackExchange>();
services.AddSingleton<Newcomers>();
services.AddSingleton<Reception>();
services.AddSingleton<Tokens>();
services.AddSingleton<Users>();
services.AddSingleton<Keys>();
services.AddSingleton<Passes>();
services.AddSingleton<AuditLog>();
services.AddSingleton(new Proxies(options.TrustedProxies));
services.AddSingleton<Passwords>();
if (options.Ldap is not null)
{
    services.AddSingleton(options.Ldap);
    services.AddSingleton<LdapDirectory>();
}

services.AddSingleton<IReadOnlyList<IPasswordSource>>(provider =>
    options.Ldap is null ? [provider.GetRequiredService<Passwords>()] : [provider.GetRequiredService<Passwords>(), provider.GetRequiredService<LdapDirectory>()]);
services.AddSingleton<RegistryCredentials>();
services.AddSingleton<Gatekeeper>();
services.AddSingleton<RepositoryGate>();

// The crafts.
services.AddSingleton<ReleaseStore>();
services.AddSingleton<PatchStore>();
services.AddSingleton<PatchWriter>();
services.AddSingleton<Drift>();
services.AddSingleton<Spares>();
services.AddSingleton<Archivist>();
services.AddSingleton<Bundler>();
services.AddSingleton(toolchains);
services.AddSingleton(options.Builds(toolchains));
services.AddSingleton<DraftBuilder>();
services.AddSingleton<IBackingService, ParametersService>();
services.AddSingleton<IBackingService, FilesystemService>();
services.AddSingleton<ServiceStore>();
services.AddSingleton(new Signatures(options.State, options.TrustedKeys));
services.AddSingleton<ReleaseSources>();
services.AddSingleton(new Engine(options.Docker));
services.AddSingleton(new OwnThings(options.Root));
services.AddSingleton(new RegistryAddress($"{(System.Net.IPAddress.Any.Equals(options.Listen.Address) ? System.Net.IPAddress.Loopback : options.Listen.Address)}:{options.Listen.Port}"));
services.AddSingleton<ImagePuller>();
services.AddSingleton(new RelayPlace(Path.Combine(options.State, "engine")));
services.AddSingleton<ImageMaker>();
services.AddSingleton<ImageBuilder>();
services.AddSingleton<ImageBundler>();
services.AddSingleton(provider => new RegistryServer(options.State, options.Registry, TimeProvider.System, provider.GetRequiredService<ILogger<RegistryServer>>(),
    repository => provider.GetRequiredService<ProjectStore>().Find(repository) is { } project ? ImageBuilder.NamedBy(project) : new HashSet<string>()));
services.AddSingleton(new FleetSettings { Root = options.Root, State = options.State, Hooks = options.HooksDirectory, ReportPort = () => options.Listen.Port, DaemonUser = () => users.OfDaemon("paas-web"), Supervisor = options.Supervisor });
services.AddSingleton<Fleet>();
services.AddSingleton(provider => CertificateStore.Open(
    Path.Combine(options.State, "certificates"), options.Certificates, options.Domain, TimeProvider.System, provider.GetRequiredService<ILogger<CertificateStore>>()));
services.AddSingleton(provider => new AccessLog(options.AccessLogs, options.AccessLog, TimeProvider.System, provider.GetRequiredService<ILogger<AccessLog>>()));
services.AddSingleton<Challenges>();
if (options.Acme is { } acme)
{
    services.AddHostedService(provider => new Renewals(
        acme, Path.Combine(options.State, "certificates"), provider.GetRequiredService<CertificateStore>(), provider.GetRequiredService<Challenges>(),
        provider.GetRequiredService<Visitors>().HostsServed, TimeProvider.System, provider.GetRequiredService<ILogger<Renewals>>()));
}

services.AddSingleton(provider => new RouterOptions
{
    ControlHosts = [options.Domain, "localhost", .. options.ControlHosts],
    TrustedPeers = options.TrustedProxies,
    LargestBody = options.MaxBody * 1_000_000L,
    Https = options is { TlsListen: { } secure, HttpsRedirect: true } ? new HttpsWish(secure.Port, provider.GetRequiredService<CertificateStore>().Covers) : null,
    HstsSeconds = options.Hsts,
    AccessLog = provider.GetRequiredService<AccessLog>(),
    StickyKey = root.StickyKey(),
});
services.AddSingleton<Router>();
services.AddSingleton(options.Telling);
services.AddSingleton<IReadOnlyList<INotificationChannel>>([new MailChannel(options.Telling.Mail), new WebhookChannel(options.Telling.Anywhere, TimeProvider.System), new CommandChannel()]);
services.AddSingleton<Outbox>();
services.AddHostedService(provider => provider.GetRequiredService<Outbox>());

// The conductor.
services.AddSingleton(new ReceiverAddress(options.Domain, (options.RouterListen ?? options.Listen).Port));
services.AddSingleton(new Limits(options.StartTimeout, options.StopTimeout, options.BuildTimeout, options.Settle) { NodeTags = options.NodeTags, SharesWebServer = options.SharesWebServer });
services.AddSingleton(new DeploymentLogs(options.State));
services.AddSingleton<Journal>();
services.AddSingleton<Domains>();
services.AddSingleton<Visitors>();
services.AddSingleton<AdditionStore>();
services.AddSingleton<Formations>();
services.AddSingleton<Operations>();
services.AddSingleton<MarkStore>();
services.AddSingleton<ReleaseImages>();
services.AddSingleton<Launches>();
services.AddSingleton<ProjectHooks>();
services.AddSingleton<Bounces>();
services.AddSingleton<ArchiveChecks>();
services.AddHostedService(provider => provider.GetRequiredService<ArchiveChecks>());
services.AddSingleton<Deliverable>();
services.AddSingleton<FixWorkflow>();
services.AddSingleton<TreeAgain>();
services.AddSingleton<ChangeRecorder>();
services.AddSingleton<HandMade>();
services.AddSingleton<CookingWorkflow>();
services.AddSingleton<FinalWorkflow>();
services.AddSingleton<ImportWorkflow>();
services.AddSingleton<EditableWorkflow>();
services.AddSingleton<WorkingCopies>();
services.AddSingleton<RollbackWorkflow>();
services.AddSingleton<Upkeep>();
services.AddSingleton(provider => new Housekeeping(
    provider.GetRequiredService<Journal>(), provider.GetRequiredService<ReleaseStore>(), provider.GetRequiredService<Formations>(), provider.GetRequiredService<Fleet>(),
    provider.GetRequiredService<DeploymentLogs>(), provider.GetRequiredService<GitProgram>(), provider.GetRequiredService<ImageBuilder>(), options.KeepReleases, options.KeepSize * 1_000_000L));
services.AddSingleton(provider => new Space(
    provider.GetRequiredService<Database>(), provider.GetRequiredService<ProjectStore>(), provider.GetRequiredService<ReleaseStore>(), provider.GetRequiredService<DeploymentLogs>(),
    provider.GetRequiredService<RegistryServer>(), TimeProvider.System, options.Quota));
services.AddSingleton<WayForward>();
services.AddSingleton<Announcing>();
services.AddHostedService<SpaceWatch>();
services.AddSingleton<Deployer>();
services.AddSingleton<Standstill>();
services.AddSingleton<DeploymentQueue>();
services.AddSingleton<ManualFixes>();
services.AddSingleton<Marks>();
services.AddSingleton<Pipelines>();
services.AddSingleton<ServicePorts>();
services.AddSingleton<Recovery>();
services.AddSingleton<Demolition>();

services.AddSingleton(provider => new Drains(
    root.Database, provider.GetRequiredService<ProjectStore>(),
    new InstanceLogs(provider.GetRequiredService<FleetSettings>().Logs, TimeProvider.System), TimeProvider.System, provider.GetRequiredService<ILogger<Drains>>()));
services.AddHostedService(provider => provider.GetRequiredService<Drains>());

// Who looks over all of it.
services.AddSingleton(provider => new DoctorSettings
{
    Root = options.Root,
    State = options.State,
    Doors = options.Doors,
    Certificates = () => options.TlsListen is null ? [] : provider.GetRequiredService<CertificateStore>().Ends,
});
services.AddSingleton<MachineChecks>();
services.AddSingleton<RecordChecks>();
services.AddSingleton<ServiceChecks>();
services.AddSingleton<LeftoverChecks>();
services.AddSingleton<HostChecks>();
services.AddSingleton<Doctor>();
services.AddSingleton(provider => ActivatorUtilities.CreateInstance<Measurements>(provider, options.Root));
services.AddSingleton(provider => new Readiness(options.State, root.Database, TimeProvider.System));
services.AddSingleton(provider => new ServerBackup(
    options.Root, options.State, root.Database, provider.GetRequiredService<Standstill>(), TimeProvider.System, provider.GetRequiredService<ILogger<ServerBackup>>()));

// Who outside is told of names and ports.
services.AddSingleton<WireStore>();
services.AddSingleton<OutsideWorld>();
services.AddHostedService(provider => new Wirer(
    provider.GetRequiredService<WireStore>(), options.Wiring, provider.GetRequiredService<OutsideWorld>().Wanted, provider.GetRequiredService<Outbox>(), options.Telling,
    TimeProvider.System, provider.GetRequiredService<ILogger<Wirer>>()));

// The doors.
services.AddSingleton<PushCheck>((_, _, _) => Task.FromResult<IReadOnlyList<string>>([]));
services.AddSingleton(provider => PushHooks.Of(
    provider.GetRequiredService<DeploymentQueue>(), provider.GetRequiredService<RefRules>(), provider.GetRequiredService<GitProgram>(),
    provider.GetRequiredService<PushCheck>(), provider.GetRequiredService<ILogger<PushHooks>>(), provider.GetRequiredService<Marks>(), provider.GetRequiredService<ServicePorts>()));
services.AddSingleton<Sessions>();
services.AddSingleton<ServiceRecords>();
services.AddSingleton<Rollouts>();
services.AddSingleton<ServiceControlDoor>();
services.AddSingleton<RegistryDoor>();
services.AddSingleton<LargeFilesDoor>();
services.AddSingleton<GitDoor>();
services.AddHostedService<Doorbell>();
services.AddSingleton(provider => new CronRuns(provider.GetRequiredService<Database>(), options.State));
services.AddSingleton(provider => CronSettings.Default with { Zone = options.CronZone, Run = provider.GetRequiredService<Operations>().RunCommandAsync });
services.AddHostedService<WebCrons>();
services.AddSingleton(new ImportSettings(options.MaxImport * 1_000_000L));
services.AddSsh(options);
services.AddSingleton(new Paas.Receiver.Hosts.HostTrust(options.HostsRoot));
services.AddApi(new ThisHost(options.Listen.Address, options.Domain, options.Root, options.EnvironmentTypes) { SshPort = options.SshListen?.Port });
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.UseSockets(RouterListener.Prepare);
builder.WebHost.ConfigureKestrel(kestrel =>
{
    RouterListener.Prepare(kestrel);
    kestrel.Limits.MaxRequestBodySize = null;
    kestrel.Limits.MinRequestBodyDataRate = null;
    ListenAt(options.Listen, listen => RouterListener.Prepare(listen));
    if (options.RouterListen is not null)
    {
        ListenAt(options.RouterListen, listen => RouterListener.Prepare(listen));
    }

    if (options.TlsListen is not null)
    {
        ListenAt(options.TlsListen, listen => RouterListener.Secure(listen, kestrel.ApplicationServices.GetRequiredService<CertificateStore>()));
    }

    void ListenAt(System.Net.IPEndPoint place, Action<Microsoft.AspNetCore.Server.Kestrel.Core.ListenOptions> prepare)
    {
        if (handedOver.For(place) is { } descriptor)
        {
            kestrel.ListenHandle((ulong)descriptor, prepare);
        }
        else
        {
            kestrel.Listen(place, prepare);
        }
    }
});

await using var app = builder.Build();
var router = app.Services.GetRequiredService<Router>();
var challenges = app.Services.GetRequiredService<Challenges>();
app.Use(async (context, next) =>
{
    if (await challenges.TryAnswerAsync(context))
    {
        return;
    }

    if (context.Connection.LocalPort == options.RouterListen?.Port)
    {
        // Where applications alone are served: the control plane is not there, whatever the Host header says.
        await router.HandleAsync(context);
    }
    else if (!await router.TryHandleAsync(context))
    {
        await next(context);
    }
});
GitHttpEndpoints.Map(app);
ServiceControlDoor.Map(app);
RegistryDoor.Map(app);
app.MapInstanceReports();
app.MapApi();

var queue = app.Services.GetRequiredService<DeploymentQueue>();
app.Services.GetRequiredService<OpenPushes>().SweepLeftovers(app.Services.GetRequiredService<GitProgram>(), app.Services.GetRequiredService<Newcomers>());
await app.Services.GetRequiredService<Demolition>().ClearLeftoversAsync();
await app.Services.GetRequiredService<Recovery>().RunAsync(app.Lifetime.ApplicationStopping);
try
{
    await app.StartAsync();
}
catch (IOException taken)
{
    // What has begun already is cancelled at the end; unless we are stopping the host would report each as a failure of its own.
    await app.StopAsync();
    await Console.Error.WriteLineAsync($"PAAS_LISTEN: {taken.Message}");
    return 1;
}

app.Services.GetRequiredService<Pipelines>().Interrupt();
_ = app.Services.GetRequiredService<ServicePorts>().ReconsiderAllAsync();
_ = app.Services.GetRequiredService<Marks>().CatchUpAsync(app.Lifetime.ApplicationStopping);
var readiness = app.Services.GetRequiredService<Readiness>();
readiness.Open();
using var export = OtlpExport.StartIfWanted(builder.Configuration, app.Services.GetRequiredService<Measurements>());
Greeting.Print(options, app.Services.GetRequiredService<Tokens>().EnsureAdmin(options.AdminToken));

// At once, not after the doors are closed: an open push keeps its door open until its deployment has been taken back.
var stopped = Task.CompletedTask;
app.Lifetime.ApplicationStopping.Register(readiness.Close);
app.Lifetime.ApplicationStopping.Register(() => stopped = queue.StopAsync(options.StopTimeout));
await app.WaitForShutdownAsync();
await stopped;
return 0;
