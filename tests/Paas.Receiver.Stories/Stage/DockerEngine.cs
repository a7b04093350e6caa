using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Stage;

/// <summary>Runs where a Docker engine of its own can be started, else is skipped with the reason.</summary>
public sealed class DockerFactAttribute : FactAttribute
{
    public DockerFactAttribute() => Skip = DockerEngine.WhyNot;
}

/// <summary>
/// A real dockerd with directories of its own, on a socket in a temporary directory; no image can be pulled, none is needed. It touches no firewall rule, and everything of it
/// ends with it.
/// </summary>
sealed class DockerEngine : IAsyncDisposable
{
    readonly string place;
    readonly ChildProcess dockerd;
    readonly Task reading;

    DockerEngine(string place, ChildProcess dockerd, Engine engine)
    {
        (this.place, this.dockerd, Engine) = (place, dockerd, engine);
        reading = Task.WhenAll(ToFileAsync(dockerd.Output, "out"), ToFileAsync(dockerd.Error, "err"));
    }

    public Engine Engine { get; }

    public string Address => Engine.Address.ToString();

    /// <summary>Null where one can be started.</summary>
    public static string? WhyNot { get; } = Found();

    public static async Task<DockerEngine> StartAsync()
    {
        var directory = Places.NewScratch("docker");
        var engine = new Engine(new EngineAddress(Path.Combine(directory, "docker.sock"), 0));
        var server = new DockerEngine(directory, Begin(directory), engine);
        try
        {
            await server.AnswersAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (await Engine.WhyNotAsync() is null)
        {
            foreach (var container in await Engine.ContainersAsync(new Dictionary<string, string>()))
            {
                await Engine.RemoveAsync(container.Id);
            }

            // Its bridges would stay behind in the kernel.
            await new Command("/usr/bin/curl", "-sS", "--unix-socket", Engine.Address.Socket!, "-X", "POST", "http://engine/networks/prune").RunAsync();
        }

        await dockerd.StopAsync(TimeSpan.FromSeconds(30));
        await Leftovers.EndAllAsync(place);
        await reading;
        await dockerd.DisposeAsync();
        Engine.Dispose();
        await Leftovers.RemoveAsync(place);
    }

    static ChildProcess Begin(string directory) => new Command(
        "/usr/sbin/dockerd", $"--data-root={directory}/data", $"--exec-root={directory}/exec", $"--pidfile={directory}/pid", $"--host=unix://{directory}/docker.sock", "--group=root",
        "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
    {
        Directory = directory,
        Environment = new Dictionary<string, string>(Command.CleanEnvironment) { ["HOME"] = directory, ["TMPDIR"] = "/tmp" },
        OwnGroup = true,
    }.Start();

    Task AnswersAsync() => Patience.UntilAsync(
        async () => await Engine.WhyNotAsync() is null
            || (dockerd.WaitAsync().IsCompleted ? throw new InvalidOperationException($"dockerd ended: {await File.ReadAllTextAsync(Path.Combine(place, "err"))}") : false),
        "the Docker engine answers");

    async Task ToFileAsync(Stream from, string name)
    {
        await using var file = new FileStream(Path.Combine(place, name), FileMode.Create, FileAccess.Write, FileShare.Read);
        await from.CopyToAsync(file);
    }

    static string? Found()
    {
        var why = !File.Exists("/usr/sbin/dockerd") ? "docker.io is not installed" : !System.Environment.IsPrivilegedProcess ? "a Docker engine of its own needs root"
            : !File.Exists("/bin/busybox") ? "busybox-static is not installed" : Dynamic("/bin/busybox") ? "busybox is not the static one" : null;
        if (why is not null)
        {
            Console.WriteLine($"skipped: {why}");
        }

        return why;
    }

    // A program with an interpreter cannot run in an empty image.
    static bool Dynamic(string program) => File.ReadAllBytes(program).AsSpan(0, 4096).IndexOf("/ld-linux"u8) >= 0;
}

/// <summary>A receiver with a Docker engine of its own.</summary>
public sealed class ContainingReceiver : SharedReceiver, IAsyncLifetime
{
    DockerEngine? engine;

    internal DockerEngine Docker => engine ?? throw new InvalidOperationException("There is no Docker engine.");

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["DOCKER_HOST"] = engine?.Address ?? "unix:///nonexistent/docker.sock",
        ["PAAS_START_TIMEOUT"] = "15",
        ["PAAS_STOP_TIMEOUT"] = "10",
        ["PAAS_KEEP_RELEASES"] = "1",
    };

    async Task IAsyncLifetime.InitializeAsync()
    {
        engine = DockerEngine.WhyNot is null ? await DockerEngine.StartAsync() : null;
        await InitializeAsync();
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await DisposeAsync();
        if (engine is not null)
        {
            await engine.DisposeAsync();
        }
    }
}
