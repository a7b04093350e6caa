using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus fix [PROJECT] -- CMD</c>: one command in the live release, whose changes become a patch and a release (R7.6). The shell is by ssh.</summary>
static class FixCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var words = new Argument<string[]>("words") { Description = "The project (else the one this directory's git remote leads to), then -- and a program with its arguments; for a shell: ssh -t HOST fix PROJECT", HelpName = "[PROJECT] -- CMD", Arity = ArgumentArity.ZeroOrMore };
        var message = new Option<string?>("--message", "-m") { Description = "The patch's subject", HelpName = "TEXT" };
        var keep = new Option<bool>("--no-deploy", "-n") { Description = "Keep the patch and deploy nothing" };
        var discard = new Option<bool>("--discard") { Description = "Show what changed and give it up" };
        var apply = new Option<int?>("--apply") { Description = "Instead of a command: deploy what is live with a fix that was kept", HelpName = "N" };
        var command = new Command("fix", "Change the live release by hand: what changed is shown, kept as a patch and deployed") { words, message, keep, discard, apply };
        command.SetAction(async (parsed, ct) =>
        {
            var given = parsed.GetValue(words) ?? [];
            var number = parsed.GetValue(apply);
            var (project, line) = number is not null ? (given.Length <= 1 ? given.FirstOrDefault() : throw new CorpusException(Exit.Usage, "write it as: corpus fix [PROJECT] --apply N"), null)
                : RunCommand.Parse(given, parsed.Tokens.Select(token => token.Value).ToList(), "fix") is { Line.Count: > 0 } read && parsed.Tokens.Any(token => token.Value == "--") ? read
                : throw new CorpusException(Exit.Usage, "one command is: corpus fix [PROJECT] -- CMD. A shell is by ssh: ssh -t -p PORT HOST fix PROJECT");
            var target = Target.Of(parsed, project, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            return await client.RunAsync(
                $"{target.Path}/fix", new FixOrder(line, number, parsed.GetValue(message), parsed.GetValue(keep), parsed.GetValue(discard)), ContractJson.Default.FixOrder, ct);
        });
        return command;
    }
}
