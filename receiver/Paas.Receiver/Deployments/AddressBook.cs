using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Routing;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>What visitors can know of one release: its web types, the addresses its manifest declares, its own error pages.</summary>
sealed record Introduction(Release Release, IReadOnlyList<string> WebTypes, IReadOnlyList<Address> Addresses, Pages Pages)
{
    /// <summary>Reads it from the sealed tree.</summary>
    /// <exception cref="Refusal">A page is not a text file, or a route asks for a password that no variable holds.</exception>
    public static Introduction Of(Release release, Launch launch) => new(
        release,
        [.. launch.Types.Where(type => type.Web).Select(type => type.Name)],
        [.. launch.Addresses.Select(address => address with { Users = HashesOf(address, launch.Environment) })],
        PagesIn(release.Directory));

    static Dictionary<string, string> HashesOf(Address address, IReadOnlyDictionary<string, string> variables) =>
        address.Users.ToDictionary(
            user => user.Key,
            user => variables.TryGetValue(user.Value, out var password) && password.Length > 0
                ? DoorList.Hash(password)
                : throw new Refusal($"The route {address.Name} asks {user.Key} for the password in the variable {user.Value}, which the pillar does not set."));

    static Pages PagesIn(string directory)
    {
        var own = new Dictionary<string, byte[]>();
        foreach (var name in Pages.Names)
        {
            if (ProjectFile.Read(directory, $".paas/pages/{name}.html") is { } file)
            {
                own[name] = System.Text.Encoding.UTF8.GetBytes(file.Text);
            }
        }

        return own.Count == 0 ? Pages.Plain : new Pages(own);
    }
}

/// <summary>
/// Under which names visitors find a project, and by which rules: the receiver's own names (contract.md), those of its manifest, those given at the desk.
/// A project's release has an address of its own for each web type.
/// </summary>
sealed class AddressBook(ReceiverAddress address, Domains domains)
{
    readonly string suffix = address.Port == 80 ? "" : $":{address.Port}";

    /// <summary>The domain below which the receiver itself gives out names.</summary>
    public string Domain => address.Domain;

    /// <summary>Names at or below the receiver's domain, and a wildcard that would take them, are not for a manifest to choose.</summary>
    public bool IsReserved(string host) => host == "*" || host == address.Domain || host.EndsWith("." + address.Domain, StringComparison.Ordinal)
        || (host.StartsWith("*.", StringComparison.Ordinal) && address.Domain.EndsWith(host[1..], StringComparison.Ordinal));

    public string Url(Project project) => $"http://{OwnNames(project)[0]}{suffix}";

    public string Url(Release release) => $"http://v{release.Number}.{release.Project.Name}.{release.Project.Environment.Name}.{address.Domain}{suffix}";

    /// <summary>The names the receiver itself gives a project's type, the best known one first.</summary>
    public IReadOnlyList<string> OwnNames(Project project, string type = "web")
    {
        var full = $"{project.Name}.{project.Environment.Name}.{address.Domain}";
        List<string> names = project.Environment.IsDefault ? [$"{project.Name}.{address.Domain}", full] : [full];

        // AMB-15: <type>.<application>.<workspace>.<cluster> is there for web as well.
        return type == "web" ? [.. names, $"web.{full}"] : [.. names.Select(name => $"{type}.{name}")];
    }

    /// <summary>Everything that leads to a type of the live release; a project without one has its own names only.</summary>
    public IReadOnlyList<RouteWish> Of(Project project, string type, Introduction? live)
    {
        var pages = live?.Pages ?? Pages.Plain;
        var maintenance = domains.InMaintenance(project);
        List<Address> declared = [.. (live?.Addresses ?? []), .. domains.Of(project)];
        var wishes = new Dictionary<string, RouteRules>(StringComparer.Ordinal);
        var everywhere = declared.Where(one => one.Host is null && one.Type == type).ToList();
        var hosts = OwnNames(project, type).Concat(declared.Where(one => one is { Host: not null, Path: "" } && one.Type == type).Select(one => one.Host!)).ToList();
        if (type == "web")
        {
            hosts.Add($"{Router.AnyControlHost}/{project.Environment.Name}-{project.Name}"); // CloudFlow's path on the control plane's own address
        }

        foreach (var host in hosts)
        {
            wishes[host] = Rules(everywhere.Find(one => one.Path.Length == 0));
            foreach (var below in everywhere.Where(one => one.Path.Length > 0))
            {
                wishes[host + below.Path] = Rules(below);
            }
        }

        foreach (var one in declared.Where(one => one.Host is not null && one.Type == type))
        {
            // What says nothing of its own is under the rules that hold everywhere.
            var plain = one is { Allow.Count: 0, Users.Count: 0, Sticky: false, Path: "" };
            wishes[one.Name] = plain && wishes.TryGetValue(one.Name, out var general) ? general : Rules(one);
        }

        return [.. wishes.Select(wish => new RouteWish(wish.Key, wish.Value))];

        RouteRules Rules(Address? one) => RulesOf(one, pages, maintenance);
    }

    /// <summary>A release's own addresses: the receiver's and Paasmaker's form (contract.md). Guarded as the project is, open during maintenance.</summary>
    public IReadOnlyList<RouteWish> Of(Introduction known, string type)
    {
        var release = known.Release;
        var stem = $"{release.Project.Name}.{release.Project.Environment.Name}.{address.Domain}";
        string[] hosts = [type == "web" ? $"v{release.Number}.{stem}" : $"{type}.v{release.Number}.{stem}", $"{release.Number}.{type}.{stem}"];
        var everywhere = known.Addresses.Where(one => one.Host is null && one.Type == type).ToList();
        return [.. from host in hosts
                   from one in everywhere.Exists(one => one.Path.Length == 0) ? everywhere : everywhere.Prepend(new Address())
                   select new RouteWish(host + one.Path, RulesOf(one, known.Pages, maintenance: false))];
    }

    static RouteRules RulesOf(Address? one, Pages pages, bool maintenance) => new()
    {
        Allow = one?.Allow ?? [],
        DoorList = one is { Users.Count: > 0 } ? new DoorList(one.Users) : null,
        Sticky = one?.Sticky ?? false,
        Maintenance = maintenance,
        Pages = pages,
    };
}
