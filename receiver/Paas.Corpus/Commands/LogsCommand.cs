using System.CommandLine;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus logs [PROJECT] [-f] [-t TYPE] [-n N]</c>: what the application printed.</summary>
static class LogsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with new lines as they come" };
        var type = new Option<string?>("--type", "-t") { Description = "Only this process type", HelpName = "TYPE" };
        var number = new Option<int>("--lines", "-n") { Description = "How many of the last lines", HelpName = "N", DefaultValueFactory = _ => 100 };
        number.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && int.TryParse(token.Value, out var lines) && lines is < 0 or > 100_000)
            {
                result.AddError("-n is a number from 0 to 100000.");
            }
        });
        var access = new Option<bool>("--access") { Description = "What visitors asked for and got, instead" };
        var command = new Command("logs", "What the application printed") { project, follow, type, number, access };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var only = parsed.GetValue(type) is { } name ? $"&type={Uri.EscapeDataString(name)}" : "";
            if (parsed.GetValue(access))
            {
                await client.PrintLinesAsync($"{target.Path}/access-log?n={parsed.GetValue(number)}", areApplications: false, ct);
                return Exit.Done;
            }

            await client.PrintLinesAsync($"{target.Path}/logs?n={parsed.GetValue(number)}&follow={(parsed.GetValue(follow) ? "true" : "false")}{only}", areApplications: true, ct);
            return Exit.Done;
        });
        return command;
    }
}
