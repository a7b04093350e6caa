using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus config [PROJECT]</c>: the variables of the pillar, secrets as stars.</summary>
static class ConfigCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (project, json) = (CommandLine.ProjectArgument(), CommandLine.Json());
        var command = new Command("config", "The variables that the pillar gives the application; secrets are masked") { project, json };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/config", ct);
            if (parsed.GetValue(json))
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            foreach (var entry in client.Read(text, ContractJson.Default.PageConfigEntry).Items)
            {
                await surroundings.Out.WriteLineAsync($"{entry.Name}={entry.Value}");
            }

            return Exit.Done;
        });
        return command;
    }
}
