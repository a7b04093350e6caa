using Paas.Receiver.Git;
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

    public string Directory { get; } = Path.Combine(project.Build, id.Value);

    /// <summary>Where the overlay of a build keeps what the build writes.</summary>
    public string Scratch { get; } = Path.Combine(project.Build, id.Value + ".work");

    /// <summary>Gives the draft every tracked file of the checkout, which must be at the draft's commit.</summary>
    public async Task FillAsync(GitRepository repository, bool shared, CancellationToken ct)
    {
        System.IO.Directory.CreateDirectory(Directory);
        var entries = await repository.ListAsync(commit, ct);
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            ct.ThrowIfCancellationRequested();
            var parent = Path.GetDirectoryName(entry.Path) ?? "";
            if (parent.Length > 0 && known.Add(parent))
            {
                System.IO.Directory.CreateDirectory(Path.Combine(Directory, parent));
            }

            var (from, to) = (Path.Combine(project.Checkout, entry.Path), Path.Combine(Directory, entry.Path));
            if (entry.IsSubmodule)
            {
                System.IO.Directory.CreateDirectory(to);
            }
            else if (shared || entry.IsSymbolicLink)
            {
                AtomicFile.HardLink(from, to);
            }
            else
            {
                // Where no overlay can be had a build writes into the draft itself: it gets files of its own.
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
