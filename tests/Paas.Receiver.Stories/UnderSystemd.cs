using System.Diagnostics;
using System.Text.RegularExpressions;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 5, item 6: <c>scripts/install</c> on a machine with systemd, from the first installation to a restart of the machine and away again.</summary>
public sealed partial class UnderSystemd
{
    const string Address = "http://127.0.0.1:8080/";

    const string Visit = """for i in $(seq 40); do curl -s -o /dev/null -w '%{http_code} %{errormsg}\n' --max-time 20 -H 'Host: hello.localhost' http://127.0.0.1:8080/ || true; sleep 0.05; done""";

    [SystemdMachineFact]
    public async Task Installed_upgraded_restarted_and_taken_away_the_applications_and_their_data_are_there()
    {
        await using var machine = await SystemdMachine.NewAsync();
        await BuildAsync(machine, "one");

        await InstallAsync(machine, "one");
        await PushAsync(machine);
        Assert.Equal("70000\n", await machine.RunAsync("ps", "-o", "uid=", "-p", await ApplicationAsync(machine)), ignoreAllWhiteSpace: true);
        Assert.DoesNotMatch(@"(?m)^(problem|warning)\s+(?!disk)", await CorpusAsync(machine, "doctor"));
        Assert.DoesNotContain("own: processes see", await CorpusAsync(machine, "doctor", "--all"), StringComparison.Ordinal);
        Assert.Contains("Overall exposure level", await machine.RunAsync("systemd-analyze", "security", "--no-pager", "paas-receiver"), StringComparison.Ordinal);
        Assert.Contains("corpus", await machine.RunAsync("bash", "-c", ". /usr/local/share/bash-completion/completions/corpus && complete -p corpus"), StringComparison.Ordinal);
        Assert.Equal(".TH CORPUS 1", (await machine.RunAsync("sed", "-n", "2s/ \"\".*//p", "/usr/local/share/man/man1/corpus.1")).Trim());

        // The receiver is restarted, then replaced, while visitors come: none is refused, and the application does not notice.
        var application = await ApplicationAsync(machine);
        var visitors = machine.RunAsync("sh", "-c", Visit);
        await machine.RunAsync("systemctl", "restart", "paas-receiver");
        await BuildAsync(machine, "two");
        await InstallAsync(machine, "two");
        Assert.Equal(["200 "], (await visitors).Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct());
        Assert.Equal(application, await ApplicationAsync(machine));
        Assert.Contains("/versions/", await machine.RunAsync("readlink", "-f", "/usr/local/bin/corpus"), StringComparison.Ordinal);

        // The machine goes down, the applications before what they need, and comes up again with them.
        var clock = Stopwatch.StartNew();
        await machine.TurnOffAsync();
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(25));
        await machine.TurnOnAsync();
        Assert.Contains("Hello from hello", await AskAsync(machine), StringComparison.Ordinal);
        application = await ApplicationAsync(machine);

        // Taken away and put back: nothing of the projects is gone, and the application has not stopped meanwhile.
        var gone = await machine.RunAsync(Script, "--uninstall");
        Assert.Contains("Applications still run", gone, StringComparison.Ordinal);
        Assert.Equal(application, await ApplicationAsync(machine));
        Assert.NotEqual(0, (await machine.TryAsync("systemctl", "cat", "paas-receiver")).ExitCode);
        Assert.NotEqual(0, (await machine.TryAsync("curl", "-s", Address)).ExitCode);
        Assert.Equal("", await machine.RunAsync("find", "/usr/local", "-lname", "/opt/paas-receiver/*"));
        await InstallAsync(machine, "two");
        Assert.Contains("Hello from hello", await AskAsync(machine), StringComparison.Ordinal);
        Assert.Equal(application, await ApplicationAsync(machine));
        Assert.Contains("v1", await CorpusAsync(machine, "releases", "hello"), StringComparison.Ordinal);
    }

    [SystemdMachineFact]
    public async Task A_user_of_its_own_is_made_and_the_receiver_works_as_that_user()
    {
        await using var machine = await SystemdMachine.NewAsync();
        await BuildAsync(machine, "one");

        await InstallAsync(machine, "one", "--user", "paas");
        await PushAsync(machine);

        var application = await ApplicationAsync(machine);
        Assert.Equal("paas", (await machine.RunAsync("ps", "-o", "user=", "-p", application)).Trim());
        Assert.Equal("paas", (await machine.RunAsync("sh", "-c", "ps -o user= -p $(systemctl show -p MainPID --value paas-receiver)")).Trim());
        await machine.RunAsync("systemctl", "restart", "paas-receiver");
        Assert.Contains("Hello from hello", await AskAsync(machine), StringComparison.Ordinal);
        Assert.Equal(application, await ApplicationAsync(machine));
    }

    const string Script = SystemdMachine.Source + "/scripts/install";

    /// <summary>What <c>scripts/build</c> would have made, of what the build of these tests has.</summary>
    static async Task BuildAsync(SystemdMachine machine, string version)
    {
        var to = Directory.CreateDirectory(Path.Combine(machine.Shared, version)).FullName;
        string[] from = ["receiver/Paas.Receiver/bin/" + Configuration, "receiver/Paas.Corpus/bin/" + Configuration];
        await new Command("cp", ["-a", "--", .. from.Select(directory => Path.Combine(Places.Top, directory, "net10.0") + "/."), to]).OutputAsync();
        await new Command("cp", "-a", "--", Places.Hooks, Path.Combine(Places.Top, "buildpacks"), to).OutputAsync();
        await File.WriteAllTextAsync(Path.Combine(to, "hooks", "examples", "version"), version);
    }

    static async Task InstallAsync(SystemdMachine machine, string version, params string[] options)
    {
        await machine.RunAsync([Script, "--from", $"/mnt/{version}", .. options]);
        Assert.Equal("active", (await machine.RunAsync("systemctl", "is-active", "paas-receiver")).Trim());
    }

    static async Task PushAsync(SystemdMachine machine)
    {
        var pushed = await machine.RunAsync("sh", "-euc", """
            . /etc/paas-receiver/env
            cp -a "$1" /root/hello && cd /root/hello
            git init -q -b main && git add --all && git -c user.name=A -c user.email=a@localhost commit -q -m First
            git push "http://pusher:$PAAS_ADMIN_TOKEN@127.0.0.1:8080/git/hello.git" main
            """, "-", SystemdMachine.Source + "/tests/projects/hello");
        Assert.Contains("v1 is live", pushed, StringComparison.Ordinal);
        Assert.Contains("Hello from hello", await AskAsync(machine), StringComparison.Ordinal);
    }

    /// <summary>The process id of the one instance.</summary>
    static async Task<string> ApplicationAsync(SystemdMachine machine) => Assert.Single(Numbers().Matches(await machine.RunAsync("pgrep", "-f", "^/usr/bin/python3 app.py"))).Value;

    static Task<string> AskAsync(SystemdMachine machine) => machine.RunAsync("curl", "-s", "--fail", "--max-time", "30", "-H", "Host: hello.localhost", Address);

    static async Task<string> CorpusAsync(SystemdMachine machine, params string[] words)
    {
        var result = await machine.TryAsync(["sh", "-c", $". /etc/paas-receiver/env && PAAS_URL={Address} PAAS_TOKEN=$PAAS_ADMIN_TOKEN exec corpus \"$@\"", "-", .. words]);
        return result.Output + result.Error;
    }

    [GeneratedRegex("[0-9]+", RegexOptions.None, 1000)]
    private static partial Regex Numbers();

#if DEBUG
    const string Configuration = "Debug";
#else
    const string Configuration = "Release";
#endif
}
