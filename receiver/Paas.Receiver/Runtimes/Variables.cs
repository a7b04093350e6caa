using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>The complete environment of a process of a release (PM-80 to PM-89, contract.md): a clean base, then the project's, then the platform's, which wins (AMB-27).</summary>
static class Variables
{
    static readonly string[] Ports = ["PORT", "PM_PORT", "PAASTA_PORT"];

    /// <param name="run">Where the process finds its release.</param>
    /// <param name="port">Null for what does not listen: then the port's names are absent (PM-89).</param>
    /// <param name="type">Null for what runs once.</param>
    public static Dictionary<string, string> Of(Launch launch, string instance, string run, int? port, string? type, CageLimits limits)
    {
        // An image brings its own base: PATH, HOME and whatever else it was made with.
        var variables = launch.Image is null ? new Dictionary<string, string>(Command.CleanEnvironment) : [];
        foreach (var (name, value) in Paasta(launch, type, limits))
        {
            variables[name] = value;
        }

        foreach (var (name, value) in launch.Environment.Concat(launch.Types.FirstOrDefault(declared => declared.Name == type)?.Environment ?? new Dictionary<string, string>()))
        {
            variables[name] = value;
        }

        if (launch.Image is null)
        {
            variables["HOME"] = run;
        }

        variables["PAAS_RELEASE"] = $"v{launch.Number}";
        variables["PAAS_ENVIRONMENT"] = launch.Project.Environment.Name.Value;
        variables["PAAS_PROJECT"] = launch.Project.Name.Value;
        variables["PAAS_DATA_DIR"] = launch.Project.Data;
        variables["PAAS_INSTANCE"] = instance;
        variables["PM_SERVICES"] = JsonNode.Parse(launch.Services)!.ToJsonString();
        variables["PM_METADATA"] = Metadata(launch);
        foreach (var name in Ports)
        {
            variables.Remove(name);
            if (port is { } number)
            {
                variables[name] = number.ToString(CultureInfo.InvariantCulture);
            }
        }

        return variables;
    }

    /// <summary>PaaSTA's names (reference 3.7); what the project configures wins over them.</summary>
    static IEnumerable<(string Name, string Value)> Paasta(Launch launch, string? type, CageLimits limits)
    {
        var (project, cluster) = (launch.Project.Name.Value, launch.Project.Environment.Name.Value);
        var instance = type ?? "adhoc";
        yield return ("PAASTA_SERVICE", project);
        yield return ("PAASTA_CLUSTER", cluster);
        yield return ("PAASTA_INSTANCE", instance);
        yield return ("PAASTA_DEPLOY_GROUP", $"{cluster}.{instance}");
        yield return ("PAASTA_HOST", System.Environment.MachineName);
        yield return ("PAASTA_GIT_SHA", launch.Commit.Length > 8 ? launch.Commit[..8] : launch.Commit);
        yield return ("PAASTA_DOCKER_IMAGE", $"services-{project}:paasta-{launch.Commit}");
        yield return ("SOURCE_VERSION", launch.Commit);
        if (limits.Cpus is { } cpus)
        {
            yield return ("PAASTA_RESOURCE_CPUS", cpus.ToString("0.###", CultureInfo.InvariantCulture));
        }

        if (limits.Memory is { } memory)
        {
            yield return ("PAASTA_RESOURCE_MEM", (memory / 1_000_000).ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>PM-83 to PM-85: every key is always there, numbers are numbers.</summary>
    static string Metadata(Launch launch)
    {
        var environment = launch.Project.Environment;
        return new JsonObject
        {
            ["application"] = new JsonObject
            {
                ["application_id"] = NumberOf(launch.Project.Key),
                ["name"] = launch.Project.Name.Value,
                ["version"] = launch.Number,
                ["version_id"] = NumberOf($"{launch.Project.Key} {launch.Release}"),
                ["workspace"] = environment.Name.Value,
                ["workspace_stub"] = environment.Name.Value,
            },
            ["node"] = JsonNode.Parse(launch.NodeTags),
            ["workspace"] = JsonNode.Parse(launch.WorkspaceTags),
        }.ToJsonString(JsonSerializerOptions.Default);
    }

    /// <summary>Paasmaker's ids are row numbers; ours are names. The same name gives the same positive number.</summary>
    static int NumberOf(string name) => BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(name))) & int.MaxValue;
}
