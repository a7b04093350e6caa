using Paas.Receiver.Processes;

namespace Paas.Receiver.Stage;

/// <summary>The real <c>docker</c> command with a configuration of its own, so that a login is nobody else's.</summary>
sealed class DockerClient(DockerEngine engine) : IDisposable
{
    readonly string directory = Places.NewScratch("docker-cli");

    /// <summary>Both outputs together.</summary>
    public async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var command = new Command("docker", arguments)
        {
            Directory = directory,
            Environment = new Dictionary<string, string>(Command.CleanEnvironment)
            {
                ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
                ["HOME"] = directory,
                ["DOCKER_CONFIG"] = directory,
                ["DOCKER_HOST"] = engine.Address,
                ["DOCKER_BUILDKIT"] = "0",
            },
        };
        await using var docker = command.Start();
        docker.Input.Close();
        var (output, error) = (docker.ReadAllAsync(docker.Output), docker.ReadAllAsync(docker.Error));
        var code = await docker.WaitAsync();
        return (code, await output + await error);
    }

    /// <exception cref="InvalidOperationException">It failed.</exception>
    public async Task<string> DoAsync(params string[] arguments)
    {
        var (code, output) = await RunAsync(arguments);
        return code == 0 ? output : throw new InvalidOperationException($"docker {arguments[0]} ended with {code}: {output}");
    }

    /// <summary>An image FROM scratch with a static busybox and these files, of which <c>/start</c> is what it runs.</summary>
    public async Task BuildAsync(string name, string start, int port, params (string Name, string Text)[] files)
    {
        var context = Path.Combine(directory, "context-" + Guid.NewGuid().ToString("N")[..8]);
        Directory.CreateDirectory(context);
        File.Copy("/bin/busybox", Path.Combine(context, "busybox"));
        foreach (var (file, text) in files.Append(("start", start)))
        {
            await File.WriteAllTextAsync(Path.Combine(context, file), text);
            File.SetUnixFileMode(Path.Combine(context, file), (UnixFileMode)0b111_101_101);
        }

        await File.WriteAllTextAsync(
            Path.Combine(context, "Dockerfile"),
            $"FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nCOPY . /app\nEXPOSE {port}\nCMD [\"/app/start\"]\n");
        await DoAsync("build", "--network", "none", "-t", name, context);
        Directory.Delete(context, recursive: true);
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);
}
