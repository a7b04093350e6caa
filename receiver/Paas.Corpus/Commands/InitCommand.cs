using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus init ENDPOINT ENV PROJECT</c> (R15.4): makes a project and prints where to push to.</summary>
static class InitCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (endpoint, environment) = (CommandLine.EndpointArgument(), CommandLine.EnvironmentArgument());
        var project = new Argument<string>("project") { Description = "The new project's name", HelpName = "PROJECT" };
        var command = new Command("init", "Make a project; prints where to push to") { endpoint, environment, project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.At(parsed.GetValue(endpoint)!, surroundings, parsed.GetValue(environment), parsed.GetValue(project));
            using var client = new ReceiverClient(target, surroundings);
            var made = await client.PutAsync(target.Path, ContractJson.Default.ProjectMade, ct);
            if (surroundings.Json)
            {
                var (code, pillar) = (new Uri(target.Endpoint, made.Repository.TrimStart('/')).ToString(), new Uri(target.Endpoint, made.PillarRepository.TrimStart('/')).ToString());
                await surroundings.WriteJsonAsync(made with { Repository = code, PillarRepository = pillar }, ContractJson.Default.ProjectMade);
                return Exit.Done;
            }

            await surroundings.Out.WriteLineAsync($"{made.Environment}/{made.Name} {(made.IsNew ? "is made" : "is there already")}");
            await surroundings.Out.WriteLineAsync($"  code    {new Uri(target.Endpoint, made.Repository.TrimStart('/'))}");
            await surroundings.Out.WriteLineAsync($"  pillar  {new Uri(target.Endpoint, made.PillarRepository.TrimStart('/'))}");
            await surroundings.Out.WriteLineAsync($"  answers at {made.Url} once it is pushed");
            return Exit.Done;
        });
        return command;
    }
}
