using System.Globalization;
using System.Net;
using System.Text.Json;
using Paas.Receiver.Buildpacks;
using Paas.Receiver.Containers;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Notifications;
using Paas.Receiver.Access;
using Paas.Receiver.Projects;
using Paas.Receiver.Toolchains;
using Paas.Receiver.Wiring;

namespace Paas.Receiver;

/// <summary>Every setting, with its key, its default and its unit. Read once at start; a bad one stops the start with exit code 2 and its key.</summary>
sealed record ReceiverOptions
{
    /// <summary><c>PAAS_ROOT</c>: projects and state. Absolute.</summary>
    public required string Root { get; init; }

    /// <summary><c>PAAS_LISTEN</c>: control plane and router.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary><c>PAAS_ROUTER_LISTEN</c>: application traffic alone; null when it comes in with the control plane's.</summary>
    public IPEndPoint? RouterListen { get; init; }

    /// <summary><c>PAAS_SSH_LISTEN</c>: where sshd listens; null is nowhere, the setting is empty then.</summary>
    public IPEndPoint? SshListen { get; init; }

    /// <summary><c>PAAS_DOMAIN</c>: applications answer at <c>&lt;project&gt;.&lt;domain&gt;</c>.</summary>
    public required string Domain { get; init; }

    /// <summary><c>PAAS_CONTROL_HOSTS</c>: comma separated; further names of the control plane. The domain itself, localhost and IP addresses always are.</summary>
    public IReadOnlyList<string> ControlHosts { get; init; } = [];

    /// <summary><c>PAAS_ADMIN_TOKEN</c>: fixes the first admin's token; null means one is made and shown once.</summary>
    public string? AdminToken { get; init; }

    /// <summary><c>PAAS_DEFAULT_ENVIRONMENT</c>: <c>name:type[:mode]</c>.</summary>
    public required Environment DefaultEnvironment { get; init; }

    /// <summary><c>PAAS_ENVIRONMENT_TYPES</c>: comma separated; the platform types that further environments may have (R15.3: dev may be deactivated).</summary>
    public IReadOnlyList<EnvironmentType> EnvironmentTypes { get; init; } = Enum.GetValues<EnvironmentType>();

    /// <summary><c>PAAS_DEPLOY_BRANCHES</c>: comma separated; a push to one of these deploys.</summary>
    public IReadOnlyList<string> DeployBranches { get; init; } = ["main", "master"];

    /// <summary><c>PAAS_TRUSTED_KEYS</c>: comma separated; files with the public keys of receivers whose archives are unpacked here, or directories of them.</summary>
    public IReadOnlyList<string> TrustedKeys { get; init; } = [];

    /// <summary><c>PAAS_KEEP_RELEASES</c>: releases kept beside what a rollback needs (A13).</summary>
    public int KeepReleases { get; init; } = 3;

    /// <summary><c>PAAS_START_TIMEOUT</c>, seconds: how long an application may take to listen.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>PAAS_STOP_TIMEOUT</c>, seconds: between SIGTERM and SIGKILL (AMB-26).</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary><c>PAAS_SUPERVISOR</c>: a program that speaks Paasmaker's supervisor protocol and watches instances instead of our own; null for that.</summary>
    public string? Supervisor { get; init; }

    /// <summary><c>PAAS_SETTLE</c>, seconds, 0 for none: how long a new release must stay up under its visitors before the old one is given up.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary><c>PAAS_BUILD_TIMEOUT</c>, seconds: how long one build step may take.</summary>
    public TimeSpan BuildTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary><c>PAAS_BUILD_NETWORK</c>: <c>needed</c>, <c>all</c> or <c>none</c>; which builds may reach the network.</summary>
    public BuildNetwork BuildNetwork { get; init; }

    /// <summary><c>PAAS_BUILD_ENV</c>: a file of <c>NAME=value</c> lines that every build gets; null for none.</summary>
    public string? BuildEnvironment { get; init; }

    /// <summary><c>PAAS_BUILD_CACHE</c>, megabytes: what one project's build cache may keep.</summary>
    public int BuildCache { get; init; } = 2048;

    /// <summary><c>PAAS_TOOLCHAINS</c>: directories in which version managers (nvm, rbenv, pyenv, asdf, mise) are looked for, separated by colons.</summary>
    public IReadOnlyList<string> Toolchains { get; init; } = [];

    /// <summary><c>PAAS_WEB_SERVER</c>: <c>own</c> or <c>shared</c>; whether folders of files and PHP are served by one nginx for all projects that do not say otherwise.</summary>
    public bool SharesWebServer { get; init; }

    /// <summary><c>PAAS_BUILDPACKS</c>: directories of further buildpacks, separated by colons; they are asked before ours.</summary>
    public IReadOnlyList<string> Buildpacks { get; init; } = [];

    /// <summary><c>PAAS_MAX_PUSH</c>, megabytes: what is larger is refused; null is no limit.</summary>
    public int? MaxPush { get; init; }

    /// <summary><c>PAAS_MAX_IMPORT</c>, megabytes: the largest archive that may be sent to be imported.</summary>
    public int MaxImport { get; init; } = 5000;

    /// <summary><c>PAAS_TRUSTED_PROXIES</c>: comma separated addresses and networks; what these say in <c>X-Forwarded-For</c> is believed.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>PAAS_USERS</c>, <c>FIRST-LAST</c>: the numbers that projects' own Unix users are taken from, where the receiver is root.</summary>
    public (uint First, uint Last) Users { get; init; } = (70_000, 99_999);

    /// <summary><c>PAAS_NODE_TAGS</c>: a JSON object; applications find it in <c>PM_METADATA</c> under <c>node</c>.</summary>
    public string NodeTags { get; init; } = "{}";

    /// <summary><c>PAAS_CRON_ZONE</c>: whose clock cron entries are read by, such as <c>Europe/Paris</c>.</summary>
    public TimeZoneInfo CronZone { get; init; } = TimeZoneInfo.Utc;

    /// <summary><c>PAAS_LIMIT_MEMORY</c> (megabytes), <c>PAAS_LIMIT_CPUS</c> (such as 0.5), <c>PAAS_LIMIT_PROCESSES</c>: what one instance, build step or hook may use.</summary>
    public CageLimits Cages { get; init; } = new();

    /// <summary><c>PAAS_TLS_LISTEN</c>: the same as <c>PAAS_LISTEN</c> over TLS; null is off.</summary>
    public IPEndPoint? TlsListen { get; init; }

    /// <summary>What should answer where, with what it says first where it speaks first.</summary>
    public IReadOnlyList<(string Name, IPEndPoint At, string? Greeting)> Doors
    {
        get
        {
            var doors = new List<(string, IPEndPoint, string?)> { ("git, API and applications", Listen, null) };
            void Add(string name, IPEndPoint? at, string? greeting)
            {
                if (at is not null)
                {
                    doors.Add((name, at, greeting));
                }
            }

            Add("applications", RouterListen, null);
            Add("HTTPS", TlsListen, null);
            Add("ssh", SshListen, "SSH-");
            return doors;
        }
    }

    /// <summary><c>PAAS_CERTIFICATES</c>: a directory of certificates and keys, beside the receiver's own.</summary>
    public string? Certificates { get; init; }

    /// <summary><c>PAAS_HTTPS</c>: <c>redirect</c> sends visitors of names with a certificate from HTTP to HTTPS, <c>both</c> leaves them.</summary>
    public bool HttpsRedirect { get; init; } = true;

    /// <summary><c>PAAS_HSTS</c>, seconds for which browsers are told to come by HTTPS only; 0 says nothing.</summary>
    public int Hsts { get; init; }

    /// <summary><c>PAAS_ACME_DIRECTORY</c>, <c>PAAS_ACME_EMAIL</c>, <c>PAAS_ACME_ROOT</c>: the authority certificates are ordered from; null orders none.</summary>
    public Certificates.AcmeSettings? Acme { get; init; }

    /// <summary><c>PAAS_HOSTS_ROOT</c>: a file with authorities (PEM) that vouch for linked hosts beside the machine's; null for none.</summary>
    public string? HostsRoot { get; init; }

    /// <summary><c>PAAS_ACCESS_LOG</c>: <c>common</c>, <c>combined</c>, <c>json</c> or <c>off</c>.</summary>
    public Routing.AccessLogFormat AccessLog { get; init; } = Routing.AccessLogFormat.Common;

    /// <summary>Where the access logs are.</summary>
    public string AccessLogs => Path.Combine(State, "access");

    /// <summary><c>PAAS_MAX_BODY</c>, megabytes: a larger request to an application is refused; null leaves it to the application.</summary>
    public int? MaxBody { get; init; }

    /// <summary><c>PAAS_QUOTA</c>, gigabytes, a multiple of 5: what a project may take unless it was given a limit of its own; null is no limit.</summary>
    public int? Quota { get; init; }

    /// <summary><c>PAAS_KEEP_SIZE</c>, megabytes: kept releases with their archives and backups go beyond it, but never the two newest; null counts releases only.</summary>
    public int? KeepSize { get; init; }

    /// <summary><c>PAAS_REGISTRY</c>: the address of a registry that keeps what is pushed to <c>/v2/</c>, and that nobody but the receiver reaches; null starts one.</summary>
    public Uri? Registry { get; init; }

    /// <summary><c>PAAS_BUILD_ENGINE</c>: <c>relay</c> gives builds by <c>make</c> what is their own of the Docker engine, <c>none</c> nothing.</summary>
    public bool BuildEngine { get; init; } = true;

    /// <summary><c>DOCKER_HOST</c>: where the Docker engine of this machine listens. Nothing is wrong when it does not.</summary>
    public EngineAddress Docker { get; init; } = EngineAddress.Usual;

    /// <summary>Who is told how deployments end, and by which way.</summary>
    public TellingOptions Telling { get; init; } = new();

    /// <summary><c>PAAS_LDAP_URL</c> and the others: a directory that vouches for passwords; null is none.</summary>
    public LdapSettings? Ldap { get; init; }

    /// <summary><c>PAAS_DNS_HOOK</c>, <c>PAAS_FIREWALL_HOOK</c> and the others: who outside is told of names and ports.</summary>
    public WiringOptions Wiring { get; init; } = new();

    /// <summary><c>PAAS_HOOKS</c>: the folder of git's hooks and the supervisor; by default the one installed beside the program.</summary>
    public required string HooksDirectory { get; init; }

    /// <summary>The receiver's own: journal, sockets, logs, views. Mode 0700.</summary>
    public string State => Path.Combine(Root, "state");

    /// <summary>Reads the settings, reporting every mistake at once.</summary>
    /// <exception cref="BadConfigurationException">At least one key is wrong.</exception>
    public static ReceiverOptions From(IConfiguration configuration)
    {
        var mistakes = new List<string>();
        var root = configuration["PAAS_ROOT"] is { Length: > 0 } given ? given : "/srv";
        if (!Path.IsPathFullyQualified(root))
        {
            mistakes.Add($"PAAS_ROOT: '{root}' is not an absolute path");
        }

        var options = new ReceiverOptions
        {
            Root = Path.TrimEndingDirectorySeparator(root),
            Listen = Address(configuration, "PAAS_LISTEN", mistakes) ?? new IPEndPoint(IPAddress.Loopback, 8080),
            RouterListen = Address(configuration, "PAAS_ROUTER_LISTEN", mistakes),
            SshListen = configuration["PAAS_SSH_LISTEN"] is null ? new IPEndPoint(IPAddress.Loopback, 2222) : Address(configuration, "PAAS_SSH_LISTEN", mistakes),
            Domain = configuration["PAAS_DOMAIN"] is { Length: > 0 } domain ? domain.ToLowerInvariant().Trim('.') : "localhost",
            ControlHosts = Names(configuration["PAAS_CONTROL_HOSTS"]?.ToLowerInvariant()) ?? [],
            AdminToken = configuration["PAAS_ADMIN_TOKEN"] is { Length: > 0 } token ? token : null,
            DefaultEnvironment = DefaultEnvironmentOf(configuration["PAAS_DEFAULT_ENVIRONMENT"], Path.TrimEndingDirectorySeparator(root), mistakes),
            EnvironmentTypes = TypesOf(configuration["PAAS_ENVIRONMENT_TYPES"], mistakes),
            DeployBranches = Names(configuration["PAAS_DEPLOY_BRANCHES"]) ?? ["main", "master"],
            TrustedKeys = Names(configuration["PAAS_TRUSTED_KEYS"]) ?? [],
            KeepReleases = Number(configuration, "PAAS_KEEP_RELEASES", 3, mistakes),
            StartTimeout = TimeSpan.FromSeconds(Number(configuration, "PAAS_START_TIMEOUT", 60, mistakes)),
            StopTimeout = TimeSpan.FromSeconds(Number(configuration, "PAAS_STOP_TIMEOUT", 20, mistakes)),
            BuildTimeout = TimeSpan.FromSeconds(Number(configuration, "PAAS_BUILD_TIMEOUT", 1800, mistakes)),
            Supervisor = configuration["PAAS_SUPERVISOR"] is { Length: > 0 } supervisor
                ? Existing("PAAS_SUPERVISOR", supervisor, Path.IsPathRooted(supervisor) && File.Exists(supervisor) && File.GetUnixFileMode(supervisor).HasFlag(UnixFileMode.UserExecute), mistakes) : null,
            Settle = Seconds(configuration, "PAAS_SETTLE", 0.5, mistakes),
            BuildNetwork = Network(configuration["PAAS_BUILD_NETWORK"], mistakes),
            BuildEngine = OneOf(configuration, "PAAS_BUILD_ENGINE", ["relay", "none"], mistakes) == "relay",
            BuildEnvironment = configuration["PAAS_BUILD_ENV"] is { Length: > 0 } variables ? Existing("PAAS_BUILD_ENV", variables, File.Exists(variables), mistakes) : null,
            BuildCache = Number(configuration, "PAAS_BUILD_CACHE", 2048, mistakes),
            Toolchains = configuration["PAAS_TOOLCHAINS"] is { Length: > 0 } homes
                ? homes.Split(':', StringSplitOptions.RemoveEmptyEntries)
                : [System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile), "/opt", "/usr/local", "/usr/local/lib", "/usr/lib"],
            SharesWebServer = OneOf(configuration, "PAAS_WEB_SERVER", ["own", "shared"], mistakes) == "shared",
            Buildpacks = [.. (configuration["PAAS_BUILDPACKS"] ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
                .Select(directory => Existing("PAAS_BUILDPACKS", directory, Directory.Exists(directory), mistakes))],
            MaxImport = Number(configuration, "PAAS_MAX_IMPORT", 5000, mistakes),
            MaxPush = string.IsNullOrEmpty(configuration["PAAS_MAX_PUSH"]) ? null : Number(configuration, "PAAS_MAX_PUSH", 1, mistakes),
            TrustedProxies = Networks(configuration, "PAAS_TRUSTED_PROXIES", mistakes),
            Users = UsersOf(configuration["PAAS_USERS"], mistakes),
            Cages = CagesOf(configuration, mistakes),
            CronZone = ZoneOf(configuration["PAAS_CRON_ZONE"], mistakes),
            NodeTags = ObjectOf(configuration, "PAAS_NODE_TAGS", mistakes),
            TlsListen = Address(configuration, "PAAS_TLS_LISTEN", mistakes),
            Certificates = Absolute(configuration, "PAAS_CERTIFICATES", mistakes),
            HttpsRedirect = OneOf(configuration, "PAAS_HTTPS", ["redirect", "both"], mistakes) == "redirect",
            Hsts = string.IsNullOrEmpty(configuration["PAAS_HSTS"]) || configuration["PAAS_HSTS"] == "0" ? 0 : Number(configuration, "PAAS_HSTS", 0, mistakes, 200_000_000),
            Acme = AcmeOf(configuration, mistakes),
            HostsRoot = Absolute(configuration, "PAAS_HOSTS_ROOT", mistakes),
            AccessLog = Enum.Parse<Routing.AccessLogFormat>(OneOf(configuration, "PAAS_ACCESS_LOG", ["common", "combined", "json", "off"], mistakes), ignoreCase: true),
            MaxBody = string.IsNullOrEmpty(configuration["PAAS_MAX_BODY"]) ? null : Number(configuration, "PAAS_MAX_BODY", 1, mistakes),
            Quota = string.IsNullOrEmpty(configuration["PAAS_QUOTA"]) ? null : Number(configuration, "PAAS_QUOTA", 5, mistakes),
            KeepSize = string.IsNullOrEmpty(configuration["PAAS_KEEP_SIZE"]) ? null : Number(configuration, "PAAS_KEEP_SIZE", 1, mistakes, 100_000_000),
            Telling = TellingOptions.From(configuration, configuration["PAAS_DOMAIN"] ?? "localhost", mistakes),
            Ldap = LdapOf(configuration, mistakes),
            Registry = RegistryOf(configuration["PAAS_REGISTRY"], mistakes),
            Wiring = WiringOptions.From(configuration, (Address(configuration, "PAAS_LISTEN", []) ?? new IPEndPoint(IPAddress.Loopback, 0)).Address, mistakes),
            Docker = EngineOf(configuration["DOCKER_HOST"], mistakes),
            HooksDirectory = configuration["PAAS_HOOKS"] is { Length: > 0 } hooks ? hooks : Path.Combine(AppContext.BaseDirectory, "hooks"),
        };
        mistakes.AddRange(options.TrustedKeys.Where(path => !Path.Exists(path)).Select(path => $"PAAS_TRUSTED_KEYS: there is no '{path}'"));
        if (options.HostsRoot is { } authorities && Hosts.HostTrust.WhyNot(authorities) is { } fault)
        {
            mistakes.Add($"PAAS_HOSTS_ROOT: '{authorities}' {fault}");
        }

        if (options.Quota % Environment.QuotaStep is not (null or 0))
        {
            mistakes.Add($"PAAS_QUOTA: a multiple of {Environment.QuotaStep} gigabytes");
        }

        if (options.AdminToken is { Length: < 16 })
        {
            mistakes.Add("PAAS_ADMIN_TOKEN: at least 16 characters");
        }

        return mistakes.Count == 0 ? options : throw new BadConfigurationException(mistakes);
    }

    /// <summary>What the Buildpacks room has to know.</summary>
    /// <param name="toolchains">What the machine has.</param>
    public BuildSettings Builds(ToolchainShelf toolchains) => new()
    {
        Toolchains = toolchains,
        Root = Root,
        Longest = BuildTimeout,
        Shelf = new BuildpackShelf([.. Buildpacks, Path.Combine(AppContext.BaseDirectory, "buildpacks")]),
        Prepares = new PrepareShelf([.. Buildpacks, Path.Combine(AppContext.BaseDirectory, "buildpacks")]),
        Network = BuildNetwork,
        GivesEngine = BuildEngine,
        EnvironmentFile = BuildEnvironment,
        LargestCache = (long)BuildCache << 20,
    };

    static EngineAddress EngineOf(string? text, List<string> mistakes)
    {
        if (text is not { Length: > 0 })
        {
            return EngineAddress.Usual;
        }

        if (EngineAddress.TryParse(text, out var address))
        {
            return address;
        }

        mistakes.Add($"DOCKER_HOST: '{text}' is {EngineAddress.Rule}");
        return EngineAddress.Usual;
    }

    static Uri? RegistryOf(string? text, List<string> mistakes)
    {
        if (text is not { Length: > 0 })
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var address) && address is { Scheme: "http" or "https", AbsolutePath: "/", Query: "", UserInfo: "" })
        {
            return address;
        }

        mistakes.Add($"PAAS_REGISTRY: '{text}' is no address like http://127.0.0.1:5000/");
        return null;
    }

    static BuildNetwork Network(string? text, List<string> mistakes)
    {
        if (text is null or "" || (Enum.TryParse<BuildNetwork>(text, ignoreCase: true, out _) && !char.IsAsciiDigit(text[0])))
        {
            return text is null or "" ? BuildNetwork.Needed : Enum.Parse<BuildNetwork>(text, ignoreCase: true);
        }

        mistakes.Add($"PAAS_BUILD_NETWORK: '{text}' is not needed, all or none");
        return BuildNetwork.Needed;
    }

    static string Existing(string key, string path, bool exists, List<string> mistakes)
    {
        if (!Path.IsPathFullyQualified(path) || !exists)
        {
            mistakes.Add($"{key}: there is no '{path}' (an absolute path is wanted)");
        }

        return path;
    }

    static Environment DefaultEnvironmentOf(string? text, string root, List<string> mistakes)
    {
        var parts = (text is { Length: > 0 } ? text : "local:staging").Split(':');
        var type = parts.Length > 1 ? Environment.TypeOf(parts[1]) : EnvironmentType.Staging;
        var mode = parts.Length > 2 ? Environment.ModeOf(parts[2].ToLowerInvariant()) : Environment.ModeOf(type ?? EnvironmentType.Staging);
        if (!EnvironmentName.TryParse(parts[0], out var name) || type is null || mode is null || parts.Length > 3)
        {
            mistakes.Add($"PAAS_DEFAULT_ENVIRONMENT: '{text}' is not name:type[:mode]; types are dev, staging (preprod, qa, test) and prod, modes editable, cooking and final");
            name ??= EnvironmentName.Parse("local");
        }

        return new Environment(name, Guid.Empty, type ?? EnvironmentType.Staging, mode ?? Mode.Cooking, root, IsDefault: true);
    }

    static IReadOnlyList<EnvironmentType> TypesOf(string? text, List<string> mistakes)
    {
        if (Names(text) is not { } names)
        {
            return Enum.GetValues<EnvironmentType>();
        }

        mistakes.AddRange(names.Where(name => Environment.TypeOf(name) is null).Select(name => $"PAAS_ENVIRONMENT_TYPES: '{name}' is none of dev, staging and prod"));
        return [.. names.Select(Environment.TypeOf).OfType<EnvironmentType>().Distinct()];
    }

    static (uint First, uint Last) UsersOf(string? text, List<string> mistakes)
    {
        if (text is not { Length: > 0 })
        {
            return (70_000, 99_999);
        }

        if (text.Split('-') is [var from, var to] && uint.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out var first)
            && uint.TryParse(to, NumberStyles.None, CultureInfo.InvariantCulture, out var last) && first >= 1000 && first <= last && last < int.MaxValue)
        {
            return (first, last);
        }

        mistakes.Add($"PAAS_USERS: '{text}' is not FIRST-LAST, two numbers from 1000");
        return default;
    }

    static TimeZoneInfo ZoneOf(string? text, List<string> mistakes)
    {
        if (text is not { Length: > 0 })
        {
            return TimeZoneInfo.Utc;
        }

        if (TimeZoneInfo.TryFindSystemTimeZoneById(text, out var zone))
        {
            return zone;
        }

        mistakes.Add($"PAAS_CRON_ZONE: '{text}' is no time zone of this machine, such as Europe/Paris");
        return TimeZoneInfo.Utc;
    }

    static string ObjectOf(IConfiguration configuration, string key, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return "{}";
        }

        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                return text;
            }
        }
        catch (JsonException)
        {
            // Said below.
        }

        mistakes.Add($"{key}: not a JSON object");
        return "{}";
    }

    static CageLimits CagesOf(IConfiguration configuration, List<string> mistakes)
    {
        double? cpus = null;
        if (configuration["PAAS_LIMIT_CPUS"] is { Length: > 0 } text)
        {
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number is >= 0.01 and <= 4096)
            {
                cpus = number;
            }
            else
            {
                mistakes.Add($"PAAS_LIMIT_CPUS: '{text}' is not a number of processors, such as 0.5");
            }
        }

        long? memory = string.IsNullOrEmpty(configuration["PAAS_LIMIT_MEMORY"]) ? null : Number(configuration, "PAAS_LIMIT_MEMORY", 1, mistakes, most: 64_000_000) * 1_000_000L;
        return new CageLimits(memory, cpus, Number(configuration, "PAAS_LIMIT_PROCESSES", 4096, mistakes));
    }

    static string[]? Names(string? text) =>
        text is { Length: > 0 } ? text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : null;

    static Certificates.AcmeSettings? AcmeOf(IConfiguration configuration, List<string> mistakes)
    {
        if (configuration["PAAS_ACME_DIRECTORY"] is not { Length: > 0 } text)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var directory) || directory.Scheme != "https")
        {
            mistakes.Add($"PAAS_ACME_DIRECTORY: '{text}' is not an https:// address");
            return null;
        }

        if (string.IsNullOrEmpty(configuration["PAAS_TLS_LISTEN"]))
        {
            mistakes.Add("PAAS_ACME_DIRECTORY: certificates need PAAS_TLS_LISTEN to be served");
        }

        return new Certificates.AcmeSettings(
            directory, configuration["PAAS_ACME_EMAIL"] is { Length: > 0 } email ? email : null, Absolute(configuration, "PAAS_ACME_ROOT", mistakes));
    }

    static string? Absolute(IConfiguration configuration, string key, List<string> mistakes)
    {
        var path = configuration[key];
        if (string.IsNullOrEmpty(path) || Path.IsPathFullyQualified(path))
        {
            return string.IsNullOrEmpty(path) ? null : path;
        }

        mistakes.Add($"{key}: '{path}' is not an absolute path");
        return null;
    }

    /// <summary>The first one is the default.</summary>
    static string OneOf(IConfiguration configuration, string key, string[] words, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text || words.Contains(text, StringComparer.Ordinal))
        {
            return configuration[key] is { Length: > 0 } given ? given : words[0];
        }

        mistakes.Add($"{key}: '{text}' is none of {string.Join(", ", words)}");
        return words[0];
    }

    static LdapSettings? LdapOf(IConfiguration configuration, List<string> mistakes)
    {
        string? Setting(string key) => configuration[key] is { Length: > 0 } value ? value : null;
        if (Setting("PAAS_LDAP_URL") is not { } text)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("ldap" or "ldaps") || url.Host.Length == 0)
        {
            mistakes.Add($"PAAS_LDAP_URL: '{text}' is not ldap://HOST[:PORT] or ldaps://HOST[:PORT]");
            return null;
        }

        var template = Setting("PAAS_LDAP_TEMPLATE");
        if (template is null && Setting("PAAS_LDAP_SEARCH_BASE") is null)
        {
            mistakes.Add("PAAS_LDAP_TEMPLATE or PAAS_LDAP_SEARCH_BASE: one of them says how a user is found");
        }
        else if (template is not null && !template.Contains("{user}", StringComparison.Ordinal))
        {
            mistakes.Add("PAAS_LDAP_TEMPLATE: there is no {user} in it");
        }

        var roles = new List<LdapRole>();
        foreach (var word in (Setting("PAAS_LDAP_ROLES") ?? "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            // A group's whole name has equals signs of its own: the last one counts.
            var cut = word.LastIndexOf('=');
            var role = cut > 0 ? word[(cut + 1)..].Split('@') : [];
            if (role is [{ Length: > 0 }] or [{ Length: > 0 }, { Length: > 0 }])
            {
                roles.Add(new LdapRole(word[..cut].Trim(), role[0].Trim(), role.Length == 2 ? role[1].Trim() : null));
            }
            else
            {
                mistakes.Add($"PAAS_LDAP_ROLES: '{word}' is not GROUP=ROLE or GROUP=ROLE@ENVIRONMENT");
            }
        }

        var settings = new LdapSettings
        {
            Host = url.Host,
            Port = url.Port > 0 ? url.Port : url.Scheme == "ldaps" ? 636 : 389,
            Tls = url.Scheme == "ldaps",
            StartTls = Setting("PAAS_LDAP_STARTTLS") is "true" or "1" or "yes",
            TrustedCertificates = Setting("PAAS_LDAP_CA_DIRECTORY"),
            Template = template,
            BindName = Setting("PAAS_LDAP_BIND_DN"),
            BindPassword = Setting("PAAS_LDAP_BIND_PASSWORD"),
            SearchBase = Setting("PAAS_LDAP_SEARCH_BASE"),
            GroupBase = Setting("PAAS_LDAP_GROUP_BASE"),
            Roles = roles,
            Timeout = TimeSpan.FromSeconds(Number(configuration, "PAAS_LDAP_TIMEOUT", 5, mistakes)),
        };
        return settings with { SearchFilter = Setting("PAAS_LDAP_SEARCH_FILTER") ?? settings.SearchFilter, GroupFilter = Setting("PAAS_LDAP_GROUP_FILTER") ?? settings.GroupFilter };
    }

    static List<IPNetwork> Networks(IConfiguration configuration, string key, List<string> mistakes)
    {
        var networks = new List<IPNetwork>();
        foreach (var text in Names(configuration[key]) ?? [])
        {
            if (Projects.Address.TryNetwork(text, out var network))
            {
                networks.Add(network);
            }
            else
            {
                mistakes.Add($"{key}: '{text}' is neither an address nor a network like 10.0.0.0/8");
            }
        }

        return networks;
    }

    static IPEndPoint? Address(IConfiguration configuration, string key, List<string> mistakes)
    {
        var text = configuration[key];
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var address = text.StartsWith("http://", StringComparison.Ordinal) ? text["http://".Length..].TrimEnd('/')
            : text.StartsWith("https://", StringComparison.Ordinal) && key == "PAAS_TLS_LISTEN" ? text["https://".Length..].TrimEnd('/') : text;
        address = address.Replace("localhost:", "127.0.0.1:", StringComparison.Ordinal).Replace("*:", "0.0.0.0:", StringComparison.Ordinal);
        if (IPEndPoint.TryParse(address, out var endpoint) && address.Contains(':', StringComparison.Ordinal))
        {
            return endpoint;
        }

        mistakes.Add($"{key}: '{text}' is not http://ADDRESS:PORT");
        return null;
    }

    static TimeSpan Seconds(IConfiguration configuration, string key, double otherwise, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return TimeSpan.FromSeconds(otherwise);
        }

        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 600)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        mistakes.Add($"{key}: '{text}' is not a number of seconds from 0 to 600");
        return TimeSpan.FromSeconds(otherwise);
    }

    static int Number(IConfiguration configuration, string key, int otherwise, List<string> mistakes, int most = 86_400)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return otherwise;
        }

        if (int.TryParse(text, out var number) && number >= 1 && number <= most)
        {
            return number;
        }

        mistakes.Add($"{key}: '{text}' is not a number from 1 to {most}");
        return otherwise;
    }
}

/// <summary>Exit code 2. The message names every wrong key.</summary>
sealed class BadConfigurationException(IReadOnlyList<string> mistakes) : Exception(string.Join(System.Environment.NewLine, mistakes));
