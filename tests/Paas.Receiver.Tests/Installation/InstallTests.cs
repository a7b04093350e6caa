using System.Globalization;
using System.Text.RegularExpressions;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Installation;

/// <summary>Needs systemd-analyze; says so where it is missing.</summary>
public sealed class SystemdFactAttribute : FactAttribute
{
    public const string Program = "/usr/bin/systemd-analyze";

    public SystemdFactAttribute() => Skip = File.Exists(Program) ? null : $"{Program} is not installed: units cannot be verified";
}

/// <summary><c>scripts/install</c> into directories of a test's own: systemd is not spoken to.</summary>
public sealed partial class InstallTests : IDisposable
{
    /// <summary>What <c>systemd-analyze security</c> may say: root without a mount namespace of its own, for what it mounts must be seen on the machine.</summary>
    const double MostExposed = 7.0;

    readonly string scratch = Directory.CreateTempSubdirectory("install").FullName;

    string Settings => In("etc/paas-receiver/env");

    string Service => In("etc/systemd/system/paas-receiver.service");

    string Socket => In("etc/systemd/system/paas-receiver.socket");

    string Applications => In("etc/systemd/system/paas-applications.service");

    public InstallTests() => Build("one");

    public void Dispose() => Directory.Delete(scratch, recursive: true);

    [Fact]
    public async Task A_first_installation_has_programs_settings_units_and_a_token()
    {
        var said = await InstallAsync("--listen", "0.0.0.0:80");

        Assert.Contains("the first administrator's token", said, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Settings));
        Assert.Matches("(?m)^PAAS_ADMIN_TOKEN=paas_[0-9a-f]{48}$", await File.ReadAllTextAsync(Settings));
        Assert.DoesNotMatch("paas_[0-9a-f]{48}", said + await File.ReadAllTextAsync(Service));
        Assert.Contains("ListenStream=0.0.0.0:80\n", await File.ReadAllTextAsync(Socket), StringComparison.Ordinal);
        Assert.Contains("KillMode=process\n", await File.ReadAllTextAsync(Service), StringComparison.Ordinal);
        Assert.Equal("one\n", (await new Command(In("bin/paas-receiver")).OutputAsync()));
        Assert.True(Directory.Exists(In("srv")));
        foreach (var file in (string[])["man/man1/corpus.1", "bash-completion/completions/corpus", "zsh/site-functions/_corpus", "fish/vendor_completions.d/corpus.fish"])
        {
            Assert.Equal("one\n", await File.ReadAllTextAsync(In($"share/{file}")));
        }
    }

    [Fact]
    public async Task Where_corpus_cannot_run_it_is_installed_without_a_manual_page()
    {
        await File.WriteAllTextAsync(In("built/corpus"), "#!/bin/sh\nexit 126\n");

        var said = await RunAsync([]);

        Assert.Equal(0, said.ExitCode);
        Assert.Contains("manual page and completions", said.Error, StringComparison.Ordinal);
        Assert.False(Path.Exists(In("share")));
        Assert.True(Path.Exists(In("bin/corpus")));
    }

    [Fact]
    public async Task An_upgrade_keeps_settings_and_data_and_what_the_old_version_still_runs_from()
    {
        await InstallAsync();
        var (old, token) = (new FileInfo(In("opt/current")).LinkTarget!, await File.ReadAllTextAsync(Settings));
        await File.AppendAllTextAsync(Settings, "PAAS_TLS_LISTEN=https://0.0.0.0:443\nPAAS_DOMAIN=apps.example.org\n");
        await File.WriteAllTextAsync(In("srv/precious"), "kept");
        Build("two");

        await InstallAsync("--listen", "9.9.9.9:9");

        Assert.Equal("two\n", await new Command(In("bin/paas-receiver")).OutputAsync());
        Assert.True(File.Exists(Path.Combine(In("opt"), old, "paas-receiver")));
        Assert.StartsWith(token, await File.ReadAllTextAsync(Settings), StringComparison.Ordinal);
        var sockets = await File.ReadAllTextAsync(Socket);
        Assert.Contains("ListenStream=127.0.0.1:8080\nListenStream=0.0.0.0:443\n", sockets, StringComparison.Ordinal);
        Assert.DoesNotContain("9.9.9.9", sockets, StringComparison.Ordinal);
        Assert.Equal("kept", await File.ReadAllTextAsync(In("srv/precious")));

        foreach (var version in (string[])["three", "four", "five"])
        {
            Build(version);
            await InstallAsync();
        }

        Assert.Equal(3, Directory.GetDirectories(In("opt/versions")).Length);
    }

    [Fact]
    public async Task The_same_once_more_changes_nothing()
    {
        await InstallAsync();
        var before = Everything();

        await InstallAsync();

        Assert.Equal(before, Everything());
    }

    [Fact]
    public async Task Taken_away_it_leaves_projects_and_settings()
    {
        await InstallAsync();
        await File.WriteAllTextAsync(In("srv/precious"), "kept");
        await File.WriteAllTextAsync(In("bin/other"), "somebody else's");
        File.Delete(In("share/man/man1/corpus.1"));
        await File.WriteAllTextAsync(In("share/man/man1/corpus.1"), "another corpus");

        await InstallAsync("--uninstall");

        Assert.Equal(["bin/other", "etc/paas-receiver/env", "share/man/man1/corpus.1", "srv/precious"], Everything().Keys.Where(path => !path.StartsWith("built", StringComparison.Ordinal)));
    }

    [SystemdFact]
    public async Task Systemd_finds_the_units_right_with_root_and_without()
    {
        foreach (var options in (string[][])[[], ["--user", "games"]])
        {
            await InstallAsync(options);

            var verified = await new Command(SystemdFactAttribute.Program, "verify", "--man=no", Service, Socket, Applications).RunAsync();
            Assert.True(verified.ExitCode == 0 && verified.Error.Length == 0, verified.Output + verified.Error);
            var security = await new Command(SystemdFactAttribute.Program, "security", "--offline=true", "--no-pager", Service).RunAsync();
            var exposure = double.Parse(Exposure().Match(security.Output + security.Error).Groups["level"].Value, CultureInfo.InvariantCulture);
            Assert.InRange(exposure, 0, MostExposed);
        }
    }

    [Theory]
    [InlineData("--listen", "127.0.0.1:80\nExecStartPre=/bin/evil")]
    [InlineData("--listen", "nonsense")]
    [InlineData("--root", "/srv/../etc")]
    [InlineData("--root", "relative")]
    [InlineData("--root", "/srv/%n with blanks")]
    [InlineData("--user", "--root")]
    [InlineData("--what", "x")]
    [InlineData("--prefix")]
    public async Task What_would_not_survive_a_unit_file_is_refused_and_nothing_is_written(params string[] options)
    {
        var result = await RunAsync(options);

        Assert.Equal(2, result.ExitCode);
        Assert.False(Path.Exists(In("opt")));
        Assert.False(Path.Exists(In("etc")));
    }

    string In(string path) => Path.Combine(scratch, path);

    void Build(string says)
    {
        Directory.CreateDirectory(In("built/hooks"));
        foreach (var program in (string[])["paas-receiver", "corpus", "hooks/supervise", "hooks/end-applications"])
        {
            File.WriteAllText(In($"built/{program}"), $"#!/bin/sh\necho {says}\n");
            File.SetUnixFileMode(In($"built/{program}"), (UnixFileMode)0x1ED); // 0755
        }
    }

    async Task<string> InstallAsync(params string[] options)
    {
        var result = await RunAsync(options);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        return result.Output;
    }

    Task<CommandResult> RunAsync(string[] options) => new Command(
        "sh", [Script(), "--prefix", In("opt"), "--root", In("srv"), "--etc", In("etc"), "--bin", In("bin"), "--from", In("built"), .. options]).With([new("HOME", scratch)]).RunAsync();

    SortedDictionary<string, string> Everything() => new(
        Directory.EnumerateFiles(scratch, "*", SearchOption.AllDirectories).ToDictionary(path => Path.GetRelativePath(scratch, path), File.ReadAllText), StringComparer.Ordinal);

    static string Script()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "scripts", "install")))
        {
            directory = Path.GetDirectoryName(directory.TrimEnd('/')) ?? throw new InvalidOperationException("This is no checkout.");
        }

        return Path.Combine(directory, "scripts", "install");
    }

    [GeneratedRegex(@"exposure level for \S+: (?<level>[0-9.]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Exposure();
}
