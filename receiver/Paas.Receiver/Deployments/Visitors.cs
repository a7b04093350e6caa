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
sealed class Visitors
{
    /// <summary>How long a visitor may be held while a release is exchanged, and how many at once.</summary>
    static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(5);

    const int MostHeld = 2000;

    static readonly IReadOnlyList<string> Web = ["web"];

    readonly Router router;
    readonly Fleet fleet;
    readonly string domain;
    readonly string suffix;
    readonly ConcurrentDictionary<string, Release> serving = new();
    readonly ConcurrentDictionary<string, IReadOnlyList<string>> answering = new();
    readonly ConcurrentDictionary<string, (Release Release, IReadOnlyList<string> WebTypes)> known = new();

    public Visitors(Router router, Fleet fleet, ReceiverAddress address)
    {
        this.router = router;
        this.fleet = fleet;
        domain = address.Domain;
        suffix = address.Port == 80 ? "" : $":{address.Port}";
        fleet.Changed += InstancesChanged;
    }

    /// <summary>Where people find the project: <c>http://&lt;project&gt;.&lt;domain&gt;</c>.</summary>
    public string Url(Project project) => $"http://{Names(project)[0]}{suffix}";

    /// <summary>Where one release of it answers, live or not.</summary>
    public string Url(Release release) => $"http://v{release.Number}.{release.Project.Name}.{release.Project.Environment.Name}.{domain}{suffix}";

    /// <summary>The release that visitors meet; null while there is none.</summary>
    public Release? Serving(Project project) => serving.GetValueOrDefault(project.Key);

    /// <summary>Start-up: the project's names are known, and whoever asks waits until its release is up again.</summary>
    public void Expect(Project project)
    {
        router.Assign(Key(project, "web"), NamesOf(project, "web"), []);
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

    /// <summary>This release has an address of its own from now on.</summary>
    public void Introduce(Release release, IEnumerable<ProcessType> types)
    {
        var web = types.Where(type => type.Web).Select(type => type.Name).ToList();
        known[release.Id.Value] = (release, web);
        foreach (var type in web)
        {
            router.Assign(Key(release, type), [HostOf(release, type)], Backends(release.Project, release.Id, type));
        }
    }

    /// <summary>Visitors of the project meet this release: an in-memory swap that cannot fail. Whoever was held goes on.</summary>
    public void Meet(Release release)
    {
        var project = release.Project;
        serving[project.Key] = release;
        var types = WebTypes(release.Id);
        foreach (var gone in TypesOf(project).Except(types).Except(Web))
        {
            router.Remove(Key(project, gone));
        }

        answering[project.Key] = [.. types.Union(Web)];
        foreach (var type in types)
        {
            router.Assign(Key(project, type), NamesOf(project, type), Backends(project, release.Id, type));
        }

        LetIn(project);
    }

    /// <summary>Returns when nobody is being answered by this release any more, or at the deadline.</summary>
    public async Task DrainAsync(Release release, TimeSpan deadline)
    {
        foreach (var type in WebTypes(release.Id))
        {
            await router.DrainAsync(Key(release.Project, type), Backends(release.Project, release.Id, type), deadline);
        }
    }

    /// <summary>The project's names lead nowhere, as before its first release.</summary>
    public void Close(Project project)
    {
        serving.TryRemove(project.Key, out _);
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
        foreach (var (release, types) in known.Values)
        {
            if (release.Project.Key == project.Key)
            {
                types.ToList().ForEach(type => router.Remove(Key(project, type)));
                Forget(project, release.Id);
            }
        }

        serving.TryRemove(project.Key, out _);
        router.Remove(Key(project, "web"));
    }

    static string Key(Project project, string type) => $"{project.Key}/{type}";

    static string Key(Release release, string type) => $"{release.Project.Key}/{type}/{release}";

    List<string> NamesOf(Project project, string type) => [.. Names(project).Select(name => type == "web" ? name : $"{type}.{name}")];

    /// <summary>What visitors of the project may ask for; before anything is live its name is all there is.</summary>
    IReadOnlyList<string> TypesOf(Project project) => answering.GetValueOrDefault(project.Key) ?? Web;

    IReadOnlyList<string> WebTypes(ReleaseId id) => known.TryGetValue(id.Value, out var release) ? release.WebTypes : [];

    List<Backend> Backends(Project project, ReleaseId id, string type) =>
        [.. fleet.Backends(project, id, type).Select(backend => new Backend(backend.Address.Address.ToString(), backend.Address.Port))];

    List<string> Names(Project project)
    {
        var full = $"{project.Name}.{project.Environment.Name}.{domain}";
        return project.Environment.IsDefault ? [$"{project.Name}.{domain}", full] : [full];
    }

    string HostOf(Release release, string type)
    {
        var host = $"v{release.Number}.{release.Project.Name}.{release.Project.Environment.Name}.{domain}";
        return type == "web" ? host : $"{type}.{host}";
    }

    void InstancesChanged(Project project, ReleaseId id)
    {
        if (!known.TryGetValue(id.Value, out var changed))
        {
            return;
        }

        var isLive = serving.TryGetValue(project.Key, out var live) && live.Id == id;
        foreach (var type in changed.WebTypes)
        {
            var backends = Backends(project, id, type);
            router.Switch(Key(changed.Release, type), backends);
            if (isLive)
            {
                // Not a switch: that would let in whoever is held while the release is being stopped.
                router.Assign(Key(project, type), NamesOf(project, type), backends);
            }
        }
    }
}

/// <summary>The domain applications answer under and the port the router really listens on.</summary>
sealed record ReceiverAddress(string Domain, int Port);
