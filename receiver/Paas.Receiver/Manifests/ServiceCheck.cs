using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>What PaaSTA's contract wants of a service's configuration (reference 3.5, <c>paasta check</c>), point by point. What it wants of the source is looked at where that is.</summary>
static class ServiceCheck
{
    const string MonitoringFile = "monitoring.yaml";
    const string SmartstackFile = "smartstack.yaml";

    public static bool Knows(string file) => ServiceConfig.Knows(file) || file is MonitoringFile or SmartstackFile;

    public static IReadOnlyList<(bool Good, string Text)> Of(IReadOnlyList<ProjectFile> files, ProjectName service)
    {
        var found = new List<(bool, string)>();
        ServiceConfig config;
        try
        {
            config = ServiceConfig.Read([.. files.Where(file => ServiceConfig.Knows(file.Name))], service);
        }
        catch (Refusal refusal)
        {
            return [(false, refusal.Message)];
        }

        found.Add(config.Instances.Count > 0 ? (true, $"instances: {string.Join(", ", config.Instances.Select(instance => instance.FullName))}") : (false, "no kubernetes-CLUSTER.yaml with an instance is in the pillar"));
        if (config.Pipeline is not { } pipeline)
        {
            found.Add((false, "there is no deploy.yaml in the pillar"));
        }
        else
        {
            var steps = pipeline.Steps.ToList();
            found.Add(steps.Exists(step => step.Name == "security-check") ? (true, "deploy.yaml has a security-check step") : (false, "deploy.yaml has no security-check step"));
            var groups = config.Groups;
            var (unmarked, unused) = (groups.Where(group => steps.TrueForAll(step => step.Name != group)).ToList(), steps.Where(step => step.Marks && !groups.Contains(step.Name)).Select(step => step.Name).ToList());
            found.Add(unmarked.Count == 0 ? (true, "every instance's deploy group is a step of deploy.yaml") : (false, $"no step of deploy.yaml marks {string.Join(", ", unmarked)}"));
            found.Add(unused.Count == 0 ? (true, "every step of deploy.yaml is some instance's deploy group") : (false, $"no instance has the deploy group {string.Join(", ", unused)}, which is a step of deploy.yaml"));
        }

        found.Add(Root(files, MonitoringFile)?["team"] is Scalar { IsNull: false } team ? (true, $"monitoring.yaml names the team {team.Text}") : (false, "there is no monitoring.yaml with a team"));
        if (Root(files, SmartstackFile) is { } smartstack)
        {
            var without = smartstack.Entries.Where(entry => entry.Value is not Mapping namespaced || namespaced.Entries.All(key => key.Key != "proxy_port")).Select(entry => entry.Key).ToList();
            var others = smartstack.Entries.Where(entry => entry.Value is Mapping namespaced && namespaced["mode"] is Scalar { IsNull: false, Text: not "http" }).Select(entry => entry.Key).ToList();
            if (others.Count > 0)
            {
                found.Add((false, $"smartstack.yaml: {string.Join(", ", others)}: only 'mode: http' gets a port here"));
            }

            found.Add(without.Count == 0 ? (true, "smartstack.yaml has a proxy_port everywhere") : (false, $"smartstack.yaml has no proxy_port in {string.Join(", ", without)}"));
        }
        else
        {
            found.Add((true, "no smartstack.yaml: nothing of it is met by other services"));
        }

        return found;
    }

    static Mapping? Root(IReadOnlyList<ProjectFile> files, string name) =>
        files.FirstOrDefault(file => file.Name == name) is { } file ? Yaml.Parse(file.Text, new Mistakes(name)) as Mapping : null;
}
