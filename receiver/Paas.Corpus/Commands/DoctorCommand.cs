using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus doctor [PROJECT]</c>: where a project's bytes are.</summary>
static class DoctorCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (project, json) = (CommandLine.ProjectArgument(), CommandLine.Json());
        var command = new Command("doctor", "Where a project's bytes are, and how many it may have") { project, json };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/space", ct);
            if (parsed.GetValue(json))
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var space = client.Read(text, ContractJson.Default.SpaceSummary);
            Table.Write(surroundings.Out, [["BYTES", "FILES", "OF"], .. space.Parts.OrderByDescending(part => part.Bytes).Select(part => (string[])[Words.Bytes(part.Bytes), part.Files.ToString(), part.Name])]);
            await surroundings.Out.WriteLineAsync($"{Words.Bytes(space.Bytes)} in all{(space.QuotaGigabytes is { } quota ? $", of {quota} GB" : ", without a limit")}");
            return Exit.Done;
        });
        return command;
    }
}
