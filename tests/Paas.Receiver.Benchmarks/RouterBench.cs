using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;
using Paas.Receiver.Routing;

namespace Paas.Receiver;

/// <summary>The router alone, as the receiver runs it.</summary>
static class RouterBench
{
    /// <summary>Serves every host from one backend until the process is ended.</summary>
    public static async Task ServeAsync(int listen, int backend)
    {
        InlineCompletions.PrepareProcess();
        using var router = NewRouter();
        router.Assign("bench", ["*", .. Enumerable.Range(0, 1000).Select(i => $"app{i}.bench.test")], [new Backend("127.0.0.1", backend)]);
        await using var server = Server(router, listen);
        await server.RunAsync();
    }

    /// <summary>What looking up a host costs with few and with many routes.</summary>
    public static void Lookup()
    {
        foreach (var routes in new[] { 10, 1_000, 10_000 })
        {
            using var router = NewRouter();
            var watch = Stopwatch.StartNew();
            for (var i = 0; i < routes; i++)
            {
                router.Assign($"local/app{i}", [$"app{i}.local.bench.test", $"*.app{i}.bench.test"], [new Backend("127.0.0.1", 1 + (i % 60_000))]);
            }

            var assigning = watch.Elapsed;
            var exact = PerLookup(router, i => $"app{i % routes}.local.bench.test:8080");
            var wild = PerLookup(router, i => $"v3.app{i % routes}.bench.test");
            var unknown = PerLookup(router, i => $"nobody{i}.bench.test");
            Console.WriteLine($"  {routes,6} routes: exact {exact:F0} ns, wildcard {wild:F0} ns, unknown {unknown:F0} ns; all assigned one by one in {assigning.TotalMilliseconds:F0} ms");
        }
    }

    /// <summary>The memory of this process before and after so many sleeping WebSockets run through its router; both ends of them are in a second process.</summary>
    public static async Task WebSocketsAsync(int count)
    {
        using var ends = Process.Start(new ProcessStartInfo(System.Environment.ProcessPath!, ["router-websocket-ends"]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        using var router = NewRouter();
        router.Assign("bench", ["*"], [new Backend("127.0.0.1", int.Parse((await ends.StandardOutput.ReadLineAsync())!))]);
        await using var server = Server(router, 0);
        await server.StartAsync();
        var port = new Uri(server.Urls.First()).Port;
        await OpenAsync(100);
        var before = Resident();
        await OpenAsync(count);
        var after = Resident();
        Console.WriteLine($"  {count} sleeping WebSockets: {(after - before) / 1e6:F0} MB more resident memory, {(after - before) / (double)count / 1024:F1} KiB each, {(after - before) / (double)count * 10_000 / 1e6:F0} MB for 10,000 (bar 200 MB)");
        ends.Kill();

        async Task OpenAsync(int number)
        {
            await ends.StandardInput.WriteLineAsync($"{port} {number}");
            await ends.StandardInput.FlushAsync();
            await ends.StandardOutput.ReadLineAsync();
        }
    }

    /// <summary>The visitors' and the application's ends: says its port, then opens as many WebSockets as it is told to.</summary>
    public static async Task WebSocketEndsAsync()
    {
        using var application = new TcpListener(IPAddress.Loopback, 0);
        application.Start(1024);
        var accepted = new List<Socket>();
        _ = AcceptAsync(application, accepted);
        Console.WriteLine(((IPEndPoint)application.LocalEndpoint).Port);
        var visitors = new List<Socket>();
        var buffer = new byte[4096];
        while (Console.ReadLine()?.Split(' ') is [var port, var count])
        {
            for (var i = 0; i < int.Parse(count); i++)
            {
                var visitor = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await visitor.ConnectAsync(IPAddress.Loopback, int.Parse(port));
                await visitor.SendAsync(Encoding.ASCII.GetBytes("GET /chat HTTP/1.1\r\nHost: app.bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
                await visitor.ReceiveAsync(buffer);
                visitors.Add(visitor);
            }

            Console.WriteLine("opened");
        }

        GC.KeepAlive(accepted);
    }

    static async Task AcceptAsync(TcpListener application, List<Socket> accepted)
    {
        var buffer = new byte[4096];
        while (true)
        {
            var socket = await application.AcceptSocketAsync();
            accepted.Add(socket);
            await socket.ReceiveAsync(buffer);
            await socket.SendAsync(Encoding.ASCII.GetBytes("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
        }
    }

    static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    static double PerLookup(Router router, Func<int, string> host)
    {
        string[] hosts = [.. Enumerable.Range(0, 4096).Select(i => host(i * 7919))];
        var known = 0;
        var best = double.MaxValue;
        for (var round = 0; round < 20; round++)
        {
            var watch = Stopwatch.GetTimestamp();
            foreach (var name in hosts)
            {
                known += router.Knows(name) ? 1 : 0;
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(watch).TotalNanoseconds / hosts.Length);
        }

        GC.KeepAlive(known);
        return best;
    }

    static Router NewRouter() => new(new RouterOptions { ControlHosts = ["control.test"] }, TimeProvider.System, NullLogger<Router>.Instance);

    static WebApplication Server(Router router, int port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSockets(RouterListener.Prepare);
        builder.WebHost.ConfigureKestrel(server =>
        {
            RouterListener.Prepare(server);
            server.Listen(IPAddress.Loopback, port, listen => RouterListener.Prepare(listen));
        });
        var app = builder.Build();
        app.Run(router.HandleAsync);
        return app;
    }
}
