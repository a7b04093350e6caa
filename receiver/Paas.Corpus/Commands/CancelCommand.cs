using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus cancel [PROJECT]</c>: stops the deployment at work, or those that wait when none is.</summary>
static class CancelCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("cancel", "Stop the deployment that is running, or those that wait when none is") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var status = await client.GetAsync(target.Path, ContractJson.Default.ProjectStatus, ct);
            IReadOnlyList<DeploymentSummary> open = status.Running is { } running ? [running] : status.Waiting;
            if (open.Count == 0)
            {
                throw new CorpusException(Exit.Failed, $"nothing is being deployed to {status.Environment}/{status.Name}.", $"corpus status {NextCommand.Named(target)}");
            }

            foreach (var deployment in open)
            {
                await client.PostAsync(
                    $"{target.Path}/deployments/{Uri.EscapeDataString(deployment.Id)}/cancel", new RedeployOrder(), ContractJson.Default.RedeployOrder, ContractJson.Default.AcceptedWork, ct);
            }

            await surroundings.SayAsync(new Page<DeploymentSummary>(open), ContractJson.Default.PageDeploymentSummary, string.Join('\n', open.Select(deployment => $"{deployment.Id} is being cancelled.")));

            return Exit.Done;
        });
        return command;
    }
}
