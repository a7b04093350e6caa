using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus init_env ENDPOINT TYPE [HOST]</c> (R15.3): makes an environment and prints its uuid.</summary>
static class InitEnvCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var endpoint = CommandLine.EndpointArgument();
        var type = new Argument<string>("type") { Description = "dev, staging (preprod, qa, test) or prod", HelpName = "TYPE" };
        var host = new Argument<string?>("host") { Description = "One of listhosts", HelpName = "HOST", Arity = ArgumentArity.ZeroOrOne };
        var name = new Option<string?>("--name") { Description = "Else its type, counted where that is taken", HelpName = "NAME" };
        var mode = new Option<string?>("--mode") { Description = "editable, cooking or final (else by its type)", HelpName = "MODE" };
        var quota = new Option<int?>("--quota") { Description = "Gigabytes for all its projects, a multiple of 5 (else no limit)", HelpName = "GB" };
        var source = new Option<string?>("--releases-from") { Description = "Where final mode finds archives: env:NAME, a directory, or another receiver's URL/ENV", HelpName = "SOURCE" };
        var tags = CommandLine.Tags();
        var command = new Command("init_env", "Make an environment; prints its uuid") { endpoint, type, host, name, mode, quota, source, tags };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.At(parsed.GetValue(endpoint)!, surroundings), surroundings);
            var order = new EnvironmentOrder(
                parsed.GetValue(type), parsed.GetValue(name), parsed.GetValue(host), parsed.GetValue(mode), CommandLine.TagsOf(parsed.GetValue(tags)),
                parsed.GetValue(quota), parsed.GetValue(source), surroundings.Variable("PAAS_RELEASES_TOKEN"));
            var made = await client.PostAsync("api/v1/environments", order, ContractJson.Default.EnvironmentOrder, ContractJson.Default.EnvironmentSummary, ct);
            await surroundings.SayAsync(made!, ContractJson.Default.EnvironmentSummary, made!.Uuid.ToString());
            await surroundings.HintAsync($"{made.Name} is a {made.Type} environment in {made.Mode} mode.");
            return Exit.Done;
        });
        return command;
    }
}
