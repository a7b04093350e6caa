using Paas.Receiver.Access;
using Paas.Receiver.Archives;
using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Diagnostics;

/// <summary>What is kept, held against what the journal says of it.</summary>
sealed class RecordChecks(
    DoctorSettings settings, Database database, AuditLog audit, ProjectStore projects, ReleaseStore releases, Journal journal, DeploymentQueue queue, GitProgram git, Drift drift, Space space)
{
    const int ShownFaults = 5;

    /// <summary>The pages of the file and the chain of the audit log.</summary>
    public async IAsyncEnumerable<Diagnosis> DatabaseAsync()
    {
        await Task.CompletedTask;
        var faults = database.Read<string>("PRAGMA quick_check(5)");
        yield return faults is ["ok"]
            ? new Diagnosis("database", Severity.Fine, "SQLite finds it whole")
            : new Diagnosis("database", Severity.Problem, $"receiver.db is damaged: {string.Join("; ", faults)}", "stop the receiver and restore a backup (paas-receiver restore)");
        yield return audit.FirstBroken() is { } line
            ? new Diagnosis("database", Severity.Problem, $"the audit log was changed at line {line}, or the one before it is missing", "corpus audit --export, and compare with an older copy")
            : new Diagnosis("database", Severity.Fine, "the audit log is as it was written");
    }

    /// <summary>Projects near their quotas, or beyond; nothing where nobody has one.</summary>
    public async IAsyncEnumerable<Diagnosis> SpaceAsync()
    {
        await Task.CompletedTask;
        var limited = projects.List().Where(project => space.QuotaOf(project) is not null).ToList();
        if (limited.Count == 0)
        {
            yield break;
        }

        var full = limited.Select(project => (Project: project, Report: space.Measure(project))).Where(one => space.PercentOf(one.Report) >= Space.Near).ToList();
        foreach (var (project, report) in full)
        {
            yield return new Diagnosis("space", space.PercentOf(report) >= 100 ? Severity.Problem : Severity.Warning, $"{project} takes {Space.Readable(report.Used)} of {report.QuotaGigabytes} GB",
                $"corpus doctor {project.Name} shows where the bytes are; corpus enlarge gives it 5 GB more");
        }

        if (full.Count == 0)
        {
            yield return new Diagnosis("space", Severity.Fine, "every project is within its quota");
        }

        yield return new Diagnosis("space", Severity.Note, "what running applications write is counted every ten minutes and told, not stopped");
    }

    /// <summary>Deployments that could be taken back only in part.</summary>
    public async IAsyncEnumerable<Diagnosis> JournalAsync()
    {
        await Task.CompletedTask;
        var stuck = projects.List().SelectMany(project => journal.NotTakenBack(project).Select(entry => (project, entry))).ToList();
        foreach (var (project, entry) in stuck)
        {
            yield return new Diagnosis("journal", Severity.Problem, $"{project}: deployment {entry.Id} could not be taken back whole: {entry.Failure}", $"mend what it names; the next deployment of {project} then takes it back first");
        }

        if (stuck.Count == 0)
        {
            yield return new Diagnosis("journal", Severity.Fine, "nothing is half done");
        }
    }

    /// <summary>
    /// Directories that no release or deployment has, and releases that have no directory. What nobody knows is moved to <c>state/orphans</c>, never deleted; a project in
    /// deployment is left out.
    /// </summary>
    public async IAsyncEnumerable<Diagnosis> FilesAsync(Examination examination)
    {
        await Task.CompletedTask;
        var found = 0;
        foreach (var project in projects.List().Where(project => queue.InLine(project).Count == 0))
        {
            foreach (var diagnosis in Missing(project).Concat(Orphans(project).Select(orphan => OrphanOf(project, orphan, examination))))
            {
                found++;
                yield return diagnosis;
            }
        }

        foreach (var diagnosis in LostProjects())
        {
            found++;
            yield return diagnosis;
        }

        if (found == 0)
        {
            yield return new Diagnosis("files", Severity.Fine, "every release has its directory, and every directory its release");
        }
    }

    /// <summary>Live releases are what was sealed; with <see cref="Examination.Repositories"/> every file of them is read.</summary>
    public async IAsyncEnumerable<Diagnosis> TreesAsync(Examination examination, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var found = false;
        foreach (var release in projects.List().Select(releases.Current).OfType<Release>().Where(release => release.Mode != Mode.Editable && Directory.Exists(release.Directory)))
        {
            var touched = await drift.FindAsync(release, ct);
            if (touched.Count > 0 || (examination.Repositories && !await Drift.VerifyAsync(release, ct)))
            {
                found = true;
                yield return new Diagnosis(
                    "trees", Severity.Warning, $"{release} of {release.Project} was changed past the receiver{(touched.Count > 0 ? $": {string.Join(", ", touched.Take(ShownFaults).Select(path => Logs.LogStream.Harmless(path)))}" : "")}",
                    $"corpus redeploy {release.Project.Name} makes it anew, and keeps the difference as a patch");
            }
        }

        if (!found)
        {
            yield return new Diagnosis("trees", Severity.Fine, "every live release is what was sealed");
        }
    }

    /// <summary>Every object that a ref leads to is there.</summary>
    public async IAsyncEnumerable<Diagnosis> RepositoriesAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var path in projects.List().SelectMany(project => new[] { project.ProjectRepository, project.PillarRepository }))
        {
            if (!new GitRepository(path, git).Exists)
            {
                continue; // made by its first push
            }

            var answer = await (git.Command("fsck", "--connectivity-only", "--no-dangling", "--no-progress") with { Directory = path }).RunAsync(ct);
            var said = string.Join("; ", (answer.Output + answer.Error).Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(ShownFaults));
            yield return answer.ExitCode == 0
                ? new Diagnosis("repositories", Severity.Fine, path)
                : new Diagnosis("repositories", Severity.Problem, $"{path}: {said}", "push again from a clone that has everything");
        }
    }

    IEnumerable<Diagnosis> Missing(Project project)
    {
        foreach (var release in releases.List(project).Where(release => release is { Pruned: false, LiveAt: not null } && !Path.Exists(release.Directory)))
        {
            yield return new Diagnosis("files", Severity.Problem, $"{release} has lost its directory {release.Directory}: no rollback leads there", "restore it from a backup");
        }

        foreach (var trouble in releases.List(project).Where(release => !release.Pruned).SelectMany(release => releases.PartsOf(release.Id).Select(part => part.Trouble).Prepend(release.Trouble)).OfType<string>())
        {
            yield return new Diagnosis("files", Severity.Problem, $"{project}: {trouble}; it is handed over to nobody", $"look at the disk; corpus redeploy {project.Name} makes another");
        }

        var link = new FileInfo(project.Current).LinkTarget;
        if (link is not null && !Directory.Exists(project.Current))
        {
            yield return new Diagnosis("files", Severity.Problem, $"{project.Current} leads to {link}, which is not there", $"corpus redeploy {project.Name}");
        }
    }

    IEnumerable<string> Orphans(Project project)
    {
        var known = releases.List(project, int.MaxValue).Select(release => release.Id.Value).ToHashSet(StringComparer.Ordinal);
        return Entries(project.Deploy).Concat(Entries(project.Releases)).Where(path => Path.GetFileName(path) is not ("current" or PatchStore.Directory) && !known.Contains(Path.GetFileName(path)))
            .Concat(Entries(project.Archives).Where(path => Path.GetFileName(path) != Archives.Archivist.LeaseName && (ReleaseId.TryParse(Path.GetFileName(path)) is not { } id || journal.Find(id) is null)));
    }

    Diagnosis OrphanOf(Project project, string path, Examination examination)
    {
        var said = $"{path} belongs to nothing that the journal knows";
        if (!examination.Fix)
        {
            return new Diagnosis("files", Severity.Warning, said, "corpus doctor --fix moves it to state/orphans");
        }

        var place = Path.Combine(settings.State, "orphans", project.Environment.Name.Value, project.Name.Value, Path.GetFileName(Path.GetDirectoryName(path)!));
        Directory.CreateDirectory(place);
        var to = Path.Combine(place, Path.GetFileName(path));
        for (var again = 1; Path.Exists(to); again++)
        {
            to = Path.Combine(place, $"{Path.GetFileName(path)}.{again}");
        }

        AtomicFile.Rename(path, to);
        return new Diagnosis("files", Severity.Mended, $"{said}: it is at {to} now, and may be deleted");
    }

    /// <summary>Directories of projects that nobody knows: what an operator copied there, or a record that is lost. Never touched.</summary>
    IEnumerable<Diagnosis> LostProjects() =>
        from environment in projects.Environments()
        from directory in Entries(Path.Combine(environment.Root, "projects"))
        let name = Path.GetFileName(directory)
        where name[0] != '.' && Directory.Exists(directory) && !(ProjectName.TryParse(name, out var parsed) && projects.Find(environment.Name, parsed) is not null)
        select new Diagnosis("files", Severity.Warning, $"{directory} is no project that is known here", $"corpus init makes a project of that name around it, or move it away");

    static IEnumerable<string> Entries(string directory) => Directory.Exists(directory) ? Directory.EnumerateFileSystemEntries(directory) : [];
}
