using System.Collections.Concurrent;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Buildpacks;

/// <summary>What a project's builds leave for the next one: <c>build/cache</c>. Survives pushes, can be cleared at any time, and is kept under its limit.</summary>
sealed class BuildCache(long largest)
{
    readonly ConcurrentDictionary<string, Task> trimming = new();

    public static string Of(Project project) => Path.Combine(project.Build, "cache");

    /// <summary>Ready for a build.</summary>
    public async Task<string> OpenAsync(Project project)
    {
        if (trimming.TryGetValue(project.Key, out var trim))
        {
            // One that failed is tried again after this build.
            await trim.ContinueWith(_ => { }, TaskScheduler.Default);
        }

        return Directory.CreateDirectory(Of(project)).FullName;
    }

    /// <summary>Moved out of the way by one rename, so that a build that begins meanwhile finds none of it, and deleted behind that.</summary>
    public static void Clear(Project project)
    {
        if (Directory.Exists(Of(project)))
        {
            var aside = Path.Combine(project.Build, $".discarded-{Guid.NewGuid():N}");
            AtomicFile.Rename(Of(project), aside);
            _ = Task.Run(() => Delete(aside));
        }
    }

    /// <summary>A build has ended: in the background, what was used least recently goes until the rest is below the limit. The next build waits for it.</summary>
    public void Trim(Project project) =>
        trimming[project.Key] = Task.Run(() =>
        {
            var entries = Directory.Exists(Of(project))
                ? new DirectoryInfo(Of(project)).EnumerateFileSystemInfos("*", All).Select(entry => (Entry: entry, Bytes: BytesOf(entry), entry.LastWriteTimeUtc)).ToList() : [];
            var kept = 0L;
            foreach (var (entry, bytes, _) in entries.OrderByDescending(one => one.LastWriteTimeUtc))
            {
                kept += bytes;
                if (kept > largest)
                {
                    Delete(entry.FullName);
                    kept -= bytes;
                }
            }
        });

    static readonly EnumerationOptions All = new() { AttributesToSkip = FileAttributes.None };

    static long BytesOf(FileSystemInfo entry) =>
        entry switch
        {
            { LinkTarget: not null } => 0,
            DirectoryInfo directory => directory.EnumerateFileSystemInfos("*", All).Sum(BytesOf),
            FileInfo file => file.Length,
            _ => 0,
        };

    static void Delete(string path)
    {
        try
        {
            if (Inode.Of(path) is { IsDirectory: true })
            {
                Directory.Delete(path, recursive: true);
            }
            else
            {
                File.Delete(path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Tried again after the next build, or with the next start's sweep.
        }
    }
}
