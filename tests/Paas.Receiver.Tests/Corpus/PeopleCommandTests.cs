using Paas.Receiver.Api;
using Paas.Receiver.GitHttp;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Corpus;

/// <summary>The verbs about people, and push, as somebody types them.</summary>
public sealed class PeopleCommandTests : CorpusAtAStage
{
    private protected override string TokenAt(ApiStage stage) => stage.Admin;

    [Fact]
    public async Task A_user_is_made_given_a_role_a_token_and_a_key_and_taken_away()
    {
        Assert.Equal(0, (await RunAsync("users", "add", "alice", "--name", "Alice Example")).Code);
        Assert.Equal("alice is developer in local.\n", (await RunAsync("users", "give", "alice", "developer", "-e", "local")).Output);
        Assert.Contains("alice  Alice Example  ", (await RunAsync("users")).Output, StringComparison.Ordinal);
        Assert.Contains("developer@local", (await RunAsync("users")).Output, StringComparison.Ordinal);

        var token = await RunAsync("tokens", "add", "laptop", "--user", "alice", "--expires", "30d", "--can", "WORKSPACE_VIEW,JOB_ABORT");
        Assert.Matches("^paas_[0-9a-f]{48}\n$", token.Output);
        Assert.Matches("laptop +alice +WORKSPACE_VIEW,JOB_ABORT +20", (await RunAsync("tokens")).Output);
        variables["PAAS_TOKEN"] = token.Output.Trim();
        Assert.Equal("alice, by token 5 (laptop), from 127.0.0.1\n  everywhere: nothing\n  local: WORKSPACE_VIEW JOB_ABORT\n", (await RunAsync("users", "me")).Output);
        Assert.Equal(4, (await RunAsync("users")).Code);
        variables["PAAS_TOKEN"] = stage.Admin;

        await new Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "work", "-f", Path.Combine(home, "id")).OutputAsync();
        Assert.Matches("^Key 1 \\(work\\) SHA256:.* lets in alice\\.\n$", (await RunAsync("keys", "add", "~/id.pub", "--user", "alice")).Output);
        Assert.Equal(1, (await RunAsync("keys", "add", Path.Combine(home, "id"), "--user", "alice")).Code); // the private one
        Assert.Equal(2, (await RunAsync("keys", "add", "/no/such/file")).Code);
        Assert.Matches("1 +work +alice +SHA256:[^ ]+ +-\n", (await RunAsync("keys")).Output);
        Assert.Equal(0, (await RunAsync("keys", "remove", "1")).Code);
        Assert.Equal(1, (await RunAsync("keys", "remove", "1")).Code);

        Assert.Equal(2, (await RunAsync("users", "password", "alice")).Code);
        variables["PAAS_PASSWORD"] = "correct horse battery";
        Assert.Equal(0, (await RunAsync("users", "password", "alice")).Code);
        Assert.NotNull(stage.Access.Users.KeptPassword("alice"));
        Assert.Equal(0, (await RunAsync("users", "disable", "alice")).Code);
        Assert.Equal(0, (await RunAsync("users", "enable", "alice")).Code);
        Assert.Equal(0, (await RunAsync("users", "take", "alice", "developer", "-e", "local")).Code);
        Assert.Equal("watcher: WORKSPACE_VIEW\n", (await RunAsync("users", "role", "watcher", "workspace_view")).Output);
        Assert.Matches("watcher +WORKSPACE_VIEW\n", (await RunAsync("users", "roles")).Output);
        Assert.Equal(0, (await RunAsync("users", "role", "watcher")).Code);
        Assert.Equal(0, (await RunAsync("users", "remove", "alice")).Code);
        Assert.Equal(1, (await RunAsync("users", "remove", "admin")).Code);
        Assert.Equal(2, (await RunAsync("tokens", "add", "x", "--expires", "soon")).Code);

        Assert.Contains("users.add", (await RunAsync("audit")).Output, StringComparison.Ordinal);
        Assert.Equal("Every line is as it was written.\n", (await RunAsync("audit", "--check")).Output);
        Assert.All((await RunAsync("audit", "--export")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => System.Text.Json.JsonDocument.Parse(line).Dispose());
    }

    [Fact]
    public async Task Push_stores_the_pillar_and_then_deploys_the_code()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        variables.Clear();
        variables["PAAS_TOKEN"] = receiver.Token;
        var code = await WorkTree.InitAsync(Path.Combine(home, "code"));
        await code.CommitAsync("Procfile", "web: true\n");
        var pillar = await WorkTree.InitAsync(Path.Combine(home, "code", "pillar"));
        await pillar.CommitAsync("init.sls", "env: {A: b}\n");
        var endpoint = receiver.Address.ToString();

        var pushed = await RunInAsync(code.Directory, "push", endpoint, "-", "shop");
        Assert.True(pushed.Code == 0, pushed.Error);
        Assert.True(pushed.Error.IndexOf("pillar.git", StringComparison.Ordinal) < pushed.Error.IndexOf("shop.git", StringComparison.Ordinal), pushed.Error);
        Assert.DoesNotContain(receiver.Token, pushed.Error + pushed.Output, StringComparison.Ordinal);
        Assert.Equal("refs/heads/main", Assert.Single(receiver.Submitted).Ref);

        await pillar.CommitAsync("init.sls", "{% jinja %}\n");
        await code.CommitAsync("again", "x");
        var refused = await RunInAsync(code.Directory, "push", endpoint, "-", "shop");
        Assert.Equal(1, refused.Code);
        Assert.Single(receiver.Submitted);
        Assert.Equal(2, (await RunInAsync(code.Directory, "push", endpoint, "-", "shop", "--pillar", "nowhere")).Code);
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Completion_knows_every_verb(string shell)
    {
        var (code, output, _) = await RunAsync("completion", shell);

        Assert.Equal(0, code);
        foreach (var verb in (string[])["status", "rollback", "users", "tokens", "push"])
        {
            Assert.Contains(verb, output, StringComparison.Ordinal);
        }

        if (shell == "bash")
        {
            await new Command("bash", "-n", "-c", output).OutputAsync();
            // As readline does it: the function that was registered for the word, with the line so far.
            foreach (var (line, expected) in ((string, string)[])[
                ("corpus rollb", "rollback"), ("corpus users gi", "give"), ("corpus -e qa users gi", "give"), ("corpus --json sta", "status start"), ("corpus users add --na", "--name"),
                ("corpus releases --js", "--json"), ("corpus rollback --code", "--code-only"), ("corpus keys add --fi", "")])
            {
                var completed = await new Command("bash", "-c", output + $"\nset -- $(complete -p corpus); while [ $1 != -F ]; do shift; done; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); $2; echo ${{COMPREPLY[*]}}").OutputAsync();
                Assert.Equal((line, expected), (line, completed.TrimEnd('\n')));
            }
        }
    }

    [Fact]
    public async Task The_help_is_as_it_was_approved()
    {
        var approved = Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "approved", "cli-help.txt");
        var (code, text, _) = await RunAsync("--help");
        Assert.Equal(0, code);
        if (Environment.GetEnvironmentVariable("PAAS_APPROVE") == "1" || !File.Exists(approved))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(approved)!);
            await File.WriteAllTextAsync(approved, text);
        }

        Assert.Equal(await File.ReadAllTextAsync(approved), text);
    }
}
