using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Paas.Receiver.Routing;

/// <summary>How the router treats visitors and applications. The defaults are what a new machine should have.</summary>
sealed record RouterOptions
{
    /// <summary>Host names of the control plane, lower case, no port: a request to one of them is the router's only where a route says so. IP addresses always belong to the control plane.</summary>
    public IReadOnlyCollection<string> ControlHosts { get; init; } = [];

    /// <summary>Peers whose <c>X-Forwarded-*</c> and <c>Forwarded</c> are believed and extended; everybody else's are replaced.</summary>
    public IReadOnlyList<IPNetwork> TrustedPeers { get; init; } = [];

    /// <summary>How long a connection to an application may take to open.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the last byte of the request to the end of the answer's head; longer is 504. No limit holds for the body, so streams may pause.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an unused connection to an application is kept.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How many unused connections are kept for one backend.</summary>
    public int MostIdle { get; init; } = 64;

    /// <summary>How long an application may take to say "100 Continue" before the body is sent all the same.</summary>
    public TimeSpan ContinueTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a backend that refused a connection is asked only after all others.</summary>
    public TimeSpan TroubleTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Largest request body in bytes; null leaves it to the application. Larger is 413.</summary>
    public long? LargestBody { get; init; }

    /// <summary>A visitor whose body comes slower than this, after a grace period, is refused with 408; null waits for ever.</summary>
    public MinDataRate? SlowestBody { get; init; } = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));

    /// <summary>Where and when visitors are sent from HTTP to HTTPS; null leaves them where they are.</summary>
    public HttpsWish? Https { get; init; }

    /// <summary>Seconds for which a browser is told to come by HTTPS only, on answers that went that way and do not say it themselves; 0 says nothing.</summary>
    public int HstsSeconds { get; init; }

    /// <summary>Where every answer leaves a line; null is nowhere.</summary>
    public AccessLog? AccessLog { get; init; }

    /// <summary>What instances are recognised by in sticky visitors' cookies: the same key after a restart, and they stay where they were.</summary>
    public byte[] StickyKey { get; init; } = RandomNumberGenerator.GetBytes(32);
}

/// <summary>Visitors of these names are sent on to HTTPS.</summary>
/// <param name="Port">The port HTTPS is heard on.</param>
/// <param name="Covers">Says whether there is a proper certificate for a name: nobody is sent to a warning.</param>
sealed record HttpsWish(int Port, Func<string, bool> Covers);
