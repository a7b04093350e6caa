using System.Text.RegularExpressions;
using Xunit;

namespace Paas.Receiver;

/// <summary>Keeps receiver/docs/requirements.md complete: every number of the readings that it covers once, and what is said to prove it is there.</summary>
public partial class RequirementsTests
{
    // How many requirements each chapter of the reading has: R1.1 to R1.5, R2.1 to R2.4, …
    static readonly int[] Chapters = [5, 4, 9, 4, 19, 3, 7, 8, 13, 15, 6, 5, 5, 5, 9];

    // Of Paasmaker's reading, in the order of the page.
    static readonly (string Of, int First, int Last)[] Ranges =
        [("AMB", 35, 37), ("PM", 1, 32), ("PM", 40, 69), ("RT", 1, 9), ("RT", 23, 25), ("AMB", 17, 20), ("PM", 70, 77), ("PM", 80, 89), ("RT", 10, 22)];

    static readonly string Top = FindTop();

    [Fact]
    public void Every_requirement_stands_there_once_in_its_order()
    {
        var expected = Chapters.SelectMany((count, chapter) => Enumerable.Range(1, count).Select(number => $"R{chapter + 1}.{number}"));

        Assert.Equal(expected, Rows().Select(row => row.Number).Where(number => number is ['R', >= '0' and <= '9', ..]));
    }

    [Fact]
    public void Every_number_of_Paasmakers_reading_that_is_covered_stands_there_once_in_its_order()
    {
        var expected = Ranges.SelectMany(range => Enumerable.Range(range.First, range.Last - range.First + 1).Select(number => $"{range.Of}-{number:00}"));

        Assert.Equal(expected, Rows().Select(row => row.Number).Where(number => PaasmakersNumber().IsMatch(number)));
    }

    [Fact]
    public void Every_number_of_PaaSTAs_contract_stands_there_once_in_its_order()
    {
        const int Count = 38;

        Assert.Equal(Enumerable.Range(1, Count).Select(number => $"PC-{number:00}"), Rows().Select(row => row.Number).Where(number => number.StartsWith("PC-", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_statement_and_every_acceptance_of_CloudFlows_reading_stands_there_once_in_its_order()
    {
        var expected = Enumerable.Range(1, 13).Select(number => $"S{number}").Concat(Enumerable.Range(1, 14).Select(number => $"CF{number}"));

        Assert.Equal(expected, Rows().Select(row => row.Number).Where(number => CloudFlowsNumber().IsMatch(number)));
    }

    [Fact]
    public void Every_test_that_is_named_exists_and_every_gap_is_said()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Top, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
            .GroupBy(file => Path.GetFileNameWithoutExtension(file)).ToDictionary(same => same.Key, same => string.Concat(same.Select(File.ReadAllText)));
        var wrong = new List<string>();
        foreach (var (number, proof) in Rows())
        {
            var tests = Quoted().Matches(proof).Select(match => match.Groups["name"].Value).ToList();
            if (tests.Count == 0 && !proof.StartsWith("not yet", StringComparison.Ordinal) && !proof.StartsWith("background", StringComparison.Ordinal))
            {
                wrong.Add($"{number} is proved by nothing and does not say so");
            }

            foreach (var test in proof.StartsWith('`') ? tests : [])
            {
                var parts = test.Split('.');
                if (!sources.TryGetValue(parts[0], out var source) || (parts.Length == 2 && !source.Contains($" {parts[1]}(", StringComparison.Ordinal)))
                {
                    wrong.Add($"{number}: there is no test {test}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    static List<(string Number, string Proof)> Rows() =>
        [.. File.ReadLines(Path.Combine(Top, "receiver", "docs", "requirements.md")).Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => cells.Length == 5 && cells[1] is not ("number" or "item") && !cells[1].StartsWith("---", StringComparison.Ordinal)).Select(cells => (cells[1], cells[3]))];

    static string FindTop()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Paas.Receiver.sln")))
        {
            directory = directory.Parent ?? throw new DirectoryNotFoundException("The tests were not built inside the checkout.");
        }

        return directory.FullName;
    }

    [GeneratedRegex("^(AMB|PM|RT)-[0-9]+$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PaasmakersNumber();

    [GeneratedRegex("^(S|CF)[0-9]+$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CloudFlowsNumber();

    [GeneratedRegex("`(?<name>[A-Za-z0-9_.]+)`", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Quoted();
}
