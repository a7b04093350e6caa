using System.Net;

namespace Paas.Receiver.Routing;

/// <summary>Where a route is and by which rules visitors pass it.</summary>
/// <param name="Host"><c>name</c>, <c>*.suffix</c> or <c>*</c>, with an optional <c>/prefix</c>.</param>
sealed record RouteWish(string Host, RouteRules Rules);

/// <summary>How one route treats its visitors. Immutable; changed by assigning the route anew.</summary>
sealed record RouteRules
{
    public static readonly RouteRules None = new();

    /// <summary>Only visitors from these networks; empty admits everybody.</summary>
    public IReadOnlyList<IPNetwork> Allow { get; init; } = [];

    /// <summary>Who may pass with HTTP basic authentication; null asks nobody.</summary>
    public DoorList? DoorList { get; init; }

    /// <summary>A visitor comes back to the instance that served first, as long as it stands.</summary>
    public bool Sticky { get; init; }

    /// <summary>Nobody is let through: 503 with the project's own page.</summary>
    public bool Maintenance { get; init; }

    /// <summary>The project's own pages.</summary>
    public Pages Pages { get; init; } = Pages.Plain;

    public bool IsOpen => Allow.Count == 0 && DoorList is null && !Maintenance;

    public bool Admits(IPAddress visitor) =>
        Allow.Count == 0 || Allow.Any(network => network.Contains(visitor));
}
