using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus redeploy [PROJECT]</c>: the deployed commit again, with today's configuration (A12).</summary>
static class RedeployCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var rebuild = new Option<bool>("--rebuild") { Description = "Without build caches" };
        var command = new Command("redeploy", "Deploy the same commit again, with the configuration as it is now") { project, rebuild };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync(
                $"{target.Path}/redeploy", new RedeployOrder(parsed.GetValue(rebuild)), ContractJson.Default.RedeployOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }
}
