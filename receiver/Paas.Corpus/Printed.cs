using System.Text;

namespace Paas.Corpus;

/// <summary>What a command that runs elsewhere prints: passed on byte for byte, or under <c>--json</c> in pieces as they come, with its exit code at the end.</summary>
sealed class Printed(Surroundings surroundings)
{
    // A character may come in two pieces.
    readonly Decoder output = Encoding.UTF8.GetDecoder();
    readonly Decoder error = Encoding.UTF8.GetDecoder();

    public async Task WriteAsync(byte[] bytes, bool isError, CancellationToken ct)
    {
        if (surroundings.Json)
        {
            var decoder = isError ? error : output;
            var text = new char[decoder.GetCharCount(bytes, flush: false)];
            decoder.GetChars(bytes, text, flush: false);
            await surroundings.WriteJsonAsync(new Happening(isError ? "err" : "out") { Text = new string(text) }, CorpusJson.Default.Happening);
            await surroundings.Out.FlushAsync(ct);
            return;
        }

        var to = isError ? surroundings.RawError : surroundings.RawOut;
        await to.WriteAsync(bytes, ct);
        await to.FlushAsync(ct);
    }

    /// <returns>The same code.</returns>
    public async Task<int> EndAsync(int code)
    {
        if (surroundings.Json)
        {
            await surroundings.WriteJsonAsync(new Happening("outcome") { Succeeded = code == 0, ExitCode = code }, CorpusJson.Default.Happening);
        }

        return code;
    }
}
