using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>
/// A release being made, in <c>build/&lt;id&gt;</c>. Its files are further names of the checkout's files, so making one costs what a directory costs;
/// therefore nothing may write into it: a build writes on an overlay above it, and <see cref="Absorb"/> brings in what the build changed.
/// </summary>
sealed class Draft(Project project, ReleaseId id, string commit)
{
    public Project Project => project;

    public ReleaseId Id => id;

    public string Commit => commit;

    /// <summary>Editable mode: it is the working copy itself, and what a build writes stays there.</summary>
    public bool InPlace { get; init; }

    public string Directory => InPlace ? project.Checkout : Path.Combine(project.Build, id.Value);

    /// <summary>Where the overlay of a build keeps what the build writes.</summary>
    public string Scratch { get; } = Path.Combine(project.Build, id.Value + ".work");

    /// <summary>Directories beside the draft that the next step may write to.</summary>
    public IReadOnlyList<string> Shared { get; set; } = [];

    /// <summary>What the platform tells its builds (reference 2.3): <c>PM_SERVICES</c> and <c>PM_METADATA</c>.</summary>
    public IReadOnlyDictionary<string, string> Platform { get; set; } = new Dictionary<string, string>();

    /// <summary>How its repository wants to be built.</summary>
    public BuildWishes Wishes { get; set; } = BuildWishes.None;

    /// <summary>What was read of its files while they were linked.</summary>
    public FileDigests Digests { get; } = new();

    /// <summary>
    /// Begins to link and to read a large commit's files while git is writing them: there is another core. Where a spare is there already nothing needs to be done.
    /// </summary>
    public Task FollowAsync(IReadOnlyList<TreeEntry> entries, Task writing, CancellationToken ct) =>
        entries.Count < Spares.Large || System.IO.Directory.Exists(project.Spare) ? Task.CompletedTask : new LinkedFiles(project.Checkout, Directory).FollowAsync(entries, writing, Digests, ct);

    /// <summary>Gives the draft these files of the checkout, which must be at the draft's commit, and no others.</summary>
    /// <param name="path">The directory of the checkout that the entries' paths begin at; empty for all of it.</param>
    /// <param name="shared">False where a build writes into the draft itself: then it gets files of its own.</param>
    public void Fill(IReadOnlyList<TreeEntry> entries, string path, bool shared, CancellationToken ct)
    {
        if (shared && System.IO.Directory.Exists(project.Spare) && !System.IO.Directory.Exists(Directory))
        {
            AtomicFile.Rename(project.Spare, Directory);
        }

        if (shared)
        {
            new LinkedFiles(Path.Combine(project.Checkout, path), Directory).Match(entries, ct);
        }
        else
        {
            Copy(entries, Path.Combine(project.Checkout, path), ct);
        }
    }

    // Where no overlay can be had a build writes into the draft itself: it gets files of its own.
    void Copy(IReadOnlyList<TreeEntry> entries, string checkout, CancellationToken ct)
    {
        foreach (var entry in entries)
        {
            ct.ThrowIfCancellationRequested();
            var (from, to) = (entry.Elsewhere ?? Path.Combine(checkout, entry.Path), Path.Combine(Directory, entry.Path));
            System.IO.Directory.CreateDirectory(entry.IsSubmodule ? to : Path.GetDirectoryName(to)!);
            if (entry.IsSymbolicLink)
            {
                File.CreateSymbolicLink(to, new FileInfo(from).LinkTarget!);
            }
            else if (!entry.IsSubmodule)
            {
                File.Copy(from, to);
            }
        }
    }

    /// <summary>
    /// Brings the upper layer of the build's overlay into the draft: what it wrote is moved in, what it deleted goes (a whiteout is a 0/0 character
    /// device, an opaque directory hides everything below it). Costs what the build changed.
    /// </summary>
    public void Absorb(string upper)
    {
        if (System.IO.Directory.Exists(upper))
        {
            AbsorbInto(upper, Directory);
        }
    }

    static void AbsorbInto(string upper, string lower)
    {
        foreach (var name in new DirectoryInfo(upper).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = FileAttributes.None, RecurseSubdirectories = false })
            .Select(entry => entry.Name).ToList())
        {
            var (from, to) = (Path.Combine(upper, name), Path.Combine(lower, name));
            var (above, below) = (Inode.Of(from)!.Value, Inode.Of(to));
            if (above.IsCharacterDevice)
            {
                Remove(to, below);
            }
            else if (above.IsDirectory)
            {
                if (below is { IsDirectory: false } || (below is not null && Overlay.IsOpaque(from)))
                {
                    Remove(to, below);
                    below = null;
                }

                if (below is null && !HoldsOverlayMarks(from))
                {
                    AtomicFile.Rename(from, to);
                    continue;
                }

                System.IO.Directory.CreateDirectory(to);
                Ownership.GiveDirectory(to, above.Owner);
                File.SetUnixFileMode(to, (UnixFileMode)above.Permissions);
                AbsorbInto(from, to);
            }
            else
            {
                if (below is { IsDirectory: true })
                {
                    Remove(to, below);
                }

                AtomicFile.Rename(from, to);
            }
        }
    }

    // A directory that the build made anew can be moved as a whole unless something inside it is a mark of the overlay's own.
    static bool HoldsOverlayMarks(string directory) =>
        Overlay.IsOpaque(directory)
        || new DirectoryInfo(directory).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = FileAttributes.None })
            .Any(entry => Inode.Of(entry.FullName) is { } inode && (inode.IsCharacterDevice || (inode.IsDirectory && HoldsOverlayMarks(entry.FullName))));

    static void Remove(string path, Inode? inode)
    {
        if (inode is { IsDirectory: true })
        {
            System.IO.Directory.Delete(path, recursive: true);
        }
        else if (inode is not null)
        {
            File.Delete(path);
        }
    }
}
