using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus scale [PROJECT] TYPE=N…</c>: how many of each process type, from now on.</summary>
static class ScaleCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var words = new Argument<string[]>("words") { Description = "The project (else the one this directory's git remote leads to), then TYPE=N, as often as wanted; none shows what was asked for", HelpName = "[PROJECT] TYPE=N", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("scale", "How many of each process type run") { words };
        command.SetAction(async (parsed, ct) =>
        {
            var given = parsed.GetValue(words) ?? [];
            var project = given.Length > 0 && !given[0].Contains('=', StringComparison.Ordinal) ? given[0] : null;
            var quantities = given.Skip(project is null ? 0 : 1).Select(Parse).ToList();
            var target = Target.Of(parsed, project, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var scale = quantities.Count == 0
                ? await client.GetAsync($"{target.Path}/scale", ContractJson.Default.ScaleOrder, ct)
                : await client.PostAsync($"{target.Path}/scale", new ScaleOrder(quantities.ToDictionary()), ContractJson.Default.ScaleOrder, ContractJson.Default.ScaleOrder, ct);
            if (surroundings.Json)
            {
                await surroundings.WriteJsonAsync(scale!, ContractJson.Default.ScaleOrder);
                return Exit.Done;
            }

            if (scale!.Types.Count == 0)
            {
                await surroundings.HintAsync("Nothing was asked for: there are as many as the project itself says. What runs: corpus ps");
            }

            foreach (var (type, quantity) in scale.Types.OrderBy(type => type.Key, StringComparer.Ordinal))
            {
                await surroundings.Out.WriteLineAsync($"{type}={quantity}");
            }

            return Exit.Done;
        });
        return command;
    }

    static KeyValuePair<string, int> Parse(string text) =>
        text.Split('=') is [{ Length: > 0 } type, var number] && int.TryParse(number, out var quantity) && quantity >= 0
            ? new(type, quantity) : throw new CorpusException(Exit.Usage, $"'{text}' is not TYPE=N, such as web=2.");
}
