using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus restore PROJECT [ID|vN]</c>: the data as a backup has it; what it was is backed up first.</summary>
static class RestoreCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var backup = new Argument<string?>("backup") { Description = "An id of corpus backup --list, or v12 for the data as that release left it (else the newest)", HelpName = "ID|vN", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("restore", "Bring a project's data back from a backup; the code stays as it is") { project, backup };
        command.SetAction(async (parsed, ct) =>
        {
            var (name, wanted) = parsed.GetValue(backup) is null && LooksLikeBackup(parsed.GetValue(project)) ? (null, parsed.GetValue(project)) : (parsed.GetValue(project), parsed.GetValue(backup));
            var target = Target.Of(parsed, name, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync($"{target.Path}/restore", new RestoreOrder(wanted), ContractJson.Default.RestoreOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }

    static bool LooksLikeBackup(string? word) =>
        word is { Length: 53 } || (word is ['v', .. { Length: > 0 and < 9 } digits] && digits.All(char.IsAsciiDigit));
}
