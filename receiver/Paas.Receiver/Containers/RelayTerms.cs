using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Paas.Receiver.Containers;

/// <summary>On which terms a build uses the engine: what it may name, what its images and containers are like whatever it asks for. Asks nobody; immutable.</summary>
/// <param name="Build">An id of this build alone.</param>
/// <param name="Image">The one full name (<c>services-x:paasta-&lt;commit&gt;</c>) that the build is to make.</param>
/// <param name="Labels">Of every image and container it makes.</param>
/// <param name="ImageLabels">Of every image, beside.</param>
/// <param name="Network">What its containers and build steps are on: <c>none</c>, or a network's name.</param>
/// <param name="Memory">Bytes that one container may have; null for no limit.</param>
/// <param name="Processes">In one container.</param>
sealed record RelayTerms(
    string Build, string Image, IReadOnlyDictionary<string, string> Labels, IReadOnlyDictionary<string, string> ImageLabels, string Network, long? Memory, int? Processes)
{
    /// <summary>Bears the id of the build whose container it is.</summary>
    public const string BuildLabel = "paas.build";

    static readonly string[] Capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

    /// <summary>What of a container is the build's own affair.</summary>
    static readonly string[] Taken =
    [
        "Cmd", "Entrypoint", "Env", "WorkingDir", "User", "Hostname", "ExposedPorts", "Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr",
        "Healthcheck", "StopSignal", "StopTimeout", "Volumes",
    ];

    /// <summary>What is refused where it says something: it would reach beyond the container.</summary>
    static readonly string[] Refused =
    [
        "Privileged", "Binds", "VolumesFrom", "Links", "Devices", "DeviceRequests", "DeviceCgroupRules", "CapAdd", "SecurityOpt", "Sysctls", "CgroupParent", "Cgroup", "PidMode", "UTSMode",
        "UsernsMode", "Runtime", "ExtraHosts", "GroupAdd", "StorageOpt", "VolumeDriver", "Isolation", "PublishAllPorts",
    ];

    static readonly string[] BuildKeys = ["dockerfile", "buildargs", "nocache", "rm", "forcerm", "q", "pull", "target", "platform"];

    static readonly string[] RefusedByBuild = ["remote", "session", "outputs", "extrahosts", "cgroupparent"];

    string Repository => Image[..Image.LastIndexOf(':')];

    /// <summary>May the build give this name? Its image's, and further ones of the project that are no commit's.</summary>
    public bool MayName(string name) =>
        name == Image || (name.StartsWith(Repository + ":", StringComparison.Ordinal) && name.Length > Repository.Length + 1
            && !name[(Repository.Length + 1)..].StartsWith("paasta-", StringComparison.Ordinal) && name[(Repository.Length + 1)..].All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'));

    /// <exception cref="RelayRefusedException">The name is not for this build.</exception>
    public string Named(string name)
    {
        // Clients write names out in full.
        const string Usual = "docker.io/library/";
        var brief = name.StartsWith(Usual, StringComparison.Ordinal) ? name[Usual.Length..] : name;
        var full = brief.LastIndexOf(':') > brief.LastIndexOf('/') ? brief : brief + ":latest";
        return MayName(full) ? full : throw new RelayRefusedException($"this build may call its image {Image} (it is in DOCKER_TAG), and others {Repository}:NAME, not {full}");
    }

    /// <summary>The query of a build on these terms, and the names it gives.</summary>
    /// <exception cref="RelayRefusedException">It wants more than that.</exception>
    public (IReadOnlyList<(string Name, string Value)> Query, IReadOnlyList<string> Names) BuildOf(RelayRequest request)
    {
        foreach (var (name, value) in request.Query.Where(one => RefusedByBuild.Contains(one.Name) && !IsNothing(one.Value)))
        {
            throw new RelayRefusedException($"docker build: {name} ({value}) is not to be had in a build here");
        }

        if (request["version"] is not (null or "" or "1"))
        {
            throw new RelayRefusedException("docker build: BuildKit is not to be had in a build here; DOCKER_BUILDKIT=0 is set and must stay");
        }

        var network = request["networkmode"] is null or "" or "default" or "bridge" ? Network : request["networkmode"] == "none" ? "none"
            : throw new RelayRefusedException($"docker build: the network {request["networkmode"]} is not to be had in a build here");
        var names = request.Query.Where(one => one.Name == "t" && one.Value.Length > 0).Select(one => Named(one.Value)).ToList();
        var labels = Merged(request["labels"] is { Length: > 0 } own ? Parse(own) : null, [.. Labels, .. ImageLabels]);
        return (
            [
                .. request.Query.Where(one => BuildKeys.Contains(one.Name)), .. names.Select(name => ("t", name)),
                ("labels", labels.ToJsonString()), ("networkmode", network),
            ],
            names);
    }

    /// <summary>A container of the build's, confined: what it asks for beyond that is refused by name, or is not there.</summary>
    /// <param name="image">The id of an image that is the build's to run.</param>
    /// <exception cref="RelayRefusedException">It wants more than that.</exception>
    public JsonObject ContainerOf(JsonObject wanted, string image)
    {
        var host = wanted["HostConfig"] as JsonObject ?? [];
        foreach (var name in Refused.Where(name => !IsNothing(host[name])))
        {
            throw new RelayRefusedException($"docker run: {name} is not to be had in a build here");
        }

        if (Text(host["NetworkMode"]) is not ("" or "default" or "bridge" or "none") || Text(host["IpcMode"]) is not ("" or "private" or "none"))
        {
            throw new RelayRefusedException($"docker run: the network {Text(host["NetworkMode"])} (IPC {Text(host["IpcMode"])}) is not to be had in a build here");
        }

        var made = new JsonObject { [nameof(Image)] = image, [nameof(Labels)] = Merged(wanted[nameof(Labels)] as JsonObject, [.. Labels, new(BuildLabel, Build)]) };
        foreach (var name in Taken.Where(name => wanted[name] is not null))
        {
            made[name] = wanted[name]!.DeepClone();
        }

        if (wanted["Volumes"] is JsonObject volumes && volumes.Any(volume => volume.Key.Contains(':', StringComparison.Ordinal)))
        {
            throw new RelayRefusedException("docker run: Volumes are not to be had in a build here");
        }

        made["HostConfig"] = new JsonObject
        {
            ["NetworkMode"] = Text(host["NetworkMode"]) == "none" ? "none" : Network,
            ["PortBindings"] = PortsOf(host["PortBindings"] as JsonObject),
            ["Mounts"] = MountsOf(host["Mounts"] as JsonArray),
            ["Tmpfs"] = (host["Tmpfs"] as JsonObject)?.DeepClone(),
            ["AutoRemove"] = IsTrue(host["AutoRemove"]),
            ["ReadonlyRootfs"] = IsTrue(host["ReadonlyRootfs"]),
            ["Init"] = true,
            ["CapDrop"] = new JsonArray("ALL"),
            ["CapAdd"] = new JsonArray([.. Capabilities.Select(one => (JsonNode)one)]),
            ["SecurityOpt"] = new JsonArray("no-new-privileges"),
            [nameof(Memory)] = Memory,
            ["MemorySwap"] = Memory,
            ["PidsLimit"] = Processes,
        };
        return made;
    }

    /// <exception cref="RelayRefusedException">It is no object.</exception>
    public static JsonObject Parse(ReadOnlySpan<byte> document)
    {
        try
        {
            // Twice the same key: the engine would read the one and we the other.
            return JsonNode.Parse(document, documentOptions: new JsonDocumentOptions { MaxDepth = 30, AllowDuplicateProperties = false }) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new RelayRefusedException($"the request cannot be read: {e.Message}", HttpStatusCode.BadRequest);
        }
    }

    static JsonObject Parse(string document) => Parse(System.Text.Encoding.UTF8.GetBytes(document));

    static JsonObject Merged(JsonObject? theirs, IEnumerable<KeyValuePair<string, string>> ours)
    {
        var labels = new JsonObject();
        foreach (var (name, value) in theirs ?? [])
        {
            // Names of ours are read without regard to their writer.
            if (!name.StartsWith("paas.", StringComparison.OrdinalIgnoreCase))
            {
                labels[name] = Text(value);
            }
        }

        foreach (var (name, value) in ours)
        {
            labels[name] = value;
        }

        return labels;
    }

    /// <summary>On loopback, at a port that the engine chooses: a fixed one may be somebody's.</summary>
    static JsonObject PortsOf(JsonObject? wanted)
    {
        var ports = new JsonObject();
        foreach (var (port, bindings) in wanted ?? [])
        {
            foreach (var binding in bindings as JsonArray ?? [])
            {
                if (Text(binding?["HostPort"]) is not ("" or "0"))
                {
                    throw new RelayRefusedException($"docker run: port {Text(binding?["HostPort"])} of the machine is not to be had in a build here; -p 127.0.0.1::{port.Split('/')[0]} gives a free one, and docker port says which");
                }
            }

            ports[port] = new JsonArray(new JsonObject { ["HostIp"] = "127.0.0.1", ["HostPort"] = "" });
        }

        return ports;
    }

    static JsonArray MountsOf(JsonArray? wanted)
    {
        var mounts = new JsonArray();
        foreach (var mount in wanted ?? [])
        {
            if (Text(mount?["Type"]) != "tmpfs")
            {
                throw new RelayRefusedException($"docker run: a mount of the type '{Text(mount?["Type"])}' is not to be had in a build here");
            }

            mounts.Add(new JsonObject { ["Type"] = "tmpfs", ["Target"] = Text(mount?["Target"]) });
        }

        return mounts;
    }

    static bool IsTrue(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    static bool IsNothing(JsonNode? node) => node switch
    {
        null => true,
        JsonArray list => list.Count == 0,
        JsonObject map => map.Count == 0,
        _ => IsNothing(Text(node)) || Text(node) == "default",
    };

    static bool IsNothing(string text) => text is "" or "false" or "0" or "null" or "[]" or "{}";

    static string Text(JsonNode? node) => node is null ? "" : node is JsonValue value && value.TryGetValue<string>(out var text) ? text : node.ToJsonString();
}
