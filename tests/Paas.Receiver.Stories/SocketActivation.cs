using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>A service manager holds the listening socket, as systemd's socket units do; here a few lines of Python play it.</summary>
public sealed class SocketActivation : IAsyncDisposable
{
    const string Manager = """
        import os, socket, sys
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        port = listener.getsockname()[1]
        print(port, flush=True)
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                os.dup2(listener.fileno(), 3)
                os.set_inheritable(3, True)
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
                os.dup2(1, 2)
                os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", PAAS_LISTEN="http://127.0.0.1:%d" % port)
                os.execv(sys.argv[1], [sys.argv[1]])
            print(pid, flush=True)
            os.waitpid(pid, 0)
            print("ended", flush=True)
        """;

    static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    readonly string parent = Places.NewScratch("activation");
    Process? manager;

    public async ValueTask DisposeAsync()
    {
        await Leftovers.EndAllAsync(parent);
        if (manager is not null)
        {
            manager.StandardInput.Close();
            await manager.WaitForExitAsync().WaitAsync(Long);
            manager.Dispose();
        }

        await Leftovers.RemoveAsync(parent);
    }

    [Fact]
    public async Task A_visitor_who_comes_while_the_receiver_restarts_waits_and_is_answered()
    {
        var info = new ProcessStartInfo("/usr/bin/python3", ["-c", Manager, Path.Combine(AppContext.BaseDirectory, "paas-receiver"), Path.Combine(parent, "output")])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = parent,
        };
        info.Environment["PAAS_ROOT"] = Path.Combine(parent, "srv");
        info.Environment["PAAS_SSH_LISTEN"] = "";
        info.Environment["PAAS_HOOKS"] = Places.Hooks;
        info.Environment["HOME"] = parent;
        manager = Process.Start(info)!;
        var port = int.Parse((await SaidAsync())!, CultureInfo.InvariantCulture);

        var first = await StartAsync();
        Assert.Contains("200 OK", await AskAsync(), StringComparison.Ordinal);
        await EndAsync(first);
        var visitor = AskAsync(); // nobody is there to accept
        Assert.False(visitor.IsCompleted);

        var second = await StartAsync();
        Assert.NotEqual(first, second);
        Assert.Contains("200 OK", await visitor.WaitAsync(Long), StringComparison.Ordinal);
        await EndAsync(second);

        async Task<int> StartAsync()
        {
            await manager!.StandardInput.WriteLineAsync("start");
            await manager.StandardInput.FlushAsync();
            return int.Parse((await SaidAsync())!, CultureInfo.InvariantCulture);
        }

        async Task EndAsync(int id)
        {
            using var kill = Process.Start(new ProcessStartInfo("/bin/kill", ["-TERM", id.ToString(CultureInfo.InvariantCulture)]))!;
            Assert.Equal("ended", await SaidAsync());
        }

        async Task<string> AskAsync()
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, port);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"));
            using var reader = new StreamReader(new NetworkStream(socket));
            return await reader.ReadToEndAsync().WaitAsync(Long);
        }
    }

    Task<string?> SaidAsync() => manager!.StandardOutput.ReadLineAsync().WaitAsync(Long);
}
