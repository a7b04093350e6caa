using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus redeploy [PROJECT]</c>: the deployed commit again, with today's configuration (A12).</summary>
static class RedeployCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var rebuild = new Option<bool>("--rebuild") { Description = "Without build caches" };
        var discard = new Option<bool>("--discard-fixes") { Description = "Without what was fixed by hand in a release of this commit" };
        var set = new Option<string[]>("--set")
        {
            Description = "A variable, or a value of the configuration by its path, for this deployment; repeatable",
            HelpName = "NAME=VALUE",
            AllowMultipleArgumentsPerToken = false,
        };
        var command = new Command("redeploy", "Deploy the same commit again, with the configuration as it is now") { project, rebuild, discard, set };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync(
                $"{target.Path}/redeploy", new RedeployOrder(parsed.GetValue(rebuild), Settings(parsed.GetValue(set)), parsed.GetValue(discard)), ContractJson.Default.RedeployOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }

    static Dictionary<string, string>? Settings(string[]? given)
    {
        var wrong = given?.FirstOrDefault(setting => setting.IndexOf('=', StringComparison.Ordinal) < 1);
        if (wrong is not null)
        {
            throw new CorpusException(Exit.Usage, $"'{wrong}' is not NAME=VALUE.");
        }

        return given is { Length: > 0 } ? given.Select(setting => setting.Split('=', 2)).GroupBy(parts => parts[0]).ToDictionary(same => same.Key, same => same.Last()[1]) : null;
    }
}
