using System.Text.Json;
using Paas.Receiver.Archives;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>Keeps N releases with their archives and data, never fewer than a rollback needs (R3.3, A13); writes the record beside each archive.</summary>
sealed class Housekeeping(Journal journal, ReleaseStore releases, Formations formations, Fleet fleet, DeploymentLogs logs, GitProgram git, ImageBuilder images, int keep, long? keepBytes = null)
{
    /// <summary>Below this many free bytes nothing is begun: the journal itself must always find room.</summary>
    const long LeastFree = 32L << 20;

    /// <summary>Logs of deployments that are kept for each project.</summary>
    const int KeptLogs = 50;

    static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="Refusal">There is hardly any room.</exception>
    public void RefuseIfDiskIsFull(Project project)
    {
        var free = new DriveInfo(project.Directory).AvailableFreeSpace;
        if (free < LeastFree)
        {
            throw new Refusal($"the disk is full: {free >> 20} MB free under {project.Environment.Root}, at least {LeastFree >> 20} MB are needed to begin");
        }
    }

    /// <exception cref="Refusal">The application could not keep anything.</exception>
    public static void RefuseIfDataIsReadOnly(Project project)
    {
        if (AtomicFile.WhyNotWritable(project.Data) is { } why)
        {
            throw new Refusal($"the data directory {project.Data} cannot be written to ({why}): nothing is deployed onto it");
        }
    }

    /// <summary>
    /// Removes what is beyond the kept releases: their trees, deliverables and the data backups only they need. What goes is moved out of the way by
    /// rename and deleted behind the pusher's back.
    /// </summary>
    /// <param name="deployment">The one that is not finished yet.</param>
    /// <param name="madeLive">It has just made <paramref name="live"/> live.</param>
    public async Task PruneAsync(Release live, ReleaseId deployment, bool madeLive = true)
    {
        var project = live.Project;
        var wentLive = madeLive ? journal.WentLive(project).Append(new WentLive(deployment, live.Id)).ToList() : journal.WentLive(project);
        ReleaseId[] needed = [deployment, .. journal.BackupsByHand(project).Take(keep)];
        var there = releases.List(project).Where(release => !release.Pruned).ToList();
        var imported = there.Where(release => release is { Imported: true, LiveAt: null }).Take(keep + 1).Select(release => release.Id);
        IReadOnlyList<ReleaseId> kept =
        [
            .. WithinBytes(project, Retention.Keep(wentLive, keep + 1, live.Id), wentLive, live.Id).Union(imported).Union(formations.Started(project)).Union(fleet.Running(project)),
        ];
        foreach (var release in there.Where(release => (release.HasServed || release.Imported) && !kept.Contains(release.Id)))
        {
            releases.MarkPruned(release);
            fleet.Forget(project, release.Id);
        }

        var anyContained = NamesIn(project.Deploy).Any(name => Built.Read(Path.Combine(project.Deploy, name)).Image is not null);
        Discard(project, [
            .. Retention.ReleasesToRemove(NamesIn(project.Deploy), kept, [deployment]).Select(id => Path.Combine(project.Deploy, id.Value)),
            .. Retention.ReleasesToRemove(NamesIn(project.Releases), kept, [deployment]).Select(id => Path.Combine(project.Releases, id.Value)),
            .. Retention.ArchivesToRemove(NamesIn(project.Archives), wentLive, kept, needed, failed: keep).Select(id => Path.Combine(project.Archives, id.Value)),
        ]);
        logs.Prune(project, KeptLogs);
        PackLater(project);
        if (anyContained)
        {
            await images.PruneAsync(project, NamesIn(project.Deploy).Select(name => Path.Combine(project.Deploy, name)).ToList());
        }
    }

    /// <summary>PM-69: what a release left on the disk goes; its record stays, and so does the data that other releases left.</summary>
    /// <exception cref="Refusal">It is live or runs.</exception>
    public void Deregister(Release release)
    {
        if (releases.CurrentId(release.Project) == release.Id || fleet.Running(release.Project).Contains(release.Id))
        {
            throw new Refusal($"{release} {(releases.CurrentId(release.Project) == release.Id ? "is the live release" : $"runs: corpus stop {release.Project.Name} {release}")}");
        }

        releases.MarkPruned(release);
        fleet.Forget(release.Project, release.Id);
        Discard(release.Project, [release.Directory, release.Deliverables]);
    }

    /// <summary>Of the releases that are kept by number, the newest that fit; the live one and the one before it always are: a rollback needs them. A file that several share is the newest one's.</summary>
    IReadOnlyList<ReleaseId> WithinBytes(Project project, IReadOnlyList<ReleaseId> kept, IReadOnlyList<WentLive> wentLive, ReleaseId live)
    {
        if (keepBytes is not { } most)
        {
            return kept;
        }

        var usage = new Usage();
        var (fitting, total) = (new List<ReleaseId>(), 0L);
        foreach (var release in kept.OrderByDescending(id => id == live).ThenByDescending(id => wentLive.ToList().FindLastIndex(one => one.Release == id)))
        {
            string[] places = [project.Deploy, project.Releases, project.Archives];
            total += places.Sum(place => usage.Add(Path.Combine(place, release.Value)).Bytes);
            if (fitting.Count >= 2 && total > most)
            {
                break;
            }

            fitting.Add(release);
        }

        return fitting;
    }

    /// <summary>Start-up: what a former run had moved out of the way and did not get to delete.</summary>
    public static void SweepDiscarded(Project project)
    {
        if (Directory.Exists(project.Build))
        {
            DeleteLater([.. Directory.EnumerateDirectories(project.Build, ".discarded-*"), .. Directory.EnumerateDirectories(project.Build, "*.common")]);
        }
    }

    /// <summary><c>release.json</c> beside the archive: everything an auditor or a rollback wants to know without the database.</summary>
    public void WriteReleaseFile(Deployment deployment, Outcome outcome)
    {
        var entry = journal.Find(deployment.ReleaseId);
        if (entry is null || deployment.Request.Kind == DeploymentKind.Rollback
            || releases.Find(deployment.Project, deployment.ReleaseId) is not { } release || !Directory.Exists(release.Deliverables))
        {
            return;
        }

        var record = new
        {
            project = release.Project.Name.Value,
            environment = release.Project.Environment.Name.Value,
            release = release.Number,
            id = release.Id.Value,
            commit = release.Commit,
            pillarCommit = release.PillarCommit,
            mode = release.Mode.ToString().ToLowerInvariant(),
            outcome = outcome.ToString(),
            by = deployment.Request.By,
            madeAt = release.MadeAt,
            liveAt = release.LiveAt,
            imported = release.Imported,
            contentDigest = release.ContentDigest,
            archive = release.ArchiveDigest is null ? null : new { file = Path.GetFileName(release.ArchiveFile), sha256 = release.ArchiveDigest, bytes = release.ArchiveBytes },
            image = release.ImageDigest is null ? null : new { file = Path.GetFileName(release.ImageFile), sha256 = release.ImageDigest, bytes = release.ImageBytes },
            archives = releases.PartsOf(release.Id).Select(part => new { part.Name, file = Path.GetFileName(Deliverable.PartFile(release.Project, release.Id, part.Name)), sha256 = part.Digest, part.Bytes }),
            signature = release.Signature is null ? null : new { key = release.SignedBy, algorithm = "ecdsa-p256-sha256", value = release.Signature },
            steps = journal.Steps(release.Id).Select(step => new { step.Name, step.StartedAt, step.Milliseconds }),
        };
        AtomicFile.Write(Path.Combine(release.Deliverables, "release.json"), JsonSerializer.SerializeToUtf8Bytes(record, Readable));
    }

    void PackLater(Project project) => _ = Task.Run(async () =>
    {
        try
        {
            await new GitRepository(project.ProjectRepository, git).PackIfScatteredAsync();
        }
        catch (Exception e) when (e is IOException or CommandFailedException)
        {
            // Every object is where it was; the next deployment tries again.
        }
    });

    static IEnumerable<string> NamesIn(string directory) => Directory.EnumerateDirectories(directory).Select(Path.GetFileName).OfType<string>();

    static void Discard(Project project, IEnumerable<string> directories)
    {
        var moved = new List<string>();
        foreach (var directory in directories.Where(Directory.Exists))
        {
            var aside = Path.Combine(project.Build, $".discarded-{Guid.NewGuid():N}");
            AtomicFile.Rename(directory, aside);
            moved.Add(aside);
        }

        DeleteLater(moved);
    }

    static void DeleteLater(List<string> directories)
    {
        if (directories.Count > 0)
        {
            _ = Task.Run(() =>
            {
                foreach (var directory in directories)
                {
                    try
                    {
                        Directory.Delete(directory, recursive: true);
                    }
                    catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                    {
                        // Found again and tried again at the next start.
                    }
                }
            });
        }
    }
}
