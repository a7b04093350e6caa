using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus run [PROJECT] -- CMD</c>: one command in the live release, with its environment and its data.</summary>
static class RunCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var words = new Argument<string[]>("words") { Description = "The project (else the one this directory's git remote leads to), then -- and a program with its arguments", HelpName = "[PROJECT] -- CMD", Arity = ArgumentArity.OneOrMore };
        var release = new Option<string?>("--release") { Description = "In this release, such as v12 (else the live one)", HelpName = "vN" };
        var command = new Command("run", "Run one command in a release; its exit code is the command's") { words, release };
        command.SetAction(async (parsed, ct) =>
        {
            var (project, line) = Parse(parsed.GetValue(words) ?? [], parsed.Tokens.Select(token => token.Value).ToList());
            var number = parsed.GetValue(release) is { } text ? Words.ReleaseNumber(text) : (int?)null;
            var target = Target.Of(parsed, project, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            return await client.RunAsync($"{target.Path}/run", new RunOrder(line, number), ContractJson.Default.RunOrder, ct);
        });
        return command;
    }

    // What stands before -- is the project; the parser hands over both in one list.
    internal static (string? Project, IReadOnlyList<string> Line) Parse(string[] words, List<string> tokens, string verb = "run")
    {
        var cut = tokens.IndexOf("--");
        var behind = cut < 0 ? 0 : tokens.Count - cut - 1;
        return (words.Length - behind) switch
        {
            0 => (null, words),
            1 when behind > 0 => (words[0], words[1..]),
            _ => throw new CorpusException(Exit.Usage, $"write it as: corpus {verb} [PROJECT] -- CMD"),
        };
    }
}
