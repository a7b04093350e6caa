using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus listhosts</c> (R15.2): the hosts that environments can be made on, of one receiver or of all in <c>~/.makinastates.conf</c>.</summary>
static class ListHostsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("listhosts", "Hosts that environments can be made on");
        command.SetAction(async (parsed, ct) =>
        {
            var named = parsed.GetValue<string?>(CommandLine.EndpointOption) ?? surroundings.Variable("PAAS_URL");
            var accounts = named is null ? SettingsFile.Read(surroundings.Home, surroundings.Warn) : [];
            IReadOnlyList<Target> targets = accounts.Count > 0
                ? [.. accounts.Select(account => Target.At(account.Nickname, surroundings))]
                : [Target.Of(parsed, null, surroundings)];
            var rows = new List<IReadOnlyList<string>> { (string[])["ENDPOINT", "HOST", "STATE", "VERSION", "ADDRESS", "DOMAIN", "GUESTS", "FREE", "ENVIRONMENTS"] };
            var (all, code) = (new List<HostSummary>(), Exit.Done);
            foreach (var target in targets)
            {
                using var client = new ReceiverClient(target, surroundings);
                string text;
                try
                {
                    text = await client.GetTextAsync("api/v1/hosts", ct);
                }
                catch (CorpusException e) when (targets.Count > 1)
                {
                    // One of several that is down must not hide the others.
                    code = surroundings.Fail(e);
                    continue;
                }

                var hosts = client.Read(text, ContractJson.Default.PageHostSummary).Items;
                all.AddRange(hosts.Select(host => host with { Url = host.Url ?? target.Endpoint.ToString() }));
                rows.AddRange(hosts.Select(host => (string[])[
                    target.Endpoint.Authority, host.Name, host.State ?? "here", host.Version ?? "-", string.Join(',', host.Addresses), host.Domain is { } domain ? $"*.{domain}" : "-", host.GuestType ?? "-",
                    Words.Bytes(host.FreeBytes), host.Environments is { } count ? $"{count}" : "-"]));
                foreach (var host in hosts.Where(host => host.Trouble is not null))
                {
                    surroundings.Warn(host.Trouble!);
                }
            }

            if (surroundings.Json)
            {
                await surroundings.WriteJsonAsync(new Page<HostSummary>(all), ContractJson.Default.PageHostSummary);
            }
            else
            {
                Table.Write(surroundings.Out, rows);
            }

            return code;
        });
        return command;
    }
}
