using System.Runtime.CompilerServices;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Diagnostics;

/// <summary>What is ours on the machine, outside of the root, and belongs to nothing any more: images in an engine that others use too, and control groups.</summary>
sealed class LeftoverChecks(Engine engine, OwnThings own, ProjectStore projects, Cage cage, TimeProvider time)
{
    /// <summary>A cage is being built for a moment only: a group that was empty for longer is nobody's.</summary>
    static readonly TimeSpan LongestBuilding = TimeSpan.FromMinutes(10);

    /// <summary>Images with this receiver's mark of projects that it does not know.</summary>
    public async IAsyncEnumerable<Diagnosis> ImagesAsync(Examination examination, [EnumeratorCancellation] CancellationToken ct)
    {
        if (await engine.WhyNotAsync(ct) is not null)
        {
            yield break; // said of the containers
        }

        var ours = await engine.ImagesAsync(own.Labels(), ct);
        var lost = ours.Where(image => image.Labels?.GetValueOrDefault(OwnThings.ProjectLabel) is { } key && projects.Find(key) is null).ToList();
        foreach (var image in lost)
        {
            var names = image.RepoTags is { Count: > 0 } tags ? tags : [image.Id];
            var said = $"image {string.Join(", ", names)} belongs to no project that is known here";
            if (!examination.Fix)
            {
                yield return new Diagnosis("images", Severity.Warning, said, "corpus doctor --fix removes it");
                continue;
            }

            var gone = true;
            foreach (var name in names)
            {
                gone &= await engine.RemoveImageAsync(name, ct);
            }

            yield return gone ? new Diagnosis("images", Severity.Mended, $"{said}: removed")
                : new Diagnosis("images", Severity.Warning, $"{said}, and something still uses it", $"docker ps -a --filter ancestor={names[0]}");
        }

        if (lost.Count == 0)
        {
            yield return new Diagnosis("images", Severity.Fine, $"each of our {ours.Count} images has its project");
        }
    }

    /// <summary>Control groups of cages that are gone.</summary>
    public async IAsyncEnumerable<Diagnosis> GroupsAsync(Examination examination)
    {
        await Task.CompletedTask;
        var before = (time.GetUtcNow() - LongestBuilding).UtcDateTime;
        var left = cage.LeftBefore(before);
        if (left.Count == 0)
        {
            yield return new Diagnosis("groups", Severity.Fine, "no control group is left of what has ended");
        }
        else if (!examination.Fix)
        {
            yield return new Diagnosis("groups", Severity.Warning, $"{left.Count} control groups are empty, {left[0]} for one", "corpus doctor --fix removes them");
        }
        else
        {
            cage.RemoveLeft(left);
            var stay = cage.LeftBefore(before).Count;
            yield return new Diagnosis("groups", stay == 0 ? Severity.Mended : Severity.Warning, $"{left.Count - stay} of {left.Count} empty control groups are removed");
        }
    }
}
