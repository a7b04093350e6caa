using System.Collections.Concurrent;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>
/// Whether a sealed tree still is what was sealed. Cheap while nobody touched it: whatever is written, made, removed or moved there leaves a time of change
/// behind the seal's, on the file or on its directory; only then is all of it read and held against the digest that was recorded. What only a
/// reading finds (a file whose time was set back, another right to be run) is found by <see cref="VerifyAsync"/>.
/// </summary>
sealed class Drift
{
    /// <summary>Times of change are coarser than the clock.</summary>
    static readonly TimeSpan Grain = TimeSpan.FromMilliseconds(20);

    readonly ConcurrentDictionary<string, (long Newest, int Count, bool Differs)> known = new();

    /// <summary>Paths that were touched behind the seal, where the tree is another one now; empty when it is not.</summary>
    public async Task<IReadOnlyList<string>> FindAsync(Release release, CancellationToken ct)
    {
        if (release.ContentDigest is null || !Directory.Exists(release.Directory))
        {
            return [];
        }

        var (paths, newest) = Touched(release.Directory, release.MadeAt + Grain, ct);
        if (paths.Count == 0)
        {
            return [];
        }

        if (!known.TryGetValue(release.Id.Value, out var seen) || seen.Newest != newest || seen.Count != paths.Count)
        {
            seen = (newest, paths.Count, !await VerifyAsync(release, ct));
            known[release.Id.Value] = seen;
        }

        return seen.Differs ? paths : [];
    }

    /// <summary>Reads every file. True when the tree is what was sealed; also when nothing was recorded of it yet.</summary>
    public static Task<bool> VerifyAsync(Release release, CancellationToken ct) => (release.TreeDigest ?? release.ContentDigest) is not { } digest ? Task.FromResult(true) : Task.Run(
        () =>
        {
            try
            {
                return DigestOf(release.Directory, ct) == digest;
            }
            catch (Projects.Refusal)
            {
                // Something is in it that no release holds: a socket, a pipe, a device.
                return false;
            }
        },
        ct);

    /// <summary>Reads every file of a tree.</summary>
    /// <exception cref="Projects.Refusal">It holds what no release holds.</exception>
    public static string DigestOf(string directory, CancellationToken ct)
    {
        using var tree = new ReleaseTree(null, null, ct);
        return tree.Walk(directory);
    }

    static (List<string> Paths, long Newest) Touched(string tree, DateTimeOffset since, CancellationToken ct)
    {
        var limit = (since.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100;
        var (paths, newest) = (new List<string>(), 0L);
        using var root = DirectoryHandle.Open(tree);
        Visit(root, "", 0);
        return (paths, newest);

        void Visit(DirectoryHandle directory, string prefix, int depth)
        {
            ct.ThrowIfCancellationRequested();
            Note(directory.Inode, prefix.Length == 0 ? "./" : prefix);
            var names = new Listing();
            directory.List(names);
            for (var i = 0; i < names.Count; i++)
            {
                if (names.TypeOf(i) is 4 or 0 && depth < TreeCopy.Deepest && directory.TryOpenIfDirectory(names[i]) is { } inner)
                {
                    using (inner)
                    {
                        Visit(inner, prefix + Kernel.Show(names[i]) + "/", depth + 1);
                    }
                }
                else if (directory.Stat(names[i]) is { } inode)
                {
                    Note(inode, inode.ModifiedNs > limit ? prefix + Kernel.Show(names[i]) : "");
                }
            }
        }

        void Note(Inode inode, string path)
        {
            if (inode.ModifiedNs > limit)
            {
                newest = Math.Max(newest, Math.Max(inode.ModifiedNs, inode.ChangedNs));
                paths.Add(path);
            }
        }
    }
}
