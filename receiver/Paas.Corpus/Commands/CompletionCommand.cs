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
        command.SetAction(parsed => surroundings.Out.Write(ScriptOf(parsed.RootCommandResult.Command, parsed.GetRequiredValue(shell))));
        return command;
    }

    static string ScriptOf(Command root, string shell) => shell switch
    {
        "fish" => string.Concat(root.Subcommands.Where(verb => !verb.Hidden).Select(verb =>
            $"complete -c corpus -n __fish_use_subcommand -f -a {verb.Name} -d '{Plain(verb.Description)}'\n"
            + string.Concat(verb.Subcommands.Select(below => $"complete -c corpus -n '__fish_seen_subcommand_from {verb.Name}' -f -a {below.Name} -d '{Plain(below.Description)}'\n"))
            + string.Concat(OptionsOf(verb).Select(option => $"complete -c corpus -n '__fish_seen_subcommand_from {verb.Name}' -l {option.TrimStart('-')}\n")))),
        _ => $$"""
            {{(shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "")}}_corpus() {
                local word=${COMP_WORDS[COMP_CWORD]} words
                if [ "$COMP_CWORD" -eq 1 ]; then
                    words='{{string.Join(' ', root.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name))}}'
                else
                    case ${COMP_WORDS[1]} in
            {{string.Concat(root.Subcommands.Where(verb => !verb.Hidden).Select(verb => $"            {verb.Name}) words='{string.Join(' ', verb.Subcommands.Select(below => below.Name).Concat(OptionsOf(verb)))}' ;;\n"))}}            *) words= ;;
                    esac
                fi
                COMPREPLY=($(compgen -W "$words" -- "$word"))
            }
            complete -o default -F _corpus corpus

            """,
    };

    static IEnumerable<string> OptionsOf(Command verb) => verb.Options.Where(option => !option.Hidden && option is not HelpOption).Select(option => option.Name);

    static string Plain(string? text) => (text ?? "").Replace("'", "", StringComparison.Ordinal);
}
