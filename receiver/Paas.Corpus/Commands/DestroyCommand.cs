using System.CommandLine;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus destroy ENDPOINT ENV [PROJECT]</c> (R15.6, R15.7): takes a project, or a whole environment, away with all its data.</summary>
static class DestroyCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (endpoint, environment) = (CommandLine.EndpointArgument(), CommandLine.EnvironmentArgument());
        var project = new Argument<string?>("project") { Description = "Only this one of its projects", HelpName = "PROJECT", Arity = ArgumentArity.ZeroOrOne };
        var yes = new Option<bool>("--yes") { Description = "I know that nothing brings it back" };
        var command = new Command("destroy", "Take a project, or a whole environment, away with all its data") { endpoint, environment, project, yes };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.At(parsed.GetValue(endpoint)!, surroundings, parsed.GetValue(environment), parsed.GetValue(project));
            var what = target.Project is null ? $"the environment {target.Environment} with all its projects" : target.Environment is null or "-" ? $"{target.Project}" : $"{target.Environment}/{target.Project}";
            if (!parsed.GetValue(yes))
            {
                throw new CorpusException(Exit.Usage, $"this destroys {what}, code, data and archives, and nothing brings it back. If that is what you want, add --yes.", $"corpus destroy {parsed.GetValue(endpoint)} {target.Environment}{(target.Project is null ? "" : $" {target.Project}")} --yes");
            }

            using var client = new ReceiverClient(target, surroundings);
            await client.DeleteAsync(target.Project is null ? target.EnvironmentPath : target.Path, ct);
            await surroundings.SayAsync($"{what} is destroyed.");
            return Exit.Done;
        });
        return command;
    }
}
