using System.Collections.Concurrent;
using System.Text.Json;
using Paas.Receiver.BackingServices;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Deployments;

/// <summary>Time limits of everything that is started for a project.</summary>
/// <param name="Settle">How long a new release must stay up under its visitors before the old one is given up.</param>
sealed record Limits(TimeSpan Start, TimeSpan Stop, TimeSpan Build, TimeSpan Settle)
{
    /// <summary>What the operator says of this machine: strict JSON, an object (PM-84).</summary>
    public string NodeTags { get; init; } = "{}";

    /// <summary>Folders of files and PHP are served by one daemon for all projects that do not say otherwise.</summary>
    public bool SharesWebServer { get; init; }
}

/// <summary>
/// Puts together what is needed to run a release: what its own tree declares and the pillar at the commit that the release was made with.
/// So an old release runs with its old configuration.
/// </summary>
sealed class Launches(
    GitProgram git, Fleet fleet, ProjectUsers users, Visitors visitors, Limits limits, Journal journal, GeneratedSecrets secrets, AdditionStore additions, ReleaseStore releases,
    Formations formations, MarkStore marks, ServiceStore services, ToolchainShelf toolchains, ReleaseImages images)
{
    /// <summary>Of an <c>app.json</c>'s generated values, as Heroku makes them.</summary>
    const int SecretLength = 64;

    const int MostRedeploys = 1000;

    readonly ConcurrentDictionary<string, SemaphoreSlim> turns = new();

    public async Task<Launch> OfAsync(Release release, CancellationToken ct = default)
    {
        var manifest = ManifestReader.Read(release.Directory);
        var pillar = await PillarAsync(release, ct);
        var shares = release.Mode != Mode.Editable && WebServers.IsShared(manifest, pillar, limits.SharesWebServer);
        return Scaled(As(MarkedWith(release), additions.Of(release.Id).AppliedTo(new Launch
        {
            Project = release.Project,
            Release = release.Id,
            Number = release.Number,
            Directory = release.Directory,
            CopyOnWrite = release.Mode != Mode.Editable,
            // What is edited in place is nobody's sealed word: anyone who may write there could name any image.
            Image = manifest.Image is { } image && release.Mode != Mode.Editable ? new LaunchImage(image.Id, image.Port, image.User)
            {
                Memory = manifest.Container.Memory * 1L << 20,
                Reservation = manifest.Container.Reservation * 1L << 20,
                ReadOnly = manifest.Container.ReadOnly,
            } : null,
            Types = manifest.Image is not null ? manifest.ProcessTypes : [.. await Task.WhenAll(manifest.ProcessTypes.Select(type => ToStartAsync(release, type, shares)))],
            Commit = release.Commit,
            Environment = With(With(manifest.Image is null ? await PathOfAsync(release) : new Dictionary<string, string>(), Defaults(release.Project, manifest)), pillar.Environment.Select(variable => (variable.Key, variable.Value))),
            NodeTags = limits.NodeTags,
            Addresses = manifest.Addresses,
            WorkspaceTags = JsonSerializer.Serialize(release.Project.Environment.Tags),
            Services = services.Provide(release.Project, manifest.Application),
            Health = manifest.Health,
            StartTimeout = manifest.Health.Timeout ?? limits.Start,
            StopTimeout = limits.Stop,
        })));
    }

    /// <summary>What the mark asked for that this release was made for, also where it was deployed again without one.</summary>
    public Wishes MarkedWith(Release release)
    {
        var entry = journal.Find(release.Id);
        for (var steps = 0; steps < MostRedeploys && entry is { Kind: nameof(DeploymentKind.Redeploy) or nameof(DeploymentKind.Reconfigure) or nameof(DeploymentKind.Fix), Previous: { } previous }; steps++)
        {
            entry = ReleaseId.TryParse(previous) is { } id ? journal.Find(id) : null;
        }

        return entry is { Kind: nameof(DeploymentKind.Mark) } ? Wishes.FromJson(entry.Wishes) : Wishes.None;
    }

    /// <summary>As a soa-config wants it: its instances and nothing else.</summary>
    static Launch As(Wishes wishes, Launch launch)
    {
        if (wishes.Group is not { } group)
        {
            return launch;
        }

        var given = new Dictionary<string, string> { ["PAASTA_DEPLOY_GROUP"] = group };
        if (wishes.ImageVersion is { } version)
        {
            given["PAASTA_IMAGE_VERSION"] = version;
        }

        launch = launch with { Environment = With(given, launch.Environment.Select(variable => (variable.Key, variable.Value))) };
        return wishes.Instances is not { } instances ? launch
            : launch with { Types = [.. launch.Types.Select(type => Found(instances, launch.Types, type.Name) is { } wanted ? Wanted(type, wanted) : type with { Quantity = 0 }), .. Commanded(instances, launch)] };
    }

    static WantedInstance? Found(IReadOnlyDictionary<string, WantedInstance> instances, IReadOnlyList<ProcessType> types, string type) =>
        instances.FirstOrDefault(pair => TypeOf(pair.Key, types) == type).Value;

    static IEnumerable<ProcessType> Commanded(IReadOnlyDictionary<string, WantedInstance> instances, Launch launch) =>
        instances.Where(pair => launch.Types.All(type => type.Name != TypeOf(pair.Key, launch.Types)))
            .Select(pair => Wanted(
                new ProcessType(TypeOf(pair.Key, launch.Types), pair.Value.Command
                    ?? throw new Refusal($"{launch.Project.Environment.Name}.{pair.Key}: the release declares no such process type and the configuration has no cmd for it; it has {string.Join(", ", launch.Types.Select(type => type.Name))}"), 1, Web: pair.Key == "main"),
                pair.Value));

    static ProcessType Wanted(ProcessType type, WantedInstance wanted) => type with
    {
        Quantity = wanted.Quantity ?? type.Quantity,
        Command = wanted.Command ?? type.Command,
        Environment = new Dictionary<string, string>(wanted.Environment ?? new Dictionary<string, string>()) { ["PAASTA_DEPLOY_GROUP"] = wanted.Group },
    };

    /// <summary>The process type that an instance is: that of its name, and PaaSTA's usual <c>main</c> is what answers visitors.</summary>
    static string TypeOf(string instance, IReadOnlyList<ProcessType> declared)
    {
        var name = instance.Replace('_', '-');
        return name == "main" && declared.All(type => type.Name != "main") && declared.Any(type => type.Name == "web") ? "web" : name;
    }

    /// <summary>As it runs beside the live one: without what only the live one has (PM-30, AMB-17).</summary>
    public async Task<Launch> BesideAsync(Release release, CancellationToken ct = default) => WithoutExclusive(await OfAsync(release, ct));

    public static Launch WithoutExclusive(Launch launch) => launch with { Types = [.. launch.Types.Select(type => type.Exclusive ? type with { Quantity = 0 } : type)] };

    /// <summary>Brings a running release to what is wanted of it now; visitors of instances that go are answered first.</summary>
    public async Task RescaleAsync(Release release)
    {
        // One after the other, each by what is wanted when its turn has come: who asked first must not be the last to act.
        var turn = turns.GetOrAdd(release.Project.Key, _ => new SemaphoreSlim(1));
        await turn.WaitAsync();
        try
        {
            var launch = IsLive(release) ? await OfAsync(release) : await BesideAsync(release);
            await fleet.ScaleAsync(
                release.Project, release.Id, launch.Types.ToDictionary(type => type.Name, type => type.Quantity), (type, leavers) => visitors.DrainAsync(release, type, leavers, limits.Stop));
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The same where somebody asked for another number while it was being started.</summary>
    public async Task RescaleIfAskedAsync(Release release)
    {
        var runs = fleet.Quantities(release.Project, release.Id);
        if (marks.Controls(release.Project).Values.Any(control => control.Commit == release.Commit) || formations.ScaleOf(release.Project).Any(wanted => runs.TryGetValue(wanted.Key, out var quantity) && quantity != wanted.Value))
        {
            await RescaleAsync(release);
        }
    }

    /// <summary>Visitors of a live release that is stopped are told that nobody is there.</summary>
    public async Task IntroduceAsync(Release release, CancellationToken ct)
    {
        visitors.Introduce(release, await OfAsync(release, ct));
        visitors.Meet(release);
    }

    /// <summary>The live release, and somebody stopped it.</summary>
    public bool IsStopped(Release release) => formations.Runs(release.Id) == false;

    /// <summary>It runs on when it is not the live one any more, after a restart of the receiver too.</summary>
    public void Keep(Release release) => formations.Want(release.Project, release.Id, true);

    /// <summary>It runs when it is the live one, as all do.</summary>
    public void Unkeep(Release release) => formations.Want(release.Project, release.Id, null);

    bool IsLive(Release release) => releases.CurrentId(release.Project) == release.Id;

    Launch Scaled(Launch launch)
    {
        var scale = formations.ScaleOf(launch.Project);
        var stopped = marks.Controls(launch.Project).Where(control => !control.Value.Runs && control.Value.Commit == launch.Commit).Select(control => TypeOf(control.Key, launch.Types)).ToHashSet();
        return scale.Count == 0 && stopped.Count == 0 ? launch
            : launch with
            {
                Types = [.. launch.Types.Select(type => stopped.Contains(type.Name) ? type with { Quantity = 0 } : scale.TryGetValue(type.Name, out var wanted) ? type with { Quantity = wanted } : type)],
            };
    }

    /// <summary>As it is started: with its version of a language, behind what buildpacks want done first.</summary>
    async Task<ProcessType> ToStartAsync(Release release, ProcessType type, bool shares)
    {
        var line = type.Command;
        var before = Profile.Before(release.Directory, line);
        if (type.Toolchain is { } wanted && (await toolchains.FindAsync(wanted, $"the process type {type.Name}")).Bin is { } bin)
        {
            line = $"export PATH={ShellWords.Quote(bin)}:\"$PATH\"; {Nursery.AsWritten(line)}";
        }

        // What wants something done first, or another version than the machine's, is a program like any other.
        return type with { Command = Profile.Before(release.Directory, line), Served = shares && before == type.Command && line == type.Command ? SharedNginx.Of(type, release.Directory) : null };
    }

    /// <summary>The search path of a release that was built with other versions than the machine's own.</summary>
    async Task<Dictionary<string, string>> PathOfAsync(Release release)
    {
        var found = new List<Toolchain>();
        foreach (var wanted in Built.Read(release.Directory).Toolchains)
        {
            found.Add(await toolchains.FindAsync(wanted, $"{release}"));
        }

        return ToolchainShelf.PathWith(found) is { } path ? new() { ["PATH"] = path } : [];
    }

    /// <summary>What a build is told of the platform (reference 2.3): services, which exist from here on (PM-44), and metadata; no port.</summary>
    /// <param name="number">The release's that is being made.</param>
    public IReadOnlyDictionary<string, string> WhileBuilding(Draft draft, Manifest? manifest, int number)
    {
        Directory.CreateDirectory(draft.Project.Data);
        var launch = new Launch
        {
            Project = draft.Project,
            Release = draft.Id,
            Number = number,
            Directory = draft.Directory,
            Types = [],
            Commit = draft.Commit,
            NodeTags = limits.NodeTags,
            WorkspaceTags = JsonSerializer.Serialize(draft.Project.Environment.Tags),
            Services = services.Provide(draft.Project, manifest?.Application),
        };
        return Variables.Of(launch, draft.Id.Value, draft.Project.Run, port: null, type: null, CageLimits.None).Where(variable => variable.Key.StartsWith("PM_", StringComparison.Ordinal)).ToDictionary();
    }

    /// <summary>The configuration a release was made with: its own tree's defaults, the pillar's commit of then, what its call set.</summary>
    public Task<Pillar> PillarAsync(Release release, CancellationToken ct = default) => PillarAsync(release, release.Directory, ct);

    /// <inheritdoc cref="PillarAsync(Release, CancellationToken)"/>
    /// <param name="tree">Where its tree is, if not in its own place.</param>
    public Task<Pillar> PillarAsync(Release release, string tree, CancellationToken ct = default) =>
        PillarAsync(release.Project, release.PillarCommit, tree, Wishes.FromJson(journal.Find(release.Id)?.Wishes), ct);

    /// <summary>Before anything of the old release is touched.</summary>
    /// <exception cref="Refusal">An address is another project's, or not the project's to choose.</exception>
    public void CheckAddresses(Project project, Manifest manifest) => visitors.Check(project, manifest.Addresses);

    /// <summary>All layers of the configuration; empty where there is none.</summary>
    /// <param name="commit">Of the pillar.</param>
    /// <param name="tree">Whose defaults are the lowest layer; null for none.</param>
    /// <exception cref="Refusal">A layer cannot be read; says why.</exception>
    public async Task<Pillar> PillarAsync(Project project, string? commit, string? tree, Wishes wishes, CancellationToken ct = default)
    {
        var text = commit is null ? null : await new GitRepository(project.PillarRepository, git).ReadFileAsync(commit, PillarReader.FileName, ct);
        return Layers.Resolve(new LayerSources
        {
            Defaults = tree is null ? null : Layers.DefaultsIn(tree),
            Pillar = text is null ? null : new ProjectFile(PillarReader.FileName, text),
            Call = wishes.Set ?? new Dictionary<string, string>(),
            Of = project,
            Secret = (name, length) => secrets.Of(project, name, length),
        });
    }

    /// <summary>For people: what the next deployment would be configured with. Generates nothing.</summary>
    public async Task<Pillar> PillarToShowAsync(Project project, string? tree, CancellationToken ct = default)
    {
        var commit = await PillarCommitAsync(project, ct);
        var text = commit is null ? null : await new GitRepository(project.PillarRepository, git).ReadFileAsync(commit, PillarReader.FileName, ct);
        return Layers.Resolve(new LayerSources
        {
            Defaults = tree is null ? null : Layers.DefaultsIn(tree),
            Pillar = text is null ? null : new ProjectFile(PillarReader.FileName, text),
            Of = project,
            Secret = (name, _) => secrets.Find(project, name) ?? Pillar.Stars,
        });
    }

    /// <summary>The pillar's commit that a deployment is made with: the one that is being pushed, else the newest.</summary>
    public async Task<string?> PillarCommitAsync(DeploymentRequest request, CancellationToken ct = default) =>
        request.Kind == DeploymentKind.Reconfigure ? request.NewCommit : await PillarCommitAsync(request.Project, ct);

    /// <summary>The pillar's newest commit; null while nothing was pushed to it.</summary>
    public async Task<string?> PillarCommitAsync(Project project, CancellationToken ct = default)
    {
        var repository = new GitRepository(project.PillarRepository, git);
        return !repository.Exists ? null
            : await repository.ReadRefAsync("refs/heads/main", ct) ?? await repository.ReadRefAsync("refs/heads/master", ct);
    }

    /// <summary>What somebody put into the data, or a backup brought back as somebody else's, is the project's own again.</summary>
    public Task GiveDataAsync(Project project) => Task.Run(() => users.GiveData(project));

    /// <summary>Every instance of the release answers, and visitors meet it when it is the live one; what runs already is left alone.</summary>
    /// <exception cref="Refusal">It does not come up.</exception>
    public async Task BringUpAsync(Release release, CancellationToken ct = default)
    {
        var isLive = IsLive(release);
        var launch = isLive ? await OfAsync(release, ct) : await BesideAsync(release, ct);
        if (!fleet.Running(release.Project).Contains(release.Id))
        {
            await images.EnsureAsync(release, log: null, ct);
            await fleet.StartAsync(launch, ct);
        }

        var verdict = await fleet.HealthyAsync(release.Project, release.Id, ct);
        if (!verdict.IsHealthy)
        {
            throw new Refusal($"{release} does not come up: {verdict.Reason}");
        }

        visitors.Introduce(release, launch);
        if (isLive)
        {
            visitors.Meet(release);
        }
    }

    /// <summary>
    /// Runs the project's own <c>.paas/hooks/&lt;step&gt;</c> with the release at <c>run</c> and, for backup and restore, the directory of the dumps.
    /// False where the project has none.
    /// </summary>
    /// <param name="more">Further variables; they win.</param>
    /// <param name="shared">A further directory that it may write to.</param>
    /// <exception cref="Refusal">It ended with another code than 0.</exception>
    public async Task<bool> RunHookAsync(
        Release release, string step, ReleaseId archive, LogStream log, CancellationToken ct, IReadOnlyList<(string Name, string Value)>? more = null, string? shared = null)
    {
        var hook = Path.Combine(release.Directory, ".paas", "hooks", step);
        if (!File.Exists(hook))
        {
            return false;
        }

        DraftBuilder.RefuseUnlessExecutable(hook, step);
        var dumps = Path.Combine(release.Project.Archives, archive.Value, "dumps");
        Directory.CreateDirectory(dumps, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var launch = await OfAsync(release, ct);
        launch = launch with
        {
            // A hook is the repository's, not the image's: it runs in the tree, beside the data.
            Image = null,
            Environment = With(launch.Environment, [("PAAS_DUMPS_DIR", dumps), ("PAAS_STEP", step), .. more ?? []]),
            Writable = shared is null ? [dumps] : [dumps, shared],
        };
        var code = await fleet.RunOnceAsync(launch, step, [$".paas/hooks/{step}"], log, limits.Build, ct);
        return code == 0 ? true : throw new Refusal($".paas/hooks/{step} ended with exit code {code}");
    }

    /// <summary>All of a step's pieces on the way back or behind a release that serves, where no <c>common</c> is shared any more.</summary>
    /// <exception cref="Refusal">One ended with another code than 0.</exception>
    public async Task RunHooksAsync(Release release, string step, ReleaseId archive, LogStream log, CancellationToken ct, IReadOnlyList<(string Name, string Value)>? more = null)
    {
        foreach (var piece in ProjectHooks.In(release.Directory, step))
        {
            await RunHookAsync(release, piece, archive, log, ct, more);
        }
    }

    /// <summary>The same where a failure must not stand in the way.</summary>
    public async Task TryHooksAsync(Release release, string step, ReleaseId archive, LogStream log)
    {
        try
        {
            await RunHooksAsync(release, step, archive, log, CancellationToken.None);
        }
        catch (Refusal refusal)
        {
            // An old release that serves without its hook is better than one that does not serve.
            log.Trouble(refusal.Message);
        }
    }

    /// <summary>A Procfile's <c>release:</c>. False where there is none.</summary>
    /// <exception cref="Refusal">It ended with another code than 0.</exception>
    public async Task<bool> RunReleaseCommandAsync(Release release, LogStream log, CancellationToken ct)
    {
        if (ManifestReader.Read(release.Directory).ReleaseCommand is not { } command)
        {
            return false;
        }

        var launch = await OfAsync(release, ct);
        var code = await fleet.RunOnceAsync(launch, "release", ["/bin/sh", "-c", launch.Image is null ? Profile.Before(release.Directory, command) : command], log, limits.Build, ct);
        return code == 0 ? true : throw new Refusal($"the release command ended with exit code {code}");
    }

    /// <summary>An <c>app.json</c>'s <c>postdeploy</c>, in a release that is healthy: dokku's each time, Heroku's for the first release of a project alone. False where there is none to run.</summary>
    /// <exception cref="Refusal">It ended with another code than 0.</exception>
    public async Task<bool> RunPostDeployAsync(Release release, bool first, LogStream log, CancellationToken ct)
    {
        var manifest = ManifestReader.Read(release.Directory);
        if (manifest.PostDeploy is not { } command || (manifest.PostDeployOnce && !first))
        {
            return false;
        }

        log.Title("Running app.json's postdeploy");
        var code = await fleet.RunOnceAsync(await OfAsync(release, ct), "postdeploy", ["/bin/sh", "-c", Profile.Before(release.Directory, command)], log, limits.Build, ct);
        return code == 0 ? true : throw new Refusal($"app.json's postdeploy ended with exit code {code}");
    }

    /// <summary>What the tree itself gives its variables: weaker than any configuration. Secrets among them are made once for a project and stay.</summary>
    public IEnumerable<(string Name, string Value)> Defaults(Project project, Manifest manifest) =>
        manifest.Environment.Select(variable => (variable.Key, variable.Value)).Concat(manifest.Generated.Select(name => (name, secrets.Of(project, $"env.{name}", SecretLength))));

    static Dictionary<string, string> With(IReadOnlyDictionary<string, string> environment, params IEnumerable<(string Name, string Value)> more)
    {
        var merged = new Dictionary<string, string>(environment);
        foreach (var (name, value) in more)
        {
            merged[name] = value;
        }

        return merged;
    }
}
