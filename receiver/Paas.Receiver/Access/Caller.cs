namespace Paas.Receiver.Access;

/// <summary>Who asks, known by a credential that was right.</summary>
/// <param name="Name">For records and for other people's messages.</param>
/// <param name="IsAdmin">May do everything.</param>
/// <param name="OnlyProject">The <c>env/name</c> of the one project this caller's credential is good for; null is not limited so.</param>
sealed record Caller(string Name, bool IsAdmin, string? OnlyProject = null);

/// <summary>What may be allowed. What concerns one project is asked with that project's key, the rest without.</summary>
enum Permission
{
    /// <summary>Status, releases, deployments and logs of a project, and fetching its code. Without it the project looks missing.</summary>
    View,

    /// <summary>Push, redeploy, roll back, cancel.</summary>
    Deploy,

    /// <summary>Read the configuration (masked where it is shown) and fetch or push the pillar.</summary>
    Configure,

    /// <summary>A first push makes the project.</summary>
    CreateProject,

    /// <summary>Tokens and everything that concerns the receiver as a whole.</summary>
    Administer,
}
