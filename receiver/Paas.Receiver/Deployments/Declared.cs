using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>What a finished tree says of itself, held against what this environment has for it.</summary>
static class Declared
{
    /// <exception cref="Refusal">It cannot be read, wants what is not configured, or an address that is another's.</exception>
    public static Manifest In(string tree, Run run, Pillar pillar, Launches launches)
    {
        var manifest = ManifestReader.Read(tree);
        RefuseWithout(manifest.Required, pillar);
        run.Log.Mask(launches.Defaults(run.Project, manifest).Where(variable => manifest.Generated.Contains(variable.Name)).Select(variable => variable.Value));

        foreach (var notice in manifest.Notices)
        {
            run.Log.Detail($"note: {notice}");
        }

        launches.CheckAddresses(run.Project, manifest);
        return manifest;
    }

    static void RefuseWithout(IReadOnlyDictionary<string, string> required, Pillar pillar)
    {
        var missing = required.Where(variable => !pillar.Environment.ContainsKey(variable.Key)).Select(variable => variable.Value.Length == 0 ? variable.Key : $"{variable.Key} ({variable.Value})").ToList();
        if (missing.Count > 0)
        {
            throw new Refusal($"the configuration lacks what app.json requires: {string.Join(", ", missing)}; put it into env: of the pillar");
        }
    }
}
