using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Buildpacks;

/// <summary>What is run, and with what, in one cage.</summary>
/// <param name="Label">A word for the scratch directory and for <c>PAAS_STEP</c>.</param>
sealed record CagedStep(string Label, Command Command)
{
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Shared as they are, beside the cache.</summary>
    public IReadOnlyList<string> Writable { get; init; } = [];

    public bool Network { get; init; }

    /// <summary>The build began with empty caches, and should take nothing from elsewhere either.</summary>
    public bool Anew { get; init; }

    /// <summary>What it writes becomes part of the draft.</summary>
    public bool Keep { get; init; } = true;
}

/// <summary>
/// Runs commands against a draft, which they see at <c>run</c> and may write to: on an overlay where the kernel allows one, since the draft's files are
/// shared with the checkout and with earlier releases. Nothing that a command started is left when it has ended, been cancelled or taken too long.
/// </summary>
sealed class CagedBuild(Cage cage, BuildSettings settings, BuildCache cache)
{
    // A buildpack as Heroku runs it. What it was that failed is left in $out for whoever reads the exit code.
    const string RunPack = """
        pack=$1 build=$2 cache=$3 env=$4 out=$5 detected=$6 why=$7
        shift 7
        for exported in "$@"; do . "$exported"; done
        if [ -z "$detected" ]; then
            detected=$("$pack/bin/detect" "$build") || { echo detect >"$out/failed"; exit 1; }
            [ "$STEP" != detect ] || { printf '%s' "$detected" >"$out/detected"; exit 0; }
            echo "-----> ${detected%%$'\n'*} detected ($why)"
        fi
        printf '%s' "$detected" >"$out/detected"
        "$pack/bin/compile" "$build" "$cache" "$env" || { code=$?; echo compile >"$out/failed"; exit $code; }
        if [ -e "$pack/export" ]; then cp "$pack/export" "$out/export"; fi
        if [ -x "$pack/bin/release" ]; then "$pack/bin/release" "$build" >"$out/release" || { code=$?; echo release >"$out/failed"; exit $code; }; fi
        """;

    const string FetchPack = """
        set -e
        if [ ! -d "$1/.git" ]; then git init -q "$1"; fi
        cd "$1"
        git fetch -q --depth 1 "$2" "${3:-HEAD}"
        git checkout -q --force --detach FETCH_HEAD
        git clean -q -ffdx
        git submodule update -q --init --recursive --depth 1 </dev/null
        """;

    /// <summary>True when a build's writes land beside the draft, so that the draft may share its files.</summary>
    public bool WritesElsewhere => cage.Kind == CageKind.Overlay;

    /// <summary>Whether a build that fetches (or not) may reach the network.</summary>
    public bool MayReachOut(bool fetches, BuildWishes wishes) => settings.Network switch
    {
        BuildNetwork.All => wishes.Network ?? true,
        BuildNetwork.None => false,
        _ => wishes.Network ?? fetches,
    };

    /// <summary>Runs to the end; the exit code is an answer, <see cref="CagedRun.TookTooLong"/> at the limit.</summary>
    public async Task<int> RunAsync(Draft draft, CagedStep step, Action<string> tell, CancellationToken ct, TimeSpan? limit = null)
    {
        var project = draft.Project;
        var kept = await cache.OpenAsync(project);

        // Each start has a scratch directory of its own, below one that bears the release's id: what is found running there after a crash is ours.
        var scratch = Path.Combine(draft.Scratch, step.Label);
        Directory.CreateDirectory(draft.Scratch);
        var (machine, files) = Machine(draft);
        var view = new CageView
        {
            Root = settings.Root,
            ProjectDirectory = project.Directory,
            RunSource = draft.Directory,
            CopyOnWrite = (WritesElsewhere && !draft.InPlace) || !step.Keep,
            Scratch = scratch,
            Writable = [kept, .. draft.Shared, .. files, .. step.Writable],
            Network = step.Network,
            Group = Path.GetFileName(draft.Scratch) + "-" + step.Label,
        };

        // Without a namespace of its own the project's `run` is the live release: then the draft is where it really is.
        var run = cage.RunSeenAt(view);
        var told = (step.Command with { Arguments = [.. step.Command.Arguments.Select(argument => argument.StartsWith(Run, StringComparison.Ordinal) ? run + argument[Run.Length..] : argument)], OwnGroup = true })
            .With(Uncoloured)
            .With(machine)
            .With(step.Environment)
            .With(draft.Platform)
            .With(new Dictionary<string, string>
            {
                ["HOME"] = run,
                ["PAAS_STEP"] = step.Label,
                ["PAAS_PROJECT"] = project.Name.Value,
                ["PAAS_ENVIRONMENT"] = project.Environment.Name.Value,
                ["PAAS_ENVIRONMENT_TYPE"] = project.Environment.Type.ToString().ToLowerInvariant(),
                ["PAAS_ENVIRONMENT_TAGS"] = JsonSerializer.Serialize(project.Environment.Tags),
                ["PAAS_CACHE_DIR"] = kept,
                ["PAAS_REBUILD"] = step.Anew ? "1" : "0",
                ["SOURCE_VERSION"] = draft.Commit,
            });
        var code = await CagedRun.ToEndAsync(draft.Id.Value, cage.Enter(view, told), tell, limit ?? settings.Longest, ct);
        if (cage.RanOutOfMemory(view.Group))
        {
            tell("the kernel ended something of it: the memory limit was reached");
        }

        cage.Forget(view.Group);
        if (code == 0 && step.Keep)
        {
            draft.Absorb(Path.Combine(scratch, "upper"));
        }

        if (code == 0 || !step.Keep)
        {
            await Cage.RemoveAsync(scratch);
        }

        return code;
    }

    /// <summary>The operator's variables for builds, with a copy of each file that they name for this build alone: the project's user may read it, and nobody else.</summary>
    (Dictionary<string, string> Variables, IReadOnlyList<string> Files) Machine(Draft draft)
    {
        const string Prefix = "file:";
        var variables = new Dictionary<string, string>(settings.Environment());
        var directory = Path.Combine(draft.Scratch, "machine");
        foreach (var (name, value) in variables.Where(variable => variable.Value.StartsWith(Prefix, StringComparison.Ordinal)).ToList())
        {
            var file = Path.Combine(Path.GetDirectoryName(settings.EnvironmentFile!)!, value[Prefix.Length..]);
            if (!File.Exists(file))
            {
                throw new Refusal($"no build can begin here: PAAS_BUILD_ENV says that {name} is a file, and that file is not there; whoever runs this receiver can mend that");
            }

            Directory.CreateDirectory(directory, Private);
            variables[name] = Path.Combine(directory, Path.GetFileName(file));
            if (!File.Exists(variables[name]))
            {
                File.Copy(file, variables[name]);
            }
        }

        return (variables, Directory.Exists(directory) ? [directory] : []);
    }

    /// <summary>Programs that see <c>CI</c> take a pipe for a terminal with colours; in the push they would be noise.</summary>
    static readonly Dictionary<string, string> Uncoloured = new() { ["NO_COLOR"] = "1" };

    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Asks a buildpack in the cage; null when it says no.</summary>
    public async Task<string?> DetectAsync(Draft draft, Buildpack pack, TimeSpan limit, CancellationToken ct)
    {
        var place = PlaceOf(draft, pack, "asked-" + pack.Name);
        var step = StepOf(draft, place, [], detected: null, "") with { Label = "detect", Keep = false, Environment = new Dictionary<string, string> { ["STEP"] = "detect" } };
        var code = await RunAsync(draft, step, _ => { }, ct, limit);
        return code == 0 && File.Exists(place.File("detected")) ? Planning.NameIn(await File.ReadAllTextAsync(place.File("detected"), ct)) ?? pack.Name : null;
    }

    /// <summary>Compiles with each buildpack in its order, and returns what they said of what is run.</summary>
    /// <exception cref="Refusal">One found nothing of its own, failed or took too long.</exception>
    public async Task<Built> CompileAsync(Draft draft, BuildPlan plan, IReadOnlyDictionary<string, string> configured, bool anew, LogStream log, CancellationToken ct)
    {
        var built = Built.Nothing;
        var exports = new List<string>();
        var variables = WriteVariables(draft, configured);
        foreach (var (number, planned) in plan.Packs.Index())
        {
            if (planned.Detected is { } detected)
            {
                log.Title($"{detected} detected ({planned.Why})");
            }

            var pack = planned.Pack.Origin == BuildpackOrigin.Fetched ? await FetchAsync(draft, planned.Pack, number, log, ct) : planned.Pack;
            var place = PlaceOf(draft, pack, $"{number + 1}");
            var network = MayReachOut(pack.FetchesDependencies, plan.Wishes);
            var step = StepOf(draft, place, exports, planned.Detected, planned.Why) with
            {
                Network = network,
                Anew = anew,
                Environment = new Dictionary<string, string>(plan.Wishes.Environment)
                {
                    ["STACK"] = settings.Environment().GetValueOrDefault("STACK", "heroku-22"),
                    ["REQUEST_ID"] = draft.Id.Value,
                    ["STEP"] = "build",
                    ["PAAS_NETWORK"] = network ? "1" : "0",
                },
                Writable = [place.Shared, variables, .. exports.Select(export => Path.GetDirectoryName(export)!), .. pack.Origin == BuildpackOrigin.Fetched ? [pack.Directory] : Array.Empty<string>()],
            };
            step = step with { Command = step.Command with { Arguments = [.. step.Command.Arguments.Select(argument => argument == Placeholder ? variables : argument)] } };
            var signs = new NetworkSigns(log.Dressed);
            await RefuseUnlessDoneAsync(await RunAsync(draft, step, signs.Tell, ct), planned, place, network ? "" : signs.Hint);
            built = Add(built, pack, place);
            if (File.Exists(place.File("export")))
            {
                exports.Add(place.File("export"));
            }
        }

        return built;
    }

    const string Placeholder = "\u0001env";

    /// <summary>Stands, in arguments, for where a command finds the draft.</summary>
    const string Run = "\u0001run";

    static CagedStep StepOf(Draft draft, Place place, IReadOnlyList<string> exports, string? detected, string why) =>
        new($"buildpack-{Path.GetFileName(place.Shared)}", new Command(
            "/bin/bash", ["-c", RunPack, "buildpack", place.Pack, Run, BuildCache.Of(draft.Project), Placeholder, place.Out, detected ?? "", why, .. exports]))
        {
            Writable = [place.Shared],
        };

    /// <summary>
    /// Puts a prepare command where its build sees it: a copy of its folder, so that no build can change it for the next one, and a directory with a file for each of its
    /// parameters. To be run with the place that is returned shared.
    /// </summary>
    /// <param name="label">A word for the scratch directory.</param>
    public static (Command Command, string Place) PlaceOf(Draft draft, Prepare prepare, string label)
    {
        var place = Directory.CreateDirectory(Path.Combine(draft.Scratch, label)).FullName;
        var (folder, parameters) = (Path.Combine(place, "command"), Directory.CreateDirectory(Path.Combine(place, "parameters")).FullName);
        Copy(prepare.Command.Directory, folder);
        foreach (var (name, text) in prepare.Parameters)
        {
            Write(Path.Combine(parameters, name), text);
        }

        return (new Command(Path.Combine(folder, "run"), Run, BuildCache.Of(draft.Project), parameters), place);
    }

    async Task RefuseUnlessDoneAsync(int code, PlannedPack planned, Place place, string hint)
    {
        if (code == 0)
        {
            return;
        }

        var failed = File.Exists(place.File("failed")) ? (await File.ReadAllTextAsync(place.File("failed"))).Trim() : "compile";
        throw new Refusal(
            code == CagedRun.TookTooLong ? $"the buildpack {planned.Pack} took longer than {Readable(settings.Longest)} and was ended"
            : failed == "detect" ? $"the buildpack {planned.Pack}, named by {planned.Why}, finds no application of its kind here"
            : $"the buildpack {planned.Pack} ended with exit code {code}{(failed == "release" ? " in bin/release" : "")}{hint}");
    }

    public static string Readable(TimeSpan time) => time.TotalMinutes >= 2 ? $"{time.TotalMinutes:0.#} minutes" : $"{time.TotalSeconds:0} s";

    /// <summary>ENV_DIR: a file for each variable, for nobody else to read.</summary>
    static string WriteVariables(Draft draft, IReadOnlyDictionary<string, string> configured)
    {
        var directory = Directory.CreateDirectory(Path.Combine(draft.Scratch, "env"), Private).FullName;
        foreach (var (name, value) in configured)
        {
            Write(Path.Combine(directory, name), value);
        }

        return directory;
    }

    static void Write(string path, string text)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Where a buildpack is while it builds: ours are copied, so that no build can change them for the next one.</summary>
    Place PlaceOf(Draft draft, Buildpack pack, string name)
    {
        var shared = Directory.CreateDirectory(Path.Combine(draft.Scratch, name)).FullName;
        var place = new Place(shared, Path.Combine(shared, "out"), pack.Origin switch
        {
            // Its own path at `run`, as the build sees it.
            BuildpackOrigin.Repository => Path.Combine(Run, Path.GetRelativePath(draft.Directory, pack.Directory)),
            BuildpackOrigin.Fetched => pack.Directory,
            _ => Path.Combine(shared, pack.Name),
        });
        Directory.CreateDirectory(place.Out);
        if (pack.Origin == BuildpackOrigin.Shelf)
        {
            Copy(pack.Directory, place.Pack);
            if (BuildpackShelf.LibraryOf(pack) is { } library)
            {
                Copy(library, Path.Combine(shared, "lib"));
            }
        }

        return place;
    }

    async Task<Buildpack> FetchAsync(Draft draft, Buildpack pack, int number, LogStream log, CancellationToken ct)
    {
        var address = pack.Address!;
        var directory = Path.Combine(draft.Project.Build, "buildpacks", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{address.Url}#{address.Ref}")))[..16]);
        var had = Directory.Exists(Path.Combine(directory, "bin"));
        Directory.CreateDirectory(directory);
        log.Title($"Fetching the buildpack {address}");
        var environment = new Dictionary<string, string>
        {
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_TERMINAL_PROMPT"] = "0",
            ["GIT_ASKPASS"] = "/bin/false",
            ["GIT_ALLOW_PROTOCOL"] = "https:http",
            ["GIT_CONFIG_COUNT"] = "0",
        };
        if (address.Authorization is { } authorization)
        {
            // In the environment: arguments can be read by everybody on the machine.
            (environment["GIT_CONFIG_COUNT"], environment["GIT_CONFIG_KEY_0"], environment["GIT_CONFIG_VALUE_0"]) = ("1", $"http.{address.Url}.extraHeader", authorization);
        }

        var code = settings.Network == BuildNetwork.None ? 1 : await RunAsync(
            draft,
            new CagedStep($"fetch-{number + 1}", new Command("/bin/bash", "-c", FetchPack, "fetch", directory, address.Url, address.Ref ?? "") { Directory = "/" })
            {
                Network = true,
                Keep = false,
                Writable = [directory],
                Environment = environment,
            },
            log.Dressed,
            ct);
        if (code != 0 && had)
        {
            log.Detail("it could not be fetched; the copy of an earlier build is used");
        }
        else if (code != 0)
        {
            Directory.Delete(directory, recursive: true);
            throw new Refusal(settings.Network == BuildNetwork.None ? $"the buildpack {address.Url} cannot be fetched: builds here have no network" : $"the buildpack {address.Url} could not be fetched");
        }

        return File.Exists(Path.Combine(directory, "bin", "compile")) ? pack with { Directory = directory } : throw new Refusal($"{address.Url} is no buildpack: it has no bin/compile");
    }

    static Built Add(Built built, Buildpack pack, Place place)
    {
        var detected = File.Exists(place.File("detected")) ? Planning.NameIn(File.ReadAllText(place.File("detected"))) ?? pack.Name : pack.Name;
        var (variables, types) = File.Exists(place.File("release")) ? ReleaseYaml.Read(pack.Name, File.ReadAllText(place.File("release"))) : ReleaseYaml.Nothing;
        return built with
        {
            Buildpacks = [.. built.Buildpacks, new BuiltBy(pack.Name, detected)],
            ConfigVars = Over(built.ConfigVars, variables),

            // The last buildpack is the one that the application is; what earlier ones would run is not wanted (Heroku's rule).
            ProcessTypes = types.Count > 0 ? types : built.ProcessTypes,
        };
    }

    static Dictionary<string, string> Over(IReadOnlyDictionary<string, string> some, IReadOnlyDictionary<string, string> others)
    {
        var merged = new Dictionary<string, string>(some);
        foreach (var (name, value) in others)
        {
            merged[name] = value;
        }

        return merged;
    }

    static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var directory in Directory.EnumerateDirectories(from))
        {
            Copy(directory, Path.Combine(to, Path.GetFileName(directory)));
        }
    }

    /// <param name="Shared">Bound into the cage as it is.</param>
    /// <param name="Out">What the buildpack leaves for us.</param>
    /// <param name="Pack">The buildpack as the build sees it.</param>
    sealed record Place(string Shared, string Out, string Pack)
    {
        public string File(string name) => Path.Combine(Out, name);
    }
}

/// <summary>Passes lines on, and remembers whether one of them complains of the network: a build that was given none should be told so.</summary>
sealed class NetworkSigns(Action<string> tell)
{
    static readonly string[] Complaints =
    [
        "resolve host", "name resolution", "EAI_AGAIN", "ENETUNREACH", "Network is unreachable", "getaddrinfo", "Name or service not known", "UnknownHostException",
        "no such host", "Failed to establish a new connection", "NU1301",
    ];

    volatile bool seen;

    /// <summary>Empty, or what is to be said after the reason of a failure.</summary>
    public string Hint => seen ? "\nit had no network; a project whose build needs it says so: paas: {network: true} in manifest.yml or app.json" : "";

    public void Tell(string line)
    {
        seen |= Complaints.Any(complaint => line.Contains(complaint, StringComparison.OrdinalIgnoreCase));
        tell(line);
    }
}
