using System.Globalization;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Git;

/// <summary>
/// The <c>git</c> program with an environment and a configuration that are ours alone: nothing of the machine's, of an operator's home
/// or of a pusher's repository decides what it does.
/// </summary>
sealed class GitProgram
{
    // Settings of the command scope: they win over any configuration file, that of a repository included.
    static readonly (string Key, string Value)[] Settings =
    [
        ("safe.directory", "*"),
        ("transfer.fsckObjects", "true"),
        ("transfer.hideRefs", RefRules.Ours),
        ("receive.advertisePushOptions", "true"),
        ("receive.autogc", "false"),
        ("receive.shallowUpdate", "true"),
        ("receive.denyCurrentBranch", "ignore"),
        ("receive.denyDeleteCurrent", "ignore"), // RefRules says it first, and says why
        ("uploadpack.allowFilter", "true"),
        ("core.bigFileThreshold", "16m"), // larger files are streamed: no delta search, no copy in memory
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("protocol.allow", "never"),
        ("protocol.file.allow", "never"),
        ("protocol.ext.allow", "never"),
        ("core.askPass", "/bin/false"),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.untrackedCache", "false"),
        ("core.splitIndex", "false"),
        ("core.trustctime", "false"), // drafts are hard links of the checkout, and a link changes the ctime of the file
        ("core.checkStat", "minimal"), // what was checked out is given to the project's user, and git would write it again for that
        ("core.fsync", "objects,derived-metadata,reference"),
        ("core.fsyncMethod", "batch"),
        ("submodule.recurse", "false"),
        ("user.name", "Paas.Receiver"),
        ("user.email", "receiver@localhost"),
    ];

    readonly string program;
    readonly Dictionary<string, string> environment;

    /// <param name="home">A directory of the receiver's own, made when it is missing (0700).</param>
    /// <param name="hooksDirectory">Where pre-receive, update and post-receive are.</param>
    public GitProgram(string home, string hooksDirectory, string program = "git")
    {
        this.program = program;
        Home = home;
        HooksDirectory = hooksDirectory;
        Directory.CreateDirectory(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var global = Path.Combine(home, "config");
        if (!File.Exists(global))
        {
            AtomicFile.Write(global, "");
        }

        environment = new Dictionary<string, string>(Processes.Command.CleanEnvironment)
        {
            ["HOME"] = home,
            ["XDG_CONFIG_HOME"] = home,
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_CONFIG_GLOBAL"] = global,
            ["GIT_ATTR_NOSYSTEM"] = "1",
            ["GIT_TERMINAL_PROMPT"] = "0",
            ["GIT_ASKPASS"] = "/bin/false",
            ["SSH_ASKPASS"] = "/bin/false",
            ["GIT_NO_REPLACE_OBJECTS"] = "1",
        };
    }

    /// <summary>The receiver's own directory for git: its configuration file and the empty repository.</summary>
    public string Home { get; }

    public string HooksDirectory { get; }

    /// <summary><c>receive.maxInputSize</c>, bytes of one push; null is no limit.</summary>
    public long? MaxInputSize { get; init; }

    /// <summary>A git command that runs no hook.</summary>
    public Command Command(params IReadOnlyList<string> arguments) => With(arguments, ("core.hooksPath", "/dev/null"));

    /// <summary>The receiving side of a push: our hooks, our limits.</summary>
    public Command ReceivingCommand(params IReadOnlyList<string> arguments) =>
        With(arguments, ("core.hooksPath", HooksDirectory), ("receive.maxInputSize", (MaxInputSize ?? 0).ToString(CultureInfo.InvariantCulture)));

    Command With(IReadOnlyList<string> arguments, params (string Key, string Value)[] further)
    {
        var variables = new Dictionary<string, string>(environment);
        var count = 0;
        foreach (var (key, value) in Settings.Concat(further))
        {
            // In the environment rather than as -c, so that a message which shows the command stays readable.
            variables[$"GIT_CONFIG_KEY_{count}"] = key;
            variables[$"GIT_CONFIG_VALUE_{count}"] = value;
            count++;
        }

        variables["GIT_CONFIG_COUNT"] = count.ToString(CultureInfo.InvariantCulture);
        return new Command(program, arguments) { Environment = variables };
    }
}
