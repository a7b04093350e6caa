using System.Net;

namespace Paas.Receiver.Access;

/// <summary>Who asks, known by a credential that was right.</summary>
/// <param name="Name">For records and for other people's messages.</param>
/// <param name="IsAdmin">May do everything.</param>
/// <param name="OnlyProject">The <c>env/name</c> of the one project this caller's credential is good for; null is not limited so.</param>
sealed record Caller(string Name, bool IsAdmin, string? OnlyProject = null)
{
    /// <summary>The user behind the credential; null for one that belongs to nobody, such as a project's deploy token.</summary>
    public string? User { get; init; }

    /// <summary>What the user's roles allow, or what such a credential allows by itself.</summary>
    public Rights Rights { get; init; } = IsAdmin ? Rights.All : OnlyProject is null ? Rights.Developer : Rights.OneProject;

    /// <summary>What the credential is limited to, whatever its owner may do.</summary>
    public PermissionSet Scope { get; init; } = PermissionSet.All;

    /// <summary>Which one it was, for the audit log: <c>token 3 (ci)</c>. Never anything secret.</summary>
    public string Credential { get; init; } = "";

    /// <summary>Where the caller really is when the request only passes through another of our doors.</summary>
    public IPAddress? CameFrom { get; init; }

    /// <summary>The credential is as good as its owner: it may make others.</summary>
    public bool IsWhole => OnlyProject is null && Scope == PermissionSet.All;
}
