using Paas.Receiver.Projects;

namespace Paas.Receiver.Releases;

/// <summary>What becomes of what somebody changed by hand.</summary>
enum PatchState
{
    /// <summary>It is being made: somebody is in a shell.</summary>
    Open,

    /// <summary>Part of what its archive is: applied again when the same commit is deployed again (R7.6).</summary>
    Kept,

    /// <summary>Kept and not applied by itself, unless a release with it went live: its shell did not end well, or it waits for its deployment.</summary>
    Aside,

    /// <summary>Found in a sealed tree, made by whoever got there past the receiver. Never applied by itself.</summary>
    Drift,

    /// <summary>It came along in an archive that was fixed where it was made: part of that release, never applied by itself to another.</summary>
    Brought,

    /// <summary>Somebody gave it up.</summary>
    Dropped,
}

/// <summary>What was changed by hand in one release, as <c>git am</c> and <c>git apply</c> take it. Immutable.</summary>
sealed record Patch
{
    public required Project Project { get; init; }

    /// <summary>Counts from 1 in its project.</summary>
    public required int Number { get; init; }

    public required ReleaseId Id { get; init; }

    /// <summary>The id that it got where it was made: its own, unless it came along in an archive.</summary>
    public required ReleaseId Origin { get; init; }

    /// <summary>The release that it was made in, or came along with.</summary>
    public required ReleaseId Base { get; init; }

    public required int BaseNumber { get; init; }

    /// <summary>The commit that the release was made from.</summary>
    public required string Commit { get; init; }

    public required PatchState State { get; init; }

    /// <summary>One line.</summary>
    public required string Subject { get; init; }

    public required string By { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>Paths in the release, at most <see cref="PatchStore.MostNamed"/> of them.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Of what the commit has, or what it has not got at all; the file is missing when nothing of that kind was changed.</summary>
    public string File => Path.Combine(Project.Releases, PatchStore.Directory, Id.Value + ".patch");

    /// <summary>Of what a build had made: no commit has it, so <c>git am</c> could not apply it.</summary>
    public string BuiltFile => Path.Combine(Project.Releases, PatchStore.Directory, Id.Value + ".built.patch");

    /// <summary>Those of the two that are there, in the order in which they are applied.</summary>
    public IReadOnlyList<string> Texts => [.. new[] { File, BuiltFile }.Where(System.IO.File.Exists)];

    /// <summary>Where its shell writes while it is open.</summary>
    public string Scratch => Path.Combine(Project.Build, Id.Value + ".fix");

    public override string ToString() => $"fix {Number}";
}
