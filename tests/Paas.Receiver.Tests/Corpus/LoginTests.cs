using Paas.Receiver.Api;
using Xunit;

namespace Paas.Corpus;

/// <summary><c>corpus login</c>, passwords in files and addresses, and the next command after what goes wrong.</summary>
public sealed class LoginTests : CorpusAtAStage
{
    const string Password = "correct horse battery";

    string File => Path.Combine(home, SettingsFile.Name);

    private protected override string TokenAt(ApiStage stage) => stage.Admin;

    [Fact]
    public async Task A_password_becomes_a_token_that_is_kept_and_the_password_is_not()
    {
        MakeAlice();
        variables.Clear();
        await System.IO.File.WriteAllTextAsync(File, "# mine\nother:\n  url: https://paas.example.org\n  password: x\nhere:\n  url: http://old.example.org\n  id: old\n  password: old\nlast:\n  url: https://last.example.org\n  password: y\n");
        await System.IO.File.WriteAllTextAsync(Path.Combine(home, "password"), Password + "\n");
        await System.IO.File.WriteAllTextAsync(Path.Combine(home, "wrong"), "wrong");

        Assert.Equal(4, (await RunAsync("login", stage.Url.ToString(), "--user", "alice", "--token-file", "wrong", "--name", "here")).Code);
        Assert.Contains("old.example.org", await System.IO.File.ReadAllTextAsync(File), StringComparison.Ordinal);
        var (code, output, error) = await RunAsync("login", stage.Url.ToString(), "--user", "alice", "--token-file", "password", "--name", "here");

        Assert.True(code == 0, error);
        Assert.Contains("You are alice", output, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        var text = await System.IO.File.ReadAllTextAsync(File);
        Assert.StartsWith("# mine\nother:\n  url: https://paas.example.org\n  password: x\nhere:\n  url: " + stage.Url.ToString().TrimEnd('/') + "\n  id: alice\n  password: paas_", text, StringComparison.Ordinal);
        Assert.EndsWith("\nlast:\n  url: https://last.example.org\n  password: y\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, text + output + error, StringComparison.Ordinal);
        Assert.Equal((0, "alice, by token "), (await RunAsync("--endpoint", "here", "users", "me")) is var me ? (me.Code, me.Output[.."alice, by token ".Length]) : default);
        Assert.Equal(["corpus at " + Environment.MachineName], stage.Access.Tokens.List().Where(token => token.User == "alice").Select(token => token.Name));

        // A token is taken as it is, and a second login makes no second entry.
        await System.IO.File.WriteAllTextAsync(Path.Combine(home, "token"), stage.OnlyHello);
        Assert.Equal(0, (await RunAsync("login", "here", "--token-file", "token", "--name", "here")).Code);
        Assert.Equal(0, (await RunAsync("login", stage.Url.ToString(), "--token-file", "token")).Code);
        Assert.Equal(["other", "here", "last"], SettingsFile.Read(home, _ => { }).Select(account => account.Nickname));
        Assert.Equal(stage.OnlyHello, SettingsFile.Read(home, _ => { })[1].Password);
        Assert.Equal(2, (await RunAsync("login", "here", "--token-file", "token", "--name", "two words")).Code);
    }

    [Fact]
    public async Task A_password_in_the_settings_file_or_in_a_git_remote_lets_in_with_its_user()
    {
        MakeAlice();
        variables.Clear();
        await System.IO.File.WriteAllTextAsync(File, $"here:\n  url: {stage.Url}\n  id: alice\n  password: {Password}\n");
        System.IO.File.SetUnixFileMode(File, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.StartsWith("alice, by local password", (await RunAsync("users", "me")).Output, StringComparison.Ordinal);

        System.IO.File.Delete(File);
        await new Receiver.Processes.Command("git", "init", "-q") { Directory = home }.OutputAsync();
        await new Receiver.Processes.Command("git", "remote", "add", "paas", $"http://alice:{Uri.EscapeDataString(Password)}@{stage.Url.Authority}/git/hello.git") { Directory = home }.OutputAsync();
        Assert.StartsWith("local/hello", (await RunAsync("status")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("corpus status", "status", "nosuch")]
    [InlineData("corpus status", "status", "nosuch/hello")]
    [InlineData("corpus environments", "environments", "nosuch")]
    [InlineData("corpus environments", "init", "-", "nosuch", "shop")]
    [InlineData("corpus patches hello", "patches", "hello", "7")]
    [InlineData("corpus domains hello", "domains", "remove", "www.example.org", "hello")]
    [InlineData("corpus drains local/hello", "drains", "remove", "7", "local/hello")]
    [InlineData("corpus listhosts", "unlink_host", "nosuch")]
    [InlineData("corpus users", "users", "give", "nobody", "developer")]
    [InlineData("corpus users roles", "users", "role", "nosuch")]
    [InlineData("corpus tokens", "tokens", "remove", "99")]
    [InlineData("corpus keys", "keys", "remove", "99")]
    [InlineData("corpus groups hello", "wait-for-deployment", "-s", "hello", "-l", "x", "-k", "1234567")]
    [InlineData("corpus status hello", "cancel", "hello")]
    [InlineData("corpus destroy - qa --yes", "destroy", "-", "qa")]
    [InlineData("corpus status", "rollback")]
    [InlineData("corpus --help", "nosuch")]
    [InlineData("corpus users add --help", "users", "add")]
    [InlineData("corpus login URL", "--endpoint", "nickname", "status")]
    [InlineData("corpus help", "help", "nosuch")]
    [InlineData("corpus run hello -- COMMAND", "shell", "hello")]
    public async Task Every_error_says_what_to_type_next(string next, params string[] words)
    {
        var (code, _, error) = await RunAsync(words);

        Assert.NotEqual(0, code);
        Assert.EndsWith($"\n        next: {next}\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_not_or_is_not_known_is_told_how_to_get_in()
    {
        variables["PAAS_TOKEN"] = stage.Developer;
        Assert.EndsWith("\n        next: corpus users me\n", (await RunAsync("users")).Error, StringComparison.Ordinal);
        variables["PAAS_TOKEN"] = "paas_wrong";
        var login = $"\n        next: corpus login {stage.Url.ToString().TrimEnd('/')}\n";
        Assert.EndsWith(login, (await RunAsync("status")).Error, StringComparison.Ordinal);
        variables.Remove("PAAS_TOKEN");
        Assert.EndsWith(login, (await RunAsync("status")).Error, StringComparison.Ordinal);
        variables.Remove("PAAS_URL");
        Assert.EndsWith("\n        next: corpus login URL\n", (await RunAsync("status")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shell_is_brought_by_ssh_to_the_address_that_the_receiver_names() =>
        Assert.Equal(
            ["-t", "-p", "2222", "-l", "paas", "--", "paas.example.org", "shell", "--release", "v3", "qa/shop"],
            Commands.ShellCommand.ArgumentsOf(new Uri("ssh://paas@paas.example.org:2222/qa/"), "qa/shop", 3));

    void MakeAlice()
    {
        stage.Access.Users.Add("alice");
        stage.Access.Users.Give("alice", "developer", null);
        stage.Access.Users.SetPassword("alice", Password);
    }
}
