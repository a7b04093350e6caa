namespace Paas.Receiver.Runtimes;

/// <summary>Where the fleet lives.</summary>
sealed record FleetSettings
{
    /// <summary><c>PAAS_ROOT</c>.</summary>
    public required string Root { get; init; }

    /// <summary>The receiver's own directory (0700); instances are in <c>instances/</c> and what they print in <c>logs/</c>.</summary>
    public required string State { get; init; }

    /// <summary>Holds <c>supervise</c> and <c>instance</c>.</summary>
    public required string Hooks { get; init; }

    /// <summary><c>PAAS_SUPERVISOR</c>: a program that speaks reference 2.9 and watches processes instead of our own <c>supervise</c>; null for that.</summary>
    public string? Supervisor { get; init; }

    /// <summary>The port on 127.0.0.1 where supervisors report exits. Asked at each start, for it may not be known before the server listens.</summary>
    public required Func<int> ReportPort { get; init; }

    /// <summary>Megabytes that the engine keeps of what one container prints, until it is in the log.</summary>
    public int ContainerLog { get; init; } = 10;

    /// <summary>Who a daemon is that several projects share; null for the receiver's own user.</summary>
    public Func<Processes.UnixUser?> DaemonUser { get; init; } = () => null;

    /// <summary>The text of <c>static.pl</c>: what a folder of files says of itself, as nginx's configuration.</summary>
    public Func<string> StaticSites { get; init; } = () => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "buildpacks", "lib", "static.pl"));

    public string Instances => Path.Combine(State, "instances");

    public string Logs => Path.Combine(State, "logs");
}
