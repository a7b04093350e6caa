using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus link_host NAME URL</c> and <c>unlink_host NAME</c> (R2.2): another receiver becomes a host that environments can be made on.</summary>
static class LinkHostCommands
{
    public static Command CreateLink(Surroundings surroundings)
    {
        var name = NameArgument();
        var url = new Argument<string>("url") { Description = "Where its receiver is: https://HOST[:PORT], or http:// on the receiver's own machine", HelpName = "URL" };
        var file = new Option<string?>("--token-file") { Description = "A file with an administrator's token of it (else a line of standard input)", HelpName = "FILE" };
        var command = new Command("link_host", "Link another receiver, so that environments can be made on it") { name, url, file };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "this is the receiver: link hosts from where their tokens are.");
            }

            var (host, place) = (parsed.GetRequiredValue(name), Target.AsUri(parsed.GetRequiredValue(url)));
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var token = await Typed.SecretAsync($"An administrator's token of {place.Authority}", parsed.GetValue(file), surroundings, ct);
            var linked = await client.SendAsync(
                HttpMethod.Put, PathOf(host), new HostOrder(place.ToString(), token), ContractJson.Default.HostOrder, ContractJson.Default.HostSummary, ct);
            await surroundings.SayAsync(
                linked!, ContractJson.Default.HostSummary,
                $"{host} is linked: {place.Authority}, version {linked!.Version}, {linked.Environments} environments. To make one there: corpus init_env ENDPOINT TYPE {host}");
            return Exit.Done;
        });
        return command;
    }

    public static Command CreateUnlink(Surroundings surroundings)
    {
        var name = NameArgument();
        var command = new Command("unlink_host", "Forget a linked receiver; what is on it stays there") { name };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            await client.DeleteAsync(PathOf(parsed.GetRequiredValue(name)), ct);
            await surroundings.SayAsync($"{parsed.GetValue(name)} is unlinked. What is on it goes on there.");
            return Exit.Done;
        });
        return command;
    }

    static Argument<string> NameArgument() => new("name") { Description = "What the host is called here", HelpName = "NAME" };

    static string PathOf(string name) => $"api/v1/hosts/{Uri.EscapeDataString(name)}";
}
