using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus releases [PROJECT]</c>: newest first; <c>*</c> is live.</summary>
static class ReleasesCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("releases", "The releases of a project, newest first") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/releases", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            Table.Write(surroundings.Out, [["", "RELEASE", "MADE", "COMMIT", "MODE", "ARCHIVE", "FIXES", "ID"], .. client.Read(text, ContractJson.Default.PageReleaseSummary).Items.Select(release =>
                (string[])[release.IsCurrent ? "*" : "", Words.Release(release.Number), Words.Time(release.MadeAt), Words.Commit(release.Commit), release.Mode,
                    release.Pruned ? "pruned" : release.ArchiveTrouble is not null ? "damaged" : Words.Bytes(release.ArchiveBytes), Fixes(release), release.Id])]);
            return Exit.Done;
        });
        return command;
    }

    static string Fixes(ReleaseSummary release) =>
        string.Join(", ", (release.Fixes ?? []).Select(number => $"has {number}").Concat((release.Patches ?? []).Select(number => $"made {number}")));
}
