using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus audit</c>: who did what, from where, and how it ended.</summary>
static class AuditCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var number = new Option<int>("--lines", "-n") { Description = "How many of the newest lines", HelpName = "N", DefaultValueFactory = _ => 50 };
        var export = new Option<bool>("--export") { Description = "All of it, oldest first, a JSON object a line" };
        var check = new Option<bool>("--check") { Description = "Say whether any line was changed since it was written" };
        var command = new Command("audit", "Who did what, from where, and how it ended") { number, export, check };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            if (parsed.GetValue(export))
            {
                await client.PrintJsonLinesAsync("api/v1/audit/export", ct);
                return Exit.Done;
            }

            if (parsed.GetValue(check))
            {
                var found = await client.GetAsync("api/v1/audit/check", ContractJson.Default.AuditCheck, ct);
                var broken = found.FirstBroken;
                await surroundings.SayAsync(found, ContractJson.Default.AuditCheck, broken is null ? "Every line is as it was written." : $"Line {broken} is not as it was written, or the one before it is missing.");
                return broken is null ? Exit.Done : Exit.Failed;
            }

            return await Listing.ShowAsync(parsed, $"audit?limit={Math.Clamp(parsed.GetValue(number), 1, 500)}", ContractJson.Default.PageAuditRecord, ["WHEN", "WHO", "FROM", "WHAT", "TO", "RESULT", "DETAIL"], line =>
                [Words.Time(DateTimeOffset.Parse(line.At)), line.Who, line.From, line.Action, line.Subject, line.Result, line.Detail ?? ""], surroundings, ct);
        });
        return command;
    }
}
