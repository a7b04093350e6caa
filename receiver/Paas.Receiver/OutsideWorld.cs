using System.Net;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Wiring;

namespace Paas.Receiver;

/// <summary>
/// What name servers and firewalls should know of this receiver: a wildcard for it and for each environment (R13.4, R13.5), the further names of projects (R2.2), and the ports it listens on where
/// others can reach them.
/// </summary>
sealed class OutsideWorld(ReceiverOptions options, ProjectStore projects, ReleaseStore releases, Visitors visitors, Domains domains)
{
    public WantedWires Wanted()
    {
        var all = projects.List();
        var names = new List<(string Name, string Owner)> { (options.Domain, ""), ($"*.{options.Domain}", "") };
        names.AddRange(projects.Environments().Where(environment => !environment.IsDefault).Select(environment => ($"*.{environment.Name}.{options.Domain}", "")));
        names.AddRange(all.SelectMany(project => HostsOf(project).Where(IsElsewhere).Select(host => (host, project.Key))));
        List<Wire> wires =
        [
            .. from name in names.DistinctBy(one => one.Name)
               from address in options.Wiring.Addresses
               select new Wire(Wire.Dns, $"{name.Name} {address}", name.Owner),
            .. new[] { options.Listen, options.RouterListen, options.TlsListen, options.SshListen }.OfType<IPEndPoint>().Where(place => !IPAddress.IsLoopback(place.Address)).Distinct()
                .Select(place => new Wire(Wire.Firewall, $"tcp {place.Port} {place.Address}")),
        ];

        // A release that is not up yet (after a restart), or is stopped, has said no addresses: those it had stay.
        return new WantedWires(wires, all.Where(project => releases.CurrentId(project) is not null && visitors.Serving(project) is null).Select(project => project.Key).ToHashSet(StringComparer.Ordinal));
    }

    IEnumerable<string> HostsOf(Project project) =>
        visitors.AddressesOf(project).Select(one => one.Wish.Host.Split('/')[0]).Concat(domains.Of(project).Select(address => address.Host).OfType<string>());

    // What is below the receiver's own domain has its wildcard.
    bool IsElsewhere(string host) => host != "*" && Address.IsHost(host) && host != options.Domain && !host.EndsWith("." + options.Domain, StringComparison.Ordinal);
}
