using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>Writes what was changed in a release as patches.</summary>
sealed class ChangeRecorder(PatchWriter writer, Launches launches, GitProgram git)
{
    /// <summary>What the commit has, and what a build had made of it, apart: only the first can be applied where people work.</summary>
    public async Task<PatchTexts> TextsAsync(Release release, TreeChanges changes, PatchHead head, ReleaseId id, CancellationToken ct)
    {
        var project = release.Project;
        var repository = new GitRepository(project.ProjectRepository, git);
        var prefix = (await launches.PillarAsync(release, ct)).Path is { Length: > 0 } path ? path.TrimEnd('/') + "/" : "";
        var committed = repository.Exists && await repository.HasAsync(release.Commit)
            ? (await repository.ListAsync(release.Commit, ct)).Select(entry => entry.Path).ToHashSet(StringComparer.Ordinal) : null;
        var built = committed is null ? [] : changes.Before.Where(file => !committed.Contains(prefix + file)).ToList();
        var own = changes.Paths.Except(built, StringComparer.Ordinal).ToList();
        var scratch = Path.Combine(project.Build, id.Value + ".patch.tmp");
        return new PatchTexts(
            own.Count == 0 ? null : await writer.WriteAsync(changes, own, head, scratch, ct),
            built.Count == 0 ? null : await writer.WriteAsync(changes, built, head with { Subject = head.Subject + " (what was built)" }, scratch, ct));
    }
}

/// <summary>A change in its two parts; null where nothing of that kind was changed.</summary>
sealed record PatchTexts(PatchText? Own, PatchText? Built)
{
    public static readonly PatchTexts None = new(null, null);

    public string Shown => string.Join('\n', new[] { Own?.Shown, Built?.Shown }.OfType<string>()).TrimEnd('\n');
}
