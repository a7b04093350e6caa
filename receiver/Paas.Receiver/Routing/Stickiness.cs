using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>Brings a visitor back to the instance that served first. The cookie tells nothing of where that is; an instance that is gone is replaced by another.</summary>
sealed class Stickiness(byte[] key)
{
    public const string Cookie = "paas-instance";

    readonly ConcurrentDictionary<Backend, string> names = new();

    /// <summary>The target the visitor's cookie names, if it stands, is well and was not tried yet.</summary>
    public Target? Choose(Standing standing, string? wanted, List<Target>? tried, long now)
    {
        if (wanted is null)
        {
            return null;
        }

        foreach (var target in standing.Targets)
        {
            if (NameOf(target) == wanted)
            {
                return target.IsInTrouble(now) || tried?.Contains(target) == true ? null : target;
            }
        }

        return null;
    }

    /// <summary>Gives the visitor the cookie of this target, where it is not the one that came.</summary>
    public void Mark(HttpContext context, Target target, string? wanted)
    {
        context.Response.Headers.Remove("Set-Cookie");
        if (NameOf(target) is var name && name != wanted)
        {
            context.Response.Headers.SetCookie = $"{Cookie}={name}; Path=/; HttpOnly; SameSite=Lax{(context.Request.IsHttps ? "; Secure" : "")}";
        }
    }

    string NameOf(Target target) => names.GetOrAdd(
        target.Backend,
        static (backend, key) => Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes($"{backend.Host}:{backend.Port}")).AsSpan(0, 8)),
        key);
}
