using System.Collections.Concurrent;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;
using Backend = Paas.Receiver.Projects.Backend;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Which host names lead to which release: the project's own names to what is live, <c>v&lt;N&gt;.</c> in front to one release, a process type's name in
/// front to that type (contract.md). Keeps the router in step when instances are replaced.
/// </summary>
sealed partial class Visitors
{
    /// <summary>How long a visitor may be held while a release is exchanged, and how many at once.</summary>
    static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(5);

    const int MostHeld = 2000;

    static readonly IReadOnlyList<string> Web = ["web"];

    readonly Router router;
    readonly Fleet fleet;
    readonly AddressBook book;
    readonly Domains domains;
    readonly ILogger<Visitors> logger;
    readonly ConcurrentDictionary<string, Release> serving = new();

    /// <summary>Who answers beside who serves, while instances change over one by one.</summary>
    readonly ConcurrentDictionary<string, Release> joined = new();

    /// <summary>Whoever looks at the instances tells the router what they saw before the next one looks: else an instance that has gone could come back.</summary>
    readonly Lock telling = new();
    readonly ConcurrentDictionary<string, IReadOnlyList<string>> answering = new();
    readonly ConcurrentDictionary<string, Introduction> known = new();

    public Visitors(Router router, Fleet fleet, ReceiverAddress address, Domains domains, ILogger<Visitors> logger)
    {
        this.router = router;
        this.fleet = fleet;
        this.domains = domains;
        this.logger = logger;
        book = new AddressBook(address, domains);
        fleet.Changed += InstancesChanged;
    }

    /// <summary>The project is taken away.</summary>
    public event Action<Project>? Departed;

    /// <summary>Where people find the project: <c>http://&lt;project&gt;.&lt;domain&gt;</c>.</summary>
    public string Url(Project project) => book.Url(project);

    /// <summary>Where one release of it answers, live or not.</summary>
    public string Url(Release release) => book.Url(release);

    /// <summary>The release that visitors meet; null while there is none.</summary>
    public Release? Serving(Project project) => serving.GetValueOrDefault(project.Key);

    /// <summary>Start-up: the project's names are known, and whoever asks waits until its release is up again.</summary>
    public void Expect(Project project)
    {
        Lead(project, "web", []);
        Hold(project);
    }

    /// <summary>New requests wait; those that are being answered are not disturbed.</summary>
    public void Hold(Project project)
    {
        foreach (var type in TypesOf(project))
        {
            router.Hold(Key(project, type), LongestHold, MostHeld);
        }
    }

    public void LetIn(Project project)
    {
        foreach (var type in TypesOf(project))
        {
            router.LetIn(Key(project, type));
        }
    }

    /// <summary>Every address that leads to the project now, with the type behind it.</summary>
    public IReadOnlyList<(string Type, RouteWish Wish)> AddressesOf(Project project) =>
        [.. from type in TypesOf(project)
            from wish in book.Of(project, type, LiveOf(project))
            where router.OwnerOf(wish.Host) == Key(project, type)
            select (type, wish)];

    /// <summary>Every host name that leads to a live release now.</summary>
    public IReadOnlyList<string> HostsServed() =>
        [.. serving.Values.SelectMany(release => AddressesOf(release.Project)).Select(one => one.Wish.Host.Split('/')[0]).Distinct(StringComparer.Ordinal)];

    /// <summary>What went through each type of the project since the receiver started.</summary>
    public IReadOnlyList<(string Type, Traffic Traffic)> TrafficOf(Project project) =>
        [.. from type in TypesOf(project)
            let traffic = router.TrafficOf(Key(project, type))
            where traffic is not null
            select (type, traffic)];

    /// <summary>May the project have these addresses?</summary>
    /// <exception cref="Refusal">One is another's, or not theirs to choose; every such one is named.</exception>
    public void Check(Project project, IEnumerable<Address> wanted)
    {
        var mistakes = wanted.Where(one => one.Host is not null).Select(one => WhyNot(project, one)).OfType<string>().ToList();
        if (mistakes.Count > 0)
        {
            throw new Refusal(string.Join('\n', mistakes));
        }
    }

    /// <summary>Is it nobody else's? An administrator may give any such name.</summary>
    /// <exception cref="Refusal">It is another's, or the receiver's own.</exception>
    public void CheckFree(Project project, Address wanted)
    {
        if (WhyNotFree(project, wanted) is { } why)
        {
            throw new Refusal(why);
        }
    }

    /// <summary>What was changed at the desk holds from the next request on.</summary>
    public void Reconsider(Project project)
    {
        Release? live;
        do
        {
            live = Serving(project);
            foreach (var type in TypesOf(project))
            {
                Taken(router.Reassign(Key(project, type), book.Of(project, type, LiveOf(project))), project);
            }
        }
        while (live != Serving(project)); // somebody switched meanwhile, and its addresses are others
    }

    /// <summary>This release has an address of its own from now on.</summary>
    /// <exception cref="Refusal">A page or a password of its manifest is missing, or an address is another project's.</exception>
    public void Introduce(Release release, Launch launch)
    {
        var introduction = Introduction.Of(release, launch);
        Check(release.Project, introduction.Addresses);
        known[release.Id.Value] = introduction;
        foreach (var type in introduction.WebTypes)
        {
            Taken(router.Assign(Key(release, type), book.Of(introduction, type), Backends(release.Project, release.Id, type)), release.Project);
        }
    }

    /// <summary>Visitors of the project meet this release: an in-memory swap that cannot fail. Whoever was held goes on.</summary>
    public void Meet(Release release)
    {
        var project = release.Project;
        lock (telling)
        {
            serving[project.Key] = release;
            joined.TryRemove(project.Key, out _);
            var types = WebTypes(release.Id);
            foreach (var gone in TypesOf(project).Except(types).Except(Web))
            {
                router.Remove(Key(project, gone));
            }

            answering[project.Key] = [.. types.Union(Web)];
            foreach (var type in types)
            {
                Lead(project, type, Backends(project, release.Id, type));
            }

            LetIn(project);
        }
    }

    /// <summary>Returns when nobody is being answered by this release any more, or at the deadline.</summary>
    public async Task DrainAsync(Release release, TimeSpan deadline)
    {
        foreach (var type in WebTypes(release.Id))
        {
            await router.DrainAsync(Key(release.Project, type), Backends(release.Project, release.Id, type), deadline);
        }
    }

    /// <summary>The same for some instances of one type, which are not among the release's any more.</summary>
    public Task DrainAsync(Release release, string type, IEnumerable<Runtimes.Backend> leavers, TimeSpan deadline) =>
        router.DrainAsync(Key(release.Project, type), [.. leavers.Select(Reachable)], deadline);

    /// <summary>Until <see cref="Meet"/> visitors of the project are answered by both (PM-63, PM-64), whichever instances they have.</summary>
    public void MeetBoth(Release old, Release next)
    {
        lock (telling)
        {
            joined[next.Project.Key] = next;
            foreach (var type in WebTypes(next.Id).Intersect(WebTypes(old.Id)))
            {
                router.Retarget(Key(next.Project, type), [.. Backends(old.Project, old.Id, type), .. Backends(next.Project, next.Id, type)]);
            }
        }
    }

    /// <summary>The project's names lead nowhere, as before its first release.</summary>
    public void Close(Project project)
    {
        serving.TryRemove(project.Key, out _);
        joined.TryRemove(project.Key, out _);
        foreach (var type in TypesOf(project))
        {
            router.Remove(Key(project, type));
        }

        answering.TryRemove(project.Key, out _);
    }

    /// <summary>The release has no address of its own any more.</summary>
    public void Forget(Project project, ReleaseId id)
    {
        if (known.TryRemove(id.Value, out var gone))
        {
            foreach (var type in gone.WebTypes)
            {
                router.Remove(Key(gone.Release, type));
            }
        }
    }

    /// <summary>The project has no address any more; whoever is held for it is answered that there is nobody.</summary>
    public void Depart(Project project)
    {
        foreach (var (release, types, _, _) in known.Values)
        {
            if (release.Project.Key == project.Key)
            {
                types.ToList().ForEach(type => router.Remove(Key(project, type)));
                Forget(project, release.Id);
            }
        }

        serving.TryRemove(project.Key, out _);
        joined.TryRemove(project.Key, out _);
        router.Remove(Key(project, "web"));
        domains.Forget(project);
        Departed?.Invoke(project);
    }

    static string Key(Project project, string type) => $"{project.Key}/{type}";

    static string Key(Release release, string type) => $"{release.Project.Key}/{type}/{release}";

    /// <summary>What visitors of the project may ask for; before anything is live its name is all there is.</summary>
    IReadOnlyList<string> TypesOf(Project project) => answering.GetValueOrDefault(project.Key) ?? Web;

    IReadOnlyList<string> WebTypes(ReleaseId id) => known.TryGetValue(id.Value, out var release) ? release.WebTypes : [];

    List<Backend> Backends(Project project, ReleaseId id, string type) =>
        [.. fleet.Backends(project, id, type).Select(Reachable)];

    static Backend Reachable(Runtimes.Backend backend) => new(backend.Address.Address.ToString(), backend.Address.Port);

    /// <summary>The releases whose instances of a type visitors of the project meet: one, and for the time of a changeover a second.</summary>
    List<Release> Answering(Project project, string type) => !serving.TryGetValue(project.Key, out var live) ? []
        : joined.TryGetValue(project.Key, out var next) && WebTypes(live.Id).Contains(type) && WebTypes(next.Id).Contains(type) ? [live, next] : [live];

    Introduction? LiveOf(Project project) =>
        serving.TryGetValue(project.Key, out var live) ? known.GetValueOrDefault(live.Id.Value) : null;

    void Lead(Project project, string type, IReadOnlyList<Backend> backends) =>
        Taken(router.Assign(Key(project, type), book.Of(project, type, LiveOf(project)), backends), project);

    // A switch cannot fail: an address that somebody else has got meanwhile stays theirs, and the operator reads of it.
    void Taken(IReadOnlyList<(string Host, string Owner)> taken, Project project)
    {
        foreach (var (host, owner) in taken.Where(one => ProjectOf(one.Owner) != project.Key))
        {
            Log.Taken(logger, host, project.Key, owner);
        }
    }

    string? WhyNot(Project project, Address wanted)
    {
        var host = wanted.Host!;
        var own = book.OwnNames(project);
        return !own.Any(name => host == name || host.EndsWith("." + name, StringComparison.Ordinal)) && book.IsReserved(host)
                ? $"{wanted.Name} cannot be had: names at {book.Domain} are given out by the receiver"
            : WhyNotFree(project, wanted);
    }

    string? WhyNotFree(Project project, Address wanted) =>
        router.IsControlHost(wanted.Host!) ? $"{wanted.Name} cannot be had: it is the receiver's own name"
            : (domains.OwnerOf(wanted.Host!, wanted.Path) ?? ProjectOf(router.OwnerOf(wanted.Name))) is { } owner && owner != project.Key ? $"{wanted.Name} leads to another project already"
            : null;

    static string? ProjectOf(string? key) => key is null ? null : string.Join('/', key.Split('/')[..2]);

    void InstancesChanged(Project project, ReleaseId id)
    {
        if (!known.TryGetValue(id.Value, out var changed))
        {
            return;
        }

        lock (telling)
        {
            foreach (var type in changed.WebTypes)
            {
                router.Switch(Key(changed.Release, type), Backends(project, id, type));
                if (Answering(project, type) is var both && both.Exists(release => release.Id == id))
                {
                    // Not a switch: that would let in whoever is held while the release is being stopped.
                    router.Retarget(Key(project, type), [.. both.SelectMany(release => Backends(project, release.Id, type))]);
                }
            }
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Host} does not lead to {Project}: {Owner} has it")]
        public static partial void Taken(ILogger logger, string host, string project, string owner);
    }
}

/// <summary>The domain applications answer under and the port the router really listens on.</summary>
sealed record ReceiverAddress(string Domain, int Port);
