using System.CommandLine;
using System.CommandLine.Help;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus completion bash|zsh|fish</c>: what a shell has to read to complete our words; made of the verbs as they are, so it never lags behind.</summary>
static class CompletionCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish", HelpName = "SHELL" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print what your shell needs to complete corpus: eval \"$(corpus completion bash)\"") { shell };
        command.SetAction((parsed, _) => surroundings.PrintAsync(ScriptOf(parsed.RootCommandResult.Command, parsed.GetRequiredValue(shell))));
        return command;
    }

    static string ScriptOf(Command root, string shell) => shell switch
    {
        "fish" => "complete -c corpus -f\n" + string.Concat(GlobalsOf(root).Select(option => FishOption(option, null)))
            + string.Concat(VerbsOf(root).Select(verb =>
                $"complete -c corpus -n __fish_use_subcommand -a {verb.Name} -d '{Plain(verb.Description)}'\n"
                + string.Concat(VerbsOf(verb).Select(below =>
                    $"complete -c corpus -n '__fish_seen_subcommand_from {verb.Name}; and not __fish_seen_subcommand_from {string.Join(' ', VerbsOf(verb).Select(one => one.Name))}' -a {below.Name} -d '{Plain(below.Description)}'\n"
                    + string.Concat(OptionsOf(below).Select(option => FishOption(option, $"__fish_seen_subcommand_from {verb.Name}; and __fish_seen_subcommand_from {below.Name}")))))
                + string.Concat(OptionsOf(verb).Select(option => FishOption(option, $"__fish_seen_subcommand_from {verb.Name}"))))),
        // zsh takes bash's word for it. The verb is the first word that is neither an option nor an option's value.
        _ => $$"""
            {{(shell == "zsh" ? "#compdef corpus\ntypeset -f compdef >/dev/null || { autoload -U +X compinit && compinit -u; }\nautoload -U +X bashcompinit && bashcompinit\n" : "")}}_corpus() {
                local word=${COMP_WORDS[COMP_CWORD]} verb= below= words= i=1
                while [ "$i" -lt "$COMP_CWORD" ]; do
                    case ${COMP_WORDS[i]} in
                        -e|--environment|--endpoint) i=$((i + 1)) ;;
                        -*) ;;
                        *) if [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; elif [ -z "$below" ]; then below=${COMP_WORDS[i]}; fi ;;
                    esac
                    i=$((i + 1))
                done
                case "$verb $below" in
                    ' ') words='{{string.Join(' ', VerbsOf(root).Select(verb => verb.Name))}}' ;;
            {{string.Concat(VerbsOf(root).SelectMany(verb => VerbsOf(verb).Select(below => $"        '{verb.Name} {below.Name}') words='{Names(OptionsOf(below))}' ;;\n")))}}{{string.Concat(VerbsOf(root).Select(verb => $"        '{verb.Name} '*) words='{string.Join(' ', [.. VerbsOf(verb).Select(below => below.Name), Names(OptionsOf(verb))])}' ;;\n"))}}    esac
                COMPREPLY=($(compgen -W "$words {{Names(GlobalsOf(root))}}" -- "$word"))
            }
            complete -o default -F _corpus corpus
            {{(shell == "zsh" ? "[ \"${funcstack[1]}\" != _corpus ] || _bash_complete -o default -F _corpus # read as an autoloaded function: the first question waits already\n" : "")}}
            """,
    };

    static IEnumerable<Command> VerbsOf(Command above) => above.Subcommands.Where(verb => !verb.Hidden);

    static IEnumerable<Option> OptionsOf(Command verb) => verb.Options.Where(option => !option.Hidden && option is not HelpOption);

    static IEnumerable<Option> GlobalsOf(Command root) => root.Options.Where(option => option is HelpOption or { Hidden: false, Recursive: true });

    static string Names(IEnumerable<Option> options) => string.Join(' ', options.Select(option => option.Name));

    static string FishOption(Option option, string? when) =>
        $"complete -c corpus{(when is null ? "" : $" -n '{when}'")} -l {option.Name.TrimStart('-')}{(option.Arity.MinimumNumberOfValues > 0 ? " -r" : "")} -d '{Plain(option.Description)}'\n";

    static string Plain(string? text) => (text ?? "").Replace("'", "", StringComparison.Ordinal);
}
