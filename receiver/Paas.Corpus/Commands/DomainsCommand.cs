using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus domains [PROJECT]</c>, <c>domains add ADDRESS</c>, <c>domains remove ADDRESS</c>: where visitors find the project, and who of them may pass.</summary>
static class DomainsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("domains", "Where visitors find the project") { project, Add(surroundings), Remove(surroundings) };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/domains", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var list = client.Read(text, ContractJson.Default.DomainList);
            foreach (var one in list.Items)
            {
                await surroundings.Out.WriteLineAsync($"{one.Host}{one.Path} → {one.Type}{(one.Given ? " (given)" : "")}{Guards(one)}");
            }

            if (list.Maintenance)
            {
                await surroundings.Out.WriteLineAsync("In maintenance: visitors meet a page instead.");
            }

            return Exit.Done;
        });
        return command;
    }

    static string Guards(DomainSummary one) =>
        (one.Allow is { } allow ? $", only from {string.Join(' ', allow)}" : "") + (one.Users is { } users ? $", with a password: {string.Join(' ', users)}" : "") + (one.Sticky ? ", sticky" : "");

    static Command Add(Surroundings surroundings)
    {
        var (address, project) = (AddressArgument(), CommandLine.ProjectArgument());
        var type = new Option<string?>("--type", "-t") { Description = "The process type visitors meet (else web)", HelpName = "TYPE" };
        var allow = new Option<string[]>("--allow") { Description = "Only visitors from this address or network; may be repeated", HelpName = "NETWORK" };
        var users = new Option<string[]>("--user") { Description = "Only visitors with this name, whose password is in the variable PAAS_PASSWORD; may be repeated", HelpName = "NAME" };
        var sticky = new Option<bool>("--sticky") { Description = "A visitor comes back to the instance that served first" };
        var command = new Command("add", "Give the project an address, or change how one it has treats visitors") { address, project, type, allow, users, sticky };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var order = new DomainOrder(parsed.GetValue(type), parsed.GetValue(allow), UsersOf(parsed.GetValue(users) ?? [], surroundings), parsed.GetValue(sticky));
            await client.PutAsync(PathOf(target, parsed.GetRequiredValue(address)), order, ContractJson.Default.DomainOrder, ct);
            await surroundings.SayAsync($"{parsed.GetRequiredValue(address)} leads to {target.Project}.");
            return Exit.Done;
        });
        return command;
    }

    static Command Remove(Surroundings surroundings)
    {
        var (address, project) = (AddressArgument(), CommandLine.ProjectArgument());
        var command = new Command("remove", "Take an address back that was given") { address, project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            await client.DeleteAsync(PathOf(target, parsed.GetRequiredValue(address)), ct);
            await surroundings.SayAsync($"{parsed.GetRequiredValue(address)} no longer leads to {target.Project}.");
            return Exit.Done;
        });
        return command;
    }

    // A password must not stand where everybody on the machine reads command lines.
    static Dictionary<string, string>? UsersOf(string[] names, Surroundings surroundings) =>
        names.Length == 0 ? null
        : surroundings.Variable("PAAS_PASSWORD") is { Length: > 0 } password ? names.Distinct().ToDictionary(name => name, _ => password)
        : throw new CorpusException(Exit.Usage, "set the variable PAAS_PASSWORD to the password of --user.");

    static string PathOf(Target target, string address)
    {
        var slash = address.IndexOf('/', StringComparison.Ordinal);
        var (host, path) = slash < 0 ? (address, "") : (address[..slash], address[slash..]);
        return $"{target.Path}/domains/{Uri.EscapeDataString(host)}{(path.Length == 0 ? "" : "?path=" + Uri.EscapeDataString(path))}";
    }

    static Argument<string> AddressArgument() => new("address") { Description = "HOST, *.HOST, each with an optional /PATH", HelpName = "ADDRESS" };
}
