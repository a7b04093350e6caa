using System.Globalization;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>Paasmaker's <c>manifest.yml</c> (reference 2.1, 2.2), strictly: unknown keys are mistakes everywhere but in tags and parameters.</summary>
/// <param name="prepares">The prepare commands that may be named; null where a tree has been built already and it no longer matters.</param>
sealed class PaasmakerSchema(Mistakes mistakes, PrepareShelf? prepares = null)
{
    // A character of the private use area stands for the port while a launch command is taken apart.
    const char Port = '\uE000';
    const string PortVariable = "\"$PORT\"";

    readonly List<string> notices = [];

    public Manifest? Read(Node root, string source)
    {
        if (Fields.Of(root, "", mistakes) is not { } top)
        {
            return null;
        }

        if (top.Section("manifest", required: true) is { } header)
        {
            header.Required("format");
            header.Number("format", 1, 0, int.MaxValue);
            header.NoOthers();
        }

        var (name, tags, prepareRuntime, prepare) = Application(top.Section("application", required: true));
        var instances = top.Sections("instances", required: true).Select(Instance).ToList();
        var services = top.Sections("services").Select(Service).ToList();
        var paas = Additions.Read(top.Section("paas"), mistakes);
        top.NoOthers();
        if (top.Has("instances") && instances.Count == 0)
        {
            top.Mistake("instances", "is empty: there is nothing to run");
        }

        if (services.Count(service => service.Use.Name == Plugins.FilesystemService) != 1)
        {
            foreach (var (line, path) in linkers)
            {
                mistakes.Add(line, path, $"needs exactly one service {Plugins.FilesystemService}");
            }
        }

        OncePerName(instances.Select(instance => (instance.Line, instance.Path, instance.Type.Name)), "instance");
        foreach (var (route, line) in paas.Routes.Where(route => instances.Count > 0 && !instances.Exists(instance => instance.Type.Name == route.Address.Type && !instance.Type.Standalone)))
        {
            mistakes.Add(line, "paas.routes", $"leads to {Mistakes.Quote(route.Type)}, which is no instance with a port");
        }

        OncePerName(services.Select(service => (service.Line, service.Path, service.Use.Label)), "service");
        if (mistakes.Any)
        {
            return null;
        }

        return new Manifest
        {
            Source = source,
            ProcessTypes = [.. instances.Select(instance => new ProcessType(instance.Type.Name, instance.Command, instance.Type.Quantity, Web: !instance.Type.Standalone, instance.Type.Exclusive) { Toolchain = ToolchainOf(instance.Type.Runtime) })],
            Prepares = [.. prepare.Select(one => one.Prepare).OfType<Prepare>()],
            Build = paas.Build,
            Run = paas.Run,
            SharesWebServer = paas.SharesWebServer,
            Container = paas.Container,
            Strategy = paas.Strategy,
            BounceMargin = paas.BounceMargin,
            Addresses = [.. instances.SelectMany(instance => instance.Type.Hostnames.Select(host => new Address { Host = host, Type = instance.Type.Name })), .. paas.Routes.Select(route => route.Address)],
            Health = paas.Health.Timeout is null && instances.Max(instance => instance.StartTimeout) is { } longest ? paas.Health with { Timeout = longest } : paas.Health,
            Application = new Application
            {
                Name = name,
                Tags = tags.ToJson(),
                PrepareRuntime = prepareRuntime,
                PrepareCommands = [.. prepare.Select(use => use.Use)],
                Instances = [.. instances.Select(instance => instance.Type)],
                Services = [.. services.Select(service => service.Use)],
            },
            Notices = notices,
        };
    }

    (string Name, Mapping Tags, Plugin? PrepareRuntime, List<(Plugin Use, Prepare? Prepare)> Prepare) Application(Fields? application)
    {
        if (application is null)
        {
            return ("", new Mapping(1, []), null, []);
        }

        var name = application.Text("name", required: true) ?? "";
        if (name.Length > 0 && !(name.Length <= 100 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.')))
        {
            application.Mistake("name", $"{Mistakes.Quote(name)} may only have letters, digits, '-' and '.'");
        }

        var tags = application.Free("tags");
        Plugin? runtime = null;
        List<(Plugin, Prepare?)> commands = [];
        if (application.Section("prepare") is { } prepare)
        {
            if (prepare.Section("runtime") is { } section)
            {
                runtime = Use(section, versionRequired: true, pluginRequired: false);
                Available(section, runtime, "", Plugins.Runtimes);
                section.NoOthers();
            }

            commands = [.. prepare.Sections("commands").Select(Prepared)];
            prepare.NoOthers();
        }

        application.NoOthers();
        return (name, tags, runtime, commands);
    }

    (InstanceType Type, string Command, TimeSpan? StartTimeout, int Line, string Path) Instance(Fields instance)
    {
        var name = instance.Text("name", required: true) ?? "";
        if (name.Length > 0 && !ProcessNames.IsOne(name))
        {
            instance.Mistake("name", ProcessNames.Refused(name));
        }

        var runtime = new Plugin("", null, "", default);
        var launch = "";
        TimeSpan? startTimeout = null;
        if (instance.Section("runtime", required: true) is { } section)
        {
            (runtime, launch, startTimeout) = Runtime(section);
        }

        var startup = instance.Sections("startup").Select(command => (Use: Used(command, Plugins.Startups), Script: Script(command))).ToList();
        var placement = new Plugin("paasmaker.placement.default", null, "", new Mapping(instance.Line, []).ToJson());
        if (instance.Section("placement") is { } place)
        {
            var given = Use(place, versionRequired: null, pluginRequired: false);
            placement = given.Name.Length > 0 ? given : given with { Name = placement.Name };
            place.NoOthers();
            notices.Add($"{instance.PathOf("placement")}: there is one host, so placement changes nothing");
        }

        var type = new InstanceType
        {
            Name = name,
            Quantity = instance.Number("quantity", 1, 0, 1000),
            Runtime = runtime,
            Startup = [.. startup.Select(command => command.Use)],
            Placement = placement,
            Hostnames = [.. instance.List("hostnames").Select(item => Hostname(item.Node, item.Path)).OfType<string>()],
            Exclusive = instance.Flag("exclusive"),
            Standalone = instance.Flag("standalone"),
            Crons = [.. instance.Sections("crons").Select(Cron)],
        };
        instance.NoOthers();
        if (type is { Standalone: true, Crons.Count: > 0 })
        {
            instance.Mistake("crons", "are asked over HTTP, and a standalone type does not listen (AMB-30)");
        }

        return (type, startup.Count == 0 ? launch : AfterStartup(startup.Select(command => command.Script), launch), startTimeout, instance.Line, instance.PathOf("name"));
    }

    static WantedToolchain? ToolchainOf(Plugin runtime) =>
        Plugins.LanguageOf(runtime.Name) is { } language && runtime.Version is { } version ? new WantedToolchain(language, version) : null;

    (Plugin Runtime, string Launch, TimeSpan? StartTimeout) Runtime(Fields section)
    {
        var runtime = Use(section, versionRequired: true);
        var launch = "";
        TimeSpan? startTimeout = null;
        section.NoOthers();
        Available(section, runtime, "runtime ", Plugins.Runtimes);
        if (runtime is { Name: Plugins.ShellRuntime or Plugins.StaticRuntime, Version: not null and not "1" })
        {
            section.Mistake("version", $"{runtime.Name} has version 1 only, not {Mistakes.Quote(runtime.Version)}");
        }

        if (runtime.Name is Plugins.PhpRuntime or Plugins.StaticRuntime && Parameters(section) is { } site)
        {
            if (site.Text("document_root", required: true) is { } folder)
            {
                RefuseUnlessInside(site, "document_root", folder);
                launch = $"{(runtime.Name == Plugins.PhpRuntime ? ".paas/php/serve" : ".paas/static/serve")} {ShellWords.Quote(folder)}";
            }

            site.NoOthers();
        }
        else if (Plugins.Runtimes.Contains(runtime.Name, StringComparer.Ordinal) && Parameters(section) is { } parameters)
        {
            launch = parameters.Text("launch_command", required: true) is { } line ? Launch(parameters, line) : "";
            var seconds = parameters.Number("start_timeout", 0, 1, 86_400);
            startTimeout = seconds > 0 ? TimeSpan.FromSeconds(seconds) : null;
            parameters.Number("standalone_wait", 5, 0, 86_400);
            parameters.NoOthers();
        }

        return (runtime, launch, startTimeout);
    }

    (Plugin Use, int Line, string Path) Service(Fields service)
    {
        var label = service.Text("name", required: true) ?? "";
        if (label.Length > 0 && !IsIdentifier(label))
        {
            service.Mistake("name", $"{Mistakes.Quote(label)} may only have a-z, 0-9, '-', '.' and '_'");
        }

        // AMB-36: some of Paasmaker's own pages say provider.
        var spelled = !service.Has("plugin") && service.Has("provider") ? "provider" : "plugin";
        if (spelled == "provider")
        {
            notices.Add($"{service.PathOf("provider")}: is called 'plugin' now");
        }

        var name = PluginName(service, spelled, required: true);
        var use = new Plugin(name, null, label, service.Free("parameters").ToJson());
        service.NoOthers();
        Available(service, use, "service ", Plugins.Services, spelled);
        return (use, service.Line, service.PathOf("name"));
    }

    static Cron Cron(Fields cron)
    {
        var runspec = cron.Text("runspec", required: true) ?? "";
        if (runspec.Length > 0 && !CronSchedule.TryParse(runspec, out _, out var mistake))
        {
            cron.Mistake("runspec", $"{Mistakes.Quote(runspec)} {mistake}");
        }

        var uri = cron.Text("uri", required: true) ?? "";
        if (uri.Length > 0 && !uri.StartsWith('/'))
        {
            cron.Mistake("uri", $"{Mistakes.Quote(uri)} does not begin with '/'");
        }

        var entry = new Cron(runspec, uri, cron.Text("username"), cron.Text("password"));
        cron.NoOthers();
        return entry;
    }

    string? Hostname(Node node, string path)
    {
        var name = (node as Scalar)?.Text.ToLowerInvariant();
        var labels = (name is not null && name.StartsWith("*.", StringComparison.Ordinal) ? name[2..] : name)?.Split('.') ?? [];
        if (name is { Length: <= 253 } && labels.Length > 0
            && labels.All(label => label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')))
        {
            return name;
        }

        mistakes.Add(node.Line, path, $"{(node is Scalar scalar ? Mistakes.Quote(scalar.Text) : node.Kind)} is not a host name");
        return null;
    }

    (Plugin Use, Prepare? Prepare) Prepared(Fields section)
    {
        var use = Use(section, versionRequired: null);
        section.NoOthers();
        if (prepares is null)
        {
            return (use, null);
        }

        Available(section, use, "", prepares.Names);
        return prepares.Find(use.Name) is { } command && Parameters(section) is { } parameters ? (use, new Prepare(command, command.Check(parameters, mistakes))) : (use, null);
    }

    /// <summary>The use of a command plug-in with all its keys.</summary>
    Plugin Used(Fields section, IReadOnlyList<string> available)
    {
        var use = Use(section, versionRequired: null);
        section.NoOthers();
        Available(section, use, "", available);
        return use;
    }

    // Version: required, optional, or (null) no such key.
    Plugin Use(Fields section, bool? versionRequired, bool pluginRequired = true)
    {
        var name = PluginName(section, "plugin", pluginRequired);
        var version = versionRequired is { } required ? section.Text("version", required) : null;
        var label = section.Text("name") ?? "";
        if (label.Length > 0 && !IsIdentifier(label))
        {
            section.Mistake("name", $"{Mistakes.Quote(label)} may only have a-z, 0-9, '-', '.' and '_'");
        }

        return new Plugin(name, version, label, section.Free("parameters").ToJson());
    }

    static string PluginName(Fields section, string key, bool required)
    {
        var name = section.Text(key, required) ?? "";
        if (name.Length > 0 && !IsIdentifier(name))
        {
            section.Mistake(key, $"{Mistakes.Quote(name)} may only have a-z, 0-9, '-', '.' and '_'");
        }

        return name;
    }

    static void Available(Fields section, Plugin? use, string kind, IReadOnlyList<string> available, string key = "plugin")
    {
        if (use is { Name.Length: > 0 } && !available.Contains(use.Name, StringComparer.Ordinal))
        {
            section.Mistake(key, $"there is no {kind}plug-in {Mistakes.Quote(use.Name)} here; available: {string.Join(", ", available)}{Nearest.Hint(use.Name, available)}");
        }
    }

    Fields? Parameters(Fields section) => Fields.Of(section.Free("parameters"), section.PathOf("parameters"), mistakes);

    // Reference 2.2: all commands of an entry are one bash script, stopped by the first that fails, each shown.
    string Script(Fields section)
    {
        if (Parameters(section) is not { } parameters || !section.Has("plugin"))
        {
            return "";
        }

        if ((section.Take("plugin") as Scalar)?.Text == Plugins.LinkerStartup)
        {
            return LinkerScript(parameters);
        }

        var commands = parameters.List("commands", required: true)
            .Select(item => (item.Node as Scalar)?.Text ?? Bad(item.Node, item.Path)).ToList();
        parameters.NoOthers();
        return "set -o errexit -o xtrace -o pipefail\n" + string.Concat(commands.Select(command => command + "\n"));

        string Bad(Node node, string path)
        {
            mistakes.Add(node.Line, path, $"a command was expected, not {node.Kind}");
            return "";
        }
    }

    /// <summary>Reference 2.2: directories of the tree become links into the one directory service; what the tree ships is copied over what is there.</summary>
    string LinkerScript(Fields parameters)
    {
        var directories = parameters.List("directories", required: true).Select(item => (Text: (item.Node as Scalar)?.Text ?? "", item.Node.Line, item.Path)).ToList();
        parameters.NoOthers();
        foreach (var (text, line, path) in directories)
        {
            if (!TreePath.IsInside(text))
            {
                mistakes.Add(line, path, $"{Mistakes.Quote(text)} is not a directory inside the application");
            }
            else if (directories.Exists(other => other.Path != path && (text + "/").StartsWith(other.Text.TrimEnd('/') + "/", StringComparison.Ordinal)))
            {
                mistakes.Add(line, path, $"{Mistakes.Quote(text)} is given twice or is inside another one of the list");
            }
        }

        linkers.Add((parameters.Line, parameters.PathOf("directories")));
        return """
            set -o errexit -o pipefail
            service=$(perl -MJSON::PP -e 'my $all = decode_json($ENV{PM_SERVICES}); print map { $_->{directory} } grep { ($_->{protocol} // "") eq "directory" } values %$all')
            link() {
                mkdir -p "$service/$1" "$(dirname "$1")"
                if [ -d "$1" ] && [ ! -L "$1" ]; then cp -a "$1/." "$service/$1/"; fi
                rm -rf "./$1"
                ln -s "$service/$1" "$1"
            }

            """ + string.Concat(directories.Select(one => $"link {ShellWords.Quote(one.Text.TrimEnd('/'))}\n"));
    }

    readonly List<(int Line, string Path)> linkers = [];

    static void RefuseUnlessInside(Fields parameters, string key, string path)
    {
        if (path.Length > 0 && path != "." && !TreePath.IsInside(path))
        {
            parameters.Mistake(key, TreePath.Refused(path));
        }
    }

    static string AfterStartup(IEnumerable<string> scripts, string launch)
    {
        // One simple command, so that whoever runs it may put exec before it.
        var inner = string.Concat(scripts.Select(script => $"bash -c {ShellWords.Quote(script)} && ")) + "exec " + launch;
        return "sh -c " + ShellWords.Quote(inner);
    }

    // Python's %-formatting with the one name there is, then words; what comes out means the same to a shell.
    static string Launch(Fields parameters, string line)
    {
        const string Key = "launch_command";
        var text = line.Replace(Port.ToString(), "", StringComparison.Ordinal)
            .Replace("%%", "\uE001", StringComparison.Ordinal)
            .Replace("%(port)d", Port.ToString(), StringComparison.Ordinal)
            .Replace("%(port)s", Port.ToString(), StringComparison.Ordinal);
        if (text.Contains('%', StringComparison.Ordinal))
        {
            parameters.Mistake(Key, "holds a '%' that is not %(port)d; write %% for the character itself");
        }

        var words = ShellWords.Split(text.Replace('\uE001', '%'));
        if (words is null)
        {
            parameters.Mistake(Key, "has a quote that is not closed");
        }
        else if (words.Count == 0)
        {
            parameters.Mistake(Key, "is empty");
        }

        return string.Join(' ', (words ?? []).Select(Word));
    }

    static string Word(string word) =>
        word.Contains(Port, StringComparison.Ordinal)
            ? string.Join(PortVariable, word.Split(Port).Select(part => part.Length == 0 ? "" : ShellWords.Quote(part)))
            : ShellWords.Quote(word);

    void OncePerName(IEnumerable<(int Line, string Path, string Name)> all, string kind)
    {
        foreach (var group in all.Where(one => one.Name.Length > 0).GroupBy(one => one.Name.ToLowerInvariant(), StringComparer.Ordinal))
        {
            foreach (var again in group.Skip(1))
            {
                mistakes.Add(again.Line, again.Path, $"there is another {kind} {Mistakes.Quote(again.Name)} on line {group.First().Line}");
            }
        }
    }

    static bool IsIdentifier(string text) => text.Length <= 100 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.' or '_');
}

/// <summary>Names of process types become parts of host names and paths, so they follow the rule of names.</summary>
static class ProcessNames
{
    public static bool IsOne(string name) => ProjectName.IsLabel(name);

    /// <summary>What is wrong with a name, and one like it that would do.</summary>
    public static string Refused(string name)
    {
        var better = name.ToLowerInvariant().Replace('_', '-');
        return $"{Mistakes.Quote(name)} is no process type: it is 1 to {ProjectName.Longest} of a-z, 0-9 and '-', beginning with a letter"
            + (IsOne(better) ? $"; call it '{better}'" : "");
    }
}

/// <summary>What a <c>paas</c> section says.</summary>
sealed record PaasSection
{
    public Strategy? Strategy { get; init; }

    public decimal BounceMargin { get; init; } = 1;

    public HealthCheck Health { get; init; } = new();

    public BuildSection Build { get; init; } = new([], null);

    public RunAs? Run { get; init; }

    public bool? SharesWebServer { get; init; }

    public ContainerSection Container { get; init; } = new();

    /// <summary>Each with its line.</summary>
    public IReadOnlyList<(Address Address, int Line)> Routes { get; init; } = [];
}

/// <summary>What we add to others' formats, under <c>paas:</c>.</summary>
static class Additions
{
    static readonly (string Name, Strategy Strategy)[] Strategies =
        [("downthenup", Strategy.DownThenUp), ("upthendown", Strategy.UpThenDown), ("crossover", Strategy.Crossover), ("brutal", Strategy.Brutal)];

    /// <summary>A bounce's name; null where there is none, or none that is known, which is a mistake.</summary>
    public static Strategy? StrategyOf(Fields fields, string key)
    {
        if (fields.Text(key) is not { } text)
        {
            return null;
        }

        var known = Strategies.Where(one => one.Name == text).ToList();
        if (known.Count > 0)
        {
            return known[0].Strategy;
        }

        var names = Strategies.Select(one => one.Name).ToList();
        fields.Mistake(key, $"{Mistakes.Quote(text)} is none of {string.Join(", ", names)}{Nearest.Hint(text, names)}");
        return null;
    }

    /// <summary><c>bounce_margin_factor</c>, in PaaSTA's words; null where it does not stand, or is none, which is a mistake.</summary>
    public static decimal? MarginOf(Fields fields)
    {
        const string Key = "bounce_margin_factor";
        if (fields.Text(Key) is not { } text)
        {
            return null;
        }

        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var margin) && margin is > 0 and <= 1)
        {
            return margin;
        }

        fields.Mistake(Key, $"{Mistakes.Quote(text)} is not a number above 0 and at most 1, such as 0.5");
        return null;
    }

    public static PaasSection Read(Fields? paas, Mistakes mistakes)
    {
        if (paas is null)
        {
            return new PaasSection();
        }

        var buildpacks = paas.List("buildpacks").Select(item => paas.TextOf(item.Node, "buildpacks")).OfType<string>().ToList();
        var network = paas.Flag("network");
        var build = new BuildSection(buildpacks, paas.Has("network") ? network : null);

        RunAs? run = null;
        if (paas.Text("run") is { } how)
        {
            run = RunsAs.TryParse(how);
            if (run is null)
            {
                paas.Mistake("run", $"{Mistakes.Quote(how)} is {RunsAs.Rule}");
            }
        }

        bool? shares = null;
        if (paas.Text("web_server") is { } server)
        {
            shares = WebServers.Shares(server);
            if (shares is null)
            {
                paas.Mistake("web_server", $"{Mistakes.Quote(server)} is {WebServers.Rule}");
            }
        }

        var strategy = StrategyOf(paas, "strategy");
        var margin = MarginOf(paas) ?? 1;
        var health = new HealthCheck();
        if (paas.Section("health") is { } section)
        {
            var path = section.Text("path");
            if (path is not null && (!path.StartsWith('/') || path.Length > 2000 || path.Any(c => c <= ' ' || c >= 127)))
            {
                section.Mistake("path", $"{Mistakes.Quote(path)} is not a path like /up");
            }

            var timeout = section.Number("timeout", section.Number("grace", 0, 1, 86_400), 1, 86_400);
            var codes = Codes(section);
            var command = section.Text("command");
            if (command is { Length: 0 or > 10_000 } || command?.Contains('\0', StringComparison.Ordinal) == true)
            {
                section.Mistake("command", "is empty, too long or has a NUL in it");
            }

            health = new HealthCheck(path, timeout == 0 ? null : TimeSpan.FromSeconds(timeout))
            {
                LowestCode = codes[0].Lowest,
                HighestCode = codes[0].Highest,
                MoreCodes = codes.Count > 1 ? codes[1..] : null,
                Command = command,
                Interval = TimeSpan.FromSeconds(section.Number("interval", 10, 1, 86_400)),
                Patience = TimeSpan.FromSeconds(section.Number("patience", 10, 1, 3600)),
                Failures = section.Number("failures", 3, 1, 1000),
            };
            section.NoOthers();
        }

        static List<(int Lowest, int Highest)> Codes(Fields section)
        {
            var found = new List<(int Lowest, int Highest)>();
            foreach (var range in (section.Text("codes") ?? "200-399").Split(','))
            {
                var parts = range.Split('-');
                if (parts.Length is 1 or 2 && int.TryParse(parts[0], out var lowest) && int.TryParse(parts[^1], out var highest) && lowest >= 100 && lowest <= highest && highest <= 599)
                {
                    found.Add((lowest, highest));
                }
                else
                {
                    section.Mistake("codes", $"{Mistakes.Quote(range)} is neither a status such as 200 nor a range such as 200-399");
                    return [(200, 399)];
                }
            }

            return found;
        }

        var container = ContainerReader.Read(paas.Section("container"));
        var routes = paas.Sections("routes").Select(route => (RouteReader.Read(route, mistakes), route.Line)).ToList();
        paas.NoOthers();
        return new PaasSection { Strategy = strategy, BounceMargin = margin, Health = health, Build = build, Run = run, SharesWebServer = shares, Container = container, Routes = routes };
    }
}
