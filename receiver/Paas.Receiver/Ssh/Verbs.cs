using System.Text;
using Paas.Corpus;
using Paas.Receiver.Access;

namespace Paas.Receiver.Ssh;

/// <summary>
/// The verbs of <c>corpus</c> for those who come by ssh: the same code, in this process, speaking to our own API with a pass for the length of the
/// visit. So nothing is allowed here that is not allowed there.
/// </summary>
sealed class Verbs(SshSettings settings, Passes passes)
{
    public async Task<int> GreetAsync(Caller caller, VisitAnswer answer, CancellationToken ct)
    {
        await answer.Output.WriteAsync(Encoding.UTF8.GetBytes($"Hello {caller.Name}. There is no login here, but git push, git fetch and these:\n\n"), ct);
        return await RunAsync(caller, ["--help"], answer, ct);
    }

    public async Task<int> RunAsync(Visit visit, Caller caller, IReadOnlyList<string> words, Stream input, VisitAnswer answer, CancellationToken stopping)
    {
        // The relay sends nothing before it is asked to: the end of its stream is the end of the visit.
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var watching = WatchAsync(input, gone);
        var code = await RunAsync(caller, words, answer, gone.Token);
        await gone.CancelAsync();
        await watching;
        return code;
    }

    async Task<int> RunAsync(Caller caller, IReadOnlyList<string> words, VisitAnswer answer, CancellationToken ct)
    {
        using var pass = passes.Issue(caller);
        await using var output = new StreamWriter(answer.Output, new UTF8Encoding(false));
        await using var error = new StreamWriter(answer.Error, new UTF8Encoding(false)) { AutoFlush = true };
        return await CommandLine.RunAsync(
            words,
            new Surroundings
            {
                Out = output,
                Error = error,
                RawOut = answer.Output,
                RawError = answer.Error,
                Directory = "",
                Home = "",
                Only = settings.Control,
                Variable = name => name == "PAAS_TOKEN" ? pass.Secret : null,
            },
            ct);
    }

    static async Task WatchAsync(Stream input, CancellationTokenSource gone)
    {
        try
        {
            if (await input.ReadAsync(new byte[1], gone.Token) == 0)
            {
                await gone.CancelAsync();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            await gone.CancelAsync();
        }
    }
}
