using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus change_env ENDPOINT ENV</c>: another mode, other tags, another quota; what is not named stays.</summary>
static class ChangeEnvCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (endpoint, environment, tags) = (CommandLine.EndpointArgument(), CommandLine.EnvironmentArgument(), CommandLine.Tags());
        var mode = new Option<string?>("--mode") { Description = "editable, cooking or final; from the next deployment on", HelpName = "MODE" };
        var quota = new Option<int?>("--quota") { Description = "Gigabytes, a multiple of 5; 0 is no limit", HelpName = "GB" };
        var source = new Option<string?>("--releases-from") { Description = "Where final mode finds archives; empty for the environments of the same receiver", HelpName = "SOURCE" };
        var command = new Command("change_env", "Change an environment; what is not named stays") { endpoint, environment, mode, quota, source, tags };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.At(parsed.GetValue(endpoint)!, surroundings, parsed.GetValue(environment));
            using var client = new ReceiverClient(target, surroundings);
            var change = new EnvironmentChange(parsed.GetValue(mode), CommandLine.TagsOf(parsed.GetValue(tags)), parsed.GetValue(quota), parsed.GetValue(source), surroundings.Variable("PAAS_RELEASES_TOKEN"));
            var changed = await client.SendAsync(
                HttpMethod.Patch, target.EnvironmentPath, change, ContractJson.Default.EnvironmentChange, ContractJson.Default.EnvironmentSummary, ct);
            await surroundings.SayAsync(changed!, ContractJson.Default.EnvironmentSummary, $"{changed!.Name} is a {changed.Type} environment in {changed.Mode} mode.");
            return Exit.Done;
        });
        return command;
    }
}
