using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Routing;

namespace Paas.Receiver.Api;

/// <summary>Where visitors find a project, who of them may pass, what went through, and maintenance mode. All of it holds from the next request on.</summary>
static class DomainEndpoints
{
    const int MostUsers = 100;
    const int MostNetworks = 100;

    public static void MapDomains(this RouteGroupBuilder api)
    {
        api.MapGet("/projects/{environment}/{project}/domains", (string environment, string project, HttpContext context, Desk desk, Visitors visitors, Domains domains) =>
        {
            var found = desk.Project(context, environment, project, Permission.View);
            return TypedResults.Ok(new DomainList(domains.InMaintenance(found), [.. visitors.AddressesOf(found).Select(one => SummaryOf(one.Type, one.Wish, domains.Of(found)))]));
        }).ThroughLinks();
        api.MapPut("/projects/{environment}/{project}/domains/{host}", Put).ThroughLinks();
        api.MapDelete("/projects/{environment}/{project}/domains/{host}", (string environment, string project, string host, string? path, HttpContext context, Desk desk, Visitors visitors, Domains domains) =>
        {
            var found = desk.Project(context, environment, project, Permission.ApplicationRouting);
            if (!domains.Remove(found, host.ToLowerInvariant(), (path ?? "").TrimEnd('/')))
            {
                throw ProblemException.Missing("such address");
            }

            visitors.Reconsider(found);
            return TypedResults.NoContent();
        }).ThroughLinks();
        api.MapPut("/projects/{environment}/{project}/maintenance", (string environment, string project, MaintenanceOrder order, HttpContext context, Desk desk, Visitors visitors, Domains domains) =>
        {
            var found = desk.Project(context, environment, project, Permission.ApplicationRouting);
            domains.SetMaintenance(found, order.On);
            visitors.Reconsider(found);
            return TypedResults.NoContent();
        }).ThroughLinks();
        api.MapGet("/projects/{environment}/{project}/traffic", (string environment, string project, HttpContext context, Desk desk, Visitors visitors) =>
        {
            var found = desk.Project(context, environment, project, Permission.View);
            return TypedResults.Ok(new Page<TrafficSummary>([.. visitors.TrafficOf(found).Select(one => SummaryOf(one.Type, one.Traffic))]));
        }).ThroughLinks();
    }

    static NoContent Put(string environment, string project, string host, string? path, DomainOrder order, HttpContext context, Desk desk, Visitors visitors, Domains domains)
    {
        var found = desk.Project(context, environment, project, Permission.ApplicationRouting);
        var address = AddressOf(host.ToLowerInvariant().TrimEnd('.'), (path ?? "").TrimEnd('/'), order);
        if (desk.IsAdministrator(context))
        {
            visitors.CheckFree(found, address); // also names at the receiver's own domain
        }
        else
        {
            visitors.Check(found, [address]);
        }

        domains.Put(found, address);
        visitors.Reconsider(found);
        return TypedResults.NoContent();
    }

    static Address AddressOf(string host, string path, DomainOrder order)
    {
        var networks = new List<System.Net.IPNetwork>();
        List<string> mistakes = [];
        if (!Address.IsHost(host))
        {
            mistakes.Add($"'{host}' is not a host name like shop.example.org or *.example.org.");
        }

        if (!Address.IsPath(path))
        {
            mistakes.Add($"'{path}' is not a path like /admin.");
        }

        foreach (var text in order.Allow ?? [])
        {
            if (Address.TryNetwork(text ?? "", out var network))
            {
                networks.Add(network);
            }
            else
            {
                mistakes.Add($"'{text}' is neither an address nor a network like 10.0.0.0/8.");
            }
        }

        if (order.Users is { } users && (users.Count > MostUsers || users.Any(user => user.Key.Length is 0 or > 100 || user.Key.Contains(':', StringComparison.Ordinal) || string.IsNullOrEmpty(user.Value) || user.Value.Length > 200)))
        {
            mistakes.Add($"Users are at most {MostUsers}, each with a name without ':' and a password.");
        }

        if (networks.Count > MostNetworks)
        {
            mistakes.Add($"At most {MostNetworks} networks.");
        }

        if (order.Type is { } type && !ProjectName.IsLabel(type))
        {
            mistakes.Add($"'{type}' is no process type.");
        }

        return mistakes.Count > 0
            ? throw new ProblemException(StatusCodes.Status400BadRequest, string.Join(' ', mistakes))
            : new Address
            {
                Host = host,
                Path = path,
                Type = order.Type ?? "web",
                Allow = networks,
                Users = (order.Users ?? []).ToDictionary(user => user.Key, user => DoorList.Hash(user.Value)),
                Sticky = order.Sticky,
            };
    }

    static DomainSummary SummaryOf(string type, RouteWish wish, IReadOnlyList<Address> given)
    {
        var slash = wish.Host.IndexOf('/', StringComparison.Ordinal);
        return new DomainSummary
        {
            Host = slash < 0 ? wish.Host : wish.Host[..slash],
            Path = slash < 0 ? null : wish.Host[slash..],
            Type = type,
            Given = given.Any(address => address.Name == wish.Host),
            Allow = wish.Rules.Allow.Count == 0 ? null : [.. wish.Rules.Allow.Select(network => network.ToString())],
            Users = wish.Rules.DoorList is { } list ? [.. list.Users] : null,
            Sticky = wish.Rules.Sticky,
        };
    }

    static TrafficSummary SummaryOf(string type, Traffic traffic) => new()
    {
        Type = type,
        Requests = traffic.Requests,
        Classes = traffic.Classes,
        Upgrades = traffic.Upgrades,
        P50 = traffic.Percentile(50).TotalMilliseconds,
        P95 = traffic.Percentile(95).TotalMilliseconds,
        P99 = traffic.Percentile(99).TotalMilliseconds,
    };
}
