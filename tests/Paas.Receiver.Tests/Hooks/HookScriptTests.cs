using Paas.Receiver.Git;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.Hooks;

/// <summary>The shell side of the bell, run as git runs it.</summary>
public sealed class HookScriptTests(ITestOutputHelper output) : IAsyncLifetime
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    readonly Scratch scratch = new();
    OpenPushes pushes = null!;
    OpenPush push = null!;

    public Task InitializeAsync()
    {
        var environment = new Paas.Receiver.Projects.Environment(
            Paas.Receiver.Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, scratch.At("srv"), IsDefault: true);
        pushes = new OpenPushes(scratch.At("state"));
        push = pushes.Open(new Push("0123", new Project(environment, ProjectName.Parse("shop")), RepositoryKind.Project, "me", "127.0.0.1"), makesProject: false);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        push.Dispose();
        await scratch.DisposeAsync();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 1)]
    [InlineData(8, 0)]
    [InlineData(9, 7)]
    [InlineData(5_000, 1)]
    public async Task A_hook_prints_every_line_of_its_answer_and_ends_with_its_code(int lines, int code)
    {
        push.Accept(push.Push, new RefVerdict(new RefUpdate("refs/heads/ünï", RefUpdate.NoObject, new string('1', 40)), [], []), waits: true);
        await using var ring = Fifo.Open(pushes.Ring, System.IO.Pipes.PipeDirection.In);
        var running = Hook("update", "refs/heads/ünï", "0", "1").RunAsync();
        using var reader = new StreamReader(ring);
        Assert.Equal("update 0123", await reader.ReadLineAsync().WaitAsync(Patience));

        var text = Enumerable.Range(0, lines).Select(i => $"{i} \\n \"$x\" `y` →  …\ttab ").ToList();
        using (var answer = push.Answer("update")!)
        {
            foreach (var line in text)
            {
                await answer.SayAsync(line, CancellationToken.None);
            }

            answer.End(code);
        }

        var result = await running.WaitAsync(Patience);
        Assert.Equal(code, result.ExitCode);
        Assert.Equal(text, result.Output.Split('\n')[..^1]);
        Assert.Equal("", result.Error);
        Assert.Null(push.Answer("update"));
    }

    [Fact]
    public async Task A_hook_whose_receiver_dies_fails_and_says_so()
    {
        push.Accept(push.Push, new RefVerdict(new RefUpdate("refs/heads/main", RefUpdate.NoObject, new string('1', 40)), [], []), waits: true);
        await using var ring = Fifo.Open(pushes.Ring, System.IO.Pipes.PipeDirection.In);
        var running = Hook("update", "refs/heads/main", "0", "1").RunAsync();
        using var reader = new StreamReader(ring);
        await reader.ReadLineAsync().WaitAsync(Patience);

        using (var answer = push.Answer("update")!)
        {
            await answer.SayAsync("-----> half of it", CancellationToken.None);
        }

        var result = await running.WaitAsync(Patience);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("-----> half of it\n !     The receiver has stopped", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ref_that_does_not_deploy_passes_without_ringing_and_no_ref_passes_before_the_push_was_accepted()
    {
        Assert.NotEqual(0, (await Hook("update", "refs/heads/side", "0", "1").RunAsync()).ExitCode);

        push.Accept(push.Push, new RefVerdict(new RefUpdate("refs/heads/main", RefUpdate.NoObject, new string('1', 40)), [], []), waits: true);

        Assert.Equal(0, (await Hook("update", "refs/heads/side", "0", "1").RunAsync().WaitAsync(Patience)).ExitCode);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(2_000)]
    public async Task Pre_receive_hands_over_every_option_and_every_ref_byte_for_byte(int refs)
    {
        string[] options = ["async", "", "it's \"$(touch x)\" `y` \\0 %s", "two\nlines", "→ ü"];
        var lines = Enumerable.Range(0, refs).Select(i => $"{new string('0', 40)} {new string('1', 40)} refs/heads/ü→{i}").ToList();
        await using var ring = Fifo.Open(pushes.Ring, System.IO.Pipes.PipeDirection.In);
        await using var hook = Hook("pre-receive").With(
            [new("GIT_PUSH_OPTION_COUNT", $"{options.Length}"), .. options.Select((text, i) => new KeyValuePair<string, string>($"GIT_PUSH_OPTION_{i}", text))]).Start();
        await hook.Input.WriteAsync(System.Text.Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
        hook.Input.Close();
        using var reader = new StreamReader(ring);
        Assert.Equal("pre-receive 0123", await reader.ReadLineAsync().WaitAsync(Patience));

        var (read, updates) = push.ReadRequest();
        push.Answer("pre-receive")!.End(0);

        Assert.Equal(options, read);
        Assert.Equal(lines, updates.Select(update => $"{update.Old} {update.New} {update.Name}"));
        Assert.Equal(0, await hook.WaitAsync().WaitAsync(Patience));
    }

    [Fact]
    public async Task A_hook_that_cannot_write_on_a_full_disk_fails_without_ringing()
    {
        await using var full = await SmallDisk.TryMountAsync(Path.Combine(push.HookEnvironment["PAAS_PUSH"], "full"), "4k");
        if (full is null)
        {
            output.WriteLine("Skipped: a small tmpfs can be mounted by root only.");
            return;
        }

        await using var hook = Hook("pre-receive").With([new("PAAS_PUSH", full.Path)]).Start();
        for (var i = 0; i < 200; i++)
        {
            await hook.Input.WriteAsync(System.Text.Encoding.UTF8.GetBytes($"{new string('0', 40)} {new string('1', 40)} refs/heads/b{i}\n"));
        }

        hook.Input.Close();

        Assert.NotEqual(0, await hook.WaitAsync().WaitAsync(Patience));
    }

    [Fact]
    public async Task Every_hook_is_plain_sh()
    {
        var checker = File.Exists("/usr/bin/shellcheck") ? "/usr/bin/shellcheck" : null;
        output.WriteLine(checker ?? "shellcheck is not installed: syntax only.");
        foreach (var hook in (string[])["pre-receive", "update", "post-receive", "ring"])
        {
            var path = Path.Combine(AppContext.BaseDirectory, "hooks", hook);
            Assert.Equal(hook != "ring", File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserExecute));
            await new Command("sh", "-n", path).OutputAsync();
            if (checker is not null)
            {
                await new Command(checker, "-s", "sh", "-x", "--source-path=SCRIPTDIR", path).OutputAsync();
            }
        }
    }

    Command Hook(string name, params string[] arguments) =>
        new Command(Path.Combine(AppContext.BaseDirectory, "hooks", name), arguments).With(push.HookEnvironment);
}
