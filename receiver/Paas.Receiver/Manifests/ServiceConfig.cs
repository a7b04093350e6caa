using System.Text.RegularExpressions;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>One instance of a service in one cluster (reference 3.8): here a process type in an environment.</summary>
/// <param name="Cluster">An environment's name.</param>
/// <param name="DeployGroup">Who marks a commit for this group marks it for this instance.</param>
sealed record ServiceInstance(string Cluster, string Name, string DeployGroup)
{
    /// <summary><c>cluster.instance</c>: what control tags name, and the group of who has none of their own.</summary>
    public string FullName => $"{Cluster}.{Name}";

    /// <summary>Null leaves it to the release.</summary>
    public int? Quantity { get; init; }

    /// <summary>A line for the shell; null leaves it to the release.</summary>
    public string? Command { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary><c>bounce_method</c>; null leaves it to the release.</summary>
    public Strategy? Bounce { get; init; }

    /// <summary><c>bounce_margin_factor</c>; null leaves it to the release.</summary>
    public decimal? BounceMargin { get; init; }

    /// <summary>Namespaces of the service that it is registered in: without any the one of its own name.</summary>
    public IReadOnlyList<string> Namespaces { get; init; } = [];

    /// <summary>The name of the process type: PaaSTA allows a '_' where a host name cannot have one.</summary>
    public string Type => Name.Replace('_', '-');
}

/// <summary>A namespace that other services of this machine meet at a port (PC-14).</summary>
sealed record ServicePort(string Namespace, int Port);

/// <summary>A service's folder of soa-configs, which is what a pillar is to PaaSTA: instances by cluster, and the pipeline. Immutable.</summary>
sealed partial record ServiceConfig(IReadOnlyList<ServiceInstance> Instances, DeployPipeline? Pipeline)
{
    public static readonly ServiceConfig None = new([], null);

    const string PipelineFile = "deploy.yaml";
    const string SmartstackFile = "smartstack.yaml";

    /// <summary>The namespaces with a <c>proxy_port</c> that speak HTTP; what a worker is registered in has none (PC-17, PC-18).</summary>
    public IReadOnlyList<ServicePort> Ports { get; init; } = [];

    /// <summary>Every group that an instance has.</summary>
    public IReadOnlyList<string> Groups => [.. Instances.Select(instance => instance.DeployGroup).Distinct(StringComparer.Ordinal)];

    /// <summary>Is this one of the files that <see cref="Read"/> is to be given?</summary>
    public static bool Knows(string file) => file is PipelineFile or SmartstackFile || ClusterOf(file) is not null;

    /// <summary>What is unknown in it is left alone, as the tools do that do not validate.</summary>
    /// <exception cref="Refusal">A file cannot be read; every mistake of the first such one with its line.</exception>
    public static ServiceConfig Read(IReadOnlyList<ProjectFile> files, ProjectName service)
    {
        var instances = new List<ServiceInstance>();
        DeployPipeline? pipeline = null;
        IReadOnlyList<ServicePort> ports = [];
        foreach (var file in files)
        {
            var mistakes = new Mistakes(file.Name);
            var root = Yaml.Parse(file.Text, mistakes);
            if (file.Name == PipelineFile)
            {
                pipeline = root is null ? null : DeployPipeline.Of(root, mistakes);
            }
            else if (file.Name == SmartstackFile)
            {
                ports = root is null or Scalar { IsNull: true } ? [] : PortsOf(root, mistakes);
            }
            else if (ClusterOf(file.Name) is { } cluster && root is not null && Fields.Of(root, "", mistakes) is not null)
            {
                instances.AddRange(((Mapping)root).Entries.Where(entry => entry.Key is not ['_', ..]).Select(entry => InstanceOf(entry, cluster, service.Value, mistakes)).OfType<ServiceInstance>());
            }

            mistakes.Throw();
        }

        return new ServiceConfig([.. instances.DistinctBy(instance => instance.FullName)], pipeline) { Ports = ports };
    }

    static List<ServicePort> PortsOf(Node root, Mistakes mistakes)
    {
        var ports = new List<ServicePort>();
        foreach (var entry in Fields.Of(root, "", mistakes) is null ? [] : ((Mapping)root).Entries)
        {
            // "port: null" is discovery alone; what is not HTTP the router cannot lead.
            if (Fields.Of(entry.Value, entry.Key, mistakes) is not { } fields || fields.Take("proxy_port") is not Scalar { IsNull: false } || (fields.Text("mode") ?? "http") != "http")
            {
                continue;
            }

            var port = fields.Number("proxy_port", 0, 1, 65_535);
            if (ports.Find(other => other.Port == port) is { } same)
            {
                fields.Mistake("proxy_port", $"{port} is {same.Namespace}'s already");
            }

            ports.Add(new ServicePort(entry.Key, port));
        }

        return ports;
    }

    /// <summary><c>registrations: [service.namespace]</c>, in the first years <c>nerve_ns: namespace</c>.</summary>
    static IReadOnlyList<string> NamespacesOf(Fields fields, string instance, string service)
    {
        var named = fields.List("registrations").Select(item => fields.TextOf(item.Node, item.Path)).OfType<string>()
            .Where(name => name.StartsWith(service + ".", StringComparison.Ordinal)).Select(name => name[(service.Length + 1)..]).ToList();
        return named.Count > 0 ? named : [fields.Text("nerve_ns") ?? instance];
    }

    static ServiceInstance? InstanceOf(Entry entry, string cluster, string service, Mistakes mistakes)
    {
        if (!InstanceName().IsMatch(entry.Key))
        {
            mistakes.Add(entry.Line, entry.Key, "is no instance's name: a-z, 0-9, '_' and '-', a letter or digit at both ends");
            return null;
        }

        var node = entry.Value is Scalar { IsNull: true } ? new Mapping(entry.Line, []) : entry.Value;
        if (Fields.Of(node, entry.Key, mistakes) is not { } fields)
        {
            return null;
        }

        var group = (fields.Text("deploy_group") ?? $"{cluster}.{entry.Key}")
            .Replace("{cluster}", cluster, StringComparison.Ordinal).Replace("{instance}", entry.Key, StringComparison.Ordinal).Replace("{service}", service, StringComparison.Ordinal);
        if (!GroupName().IsMatch(group))
        {
            fields.Mistake("deploy_group", $"{Mistakes.Quote(group)} is no deploy group's name: letters, digits, '.', '_' and '-'");
        }

        var few = fields.Number("min_instances", 0, 0, 1000);
        return new ServiceInstance(cluster, entry.Key, group)
        {
            // With a range the least is what there is: nothing here scales by itself.
            Quantity = fields.Has("max_instances") ? few : fields.Has("instances") ? fields.Number("instances", 1, 0, 1000) : null,
            Command = CommandOf(fields),
            Namespaces = NamespacesOf(fields, entry.Key, service),
            Bounce = Additions.StrategyOf(fields, "bounce_method"),
            BounceMargin = Additions.MarginOf(fields),
            Environment = fields.Free("env").Entries.ToDictionary(variable => variable.Key, variable => fields.TextOf(variable.Value, $"env.{variable.Key}") ?? "", StringComparer.Ordinal),
        };
    }

    static string? CommandOf(Fields fields) => fields.Take("cmd") switch
    {
        null => fields.Take("args") is Sequence args ? Line(args) : null,
        Sequence words => Line(words),
        var line => fields.TextOf(line, "cmd"),
    };

    static string Line(Sequence words) =>
        string.Join(' ', words.Items.Select(word => word is Scalar scalar ? $"'{scalar.Text.Replace("'", "'\\''", StringComparison.Ordinal)}'" : "''"));

    /// <summary>The cluster that a file is about; null for another file.</summary>
    static string? ClusterOf(string file) => ClusterFile().Match(file) is { Success: true } match ? match.Groups["cluster"].Value.ToLowerInvariant() : null;

    [GeneratedRegex(@"\A(?:marathon|kubernetes|eks)-(?<cluster>[A-Za-z0-9][A-Za-z0-9_.-]*)\.yaml\z", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ClusterFile();

    [GeneratedRegex(@"\A(?:[a-z0-9]|[a-z0-9][a-z0-9_-]*[a-z0-9])\z", RegexOptions.None, 1000)]
    private static partial Regex InstanceName();

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,100}\z", RegexOptions.None, 1000)]
    private static partial Regex GroupName();
}
