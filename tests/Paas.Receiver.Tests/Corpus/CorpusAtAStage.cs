using Paas.Receiver.Api;
using Xunit;

namespace Paas.Corpus;

/// <summary>The command as somebody types it, with a home of its own, before a receiver that was furnished for the test.</summary>
public abstract class CorpusAtAStage : IAsyncLifetime
{
    private protected readonly string home = Directory.CreateTempSubdirectory("corpus").FullName;
    private protected readonly Dictionary<string, string> variables = [];
    private protected ApiStage stage = null!;

    public async Task InitializeAsync()
    {
        stage = await ApiStage.OpenAsync();
        variables["PAAS_URL"] = stage.Url.ToString();
        variables["PAAS_TOKEN"] = TokenAt(stage);
    }

    public async Task DisposeAsync()
    {
        await stage.DisposeAsync();
        Directory.Delete(home, recursive: true);
    }

    /// <summary>Who types at first.</summary>
    private protected abstract string TokenAt(ApiStage stage);

    private protected Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => RunInAsync(home, arguments);

    private protected async Task<(int Code, string Output, string Error)> RunInAsync(string directory, params string[] arguments)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        var code = await CommandLine.RunAsync(arguments, Around(output, error, directory));
        return (code, output.ToString(), error.ToString());
    }

    private protected Surroundings Around(TextWriter output, TextWriter error, string? directory = null) => new()
    {
        Out = output,
        Error = error,
        Directory = directory ?? home,
        Home = home,
        Variable = name => variables.GetValueOrDefault(name),
    };
}
