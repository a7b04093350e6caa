using Paas.Receiver.Manifests;
using Paas.Receiver.Toolchains;

namespace Paas.Receiver.Buildpacks;

/// <summary>Who builds a draft, found out before anything is run. Immutable.</summary>
sealed record BuildPlan
{
    /// <summary>In their order; empty when the project builds itself or there is nothing to build.</summary>
    public IReadOnlyList<PlannedPack> Packs { get; init; } = [];

    public required BuildWishes Wishes { get; init; }

    /// <summary>The versions of languages that the tree asks for, found on this machine.</summary>
    public IReadOnlyList<(Wanted.Wish Wish, Toolchain Found)> Toolchains { get; init; } = [];

    /// <summary>What was asked for and is not done, for the pusher.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
}

/// <param name="Detected">What its <c>bin/detect</c> said; null when it is yet to be asked, in the cage.</param>
/// <param name="Why">What it was chosen for: a file that is there, or the file that names it.</param>
sealed record PlannedPack(Buildpack Pack, string? Detected, string Why);
