using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus config [PROJECT]</c>: all layers of the configuration together, secrets as stars.</summary>
static class ConfigCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var origins = new Option<bool>("--origins") { Description = "Say which layer each value comes from" };
        var command = new Command("config", "What the application is configured with, all layers together; secrets are masked") { project, origins };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/config", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var entries = client.Read(text, ContractJson.Default.PageConfigEntry).Items;
            if (entries.Count == 0)
            {
                await surroundings.HintAsync($"{target.Project} has no configuration of its own. It is pushed to the project's pillar: corpus init shows where.");
            }

            foreach (var entry in entries)
            {
                await surroundings.Out.WriteLineAsync(parsed.GetValue(origins) ? $"{entry.Name}={entry.Value}  # {entry.From}" : $"{entry.Name}={entry.Value}");
            }

            return Exit.Done;
        });
        return command;
    }
}
