using System.Collections.Frozen;

namespace Paas.Receiver.Routing;

/// <summary>What a header means to a proxy.</summary>
enum HeaderRule
{
    /// <summary>Goes through as it is.</summary>
    EndToEnd,

    /// <summary>Belongs to one connection and never goes through (RFC 9110, 7.6.1).</summary>
    HopByHop,

    /// <summary>Says who is in front; written by the router, believed only from a trusted peer.</summary>
    Forwarding,

    /// <summary>Decides where the message ends; written anew from what was understood.</summary>
    Framing,

    Connection,
    Upgrade,
    Host,
    Te,
}

/// <summary>The header rules of both directions, in one place.</summary>
static class HeaderRules
{
    static readonly FrozenDictionary<string, HeaderRule> Known = new Dictionary<string, HeaderRule>
    {
        ["Connection"] = HeaderRule.Connection,
        ["Keep-Alive"] = HeaderRule.HopByHop,
        ["Proxy-Connection"] = HeaderRule.HopByHop,
        ["Proxy"] = HeaderRule.HopByHop, // CGI would call it HTTP_PROXY
        ["HTTP2-Settings"] = HeaderRule.HopByHop,
        ["TE"] = HeaderRule.Te,
        ["Transfer-Encoding"] = HeaderRule.Framing,
        ["Content-Length"] = HeaderRule.Framing,
        ["Upgrade"] = HeaderRule.Upgrade,
        ["Host"] = HeaderRule.Host,
        ["Forwarded"] = HeaderRule.Forwarding,
        ["X-Forwarded-For"] = HeaderRule.Forwarding,
        ["X-Forwarded-Host"] = HeaderRule.Forwarding,
        ["X-Forwarded-Port"] = HeaderRule.Forwarding,
        ["X-Forwarded-Proto"] = HeaderRule.Forwarding,
        ["X-Forwarded-Protocol"] = HeaderRule.Forwarding,
        ["X-Forwarded-Scheme"] = HeaderRule.Forwarding,
        ["X-Forwarded-Ssl"] = HeaderRule.Forwarding,
        ["X-Forwarded-Server"] = HeaderRule.Forwarding,
        ["X-Forwarded-Prefix"] = HeaderRule.Forwarding,
        ["X-Real-IP"] = HeaderRule.Forwarding,
        ["Front-End-Https"] = HeaderRule.Forwarding,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>The rule for a request header. <c>X_Forwarded_For</c> counts as <c>X-Forwarded-For</c>: to a CGI or WSGI application they are the same.</summary>
    public static HeaderRule OfRequest(string name)
    {
        if (Known.TryGetValue(name, out var rule))
        {
            return rule;
        }

        return name.Contains('_', StringComparison.Ordinal) && Known.TryGetValue(name.Replace('_', '-'), out _) ? HeaderRule.HopByHop : HeaderRule.EndToEnd;
    }

    /// <summary>The rule for a response header: who is in front means nothing there.</summary>
    public static HeaderRule OfResponse(string name) =>
        Known.TryGetValue(name, out var rule) && rule is not (HeaderRule.Forwarding or HeaderRule.Host) && !name.Equals("Proxy", StringComparison.OrdinalIgnoreCase)
            ? rule : HeaderRule.EndToEnd;

    /// <summary>True when a <c>Connection</c> header lists this name.</summary>
    public static bool Lists(string? connection, ReadOnlySpan<char> name)
    {
        if (connection is null)
        {
            return false;
        }

        foreach (var range in connection.AsSpan().Split(','))
        {
            if (connection.AsSpan(range).Trim(" \t").Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
