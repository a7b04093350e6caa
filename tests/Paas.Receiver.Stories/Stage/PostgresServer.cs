using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Stage;

/// <summary>Runs where a PostgreSQL server can be started, else is skipped with the reason.</summary>
public sealed class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute() => Skip = PostgresServer.WhyNot;
}

/// <summary>A real PostgreSQL server with a cluster of its own in a temporary directory, on a free loopback port; role and database <c>shop</c>. Ends with everything of it.</summary>
sealed class PostgresServer : IAsyncDisposable
{
    readonly string place;
    readonly Process running;
    readonly string password;

    PostgresServer(string directory, Process process, int port, string password) => (place, running, Port, this.password) = (directory, process, port, password);

    public int Port { get; }

    /// <summary>Null where one can be started.</summary>
    public static string? WhyNot { get; } =
        Programs is null ? "PostgreSQL's server is not installed" : !File.Exists("/usr/bin/psql") ? "psql is not installed" : User is null ? "the server will not run as root, and there is no user postgres" : null;

    static string? Programs => Directory.Exists("/usr/lib/postgresql")
        ? Directory.EnumerateDirectories("/usr/lib/postgresql").Order(StringComparer.Ordinal).Select(version => Path.Combine(version, "bin")).LastOrDefault(bin => File.Exists(Path.Combine(bin, "initdb"))) : null;

    // As root the server refuses to run; Debian's package brings a user for it.
    static string? User => System.Environment.IsPrivilegedProcess ? File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : null : "";

    public static async Task<PostgresServer> StartAsync(string password)
    {
        var directory = Places.NewScratch("postgres");
        await File.WriteAllTextAsync(Path.Combine(directory, "password"), password + "\n");
        if (User is { Length: > 0 })
        {
            await new Command("chown", "-R", User, directory).OutputAsync();
        }

        var cluster = Path.Combine(directory, "cluster");
        await AsUser(Path.Combine(Programs!, "initdb"), "--no-sync", "--auth=scram-sha-256", "--username=admin", $"--pwfile={directory}/password", "--encoding=UTF8", "--locale=C", cluster).OutputAsync();
        for (var tries = 1; ; tries++)
        {
            var port = FreePort();
            var command = AsUser(
                Path.Combine(Programs!, "postgres"), "-D", cluster, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-c", $"unix_socket_directories={directory}", "-c", "fsync=off", "-c", "logging_collector=off");
            var process = Process.Start(new ProcessStartInfo(command.Program, command.Arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = "/" })!;
            process.BeginErrorReadLine();
            process.BeginOutputReadLine();
            var server = new PostgresServer(directory, process, port, password);
            try
            {
                await Patience.UntilAsync(async () => process.HasExited || (await server.Psql("admin", "postgres", "SELECT 1").RunAsync()).ExitCode == 0, "the PostgreSQL server answers");
                if (!process.HasExited)
                {
                    await server.Psql("admin", "postgres", $"CREATE ROLE shop LOGIN PASSWORD '{password.Replace("'", "''", StringComparison.Ordinal)}'").OutputAsync();
                    await server.Psql("admin", "postgres", "CREATE DATABASE shop OWNER shop").OutputAsync();
                    return server;
                }

                if (tries == 3)
                {
                    throw new InvalidOperationException("The PostgreSQL server ended.");
                }
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>The answer to one query, without any trimmings.</summary>
    public async Task<string> AskAsync(string query) => (await Psql("shop", "shop", query).OutputAsync()).Trim();

    /// <summary>Says the same again and again, on one connection, until it is disposed.</summary>
    public IAsyncDisposable Write(string statement) => new Writer(Psql("shop", "shop", null), statement);

    public async ValueTask DisposeAsync()
    {
        if (!running.HasExited)
        {
            PosixSignals.Send(running.Id, 2); // SIGINT: at once, but in order
            await running.WaitForExitAsync();
        }

        running.Dispose();
        await Leftovers.RemoveAsync(place);
    }

    Command Psql(string user, string database, string? query) =>
        new Command("/usr/bin/psql", ["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "-v", "ON_ERROR_STOP=1", .. query is null ? Array.Empty<string>() : ["-c", query]]).With(new Dictionary<string, string>
        {
            ["PGHOST"] = "127.0.0.1",
            ["PGPORT"] = $"{Port}",
            ["PGUSER"] = user,
            ["PGDATABASE"] = database,
            ["PGPASSWORD"] = password,
        });

    static Command AsUser(string program, params string[] arguments) => User is { Length: > 0 } user
        ? new Command("/usr/bin/setpriv", [$"--reuid={user}", $"--regid={user}", "--clear-groups", "--", program, .. arguments])
        : new Command(program, arguments);

    static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    sealed class Writer : IAsyncDisposable
    {
        readonly CancellationTokenSource enough = new();
        readonly Process psql;
        readonly Task writing;

        public Writer(Command command, string statement)
        {
            var start = new ProcessStartInfo(command.Program, command.Arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
            foreach (var (name, value) in command.Environment)
            {
                start.Environment[name] = value;
            }

            psql = Process.Start(start)!;
            psql.BeginOutputReadLine();
            writing = WriteAsync(statement);
        }

        public async ValueTask DisposeAsync()
        {
            await enough.CancelAsync();
            PosixSignals.Send(psql.Id, PosixSignals.Kill);
            await psql.WaitForExitAsync();
            await writing;
            psql.Dispose();
            enough.Dispose();
        }

        async Task WriteAsync(string statement)
        {
            try
            {
                while (true)
                {
                    await psql.StandardInput.WriteLineAsync(statement.AsMemory(), enough.Token);
                    await psql.StandardInput.FlushAsync(enough.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // enough was written
            }
        }
    }
}
