using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus ps [PROJECT]</c>: the instances.</summary>
static class PsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("ps", "The running instances of a project") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync(target.Path, ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            Table.Write(surroundings.Out, [["TYPE", "STATE", "PORT", "RELEASE", "INSTANCE"], .. client.Read(text, ContractJson.Default.ProjectStatus).Instances.Select(instance =>
                (string[])[$"{instance.Type}.{instance.Number}", State(instance), instance.Port?.ToString() ?? "-", Words.Release(instance.Release), instance.Id])]);
            return Exit.Done;
        });
        return command;
    }

    /// <summary>So many ends in a row are a crash loop, as the receiver counts.</summary>
    public const int Loop = 5;

    public static string State(InstanceSummary instance) => instance.Crashes > 1
        ? $"{instance.State} ({instance.Crashes} ends in a row{(instance.LastExitCode is { } code ? $", last with {code}" : "")})" : instance.State;
}
