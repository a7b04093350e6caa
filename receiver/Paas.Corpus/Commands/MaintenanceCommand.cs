using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus maintenance on|off [PROJECT]</c>: visitors meet a page instead of the application.</summary>
static class MaintenanceCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (state, project) = (new Argument<string>("state") { Description = "on or off", HelpName = "on|off" }, CommandLine.ProjectArgument());
        state.AcceptOnlyFromAmong("on", "off");
        var command = new Command("maintenance", "Let visitors meet a page instead of the application") { state, project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var on = parsed.GetValue(state) == "on";
            await client.PutAsync($"{target.Path}/maintenance", new MaintenanceOrder(on), ContractJson.Default.MaintenanceOrder, ct);
            await surroundings.SayAsync(on ? $"Visitors of {target.Project} meet a page. The releases' own addresses (v<N>.…) still lead to the application." : $"Visitors of {target.Project} meet the application again.");
            return Exit.Done;
        });
        return command;
    }
}
