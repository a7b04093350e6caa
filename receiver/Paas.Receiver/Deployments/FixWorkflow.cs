using Paas.Receiver.Buildpacks;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Deployments;

/// <summary>
/// R7.6: the live release with a patch on top becomes a release of its own, with its archive, its health check and its way back. Nothing is built.
/// </summary>
/// <remarks>1 checkout (of the live release) · 3' patch · 4 seal · 5 bundle · 6–17 the bounce. See docs/the-push.md; the numbers are the same.</remarks>
sealed class FixWorkflow(
    ReleaseStore releases, PatchStore patches, DraftBuilder builder, Launches launches, AdditionStore additions, ProjectHooks projectHooks, Bounces bounces, Journal journal, Deliverable deliverable)
{
    /// <summary>Returns the release that serves, and what was left untidy in making it (null when nothing was).</summary>
    public async Task<(Release Release, string? Untidy)> RunAsync(Run run, CancellationToken ct)
    {
        var (project, steps, log) = (run.Project, run.Steps, run.Log);
        var live = run.Old ?? throw new Refusal("nothing is live yet: push first");
        var patch = run.Request.Wishes.Patch is { } number ? patches.Find(project, number) : null;
        if (patch is null || patch.Texts.Count == 0)
        {
            throw new Refusal($"there is no fix {run.Request.Wishes.Patch} of {project}; corpus patches {project.Name} shows what there is");
        }

        if (run.Request.TargetRelease is { } wanted && wanted != live.Number)
        {
            throw new Refusal($"{live} went live meanwhile: {patch} of v{patch.BaseNumber} is kept. To put it on {live}: corpus fix {project.Name} --apply {patch.Number}");
        }

        RefuseUnlessSealed(live);
        log.Title($"Deploying {live} of {project} with {patch} ({patch.Subject})");
        steps.LookAt("configuration");
        var pillar = await launches.PillarAsync(live, ct);
        log.Mask(pillar.Secrets);

        // 1. Further names of the same files: git writes a file that it changes anew.
        var draft = new Draft(project, run.Id, live.Commit);
        await steps.RunAsync(Step.CheckOut, () => FollowAsync(live.Directory, draft.Directory, builder.WritesElsewhere, ct), new SetAside(run.Id.Value));

        // 3'.
        await ApplyAsync(run, draft, [patch], ct);
        CarriedFixes.Add(draft.Directory, [.. patches.In(live), patch]);
        builder.Finish(draft);
        steps.LookAt("manifest");
        var manifest = Declared.In(draft.Directory, run, pillar, launches);
        var hooks = projectHooks.For(run, pillar);

        // 4. What the live release was given beside its tree it has again.
        var release = await steps.RunAsync(Step.Seal, () =>
        {
            var sealedRelease = releases.Seal(draft, live.PillarCommit, live.Mode);
            journal.LeadsTo(run.Id, sealedRelease.Id, sealedRelease.Number);
            additions.Keep(sealedRelease.Id, additions.Of(live.Id));
            patches.Contain(sealedRelease, patches.In(live).Append(patch));
            return Task.FromResult(sealedRelease);
        });

        // 5.
        return (release, await deliverable.MakeBesideAsync(run, release, draft.Digests, () => bounces.Of(manifest, release).ChangeOverAsync(bounces.Prepare(run, release, hooks), ct), ct));
    }

    /// <summary>What was fixed by hand in a release of the same commit, in the draft of another one. Returns what of it the draft holds then, and whether it had to be changed for that.</summary>
    /// <exception cref="Refusal">One does not apply to what was built now.</exception>
    public async Task<(IReadOnlyList<Patch> Held, bool Changed)> ReplayAsync(Run run, Draft draft, CancellationToken ct)
    {
        var kept = patches.Of(run.Project, draft.Commit);
        if (kept.Count == 0)
        {
            return ([], false);
        }

        if (run.Request.Wishes.DiscardFixes)
        {
            var carried = CarriedFixes.Read(draft.Directory).Select(fix => fix.Id).ToHashSet(StringComparer.Ordinal);
            foreach (var patch in kept)
            {
                run.Log.Detail(carried.Contains(patch.Origin.Value) ? $"{patch} is part of this archive: it stays" : $"without {patch}, as asked for");
            }

            return ([], false);
        }

        var changed = await ApplyAsync(run, draft, kept, ct);
        builder.Finish(draft);
        return (kept, changed);
    }

    /// <exception cref="Refusal">A release of that kind has no sealed tree that could be fixed.</exception>
    public static void RefuseUnlessSealed(Release release)
    {
        if (release.Mode == Mode.Editable)
        {
            throw new Refusal($"{release} is edited in place: edit {release.Project.Run}, where every change shows at once");
        }

        if (Manifests.ManifestReader.Read(release.Directory).Image is not null)
        {
            throw new Refusal($"{release} runs from an image: what is changed in a container is not part of it. Change the Dockerfile and push");
        }
    }

    /// <summary>True when any of them had to be.</summary>
    Task<bool> ApplyAsync(Run run, Draft draft, IReadOnlyList<Patch> wanted, CancellationToken ct) => run.Steps.RunAsync(Step.Patch, async () =>
    {
        var changed = false;
        foreach (var patch in wanted)
        {
            var anything = false;
            foreach (var (part, text) in patch.Texts.Index())
            {
                try
                {
                    anything |= await builder.PatchAsync(draft, $"fix-{patch.Number}{(part == 0 ? "" : "-built")}", text, run.Log, ct);
                }
                catch (Refusal refusal)
                {
                    throw new Refusal(
                        $"{refusal.Message}: {patch.Subject}. It is kept: corpus patches {run.Project.Name} {patch.Number}. To go on without it: git push -o discard-fixes, or corpus redeploy --discard-fixes");
                }
            }

            run.Log.Detail(anything ? $"{patch} is applied: {patch.Subject}" : $"{patch} is in it already");
            changed |= anything;
        }

        return changed;
    });

    /// <summary>Where git writes into the draft itself it needs files of its own.</summary>
    static Task FollowAsync(string tree, string draft, bool shared, CancellationToken ct) =>
        new Command("cp", ["-a", shared ? "--link" : "--reflink=auto", "--", tree, draft]).OutputAsync(ct);
}
