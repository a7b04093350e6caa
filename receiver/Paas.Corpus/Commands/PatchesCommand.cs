using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus patches [PROJECT] [N]</c>: what was changed by hand; of one of them the patch itself, for <c>git am</c>.</summary>
static class PatchesCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var fix = new Argument<string?>("fix") { Description = "Print this one, as git am and git apply take it", HelpName = "N", Arity = ArgumentArity.ZeroOrOne };
        var built = new Option<bool>("--built") { Description = "Of N the part that changes what a build had made: no commit has it" };
        var drop = new Option<bool>("--drop") { Description = "Give N up: it is not applied again" };
        var command = new Command("patches", "What was changed by hand in a project's releases, oldest first; corpus patches N | git am brings one home") { project, fix, built, drop };
        command.SetAction(async (parsed, ct) =>
        {
            var (name, number) = Parse(parsed.GetValue(project), parsed.GetValue(fix));
            var target = Target.Of(parsed, name, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            if (number is null && (parsed.GetValue(built) || parsed.GetValue(drop)))
            {
                throw new CorpusException(Exit.Usage, "which one? corpus patches [PROJECT] N");
            }

            if (parsed.GetValue(drop))
            {
                await client.DeleteAsync($"{target.Path}/patches/{number}", ct);
                await surroundings.SayAsync($"Fix {number} is given up; it is not applied again.");
            }
            else if (number is { } wanted && surroundings.Json)
            {
                var patch = await client.GetTextAsync($"{target.Path}/patches/{wanted}{(parsed.GetValue(built) ? "?part=built" : "")}", ct);
                await surroundings.WriteJsonAsync(new PatchText(wanted, patch), CorpusJson.Default.PatchText);
            }
            else if (number is not null)
            {
                await client.CopyAsync($"{target.Path}/patches/{number}{(parsed.GetValue(built) ? "?part=built" : "")}", surroundings.RawOut, ct);
            }
            else
            {
                var text = await client.GetTextAsync($"{target.Path}/patches", ct);
                if (surroundings.Json)
                {
                    await surroundings.Out.WriteLineAsync(text);
                }
                else
                {
                    Table.Write(surroundings.Out, [["FIX", "RELEASE", "STATE", "BY", "MADE", "FILES", "SUBJECT"], .. client.Read(text, ContractJson.Default.PagePatchSummary).Items.Select(patch =>
                        (string[])[$"{patch.Number}", Words.Release(patch.Release), patch.State, patch.By, Words.Time(patch.MadeAt), $"{patch.Files.Count}", patch.Subject])]);
                }
            }

            return Exit.Done;
        });
        return command;
    }

    // A number alone is a fix of this directory's project.
    static (string? Project, int? Fix) Parse(string? first, string? second) => (first, second) switch
    {
        (var name, { } text) => int.TryParse(text, out var number) && number > 0 ? (name, number) : throw new CorpusException(Exit.Usage, $"'{text}' is not the number of a fix"),
        ({ } text, null) when int.TryParse(text, out var number) && number > 0 => (null, number),
        _ => (first, null),
    };
}
