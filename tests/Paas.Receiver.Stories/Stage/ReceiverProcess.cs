using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Stage;

/// <summary>
/// A receiver as its own process on a free loopback port with a root of its own. It can be stopped, killed and started again on the same root and port;
/// disposing it ends it and everything it started, and removes the root.
/// </summary>
sealed class ReceiverProcess : IAsyncDisposable
{
    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    readonly string parent;
    readonly StringBuilder output = new();
    readonly IReadOnlyDictionary<string, string> settings;
    readonly SocketsHttpHandler connections = new() { ConnectTimeout = TimeSpan.FromSeconds(5), PooledConnectionIdleTimeout = TimeSpan.FromSeconds(1) };
    ChildProcess? process;
    Task reading = Task.CompletedTask;

    ReceiverProcess(string parent, IReadOnlyDictionary<string, string> settings)
    {
        this.parent = parent;
        this.settings = settings;
        Root = Path.Combine(parent, "srv");
        Http = new HttpClient(connections, disposeHandler: false) { Timeout = TimeSpan.FromSeconds(60) };
    }

    /// <summary><c>PAAS_ROOT</c>.</summary>
    public string Root { get; }

    public int Port { get; private set; }

    /// <summary>The first administrator's token.</summary>
    public string Token { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));

    string FaultFile => Path.Combine(parent, "fault");

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    public HttpClient Http { get; }

    /// <summary>How long the last start took, from exec to the first answer of <c>/healthz</c>.</summary>
    public TimeSpan StartTook { get; private set; }

    public int Id => process?.Id ?? throw new InvalidOperationException("The receiver is not running.");

    public bool IsRunning => process is not null && !process.WaitAsync().IsCompleted;

    /// <summary>Everything the receiver printed, all runs.</summary>
    public string Output
    {
        get
        {
            lock (output)
            {
                return output.ToString();
            }
        }
    }

    /// <param name="settings">Further <c>PAAS_…</c> variables.</param>
    /// <param name="prepare">What is done to the empty root first, such as mounting a file system on it.</param>
    public static async Task<ReceiverProcess> StartAsync(IReadOnlyDictionary<string, string>? settings = null, Func<string, Task>? prepare = null)
    {
        var receiver = new ReceiverProcess(Places.NewScratch("story"), settings ?? new Dictionary<string, string>());
        Directory.CreateDirectory(receiver.Root);
        try
        {
            await (prepare?.Invoke(receiver.Root) ?? Task.CompletedTask);
            await receiver.StartAgainAsync();
            return receiver;
        }
        catch
        {
            await receiver.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a receiver that was stopped or killed, and returns when it serves.</summary>
    /// <param name="fault"><c>PAAS_FAULT</c>, for example <c>kill:promote:after</c>; for this run only.</param>
    public async Task StartAgainAsync(string? fault = null)
    {
        for (var tries = 1; ; tries++)
        {
            Port = Port == 0 ? FreePort() : Port;
            var clock = Stopwatch.StartNew();
            Begin(fault);
            try
            {
                await UntilItServesAsync();
                StartTook = clock.Elapsed;
                return;
            }
            catch (InvalidOperationException) when (tries < 3 && Output.Contains("address already in use", StringComparison.OrdinalIgnoreCase))
            {
                await EndOfProcessAsync();
                Port = 0; // somebody took the port between our asking for it and the receiver's
            }
        }
    }

    /// <summary>Arms fault points in the receiver that runs (and in those started later without a fault of their own); null disarms them.</summary>
    public void Arm(string? faults)
    {
        File.Delete(FaultFile + ".taken");
        if (faults is null)
        {
            File.Delete(FaultFile);
            return;
        }

        // Whole or not at all: the receiver may be reading it.
        File.WriteAllText(FaultFile + ".new", faults);
        File.Move(FaultFile + ".new", FaultFile, overwrite: true);
    }

    /// <summary>Which deployment met which of the armed <c>hold:…</c> and <c>once:…</c>.</summary>
    public IReadOnlyDictionary<string, string> TakenFaults() => !File.Exists(FaultFile + ".taken") ? new Dictionary<string, string>()
        : File.ReadLines(FaultFile + ".taken").Select(line => line.Split(' ')).ToDictionary(words => words[1], words => words[0]);

    /// <summary>SIGTERM to the receiver alone; returns its exit code. Applications go on.</summary>
    public async Task<int> StopAsync()
    {
        process?.Signal(PosixSignals.Terminate);
        return await ExitAsync();
    }

    /// <summary>SIGKILL to the receiver alone. Applications go on.</summary>
    public async Task KillAsync()
    {
        process?.Signal(PosixSignals.Kill);
        await ExitAsync();
    }

    /// <summary>Waits until the receiver ends by itself, for example at a fault point. A death by signal N is 128+N.</summary>
    public async Task<int> ExitAsync()
    {
        var code = process is null ? 0 : await process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        await EndOfProcessAsync();
        return code;
    }

    /// <summary>Asks an application through the router.</summary>
    public async Task<(HttpStatusCode Status, string Body)> AskAsync(string host, string path = "/plain")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, path)) { Headers = { Host = host } };
        using var response = await Http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Asks the API as the administrator.</summary>
    public async Task<(HttpStatusCode Status, string Body)> AskApiAsync(HttpMethod method, string path, string? json = null)
    {
        while (true)
        {
            using var request = new HttpRequestMessage(method, new Uri(Address, path)) { Headers = { Authorization = new("Bearer", Token) } };
            request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
            using var response = await Http.SendAsync(request);
            if (response.StatusCode != HttpStatusCode.TooManyRequests)
            {
                return (response.StatusCode, await response.Content.ReadAsStringAsync());
            }

            // Stories ask more often than people do.
            await Task.Delay(response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>A project's directory in the default environment.</summary>
    public string Project(string name) => Path.Combine(Root, "projects", name);

    public async ValueTask DisposeAsync()
    {
        await Leftovers.EndAllAsync(parent);
        await EndOfProcessAsync();
        ControlGroups.Find(Path.Combine(Root, "state"), out _)?.Sweep();
        Http.Dispose();
        connections.Dispose();
        await Leftovers.RemoveAsync(parent);
    }

    void Begin(string? fault)
    {
        var environment = new Dictionary<string, string>(Command.CleanEnvironment)
        {
            ["HOME"] = parent,
            ["PAAS_ROOT"] = Root,
            ["PAAS_LISTEN"] = $"http://127.0.0.1:{Port}",
            ["PAAS_SSH_LISTEN"] = "",
            ["PAAS_ADMIN_TOKEN"] = Token,
            ["PAAS_HOOKS"] = Places.Hooks,
        };
        foreach (var name in new[] { "DOTNET_ROOT", "DOTNET_ROOT_X64" })
        {
            if (System.Environment.GetEnvironmentVariable(name) is { } value)
            {
                environment[name] = value;
            }
        }

        environment["PAAS_FAULT"] = fault ?? "@" + FaultFile;

        var command = new Command(Path.Combine(AppContext.BaseDirectory, "paas-receiver")) { Environment = environment, Directory = parent };
        process = command.With(settings).Start();
        process.Input.Close();
        reading = Task.WhenAll(ReadAsync(process.Output), ReadAsync(process.Error));
    }

    async Task ReadAsync(Stream stream)
    {
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (output)
            {
                output.AppendLine(line);
            }
        }
    }

    async Task UntilItServesAsync()
    {
        var ended = process!.WaitAsync();
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < StartLimit)
        {
            if (ended.IsCompleted)
            {
                await reading;
                throw new InvalidOperationException($"The receiver ended with {await ended}:\n{Output}");
            }

            try
            {
                using var response = await Http.GetAsync(new Uri(Address, "healthz"));
                if (response.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }

        throw new TimeoutException($"The receiver did not answer within {StartLimit.TotalSeconds} seconds:\n{Output}");
    }

    async Task EndOfProcessAsync()
    {
        if (process is not null)
        {
            // What the receiver started may hold its output open; what it printed itself is there as soon as it is gone.
            await Task.WhenAny(reading, Task.Delay(TimeSpan.FromSeconds(1)));
            await process.DisposeAsync();
            process = null;
        }
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
