using System.CommandLine;
using System.Text.Json;
using Paas.Receiver.Api;
using Xunit;

namespace Paas.Corpus;

/// <summary><c>--json</c> at every verb there is: a verb that is missing here, or prints anything else, fails.</summary>
public sealed class JsonTests : CorpusAtAStage
{
    /// <summary>Verb, exit code, arguments; in the order in which they go well. What stands under several codes may end in several ways.</summary>
    static readonly (string Verb, int Code, string[] Arguments)[] Right =
    [
        ("status", 0, ["hello"]), ("status", 0, []), ("releases", 0, ["hello"]), ("ps", 0, ["hello"]), ("config", 0, ["hello"]), ("crons", 0, ["hello"]), ("patches", 0, ["hello"]),
        ("traffic", 0, ["hello"]), ("logs", 0, ["hello"]), ("logs", 0, ["hello", "--access"]), ("check", 1, ["hello"]), ("groups", 0, ["hello"]), ("wiring", 0, []), ("signing-key", 0, []),
        ("listhosts", 0, []), ("environments", 0, []), ("environments", 0, ["local"]), ("help", 0, []), ("help", 0, ["users", "add"]), ("man", 0, []), ("completion", 0, ["bash"]),
        ("doctor", 0, []), ("doctor", 0, ["hello"]),
        ("domains", 0, ["hello"]), ("domains add", 0, ["www.example.org", "hello"]), ("domains remove", 0, ["www.example.org", "hello"]), ("maintenance", 0, ["on", "hello"]),
        ("drains", 0, ["hello"]), ("drains add", 0, ["syslog://127.0.0.1:9", "hello"]), ("drains remove", 0, ["1", "hello"]),
        ("scale", 0, ["hello"]), ("backup", 0, ["hello", "--list"]),
        ("backup", 1, ["hello"]), ("restore", 1, ["hello"]), ("task", 1, ["hello", "x"]), ("rollback", 1, ["hello", "v7"]), ("rollback", 1, ["hello", "-a"]), ("redeploy", 1, ["hello"]), ("promote", 1, ["hello", "--to", "local"]),
        ("start", 1, ["hello"]), ("stop", 0, ["hello"]), ("restart", 1, ["hello"]), ("current", 1, ["hello", "v7"]), ("cancel", 1, ["hello"]),
        ("run", 0, ["hello", "--", "true"]), ("fix", 0, ["hello", "--", "true"]), ("shell", 2, ["hello"]),
        ("pipeline", 0, ["hello"]), ("pipeline start", 1, ["hello"]), ("pipeline approve", 1, ["hello"]), ("pipeline abort", 1, ["hello"]),
        ("mark-for-deployment", 1, ["-s", "hello", "-l", "x", "-k", "1234567"]), ("wait-for-deployment", 1, ["-s", "hello", "-l", "x", "-k", "1234567"]), ("itest", 1, ["-s", "hello", "-k", "1234567"]), ("push-to-registry", 1, ["-s", "hello", "-k", "1234567"]),
        ("init", 0, ["-", "-", "shop"]), ("init_env", 0, ["-", "prod"]), ("change_env", 0, ["-", "prod", "--mode", "cooking"]), ("enlarge", 1, ["-", "-", "hello", "5gb"]), ("trim", 1, ["-", "-", "hello", "5gb"]),
        ("destroy", 2, ["-", "prod"]), ("destroy", 0, ["-", "prod", "--yes"]), ("push", 1, ["-", "-", "hello"]), ("import", 1, ["hello", "nosuchfile"]),
        ("link_host", 1, ["paris", "http://127.0.0.1:1", "--token-file", "token"]), ("unlink_host", 1, ["paris"]),
        ("users", 0, []), ("users me", 0, []), ("users add", 0, ["alice"]), ("users disable", 0, ["alice"]), ("users enable", 0, ["alice"]), ("users password", 0, ["alice"]),
        ("users give", 0, ["alice", "developer"]), ("users take", 0, ["alice", "developer"]), ("users roles", 0, []), ("users role", 0, ["watcher", "WORKSPACE_VIEW"]), ("users remove", 0, ["alice"]),
        ("keys", 0, []), ("keys add", 0, ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPk7QQjlV2tO7wbpnXQNPH2IhdBzVAEVTPf7cMZ9rDXR", "--name", "k", "--user", "admin"]), ("keys remove", 0, ["1"]),
        ("tokens", 0, []), ("tokens add", 0, ["ci", "--project", "local/hello"]), ("tokens remove", 1, ["999"]),
        ("audit", 0, []), ("audit", 0, ["--export"]), ("audit", 0, ["--check"]),
        ("login", 0, ["-", "--token-file", "token"]), ("backup-server", 0, ["whole.tar.zst"]), ("backup-server", 2, ["-"]), ("restore-server", 2, ["whole.tar.zst"]),
    ];

    /// <summary>These ask no receiver, or not before something that a test has not got.</summary>
    static readonly string[] Local = ["help", "man", "completion", "itest", "push-to-registry", "push", "import", "shell", "restore-server"];

    private protected override string TokenAt(ApiStage stage) => stage.Admin;

    [Fact]
    public void Every_verb_is_here()
    {
        var verbs = VerbsOf(CommandLine.Root(Around(TextWriter.Null, TextWriter.Null)), "").Order(StringComparer.Ordinal).ToList();
        Assert.True(verbs.Count > 60, $"{verbs.Count}");
        Assert.Equal(verbs, Right.Select(one => one.Verb).Distinct().Order(StringComparer.Ordinal));

        static IEnumerable<string> VerbsOf(Command command, string above) => command.Subcommands.SelectMany(verb => VerbsOf(verb, $"{above}{verb.Name} ").Prepend(above + verb.Name));
    }

    [Fact]
    public async Task What_goes_well_and_what_does_not_is_said_in_JSON_with_the_same_exit_code()
    {
        stage.Release(stage.Hello, new string('a', 40));
        await stage.ConfigureAsync(stage.Hello, "env: {A: b, SECRET: hidden-value}");
        variables["PAAS_PASSWORD"] = "correct horse battery";
        await File.WriteAllTextAsync(Path.Combine(home, "token"), stage.Admin);
        var wrong = new List<string>();
        foreach (var (verb, code, arguments) in Right)
        {
            var answer = await RunAsync([.. verb.Split(' '), "--json", .. arguments]);
            var what = $"{verb} {string.Join(' ', arguments)}: {answer.Code} [{answer.Output}] [{answer.Error}]";
            if (answer.Code != code)
            {
                wrong.Add($"not {code}: {what}");
            }

            if ((answer.Code == 0 && answer.Output.Length == 0 && verb != "logs" && !arguments.Contains("--access")) || (answer.Code > 0 && verb is not ("check" or "doctor") && !IsProblem(answer.Error, code)))
            {
                wrong.Add($"nothing said: {what}");
            }

            if ((verb != "help" && !IsJson(answer.Output)) || !IsJson(answer.Error) || (answer.Output + answer.Error).Contains("hidden-value", StringComparison.Ordinal))
            {
                wrong.Add($"no JSON: {what}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public async Task A_receiver_that_is_not_there_is_a_problem_of_every_verb_that_asks_it()
    {
        variables["PAAS_URL"] = "http://127.0.0.1:1";
        variables["PAAS_PASSWORD"] = "correct horse battery";
        await File.WriteAllTextAsync(Path.Combine(home, "token"), stage.Admin);
        var wrong = new List<string>();
        foreach (var (verb, code, arguments) in Right.Where(one => one.Code != 2 && !Local.Contains(one.Verb)))
        {
            var (plain, spoken) = (await RunAsync([.. verb.Split(' '), .. arguments]), await RunAsync([.. verb.Split(' '), .. arguments, .. arguments.Contains("--") ? Array.Empty<string>() : ["--json"]]));
            if (plain.Code != 3 || spoken.Code != 3 || plain.Output + spoken.Output is not "" || !plain.Error.Contains("\n        next: curl", StringComparison.Ordinal)
                || (!arguments.Contains("--") && !IsProblem(spoken.Error, 3)))
            {
                wrong.Add($"{verb} {string.Join(' ', arguments)}: {plain} {spoken}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("nosuch")]
    [InlineData("status", "--nosuch")]
    [InlineData("status", "a", "b")]
    [InlineData("users", "add")]
    [InlineData("rollback", "hello", "seven")]
    public async Task What_is_not_understood_is_a_problem_too(params string[] words)
    {
        var (code, output, error) = await RunAsync([.. words, "--json"]);

        Assert.Equal((2, ""), (code, output));
        Assert.True(IsProblem(error, 2), error);
    }

    static bool IsProblem(string text, int code)
    {
        try
        {
            using var json = JsonDocument.Parse(text.TrimEnd('\n').Split('\n')[^1]);
            return json.RootElement.GetProperty("exitCode").GetInt32() == code && json.RootElement.GetProperty("title").GetString()!.Length > 0 && json.RootElement.GetProperty("detail").GetString()!.Length > 0;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException)
        {
            return false;
        }
    }

    /// <summary>Each line a document of its own, or nothing at all.</summary>
    static bool IsJson(string text)
    {
        try
        {
            foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                JsonDocument.Parse(line).Dispose();
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
