using System.CommandLine;
using System.Globalization;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus drains [PROJECT]</c>, <c>drains add URL</c>, <c>drains remove ID</c>: where the application's log is carried to as well.</summary>
static class DrainsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("drains", "Where the application's log is carried to as well") { project, Add(surroundings), Remove(surroundings) };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/drains", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var drains = client.Read(text, ContractJson.Default.PageDrainSummary).Items;
            if (drains.Count == 0)
            {
                await surroundings.HintAsync($"The log of {target.Project} is carried nowhere else. To do that: corpus drains add URL");
            }

            foreach (var one in drains)
            {
                await surroundings.Out.WriteLineAsync($"{one.Id}  {one.Url}  {one.Sent} lines{(one.Trouble is null ? "" : $", now away: {one.Trouble}")}");
            }

            return Exit.Done;
        });
        return command;
    }

    static Command Add(Surroundings surroundings)
    {
        var url = new Argument<string>("url") { Description = "syslog://HOST:PORT, syslog+tls://HOST:PORT, http://… or https://…; '-' reads it from standard input", HelpName = "URL" };
        var project = CommandLine.ProjectArgument();
        var command = new Command("add", "Carry every further line there") { url, project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var given = parsed.GetRequiredValue(url);
            var order = new DrainOrder(given == "-" ? await surroundings.In.ReadLineAsync(ct) : given);
            var made = await client.PostAsync($"{target.Path}/drains", order, ContractJson.Default.DrainOrder, ContractJson.Default.DrainSummary, ct);
            await surroundings.SayAsync(made!, ContractJson.Default.DrainSummary, $"Drain {made?.Id} takes what {target.Project} prints to {made?.Url}.");
            return Exit.Done;
        });
        return command;
    }

    static Command Remove(Surroundings surroundings)
    {
        var id = new Argument<long>("id") { Description = "As 'corpus drains' shows it", HelpName = "ID" };
        var project = CommandLine.ProjectArgument();
        var command = new Command("remove", "Carry nothing there any more") { id, project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            await client.DeleteAsync($"{target.Path}/drains/{parsed.GetValue(id).ToString(CultureInfo.InvariantCulture)}", ct);
            await surroundings.SayAsync($"Drain {parsed.GetValue(id).ToString(CultureInfo.InvariantCulture)} is removed.");
            return Exit.Done;
        });
        return command;
    }
}
