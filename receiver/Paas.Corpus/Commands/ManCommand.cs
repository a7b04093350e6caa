using System.CommandLine;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus man</c>: the manual page.</summary>
static class ManCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("man", "Print the manual page: corpus man | man -l -");
        command.SetAction((parsed, _) => surroundings.PrintAsync(ManPage.Of(parsed.RootCommandResult.Command)));
        return command;
    }
}
