using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Paas.Receiver.Contract;

namespace Paas.Corpus;

/// <summary>A list of the receiver's as a table, or as it came.</summary>
static class Listing
{
    public static async Task<int> ShowAsync<T>(
        ParseResult parsed, string path, JsonTypeInfo<Page<T>> type, IReadOnlyList<string> head, Func<T, IReadOnlyList<string>> row, Surroundings surroundings, CancellationToken ct)
    {
        using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
        var text = await client.GetTextAsync($"api/v1/{path}", ct);
        if (surroundings.Json)
        {
            await surroundings.Out.WriteLineAsync(text);
        }
        else
        {
            var page = client.Read(text, type);
            Table.Write(surroundings.Out, [head, .. page.Items.Select(row)]);
            Warn(page.Missing, surroundings);
        }

        return Exit.Done;
    }

    /// <summary>What is not in a list because somebody could not be asked.</summary>
    public static void Warn(IReadOnlyList<string>? missing, Surroundings surroundings)
    {
        foreach (var trouble in missing ?? [])
        {
            surroundings.Warn($"{trouble} What is there is not listed.");
        }
    }
}
