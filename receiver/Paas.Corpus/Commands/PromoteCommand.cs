using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus promote [-e FROM] [PROJECT] [vN] --to ENV</c>: what one environment cooked becomes live in another, byte for byte.</summary>
static class PromoteCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var release = new Argument<string?>("release") { Description = "As v12 (else the one that is live there)", HelpName = "vN", Arity = ArgumentArity.ZeroOrOne };
        var to = new Option<string>("--to") { Description = "The environment that it goes to", HelpName = "ENV", Required = true };
        var commit = new Option<string?>("--commit") { Description = "The release of this commit, in full", HelpName = "SHA" };
        var command = new Command("promote", "Make live in one environment what another has cooked (-e is where from, else where ENV takes releases from)") { project, release, to, commit };
        command.SetAction(async (parsed, ct) =>
        {
            var (name, number) = Words.ProjectAndRelease(parsed.GetValue(project), parsed.GetValue(release));
            var source = Target.Of(parsed, name, surroundings);
            var target = source with { Environment = parsed.GetValue(to) };
            using var client = new ReceiverClient(target, surroundings);
            var order = new PromoteOrder(source.Environment, number, parsed.GetValue(commit));
            var accepted = await client.PostAsync($"{target.Path}/promote", order, ContractJson.Default.PromoteOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }
}
