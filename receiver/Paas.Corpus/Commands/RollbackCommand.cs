using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus rollback [PROJECT] [vN]</c>: a kept release with its configuration and its data.</summary>
static class RollbackCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var release = new Argument<string?>("release") { Description = "As v12 (else the one before the live one)", HelpName = "vN", Arity = ArgumentArity.ZeroOrOne };
        var codeOnly = new Option<bool>("--code-only") { Description = "Leave the data as it is" };
        var withData = new Option<bool>("--with-data") { Description = "Refuse when its data cannot come along" };
        var (service, sha) = (ServiceCommands.Service(), ServiceCommands.Commit(required: false));
        var groups = new Option<string?>("--deploy-groups", "-l") { Description = "PaaSTA's way: mark another commit for these deploy groups, with a comma between", HelpName = "GROUPS" };
        var all = new Option<bool>("--all-deploy-groups", "-a") { Description = "The same for all of them" };
        var force = new Option<bool>("--force", "-f") { Description = "With -k: also a commit that was never marked" };
        var command = new Command("rollback", "Bring a kept release back: code, configuration and data. With -l or -a: mark the commit of -k, or list what was marked") { project, release, codeOnly, withData, service, groups, all, sha, force };
        command.Validators.Add(result =>
        {
            if (result.GetValue(codeOnly) && result.GetValue(withData))
            {
                result.AddError("--code-only and --with-data exclude each other.");
            }
        });
        command.SetAction(async (parsed, ct) =>
        {
            if (parsed.GetValue(groups) is not null || parsed.GetValue(all))
            {
                return await ServiceCommands.RollBackAsync(
                    parsed, parsed.GetValue(service) ?? parsed.GetValue(project), parsed.GetValue(groups), parsed.GetValue(all), parsed.GetValue(sha), parsed.GetValue(force), surroundings, ct);
            }

            var (name, number) = Words.ProjectAndRelease(parsed.GetValue(project), parsed.GetValue(release));
            var target = Target.Of(parsed, name, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync(
                $"{target.Path}/rollback", new RollbackOrder(number, parsed.GetValue(codeOnly), parsed.GetValue(withData)), ContractJson.Default.RollbackOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }
}
