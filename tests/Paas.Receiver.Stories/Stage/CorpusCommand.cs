using System.Text;
using Paas.Corpus;

namespace Paas.Receiver.Stage;

/// <summary>The command <c>corpus</c> against a receiver, as its administrator.</summary>
static class CorpusCommand
{
    public static Task<(int Code, string Output, string Error)> RunAsync(ReceiverProcess receiver, params string[] arguments) => RunAsync(receiver, [], arguments);

    /// <param name="more">Variables of the command's environment; <c>PWD</c> is where it runs.</param>
    public static async Task<(int Code, string Output, string Error)> RunAsync(ReceiverProcess receiver, Dictionary<string, string> more, params string[] arguments)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        using var rawOutput = new MemoryStream();
        using var rawError = new MemoryStream();
        var variables = new Dictionary<string, string>(more) { ["PAAS_URL"] = receiver.Address.ToString(), ["PAAS_TOKEN"] = receiver.Token };
        var code = await CommandLine.RunAsync(arguments, new Surroundings
        {
            Out = output,
            Error = error,
            RawOut = rawOutput,
            RawError = rawError,
            Directory = more.GetValueOrDefault("PWD") ?? receiver.Root,
            Home = receiver.Root,
            Variable = name => variables.GetValueOrDefault(name),
        });
        return (code, output + Encoding.UTF8.GetString(rawOutput.ToArray()), error + Encoding.UTF8.GetString(rawError.ToArray()));
    }
}
