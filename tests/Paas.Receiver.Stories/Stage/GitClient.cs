using System.Diagnostics;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Stage;

/// <summary>How a push ended: git's exit code and what the pusher read.</summary>
sealed record PushResult(int ExitCode, string Text, TimeSpan Took)
{
    public bool Accepted => ExitCode == 0;

    /// <summary>What the receiver said, without git's <c>remote: </c> and its padding.</summary>
    public IReadOnlyList<string> Remote =>
        Text.Split('\n').Where(line => line.StartsWith("remote: ", StringComparison.Ordinal)).Select(line => line["remote: ".Length..].TrimEnd()).ToList();
}

/// <summary>A person's repository, with the real git and none of this machine's git settings.</summary>
sealed class GitClient : IAsyncDisposable
{
    readonly string home;
    readonly IReadOnlyDictionary<string, string> environment;

    GitClient(string home)
    {
        this.home = home;
        Directory = Path.Combine(home, "work");
        environment = new Dictionary<string, string>(Command.CleanEnvironment)
        {
            ["HOME"] = home,
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_TERMINAL_PROMPT"] = "0",
            ["GIT_AUTHOR_NAME"] = "Pusher",
            ["GIT_AUTHOR_EMAIL"] = "pusher@localhost",
            ["GIT_COMMITTER_NAME"] = "Pusher",
            ["GIT_COMMITTER_EMAIL"] = "pusher@localhost",
        };
    }

    /// <summary>The work tree.</summary>
    public string Directory { get; }

    /// <summary>A new repository on branch main whose remote <c>paas</c> is a project (or another path below <c>/git/</c>) of the receiver.</summary>
    /// <param name="sample">Committed at once, when given: one of <c>tests/projects</c>.</param>
    public static async Task<GitClient> NewAsync(ReceiverProcess receiver, string project, string? sample = null, string? token = null)
    {
        var client = new GitClient(Places.NewScratch("git"));
        await client.GitAsync("init", "-q", "-b", "main", client.Directory);
        await client.GitAsync("remote", "add", "paas", $"http://pusher:{token ?? receiver.Token}@127.0.0.1:{receiver.Port}/git/{project}.git");
        if (sample is not null)
        {
            await client.CommitSampleAsync(sample);
        }

        return client;
    }

    /// <summary>Makes the work tree one of <c>tests/projects</c>, commits, and returns the commit.</summary>
    public async Task<string> CommitSampleAsync(string sample)
    {
        foreach (var entry in System.IO.Directory.EnumerateFileSystemEntries(Directory).Where(path => Path.GetFileName(path) != ".git"))
        {
            await new Command("rm", "-rf", "--", entry).OutputAsync();
        }

        await new Command("cp", "-RP", "--", Places.Sample(sample) + "/.", Directory).OutputAsync();
        return await CommitAsync(sample);
    }

    /// <summary>Writes one file, commits, and returns the commit.</summary>
    public async Task<string> CommitFileAsync(string path, string content)
    {
        var file = Path.Combine(Directory, path);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, content);
        return await CommitAsync($"Write {path}");
    }

    /// <summary>Writes one file, without a commit; also one that can be run.</summary>
    public async Task WriteAsync(string path, string content, bool executable = false)
    {
        var file = Path.Combine(Directory, path);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, content);
        if (executable)
        {
            File.SetUnixFileMode(file, File.GetUnixFileMode(file) | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
    }

    /// <summary>Writes a hook of the project's own: <c>.paas/hooks/STEP</c>, a shell script.</summary>
    public Task WriteHookAsync(string step, string script) => WriteAsync($".paas/hooks/{step}", "#!/bin/sh\nset -eu\n" + script + "\n", executable: true);

    /// <summary>Commits the work tree as it is, even unchanged, and returns the commit.</summary>
    public async Task<string> CommitAsync(string message)
    {
        await GitAsync("add", "--all");
        await GitAsync("commit", "-q", "--allow-empty", "-m", message);
        return await HeadAsync();
    }

    public async Task<string> HeadAsync() => (await GitAsync("rev-parse", "HEAD")).Trim();

    /// <summary>Pushes, with push options, and says how it went; a refused push is an answer.</summary>
    public Task<PushResult> PushAsync(params string[] options) => PushRefAsync("main", options);

    /// <summary>Pushes one refspec.</summary>
    public Task<PushResult> PushRefAsync(string refspec, params string[] options) =>
        PushWithAsync([.. options.SelectMany(option => new[] { "-o", option }), "paas", refspec]);

    /// <summary><c>git push</c> with any arguments.</summary>
    public async Task<PushResult> PushWithAsync(params string[] arguments)
    {
        var clock = Stopwatch.StartNew();
        var result = await Git(["push", .. arguments]).RunAsync();
        return new PushResult(result.ExitCode, result.Error + result.Output, clock.Elapsed);
    }

    /// <summary>Where a ref of the receiver's repository is; null when it is not there.</summary>
    public async Task<string?> RemoteRefAsync(string name = "refs/heads/main")
    {
        var answer = await GitAsync("ls-remote", "paas", name);
        return answer.Length == 0 ? null : answer.Split('\t')[0];
    }

    /// <summary>Runs git to its end and returns what it printed.</summary>
    /// <exception cref="CommandFailedException">It ended with another code than 0.</exception>
    public Task<string> GitAsync(params string[] arguments) => Git(arguments).OutputAsync();

    /// <summary>git in this repository, not yet started.</summary>
    public Command Git(params string[] arguments) =>
        new("git", arguments) { Environment = environment, Directory = System.IO.Directory.Exists(Directory) ? Directory : home };

    public async ValueTask DisposeAsync() => await Leftovers.RemoveAsync(home);
}
