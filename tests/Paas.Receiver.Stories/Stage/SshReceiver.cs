using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Stage;

/// <summary>A receiver with its sshd on a free port, and the real ssh to come by.</summary>
public sealed class SshReceiver : IAsyncLifetime
{
    readonly string home = Places.NewScratch("ssh");
    ReceiverProcess? receiver;

    internal ReceiverProcess Receiver => receiver ?? throw new InvalidOperationException("The receiver was not started.");

    internal int Port { get; private set; }

    internal string Url(string path) => $"ssh://{System.Environment.UserName}@127.0.0.1:{Port}/{path}";

    public async Task InitializeAsync()
    {
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_SSH_LISTEN"] = $"127.0.0.1:{Port}" });
        await UntilItListensAsync();
    }

    public async Task DisposeAsync()
    {
        await Receiver.DisposeAsync();
        await Leftovers.RemoveAsync(home);
    }

    internal async Task UntilItListensAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, Port, limit.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), limit.Token);
            }
        }
    }

    /// <summary>A new key, known to the receiver as <paramref name="owner"/> says: <c>"user":"…"</c> or <c>"project":"…"</c>.</summary>
    internal async Task<SshClient> ClientAsync(string owner)
    {
        var file = Path.Combine(home, Guid.NewGuid().ToString("N"));
        await new Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody", "-f", file).OutputAsync();
        var key = JsonSerializer.Serialize(await File.ReadAllTextAsync(file + ".pub"));
        var (status, body) = await Receiver.AskApiAsync(HttpMethod.Post, "api/v1/keys", $"{{\"key\":{key},{owner}}}");
        Assert.True(status == HttpStatusCode.OK, body);
        return new SshClient(file, Port, JsonDocument.Parse(body).RootElement.GetProperty("id").GetInt64());
    }
}

/// <summary>The OpenSSH client with one key and nothing of this machine's settings.</summary>
sealed class SshClient(string key, int port, long id)
{
    /// <summary>The key's number at the receiver.</summary>
    public long Id => id;

    string[] Options =>
    [
        "-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new",
        "-o", $"UserKnownHostsFile={key}.known", "-o", "LogLevel=ERROR",
    ];

    /// <summary>For <c>GIT_SSH_COMMAND</c>.</summary>
    public string GitCommand => "ssh " + string.Join(' ', Options);

    public Command Command(IReadOnlyList<string> options, params IReadOnlyList<string> words) =>
        new("ssh", [.. Options, "-p", $"{port}", .. options, $"{System.Environment.UserName}@127.0.0.1", .. words]);

    public async Task<CommandResult> RunAsync(params IReadOnlyList<string> words)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        return await Command([], words).RunAsync(limit.Token);
    }

    /// <summary>With standard input, in a terminal of sshd's where that is asked for.</summary>
    public async Task<CommandResult> TypeAsync(string input, bool terminal, params IReadOnlyList<string> words)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await using var child = Command(terminal ? ["-tt"] : ["-T"], words).Start();
        var (output, error) = (child.ReadAllAsync(child.Output), child.ReadAllAsync(child.Error));
        await child.Input.WriteAsync(System.Text.Encoding.UTF8.GetBytes(input), limit.Token);
        await child.Input.FlushAsync(limit.Token);
        if (!terminal)
        {
            child.Input.Close();
        }

        await using var stop = limit.Token.Register(() => child.Signal(PosixSignals.Kill));
        var code = await child.WaitAsync(CancellationToken.None);
        return new CommandResult(code, await output, await error);
    }
}
