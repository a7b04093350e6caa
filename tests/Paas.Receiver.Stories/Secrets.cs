using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What the pillar keeps secret is known to the application and to nobody who reads along.</summary>
public sealed class Secrets(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    const string Secret = "correct-horse-battery-staple";

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_secret_that_a_build_or_a_dying_application_prints_reads_as_stars()
    {
        await using var git = await NewAsync("prints-it");
        await git.WriteHookAsync("build", "echo \"built with $DB_PASSWORD in it\"\necho \"$DB_PASSWORD\" | tr -d '\\n'");
        await git.WriteAsync("Procfile", "release: echo \"released with $DB_PASSWORD\"\nweb: echo \"dying with $DB_PASSWORD\"; exit 3\n");
        await git.CommitAsync("Print it");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains("       built with ******** in it", push.Remote);
        Assert.Contains("       released with ********", push.Remote);
        Assert.Contains("         dying with ********", push.Remote);
        Assert.DoesNotContain(Secret, push.Text, StringComparison.Ordinal);
        Assert.Empty(FilesWith(Secret, Path.Combine(receiver.Root, "state"), except: "logs"));
        Assert.DoesNotContain(Secret, receiver.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_is_in_no_command_line_while_it_is_built_and_run()
    {
        await using var git = await NewAsync("hides-it");
        await git.WriteHookAsync("build", ": >\"$PAAS_CACHE_DIR/building\"\nuntil [ -e \"$PAAS_CACHE_DIR/go\" ]; do sleep 0.01; done");
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        await git.CommitAsync("Take time");
        var cache = Path.Combine(receiver.Project("hides-it"), "build", "cache");

        var pushing = git.PushAsync();
        await Patience.UntilAsync(() => File.Exists(Path.Combine(cache, "building")) || pushing.IsCompleted, "the build begins");
        var whileBuilding = CommandLinesWith(Secret);
        await File.WriteAllTextAsync(Path.Combine(cache, "go"), "");
        var push = await pushing;

        Assert.True(push.Accepted, push.Text);
        Assert.Empty(whileBuilding);
        Assert.Empty(CommandLinesWith(Secret));
        var mine = Leftovers.Of(receiver.Root).Where(process => Environ(process).Contains($"DB_PASSWORD={Secret}", StringComparison.Ordinal));
        Assert.NotEmpty(mine); // the application has it
    }

    static List<string> CommandLinesWith(string text) =>
        Directory.EnumerateDirectories("/proc").Select(directory => Read(Path.Combine(directory, "cmdline"))).Where(line => line.Contains(text, StringComparison.Ordinal)).ToList();

    static string Environ(int process) => Read($"/proc/{process}/environ");

    static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // no process, or gone
        }
    }

    /// <summary>Instances' own logs hold what they print, and the files that start a running instance hold its environment; both are 0600 and no log of ours.</summary>
    static List<string> FilesWith(string text, string directory, string except) =>
        Directory.EnumerateFiles(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
            .Where(path => !path.StartsWith(Path.Combine(directory, except) + "/", StringComparison.Ordinal))
            .Where(path => Inode(path) && Encoding.UTF8.GetString(File.ReadAllBytes(path)).Contains(text, StringComparison.Ordinal))
            .ToList();

    // A named pipe would be read for ever.
    static bool Inode(string path) => new FileInfo(path).Length > 0;

    async Task<GitClient> NewAsync(string project)
    {
        await using (var pillar = await GitClient.NewAsync(receiver, $"{project}/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", $"env:\n  DB_PASSWORD: {Secret}\n  COLOUR: blue\n");
            var stored = await pillar.PushAsync();
            Assert.True(stored.Accepted, stored.Text);
        }

        return await GitClient.NewAsync(receiver, project);
    }
}
