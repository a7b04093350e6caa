using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Toolchains;

/// <summary>One version of a language that is on this machine.</summary>
/// <param name="Bin">The directory to put before the search path; null for what is on it already.</param>
sealed record Toolchain(string Language, ToolVersion Version, string? Bin);

/// <summary>
/// What this machine has (RUNTIME_VERSIONS, RT-24): on the search path, and where nvm, rbenv, pyenv, asdf, mise and Debian keep further versions.
/// Looked for once for each language, and again when something that is wanted is not there.
/// </summary>
/// <param name="homes">Directories in which version managers are looked for: home directories and the like.</param>
/// <param name="searchPath">Of programs: what every child gets.</param>
/// <param name="more">Further languages, by name: a file <c>toolchain</c> in a buildpack's folder says what they are.</param>
/// <param name="othersMustRead">Projects are users of their own: what only the receiver's user can reach is not there for them.</param>
sealed partial class ToolchainShelf(IReadOnlyList<string> homes, string searchPath, bool othersMustRead, IReadOnlyDictionary<string, Language>? more = null)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    readonly ConcurrentDictionary<string, Task<IReadOnlyList<Toolchain>>> known = new();

    // Below each home; {v} is the version's own directory.
    static readonly Dictionary<string, Language> Languages = new(StringComparer.Ordinal)
    {
        ["node"] = new("node", ["--version"], [".nvm/versions/node/{v}/bin", "nvm/versions/node/{v}/bin", ".asdf/installs/nodejs/{v}/bin", ".local/share/mise/installs/node/{v}/bin", ".local/share/fnm/node-versions/{v}/installation/bin", "node/{v}/bin"]),
        ["python"] = new("python3", ["--version"], [".pyenv/versions/{v}/bin", "pyenv/versions/{v}/bin", ".asdf/installs/python/{v}/bin", ".local/share/mise/installs/python/{v}/bin", "python/{v}/bin"]),
        ["ruby"] = new("ruby", ["--version"], [".rbenv/versions/{v}/bin", "rbenv/versions/{v}/bin", ".asdf/installs/ruby/{v}/bin", ".local/share/mise/installs/ruby/{v}/bin", "rubies/{v}/bin", ".rubies/{v}/bin"]),
        ["go"] = new("go", ["version"], [".asdf/installs/golang/{v}/go/bin", ".local/share/mise/installs/go/{v}/bin", "go/{v}/bin", "sdk/{v}/bin"]),
        ["java"] = new("javac", ["-version"], [".asdf/installs/java/{v}/bin", ".local/share/mise/installs/java/{v}/bin", ".sdkman/candidates/java/{v}/bin", "jvm/{v}/bin"]),
        ["php"] = new("php", ["--version"], [".phpenv/versions/{v}/bin", ".asdf/installs/php/{v}/bin", ".local/share/mise/installs/php/{v}/bin", "php/{v}/bin"]),
    };

    /// <summary>The directories in which versions are looked for, whether they exist or not: projects must find there what is found for them.</summary>
    public IReadOnlyList<string> Places =>
        [.. from home in homes from language in Languages.Values.Concat((more ?? new Dictionary<string, Language>()).Values) from place in language.Places select Path.GetFullPath(Path.Combine(home, place[..place.IndexOf("{v}", StringComparison.Ordinal)])).TrimEnd('/')];

    /// <summary>The languages that are looked for.</summary>
    public static IReadOnlyCollection<string> Known => Languages.Keys;

    /// <summary>Every version of a language, the highest first; empty for a language that is not here.</summary>
    public Task<IReadOnlyList<Toolchain>> VersionsAsync(string language) => known.GetOrAdd(language, LookAsync);

    /// <summary>The search path with these before it; null when none of them needs to be.</summary>
    public static string? PathWith(IEnumerable<Toolchain> toolchains) =>
        toolchains.Select(one => one.Bin).OfType<string>().Distinct().ToList() is { Count: > 0 } bins ? string.Join(':', [.. bins, Command.CleanEnvironment["PATH"]]) : null;

    /// <summary>The highest one that will do (for a prefix: the highest match). What is on the search path wins among equals.</summary>
    /// <exception cref="Refusal">There is none, or the version that is asked for cannot be understood.</exception>
    public async Task<Toolchain> FindAsync(WantedToolchain wanted, string by)
    {
        var range = VersionRange.TryParse(wanted.Version)
            ?? throw new Refusal($"{by}: the version '{Logs.LogStream.Harmless(wanted.Version)}' of {wanted.Language} is not understood");
        if (await BestAsync(wanted.Language, range) is { } found)
        {
            return found;
        }

        // Installed since we looked?
        known.TryRemove(wanted.Language, out _);
        return await BestAsync(wanted.Language, range) ?? throw await MissingAsync(wanted, by);
    }

    async Task<Toolchain?> BestAsync(string language, VersionRange range) => (await VersionsAsync(language)).FirstOrDefault(one => range.Allows(one.Version));

    async Task<Refusal> MissingAsync(WantedToolchain wanted, string by)
    {
        var here = (await VersionsAsync(wanted.Language)).Select(one => one.Version.ToString()).Distinct().ToList();
        return new Refusal($"{by} asks for {wanted.Language} {Logs.LogStream.Harmless(wanted.Version)}; this machine has {(here.Count == 0 ? "none" : string.Join(", ", here))}");
    }

    async Task<IReadOnlyList<Toolchain>> LookAsync(string name)
    {
        if ((Languages.GetValueOrDefault(name) ?? more?.GetValueOrDefault(name)) is not { } language)
        {
            return [];
        }

        var found = new List<Toolchain>();
        foreach (var directory in searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            // The first of a search path is the one that a bare name means.
            if (await AskAsync(name, language, directory) is { } version)
            {
                found.Add(new Toolchain(name, version, null));
                break;
            }
        }

        foreach (var bin in homes.SelectMany(home => language.Places.SelectMany(place => Expand(home, place))).Distinct())
        {
            // Their own directories say which version it is; only where they do not is the program asked.
            var directory = Path.GetFileName(bin.EndsWith("/go/bin", StringComparison.Ordinal) || bin.EndsWith("/installation/bin", StringComparison.Ordinal) ? Path.GetDirectoryName(Path.GetDirectoryName(bin))! : Path.GetDirectoryName(bin)!);
            if (File.Exists(Path.Combine(bin, language.Program)) && (!othersMustRead || OthersMayEnter(bin)))
            {
                var version = (name == "java" ? null : ToolVersion.TryParse(Named().Replace(directory, ""))) ?? await AskAsync(name, language, bin);
                if (version is not null)
                {
                    found.Add(new Toolchain(name, version, bin));
                }
            }
        }

        return [.. found.OrderByDescending(one => one.Version, ToolVersion.Order).ThenBy(one => one.Bin is null ? 0 : 1)];
    }

    static async Task<ToolVersion?> AskAsync(string name, Language language, string directory)
    {
        var program = Path.Combine(directory, language.Program);
        if (!File.Exists(program))
        {
            return null;
        }

        try
        {
            using var limit = new CancellationTokenSource(Patience);
            var answer = await new Command(program, language.Ask).RunAsync(limit.Token);
            var match = InWords().Match(answer.Output.Length > 0 ? answer.Output : answer.Error);
            return answer.ExitCode == 0 && match.Success ? ToolVersion.TryParse(match.Groups["version"].Value) : null;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or OperationCanceledException)
        {
            // A program that does not say its version is none that could be asked for by it.
            return null;
        }
    }

    static IEnumerable<string> Expand(string home, string place)
    {
        var at = place.IndexOf("{v}", StringComparison.Ordinal);
        var above = Path.Combine(home, place[..at]);
        return Directory.Exists(above) ? Directory.EnumerateDirectories(above).Select(version => version + place[(at + 3)..]) : [];
    }

    static bool OthersMayEnter(string directory)
    {
        for (var at = new DirectoryInfo(directory); at is not null; at = at.Parent)
        {
            if ((at.UnixFileMode & UnixFileMode.OtherExecute) == UnixFileMode.None)
            {
                return false;
            }
        }

        return true;
    }

    // ruby-3.1.2, go1.22.1; not java-1.17.0-openjdk, whose version is 17
    [GeneratedRegex("^[A-Za-z-]*(?=[0-9])", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Named();

    [GeneratedRegex("(?:^|[ v]|go)(?<version>[0-9]+(\\.[0-9]+)+|[0-9]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex InWords();
}
