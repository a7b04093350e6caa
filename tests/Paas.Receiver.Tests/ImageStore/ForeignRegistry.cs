using System.Text.Json;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.ImageStore;

/// <summary>A docker-registry that is not the receiver's, on a port of its own choice.</summary>
sealed class ForeignRegistry : IAsyncDisposable
{
    readonly ChildProcess process;
    readonly TaskCompletionSource<Uri> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Task reading;

    ForeignRegistry(ChildProcess process)
    {
        this.process = process;
        reading = Task.WhenAll(ReadAsync(process.Output), ReadAsync(process.Error));
    }

    public Uri Address { get; private set; } = new("http://127.0.0.1/");

    public static async Task<ForeignRegistry> StartAsync(string directory)
    {
        Directory.CreateDirectory(directory);
        var configuration = Path.Combine(directory, "config.yml");
        await File.WriteAllTextAsync(configuration, JsonSerializer.Serialize(new
        {
            version = "0.1",
            storage = new { filesystem = new { rootdirectory = directory }, delete = new { enabled = true } },
            http = new { addr = "127.0.0.1:0", secret = "x" },
        }));
        var started = new Command(WithRegistryFactAttribute.Program, "serve", configuration) { OwnGroup = true }.Start();
        started.Input.Close();
        var registry = new ForeignRegistry(started);
        registry.Address = await registry.listening.Task.WaitAsync(TimeSpan.FromSeconds(30));
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        await process.StopAsync(TimeSpan.FromSeconds(10));
        await reading;
        await process.DisposeAsync();
    }

    async Task ReadAsync(Stream output)
    {
        const string Said = "listening on ";
        using var reader = new StreamReader(output);
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.IndexOf(Said, StringComparison.Ordinal) is >= 0 and var at)
            {
                listening.TrySetResult(new Uri($"http://{line[(at + Said.Length)..].Split('"', ' ')[0]}/"));
            }
        }
    }
}

/// <summary>Runs where docker-registry is installed, else is skipped with the reason.</summary>
public sealed class WithRegistryFactAttribute : FactAttribute
{
    public const string Program = "/usr/bin/docker-registry";

    public WithRegistryFactAttribute() => Skip = File.Exists(Program) ? null : "docker-registry is not installed";
}
