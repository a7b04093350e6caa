using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus backup [PROJECT]</c>: the data and the project's own dumps, now.</summary>
static class BackupCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var live = new Option<bool>("--live") { Description = "Do not stop the application meanwhile: a file that it is writing may be of neither state" };
        var list = new Option<bool>("--list") { Description = "Show the backups there are, newest first" };
        var command = new Command("backup", "Back up a project's data, with its own backup hook; visitors wait meanwhile") { project, live, list };
        command.SetAction(async (parsed, ct) =>
        {
            if (parsed.GetValue(list) && parsed.GetValue(live))
            {
                throw new CorpusException(Exit.Usage, "--list takes no backup: leave --live out.");
            }

            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            if (parsed.GetValue(list))
            {
                return await ListAsync(client, target, surroundings, ct);
            }

            var accepted = await client.PostAsync(
                $"{target.Path}/backup", new BackupOrder(parsed.GetValue(live)), ContractJson.Default.BackupOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }

    static async Task<int> ListAsync(ReceiverClient client, Target target, Surroundings surroundings, CancellationToken ct)
    {
        var text = await client.GetTextAsync($"{target.Path}/backups", ct);
        if (surroundings.Json)
        {
            await surroundings.Out.WriteLineAsync(text);
            return Exit.Done;
        }

        Table.Write(surroundings.Out, [["TAKEN", "BY", "DATA OF", "FILES", "BYTES", "DUMPS", "ID"], .. client.Read(text, ContractJson.Default.PageBackupSummary).Items.Select(backup =>
            (string[])[backup.TakenAt is { } at ? Words.Time(at) : "-", backup.Kind ?? "-", Words.Release(backup.Release), backup.Files.ToString(), Words.Bytes(backup.Bytes), backup.Dumps.ToString(), backup.Id])]);
        return Exit.Done;
    }
}
