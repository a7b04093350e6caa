using System.Collections.Immutable;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>
/// A host name (or <c>*.suffix</c>, or <c>*</c>) and a path prefix (empty, or <c>/a/b</c>) that lead to a destination.
/// The prefix matches whole segments and is passed on to the application.
/// </summary>
sealed record Route(string Host, string PathPrefix, Destination Destination)
{
    /// <summary>How visitors are treated here. Does not make a route another one: rules change under a name that stays.</summary>
    public RouteRules Rules { get; init; } = RouteRules.None;

    /// <summary>Reads <c>host</c>, <c>*.suffix</c>, <c>*</c>, each with an optional <c>/prefix</c>.</summary>
    /// <exception cref="Refusal">The text is no such thing.</exception>
    public static Route Parse(string text, Destination destination, RouteRules? rules = null)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var host = (slash < 0 ? text : text[..slash]).ToLowerInvariant();
        host = host.Length > 2 && host[^1] == '.' ? host[..^1] : host;
        var prefix = slash < 0 ? "" : text[slash..].TrimEnd('/');
        return Address.IsHost(host) && Address.IsPath(prefix)
            ? new Route(host, prefix, destination) { Rules = rules ?? RouteRules.None }
            : throw new Refusal($"'{text}' is not a host name for a route: name.example.org, *.example.org or '*', and a path prefix if need be.");
    }

    /// <summary>The host name as it is looked up: without port and final dot. Empty when there is none.</summary>
    public static ReadOnlySpan<char> BareHost(ReadOnlySpan<char> host)
    {
        if (host.Length > 0 && host[0] == '[')
        {
            return host[..(host.IndexOf(']') + 1)];
        }

        var colon = host.LastIndexOf(':');
        var name = colon < 0 ? host : host[..colon];
        return name.Length > 0 && name[^1] == '.' ? name[..^1] : name;
    }

    public bool IsWild => Host[0] == '*';

    /// <summary>What the host is looked up by: the name, or what follows <c>*.</c>, or nothing for <c>*</c>.</summary>
    public string Name => !IsWild ? Host : Host.Length > 2 ? Host[2..] : "";

    public bool Matches(string path) =>
        PathPrefix.Length == 0
        || (path.StartsWith(PathPrefix, StringComparison.Ordinal) && (path.Length == PathPrefix.Length || path[PathPrefix.Length] == '/'));
}

/// <summary>
/// Every route at one moment: exact names first, then <c>*.</c> suffixes from the most specific to <c>*</c> (AMB-14), never "the first application".
/// Immutable; the router replaces it whole. Looking up, and making a changed one, cost the same whatever the number of routes.
/// </summary>
sealed class RouteTable
{
    public static readonly RouteTable Empty = new(HostMap.Empty, HostMap.Empty, ImmutableDictionary<string, Route[]>.Empty);

    readonly HostMap exact;
    readonly HostMap suffixes;
    readonly ImmutableDictionary<string, Route[]> byKey;

    RouteTable(HostMap exact, HostMap suffixes, ImmutableDictionary<string, Route[]> byKey)
    {
        this.exact = exact;
        this.suffixes = suffixes;
        this.byKey = byKey;
    }

    /// <summary>The most specific route for a bare host name and a decoded path, or null.</summary>
    public Route? Find(ReadOnlySpan<char> host, string path)
    {
        if (Among(exact.Find(host), path) is { } found)
        {
            return found;
        }

        if (suffixes.IsEmpty || host.IsEmpty)
        {
            return null;
        }

        for (var rest = host; rest.IndexOf('.') is >= 0 and var dot;)
        {
            rest = rest[(dot + 1)..];
            if (Among(suffixes.Find(rest), path) is { } wild)
            {
                return wild;
            }
        }

        return Among(suffixes.Find(""), path);
    }

    /// <summary>True when some route, whatever its path, is for this host.</summary>
    public bool Knows(ReadOnlySpan<char> host)
    {
        if (exact.Find(host) is not null || (!host.IsEmpty && suffixes.Find("") is not null))
        {
            return true;
        }

        for (var rest = host; !suffixes.IsEmpty && rest.IndexOf('.') is >= 0 and var dot;)
        {
            rest = rest[(dot + 1)..];
            if (suffixes.Find(rest) is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The most specific route for exactly this name: no wildcard takes its place.</summary>
    public Route? FindExactly(string host, string path) => Among(exact.Find(host), path);

    /// <summary>The routes of exactly this host; null when there are none.</summary>
    public Route[]? At(string host) => (host[0] == '*' ? suffixes : exact).Find(host[0] != '*' ? host : host.Length > 2 ? host[2..] : "");

    /// <summary>Some route of this host, whatever its path: whose name it is.</summary>
    public Route? OwnerOf(ReadOnlySpan<char> host)
    {
        if (exact.Find(host) is [.., var own])
        {
            return own;
        }

        for (var rest = host; !suffixes.IsEmpty && rest.IndexOf('.') is >= 0 and var dot;)
        {
            rest = rest[(dot + 1)..];
            if (suffixes.Find(rest) is [.., var wild])
            {
                return wild;
            }
        }

        return null;
    }

    /// <summary>The routes of a destination; none when it has none.</summary>
    public IReadOnlyList<Route> Of(string key) => byKey.GetValueOrDefault(key) ?? [];

    /// <summary>This table with exactly these routes for a destination.</summary>
    /// <exception cref="Refusal">One of them leads to somebody else already.</exception>
    public RouteTable With(string key, IReadOnlyList<Route> routes)
    {
        var table = Without(key);
        var (names, wild) = (table.exact, table.suffixes);
        foreach (var route in routes.DistinctBy(route => (route.Host, route.PathPrefix)))
        {
            var others = (route.IsWild ? wild : names).Find(route.Name) ?? [];
            if (others.FirstOrDefault(other => other.PathPrefix == route.PathPrefix) is { } taken)
            {
                throw new Refusal($"{route.Host}{route.PathPrefix} already leads to {taken.Destination.Key}.");
            }

            Route[] longestFirst = [.. others.Append(route).OrderByDescending(other => other.PathPrefix.Length)];
            (names, wild) = route.IsWild ? (names, wild.With(route.Name, longestFirst)) : (names.With(route.Name, longestFirst), wild);
        }

        return new RouteTable(names, wild, table.byKey.SetItem(key, [.. routes]));
    }

    public RouteTable Without(string key)
    {
        var (names, wild) = (exact, suffixes);
        foreach (var route in Of(key))
        {
            Route[] left = [.. ((route.IsWild ? wild : names).Find(route.Name) ?? []).Where(other => other.Destination.Key != key)];
            (names, wild) = route.IsWild ? (names, wild.With(route.Name, left)) : (names.With(route.Name, left), wild);
        }

        return new RouteTable(names, wild, byKey.Remove(key));
    }

    static Route? Among(Route[]? longestFirst, string path)
    {
        if (longestFirst is null)
        {
            return null;
        }

        // An application may understand "/x/..%2fadmin" or "//admin" as "/admin": what leads there in either reading is under its rules.
        var other = longestFirst is [{ PathPrefix: "" }] ? null : OtherReading(path);
        foreach (var route in longestFirst)
        {
            if (route.Matches(path) || (other is not null && route.Matches(other)))
            {
                return route;
            }
        }

        return null;
    }

    static string? OtherReading(string path)
    {
        if (!path.Contains("//", StringComparison.Ordinal) && !path.Contains('\\', StringComparison.Ordinal) && !path.Contains('%', StringComparison.Ordinal))
        {
            return null;
        }

        var segments = new List<string>();
        foreach (var segment in Uri.UnescapeDataString(path).Replace('\\', '/').Split('/'))
        {
            if (segment == "..")
            {
                segments.RemoveRange(Math.Max(0, segments.Count - 1), Math.Min(1, segments.Count));
            }
            else if (segment.Length > 0 && segment != ".")
            {
                segments.Add(segment);
            }
        }

        return "/" + string.Join('/', segments);
    }
}

/// <summary>
/// Host names to their routes, immutable. A change copies one of a thousand short shelves and the list of shelves,
/// so that ten thousand applications can be assigned one after the other at start-up.
/// </summary>
sealed class HostMap
{
    const int ShelfCount = 1024;

    public static readonly HostMap Empty = new([.. Enumerable.Repeat<Entry[]>([], ShelfCount)], 0);

    readonly Entry[][] shelves;
    readonly int count;

    HostMap(Entry[][] shelves, int count)
    {
        this.shelves = shelves;
        this.count = count;
    }

    public bool IsEmpty => count == 0;

    public Route[]? Find(ReadOnlySpan<char> host)
    {
        var hash = string.GetHashCode(host, StringComparison.OrdinalIgnoreCase);
        foreach (ref readonly var entry in shelves[ShelfOf(hash)].AsSpan())
        {
            if (entry.Hash == hash && host.Equals(entry.Host, StringComparison.OrdinalIgnoreCase))
            {
                return entry.Routes;
            }
        }

        return null;
    }

    /// <summary>This map with these routes for a host; without the host when there are none.</summary>
    public HostMap With(string host, Route[] routes)
    {
        var hash = string.GetHashCode(host.AsSpan(), StringComparison.OrdinalIgnoreCase);
        var former = shelves[ShelfOf(hash)];
        var others = former.Where(entry => !entry.Host.Equals(host, StringComparison.OrdinalIgnoreCase));
        Entry[] shelf = [.. routes.Length == 0 ? others : others.Append(new Entry(hash, host, routes))];
        var changed = (Entry[][])shelves.Clone();
        changed[ShelfOf(hash)] = shelf;
        return new HostMap(changed, count + shelf.Length - former.Length);
    }

    static int ShelfOf(int hash) => hash & (ShelfCount - 1);

    readonly record struct Entry(int Hash, string Host, Route[] Routes);
}
