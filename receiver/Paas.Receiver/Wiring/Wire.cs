namespace Paas.Receiver.Wiring;

/// <summary>Something outside that has to know of this receiver: a name that leads to an address, or a port that is open (R2.2, R13.4, R13.5).</summary>
/// <param name="Kind"><see cref="Dns"/> or <see cref="Firewall"/>.</param>
/// <param name="Words">What the hook gets after <c>add</c> or <c>remove</c>, divided by blanks: <c>NAME ADDRESS</c>, or <c>tcp PORT ADDRESS</c>.</param>
/// <param name="Owner">The key of the project it is for; empty for the receiver itself and its environments.</param>
sealed record Wire(string Kind, string Words, string Owner = "")
{
    public const string Dns = "dns";
    public const string Firewall = "firewall";
}

/// <summary>What is wanted now.</summary>
/// <param name="Wires">Each of them once.</param>
/// <param name="Unsettled">Projects that are not up yet: nothing of theirs is taken away for now.</param>
sealed record WantedWires(IReadOnlyCollection<Wire> Wires, IReadOnlySet<string> Unsettled);

/// <summary>A wire as it is.</summary>
/// <param name="State"><c>adding</c>, <c>there</c>, <c>removing</c>.</param>
/// <param name="Tries">Failed ones in a row.</param>
/// <param name="Trouble">What the hook said last; null when nothing is wrong.</param>
sealed record WireState(Wire Wire, string State, int Tries, DateTimeOffset NextAt, string? Trouble);

/// <summary>The operator's hooks and what they are given.</summary>
sealed record WiringOptions
{
    /// <summary><c>PAAS_DNS_HOOK</c>, an absolute path; null is none.</summary>
    public string? DnsHook { get; init; }

    /// <summary><c>PAAS_FIREWALL_HOOK</c>, an absolute path; null is none.</summary>
    public string? FirewallHook { get; init; }

    /// <summary><c>PAAS_DNS_ADDRESS</c>: where names lead to; by default where the receiver listens.</summary>
    public IReadOnlyList<System.Net.IPAddress> Addresses { get; init; } = [];

    /// <summary>Every setting that begins with <c>PAAS_DNS_</c> or <c>PAAS_FIREWALL_</c>, for the hooks' own use.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>The longest that a hook may take.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Between one look at what is wanted and the next.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(2);

    public string? HookOf(string kind) => kind == Wire.Dns ? DnsHook : FirewallHook;

    /// <summary>Reads the settings; what is wrong is added to the mistakes.</summary>
    public static WiringOptions From(IConfiguration configuration, System.Net.IPAddress listen, List<string> mistakes)
    {
        var addresses = new List<System.Net.IPAddress>();
        foreach (var text in (configuration["PAAS_DNS_ADDRESS"] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (System.Net.IPAddress.TryParse(text, out var address))
            {
                addresses.Add(address);
            }
            else
            {
                mistakes.Add($"PAAS_DNS_ADDRESS: '{text}' is no address");
            }
        }

        var options = new WiringOptions
        {
            DnsHook = Program(configuration, "PAAS_DNS_HOOK", mistakes),
            FirewallHook = Program(configuration, "PAAS_FIREWALL_HOOK", mistakes),
            Addresses = addresses.Count > 0 ? addresses : [listen],
            Variables = configuration.AsEnumerable()
                .Where(pair => pair.Value is not null && (pair.Key.StartsWith("PAAS_DNS_", StringComparison.Ordinal) || pair.Key.StartsWith("PAAS_FIREWALL_", StringComparison.Ordinal)))
                .ToDictionary(pair => pair.Key, pair => pair.Value!),
        };
        if (options.DnsHook is not null && options.Addresses.Any(address => address.Equals(System.Net.IPAddress.Any) || address.Equals(System.Net.IPAddress.IPv6Any)))
        {
            mistakes.Add("PAAS_DNS_ADDRESS: say to which address names are to lead, since PAAS_LISTEN names none");
        }

        return options;
    }

    static string? Program(IConfiguration configuration, string key, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } path)
        {
            return null;
        }

        const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        if (!Path.IsPathFullyQualified(path) || !File.Exists(path) || (File.GetUnixFileMode(path) & AnyExecute) == UnixFileMode.None)
        {
            mistakes.Add($"{key}: there is no program '{path}' (an absolute path is wanted)");
        }

        return path;
    }
}
