using System.Globalization;
using Paas.Receiver.Api;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Corpus;

/// <summary>The command as a program of its own: on a terminal, in a pipe, as a manual page.</summary>
public sealed class TerminalTests : IAsyncLifetime
{
    static readonly string Program = Path.Combine(AppContext.BaseDirectory, "corpus");

    readonly string home = Directory.CreateTempSubdirectory("terminal").FullName;
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync()
    {
        await stage.DisposeAsync();
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task On_a_terminal_a_bar_moves_below_the_log_and_is_gone_at_the_end_elsewhere_there_are_plain_lines()
    {
        var seen = (await Run("script", "-qec", $"{Program} redeploy hello", "/dev/null").RunAsync()).Output;
        Assert.Contains("\e[K[", seen, StringComparison.Ordinal);
        Assert.Matches("\r\e\\[K[^\r\e]*nothing[^\r\e]*\r\n", seen); // a line of the log, whole, above the bar
        var last = seen[(seen.LastIndexOf("\e[K", StringComparison.Ordinal) + "\e[K".Length)..];
        Assert.DoesNotContain('[', last);

        var piped = await Run(Program, "redeploy", "hello").RunAsync();
        Assert.Equal(1, piped.ExitCode);
        Assert.Contains("nothing", piped.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', piped.Output + piped.Error);
        Assert.DoesNotContain('\e', (await Run("script", "-qec", $"TERM=dumb {Program} redeploy hello", "/dev/null").RunAsync()).Output);
    }

    [Theory]
    [InlineData("0", null, "[=                       ] 0 s")]
    [InlineData("0.4", null, "[  =                     ] 0 s")]
    [InlineData("3", "6", "[============>           ] 3 s of about 6 s")]
    [InlineData("60", "6", "[=======================>] 60 s of about 6 s")]
    public void The_bar_is_as_full_as_the_time_says_and_never_whole(string passed, string? expected, string bar) =>
        Assert.Equal(bar, ProgressBar.Of(Seconds(passed), expected is null ? null : Seconds(expected)));

    [Fact]
    public async Task The_manual_page_says_what_the_help_says_and_renders()
    {
        var page = (await Run(Program, "man").RunAsync()).Output;
        var file = Path.Combine(home, "corpus.1");
        await File.WriteAllTextAsync(file, page);
        var rendered = await Run("man", "--warnings=all", "-Tutf8", "-P", "cat", "-l", file).With([new("MANWIDTH", "300"), new("LC_ALL", "C.UTF-8"), new("MAN_KEEP_FORMATTING", "")]).RunAsync();
        Assert.Equal((0, ""), (rendered.ExitCode, rendered.Error));
        var shown = Plain(System.Text.RegularExpressions.Regex.Replace(rendered.Output, ".\b", "", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(5)));
        var help = (await Run(Program, "--help").RunAsync()).Output;
        foreach (var line in help.Split("Commands:\n")[1].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Contains($"corpus {line.Trim().Split(' ')[0]}", shown, StringComparison.Ordinal);
            Assert.Contains(Plain(line[line.IndexOf("  ", 3, StringComparison.Ordinal)..]), shown, StringComparison.Ordinal);
        }

        static string Plain(string text) => string.Join(' ', text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
    }

    Command Run(string program, params string[] arguments) => new Command(program, arguments) { Directory = home }.With(
        [new("HOME", home), new("PAAS_URL", stage.Url.ToString()), new("PAAS_TOKEN", stage.Admin), new("TERM", "xterm"), new("DOTNET_ROOT", DotnetRoot()), new("SHELL", "/bin/sh")]);

    static string DotnetRoot() => Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
}
