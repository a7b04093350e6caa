using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus enlarge|trim ENDPOINT ENV PROJECT SIZE</c> (R15.8, R15.9): what a project may take.</summary>
static class ResizeCommand
{
    public static Command Create(string verb, string description, Surroundings surroundings)
    {
        var (endpoint, environment) = (CommandLine.EndpointArgument(), CommandLine.EnvironmentArgument());
        var project = new Argument<string>("project") { Description = "The project", HelpName = "PROJECT" };
        var size = new Argument<string>("size") { Description = "5gb, the one size there is", HelpName = "SIZE" };
        var command = new Command(verb, description) { endpoint, environment, project, size };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.At(parsed.GetValue(endpoint)!, surroundings, parsed.GetValue(environment), parsed.GetValue(project));
            using var client = new ReceiverClient(target, surroundings);
            var space = await client.PostAsync($"{target.Path}/{verb}", new SizeOrder(parsed.GetValue(size)), ContractJson.Default.SizeOrder, ContractJson.Default.SpaceSummary, ct);
            await surroundings.SayAsync(space!, ContractJson.Default.SpaceSummary, $"{parsed.GetValue(project)} takes {Words.Bytes(space!.Bytes)} and may take {space.QuotaGigabytes} GB");
            return Exit.Done;
        });
        return command;
    }
}
