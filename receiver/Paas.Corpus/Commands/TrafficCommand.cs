using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus traffic [PROJECT]</c>: how many visitors got which answers, and how long it took.</summary>
static class TrafficCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("traffic", "What visitors got since the receiver started, and how fast") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/traffic", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            foreach (var one in client.Read(text, ContractJson.Default.PageTrafficSummary).Items)
            {
                await surroundings.Out.WriteLineAsync(
                    $"{one.Type}: {one.Requests} requests ({string.Join(' ', one.Classes.Select((count, i) => $"{i + 1}xx:{count}"))}), p50 {one.P50:0.##} ms, p95 {one.P95:0.##} ms, p99 {one.P99:0.##} ms");
            }

            return Exit.Done;
        });
        return command;
    }
}
