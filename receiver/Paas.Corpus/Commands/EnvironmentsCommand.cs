using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus environments</c>: the platforms of a receiver.</summary>
static class EnvironmentsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var json = CommandLine.Json();
        var command = new Command("environments", "The environments of a receiver") { json };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var text = await client.GetTextAsync("api/v1/environments", ct);
            if (parsed.GetValue(json))
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            Table.Write(surroundings.Out, [["NAME", "TYPE", "MODE", "PROJECTS", "QUOTA", "TAGS", "UUID"],
                .. client.Read(text, ContractJson.Default.PageEnvironmentSummary).Items.Select(one => (string[])[
                    one.IsDefault ? $"{one.Name} (default)" : one.Name, one.Type, one.Mode, $"{one.Projects}", one.QuotaGigabytes is { } quota ? $"{quota} GB" : "-",
                    one.Tags.Count == 0 ? "-" : string.Join(',', one.Tags.Select(tag => $"{tag.Key}={tag.Value}")), one.Uuid.ToString()])]);
            return Exit.Done;
        });
        return command;
    }
}
