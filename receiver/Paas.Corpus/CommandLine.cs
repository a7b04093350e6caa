using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Paas.Corpus.Commands;

namespace Paas.Corpus;

/// <summary>The command <c>corpus</c>: its verbs, the options they share, and one place where trouble becomes a message and an exit code.</summary>
static class CommandLine
{
    const string Name = "corpus";

    public const string JsonOption = "--json";
    public const string EndpointOption = "--endpoint";
    public const string EnvironmentOption = "--environment";

    public static async Task<int> RunAsync(IReadOnlyList<string> args, Surroundings surroundings, CancellationToken ct = default)
    {
        surroundings = surroundings with { Json = args.TakeWhile(word => word != "--").Contains(JsonOption) };
        var parsed = Root(surroundings).Parse(args);
        var configuration = new InvocationConfiguration { Output = surroundings.Out, Error = surroundings.Error, EnableDefaultExceptionHandler = false };
        if (Mistakes(parsed) is { Count: > 0 } mistakes)
        {
            return surroundings.Fail(new CorpusException(Exit.Usage, string.Join('\n', mistakes), $"{PathOf(parsed.CommandResult)} --help"));
        }

        try
        {
            return await parsed.InvokeAsync(configuration, ct);
        }
        catch (CorpusException e)
        {
            return surroundings.Fail(e);
        }
        catch (OperationCanceledException)
        {
            return Exit.Failed;
        }
        catch (IOException e)
        {
            // Standard output is closed ("corpus logs | head"), or the disk behind it is full.
            return surroundings.Fail(new CorpusException(Exit.Failed, e.Message));
        }
    }

    // A word that begins with a dash and is no option of the verb's is a slip, never a name; behind -- everything is the command's that is to be run.
    static List<string> Mistakes(ParseResult parsed)
    {
        var found = parsed.Errors.Select(error => error.Message).ToList();
        var words = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).ToList();
        found.AddRange(words.Where(token => token.Value is ['-', _, ..] && parsed.Tokens.TakeWhile(one => one.Type != TokenType.DoubleDash).Any(one => ReferenceEquals(one, token)))
            .Select(token => $"Unrecognized option '{token.Value}'."));
        return found;
    }

    /// <summary>As it is typed, without its arguments.</summary>
    static string PathOf(CommandResult command) => command.Parent is CommandResult above ? $"{PathOf(above)} {command.Command.Name}" : Name;

    // Not System.CommandLine's own root: that one is named after the program, which by ssh is the receiver.
    internal static Command Root(Surroundings surroundings)
    {
        var root = new Command(Name, "corpus: projects on a receiver of pushes. Exit: 0 done, 1 refused or failed, 2 usage, 3 endpoint not reachable, 4 not allowed.")
        {
            new HelpOption(),
            new VersionOption(),
            new Option<string?>(EndpointOption)
            {
                Description = "The receiver: a nickname of ~/.makinastates.conf or a URL (else PAAS_URL, else the git remote)",
                HelpName = "URL",
                Recursive = true,
                Hidden = surroundings.Only is not null,
            },
            new Option<string?>(EnvironmentOption, "-e")
            {
                Description = "The project's environment (else the git remote's, else the receiver's default)",
                HelpName = "ENV",
                Recursive = true,
            },
            new Option<bool>(JsonOption) { Description = "One JSON document instead of words, a JSON object a line where it comes bit by bit; errors too", Recursive = true, Arity = ArgumentArity.Zero },
            LoginCommand.Create(surroundings),
            ListHostsCommand.Create(surroundings),
            LinkHostCommands.CreateLink(surroundings),
            LinkHostCommands.CreateUnlink(surroundings),
            EnvironmentsCommand.Create(surroundings),
            InitEnvCommand.Create(surroundings),
            ChangeEnvCommand.Create(surroundings),
            InitCommand.Create(surroundings),
            DestroyCommand.Create(surroundings),
            PushCommand.Create(surroundings),
            StatusCommand.Create(surroundings),
            ReleasesCommand.Create(surroundings),
            PromoteCommand.Create(surroundings),
            ImportCommand.Create(surroundings),
            SigningKeyCommand.Create(surroundings),
            RollbackCommand.Create(surroundings),
            BackupCommand.Create(surroundings),
            RestoreCommand.Create(surroundings),
            TaskCommand.Create(surroundings),
            DoctorCommand.Create(surroundings),
            ResizeCommand.Create("enlarge", "Give a project 5 GB more", surroundings),
            ResizeCommand.Create("trim", "Take 5 GB from what a project may take", surroundings),
            RedeployCommand.Create(surroundings),
            CancelCommand.Create(surroundings),
            LogsCommand.Create(surroundings),
            ConfigCommand.Create(surroundings),
            PsCommand.Create(surroundings),
            ScaleCommand.Create(surroundings),
            CronsCommand.Create(surroundings),
            RunCommand.Create(surroundings),
            ShellCommand.Create(surroundings),
            FixCommand.Create(surroundings),
            PatchesCommand.Create(surroundings),
            DomainsCommand.Create(surroundings),
            DrainsCommand.Create(surroundings),
            MaintenanceCommand.Create(surroundings),
            TrafficCommand.Create(surroundings),
            UsersCommand.Create(surroundings),
            KeysCommand.Create(surroundings),
            TokensCommand.Create(surroundings),
            AuditCommand.Create(surroundings),
            WiringCommand.Create(surroundings),
            CompletionCommand.Create(surroundings),
            ManCommand.Create(surroundings),
            CheckCommand.Create(surroundings),
            PipelineCommand.Create(surroundings),
            CheckCommand.CreateItest(surroundings),
            PushToRegistryCommand.Create(surroundings),
        };
        foreach (var service in ServiceCommands.Create(surroundings))
        {
            root.Add(service);
        }

        foreach (var server in ServerBackupCommands.Create(surroundings))
        {
            root.Add(server);
        }

        foreach (var operate in OperateCommands.Create(surroundings))
        {
            root.Add(operate);
        }

        root.Add(HelpCommand.Create(surroundings, root));
        root.SetAction(async (_, ct) =>
        {
            await root.Parse(["--help"]).InvokeAsync(new InvocationConfiguration { Output = surroundings.Error, Error = surroundings.Error }, ct);
            return Exit.Usage;
        });
        return root;
    }

    /// <summary>The arguments and options that several verbs have. A new one each: a symbol belongs to one command.</summary>
    public static Argument<string?> ProjectArgument() => new("project")
    {
        Description = "Name, or ENV/NAME (else the one this directory's git remote leads to)",
        HelpName = "PROJECT",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>The RFC's verbs name the receiver first (A21).</summary>
    public static Argument<string> EndpointArgument() => new("endpoint") { Description = "A nickname of ~/.makinastates.conf, or a URL", HelpName = "ENDPOINT" };

    public static Argument<string> EnvironmentArgument() => new("environment") { Description = "An environment's name or uuid; - is the default one", HelpName = "ENV" };

    public static Option<string[]> Tags() => new("--tag") { Description = "A fact about the environment that its projects see; may be repeated", HelpName = "NAME=VALUE" };

    /// <summary>What <see cref="Tags"/> was given; null for nothing.</summary>
    public static IReadOnlyDictionary<string, string>? TagsOf(string[]? given)
    {
        if (given is not { Length: > 0 })
        {
            return null;
        }

        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in given)
        {
            var parts = text.Split('=', 2);
            tags[parts[0]] = parts.Length == 2 ? parts[1] : throw new CorpusException(Exit.Usage, $"'{text}' is not NAME=VALUE.");
        }

        return tags;
    }
}
