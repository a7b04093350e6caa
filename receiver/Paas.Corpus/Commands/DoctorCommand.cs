using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus doctor</c>: what is wrong with the receiver; <c>corpus doctor PROJECT</c>: where a project's bytes are.</summary>
static class DoctorCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = new Argument<string?>("project") { Description = "Name, or ENV/NAME: where its bytes are", HelpName = "PROJECT", Arity = ArgumentArity.ZeroOrOne };
        var fix = new Option<bool>("--fix") { Description = "Put right what is safe to put right; nothing is deleted" };
        var repositories = new Option<bool>("--repositories") { Description = "Read every git repository whole, too" };
        var all = new Option<bool>("--all", "-a") { Description = "Show what is fine, too" };
        var command = new Command("doctor", "What is wrong with the receiver (exit 1 when something wants doing), or where a project's bytes are") { project, fix, repositories, all };
        command.SetAction((parsed, ct) => parsed.GetValue(project) is { } name
            ? parsed.GetValue(fix) || parsed.GetValue(repositories)
                ? throw new CorpusException(Exit.Usage, "--fix and --repositories concern the whole receiver: leave the project out.")
                : SpaceAsync(parsed, name, surroundings, ct)
            : ExamineAsync(parsed, parsed.GetValue(fix), parsed.GetValue(repositories), parsed.GetValue(all), surroundings, ct));
        return command;
    }

    static async Task<int> SpaceAsync(ParseResult parsed, string project, Surroundings surroundings, CancellationToken ct)
    {
        var target = Target.Of(parsed, project, surroundings);
        using var client = new ReceiverClient(target, surroundings);
        var text = await client.GetTextAsync($"{target.Path}/space", ct);
        if (surroundings.Json)
        {
            await surroundings.Out.WriteLineAsync(text);
            return Exit.Done;
        }

        var space = client.Read(text, ContractJson.Default.SpaceSummary);
        Table.Write(surroundings.Out, [["BYTES", "FILES", "OF"], .. space.Parts.OrderByDescending(part => part.Bytes).Select(part => (string[])[Words.Bytes(part.Bytes), part.Files.ToString(), part.Name])]);
        await surroundings.Out.WriteLineAsync($"{Words.Bytes(space.Bytes)} in all{(space.QuotaGigabytes is { } quota ? $", of {quota} GB" : ", without a limit")}");
        return Exit.Done;
    }

    static async Task<int> ExamineAsync(ParseResult parsed, bool fix, bool repositories, bool all, Surroundings surroundings, CancellationToken ct)
    {
        using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
        var report = fix
            ? (await client.PostAsync("api/v1/doctor", new DoctorOrder(repositories), ContractJson.Default.DoctorOrder, ContractJson.Default.DoctorReport, ct))!
            : await client.GetAsync($"api/v1/doctor?repositories={(repositories ? "true" : "false")}", ContractJson.Default.DoctorReport, ct);
        if (surroundings.Json)
        {
            await surroundings.WriteJsonAsync(report, ContractJson.Default.DoctorReport);
            return report.Healthy ? Exit.Done : Exit.Failed;
        }

        foreach (var finding in report.Findings.Where(finding => all || finding.Severity != "fine"))
        {
            await surroundings.Out.WriteLineAsync($"{finding.Severity,-8} {finding.Area}: {finding.Message}");
            if (finding.Remedy is { } remedy)
            {
                await surroundings.Out.WriteLineAsync($"{"",-8} try: {remedy}");
            }
        }

        var fine = report.Findings.Count(finding => finding.Severity == "fine");
        var wanting = report.Findings.Count(finding => finding.Severity is "warning" or "problem");
        await surroundings.Out.WriteLineAsync(report.Healthy ? $"All is well: {fine} checks are fine." : $"{wanting} of {report.Findings.Count} checks want somebody to act.");
        return report.Healthy ? Exit.Done : Exit.Failed;
    }
}
