using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus crons [PROJECT]</c>: the newest runs of its web crons.</summary>
static class CronsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("crons", "How a project's web crons went, the newest first") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/crons", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            Table.Write(surroundings.Out, [["STARTED", "TYPE", "PATH", "MS", "RESULT"], .. client.Read(text, ContractJson.Default.PageCronRunSummary).Items.Select(run =>
                (string[])[Words.Time(run.StartedAt), run.Type, run.Path, $"{run.Milliseconds:0}", run.Failure is { } failure ? $"failed: {failure}" : $"{run.Status}"])]);
            return Exit.Done;
        });
        return command;
    }
}
