using System.CommandLine;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus help [VERB]</c>: the same as <c>--help</c>, for those who type it so.</summary>
static class HelpCommand
{
    public static Command Create(Surroundings surroundings, Command root)
    {
        var words = new Argument<string[]>("verb") { Description = "Only of this one", HelpName = "VERB", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("help", "What the verbs are and do") { words };
        command.SetAction(async (parsed, ct) =>
        {
            var wanted = root.Parse([.. parsed.GetValue(words) ?? [], "--help"]);
            return wanted.CommandResult.Command == root && parsed.GetValue(words) is [var first, ..] ? throw new CorpusException(Exit.Usage, $"there is no verb '{first}'.", "corpus help")
                : await wanted.InvokeAsync(new InvocationConfiguration { Output = surroundings.Out, Error = surroundings.Error }, ct);
        });
        return command;
    }
}
