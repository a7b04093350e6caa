using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus start|stop|restart|current [PROJECT] [vN]</c>: what runs, and which release visitors meet.</summary>
static class OperateCommands
{
    public static IEnumerable<Command> Create(Surroundings surroundings) =>
    [
        Create("start", "Start a release: the live one, or another beside it", required: false, surroundings),
        Create("stop", "Stop a release; its files stay", required: false, surroundings),
        Create("restart", "Replace every instance of a release by a brand-new one", required: false, surroundings),
        Create("current", "Make a release the live one; the old one runs on until it is stopped", required: true, surroundings),
    ];

    static Command Create(string verb, string description, bool required, Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var release = new Argument<string?>("release") { Description = required ? "As v12" : "As v12 (else the live one)", HelpName = "vN", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command(verb, description) { project, release };
        command.SetAction(async (parsed, ct) =>
        {
            var (name, number) = Words.ProjectAndRelease(parsed.GetValue(project), parsed.GetValue(release));
            if (required && number is null)
            {
                throw new CorpusException(Exit.Usage, $"which release? corpus {verb} [PROJECT] vN");
            }

            var target = Target.Of(parsed, name, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync(
                $"{target.Path}/{verb}", new ReleaseOrder(number), ContractJson.Default.ReleaseOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }
}
