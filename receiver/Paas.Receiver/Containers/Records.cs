namespace Paas.Receiver.Containers;

// The engine's own names and units, only what is asked for or read here. Null is left out.

/// <summary>An image as the engine has it.</summary>
/// <param name="Id"><c>sha256:…</c>, the digest of its configuration and, through it, of every layer.</param>
sealed record ImageDetails(string Id, IReadOnlyList<string>? RepoTags, ImageSettings? Config, long Size);

sealed record ImageSettings
{
    /// <summary><c>user[:group]</c>, names or numbers; empty is root.</summary>
    public string? User { get; init; }

    /// <summary><c>8080/tcp</c> each.</summary>
    public IReadOnlyDictionary<string, object>? ExposedPorts { get; init; }

    public IReadOnlyList<string>? Entrypoint { get; init; }

    public IReadOnlyList<string>? Cmd { get; init; }

    public string? StopSignal { get; init; }
}

/// <summary>One image of a listing.</summary>
sealed record ImageSummary(string Id, IReadOnlyList<string>? RepoTags, IReadOnlyDictionary<string, string>? Labels = null);

/// <summary>A container to be made.</summary>
sealed record ContainerOrder
{
    public required string Image { get; init; }

    /// <summary>Arguments of the image's entry point, else what is run; null for the image's own.</summary>
    public IReadOnlyList<string>? Cmd { get; init; }

    /// <summary><c>NAME=value</c> each.</summary>
    public IReadOnlyList<string> Env { get; init; } = [];

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, object>? ExposedPorts { get; init; }

    public required HostSettings HostConfig { get; init; }
}

/// <summary>How a container is held on its machine.</summary>
sealed record HostSettings
{
    public string? NetworkMode { get; init; }

    public IReadOnlyDictionary<string, IReadOnlyList<PortBinding>>? PortBindings { get; init; }

    public IReadOnlyList<MountPoint> Mounts { get; init; } = [];

    /// <summary>Bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Bytes that it is pushed back to when others want memory.</summary>
    public long? MemoryReservation { get; init; }

    /// <summary>Memory and swap together.</summary>
    public long? MemorySwap { get; init; }

    /// <summary>Billionths of a processor.</summary>
    public long? NanoCpus { get; init; }

    public int? PidsLimit { get; init; }

    /// <summary>A first process that passes signals on and reaps.</summary>
    public bool Init { get; init; } = true;

    public bool ReadonlyRootfs { get; init; }

    public IReadOnlyDictionary<string, string>? Tmpfs { get; init; }

    public IReadOnlyList<string> SecurityOpt { get; init; } = ["no-new-privileges"];

    public IReadOnlyList<string> CapDrop { get; init; } = ["ALL"];

    public IReadOnlyList<string> CapAdd { get; init; } = [];

    public LogSettings? LogConfig { get; init; }
}

sealed record PortBinding(string HostIp, string HostPort);

sealed record MountPoint(string Source, string Target, string Type = "bind");

sealed record LogSettings(string Type, IReadOnlyDictionary<string, string> Config);

/// <summary>A container as the engine has it.</summary>
sealed record ContainerDetails(string Id, ContainerState State, ImageSettings? Config);

/// <param name="Pid">Of its first process, on this machine; 0 when it does not run.</param>
sealed record ContainerState(bool Running, int Pid, int ExitCode, bool OOMKilled);

/// <summary>One container of a listing.</summary>
sealed record ContainerSummary(string Id, IReadOnlyDictionary<string, string>? Labels, string? State);

/// <summary>What is built, and how.</summary>
sealed record BuildOrder
{
    /// <summary>The name and tag the image gets.</summary>
    public required string Name { get; init; }

    /// <summary>Inside the context.</summary>
    public string Dockerfile { get; init; } = "Dockerfile";

    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary><c>none</c>, or a network's name.</summary>
    public string? Network { get; init; }

    /// <summary>Everything anew, whatever the engine remembers.</summary>
    public bool Anew { get; init; }
}

/// <summary>A piece of what a container printed.</summary>
readonly record struct OutputPiece(bool IsError, ReadOnlyMemory<byte> Bytes);
