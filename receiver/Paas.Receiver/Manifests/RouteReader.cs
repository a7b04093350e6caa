using System.Net;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>One entry of <c>paas: routes</c>: <c>{host, path, type, allow, users, sticky}</c>, each of them optional. Without a host it is about every name of the project.</summary>
static class RouteReader
{
    public static Address Read(Fields route, Mistakes mistakes)
    {
        var host = route.Text("host")?.ToLowerInvariant();
        if (host is not null && (host == "*" || !Address.IsHost(host)))
        {
            route.Mistake("host", $"{Mistakes.Quote(host)} is not a host name like shop.example.org or *.example.org");
        }

        var path = (route.Text("path") ?? "").TrimEnd('/');
        if (!Address.IsPath(path))
        {
            route.Mistake("path", $"{Mistakes.Quote(path)} is not a path like /admin");
        }

        var address = new Address
        {
            Host = host,
            Path = path,
            Type = route.Text("type") ?? "web",
            Allow = [.. route.List("allow").Select(item => Network(item.Node, item.Path, mistakes)).OfType<IPNetwork>()],
            Users = Users(route, mistakes),
            Sticky = route.Flag("sticky"),
        };
        route.NoOthers();
        return address;
    }

    static IPNetwork? Network(Node node, string path, Mistakes mistakes)
    {
        if (node is Scalar scalar && Address.TryNetwork(scalar.Text, out var network))
        {
            return network;
        }

        mistakes.Add(node.Line, path, $"{(node is Scalar other ? Mistakes.Quote(other.Text) : node.Kind)} is neither an address nor a network like 10.0.0.0/8");
        return null;
    }

    static Dictionary<string, string> Users(Fields route, Mistakes mistakes)
    {
        var users = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in route.Free("users").Entries)
        {
            if (entry.Value is Scalar { Text: var variable } && variable.Length is > 0 and <= 200 && variable.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            {
                users[entry.Key] = variable;
            }
            else
            {
                // A password in the repository would be everybody's who can read it.
                mistakes.Add(entry.Line, $"{route.PathOf("users")}.{entry.Key}", "the name of the pillar's variable that holds the password was expected");
            }
        }

        return users;
    }
}
