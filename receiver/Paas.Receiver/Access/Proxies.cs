using System.Net;

namespace Paas.Receiver.Access;

/// <summary>The servers in front of us whose word about a client's address counts (<c>PAAS_TRUSTED_PROXIES</c>).</summary>
sealed class Proxies(IReadOnlyList<IPNetwork> trusted)
{
    public static readonly Proxies None = new([]);

    /// <summary>
    /// Where a request came from: the nearest address that is no trusted proxy's. Read from the end, because what a client writes itself is at the
    /// beginning; a word that is no address ends the reading.
    /// </summary>
    /// <param name="peer">The other end of the connection.</param>
    /// <param name="forwardedFor">The header <c>X-Forwarded-For</c> as it came.</param>
    public IPAddress ClientOf(IPAddress? peer, string? forwardedFor)
    {
        var client = Plain(peer ?? IPAddress.None);
        if (trusted.Count == 0 || string.IsNullOrEmpty(forwardedFor))
        {
            return client;
        }

        foreach (var word in forwardedFor.Split(',').Reverse())
        {
            if (!IsTrusted(client) || !TryParse(word.Trim(), out var before))
            {
                break;
            }

            client = before;
        }

        return client;
    }

    /// <summary>Is the other end of a connection one of them?</summary>
    public bool Trusts(IPAddress? peer) => trusted.Count > 0 && peer is not null && IsTrusted(Plain(peer));

    bool IsTrusted(IPAddress address) => trusted.Any(network => network.Contains(address));

    // Some proxies write the port as well.
    static bool TryParse(string word, out IPAddress address)
    {
        if (IPEndPoint.TryParse(word, out var endpoint))
        {
            address = Plain(endpoint.Address);
            return true;
        }

        address = IPAddress.None;
        return false;
    }

    static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
