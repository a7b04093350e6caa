using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>A router behind a real Kestrel on a free port, with a control plane behind it that says so.</summary>
sealed class RoutingHouse : IAsyncDisposable
{
    readonly WebApplication server;
    readonly List<IAsyncDisposable> guests = [];

    RoutingHouse(WebApplication server, Router router)
    {
        this.server = server;
        Router = router;
        Address = new Uri(server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, MaxConnectionsPerServer = 1000 }) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(30) };
    }

    public Router Router { get; }

    public Uri Address { get; }

    /// <summary>What comes before the router does not work.</summary>
    public bool Broken { get; set; }

    public HttpClient Client { get; }

    public static async Task<RoutingHouse> OpenAsync(RouterOptions? options = null, HttpProtocols protocols = HttpProtocols.Http1, Action<KestrelServerOptions>? kestrel = null, RequestDelegate? control = null, Certificates.CertificateStore? secure = null, Func<HttpContext, ValueTask<bool>>? first = null)
    {
        var router = new Router((options ?? new RouterOptions()) with { ControlHosts = options?.ControlHosts ?? ["control.test"] }, TimeProvider.System, NullLogger<Router>.Instance);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(RouterListener.Prepare);
        builder.WebHost.ConfigureKestrel(server =>
        {
            RouterListener.Prepare(server);
            server.Listen(IPAddress.Loopback, 0, listen =>
            {
                if (secure is null)
                {
                    RouterListener.Prepare(listen).Protocols = protocols;
                }
                else
                {
                    RouterListener.Secure(listen, secure);
                }
            });
            kestrel?.Invoke(server);
        });
        var app = builder.Build();
        RoutingHouse? house = null;
        app.Run(async context =>
        {
            if (first is not null && house?.Broken == false && await first(context))
            {
                return;
            }

            if (!await router.TryHandleAsync(context))
            {
                await (control?.Invoke(context) ?? context.Response.WriteAsync("control plane"));
            }
        });
        await app.StartAsync();
        return house = new RoutingHouse(app, router);
    }

    /// <summary>An application on Kestrel.</summary>
    public async Task<Backend> ApplicationAsync(RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxRequestBodySize = null;
            server.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(handle);
        await app.StartAsync();
        guests.Add(app);
        return new Backend("127.0.0.1", new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port);
    }

    /// <summary>An application that says its name.</summary>
    public Task<Backend> NamedAsync(string name) => ApplicationAsync(context => context.Response.WriteAsync(name));

    /// <summary>An application of bytes: the handler gets each connection.</summary>
    public RawApplication Raw(Func<RawConnection, Task> handle)
    {
        var raw = new RawApplication(handle);
        guests.Add(raw);
        return raw;
    }

    /// <summary>An application of bytes that answers every request with the same ones and stays connected.</summary>
    public RawApplication Answering(string answer) => Raw(async connection =>
    {
        while (await connection.ReadHeadAsync() is { Length: > 0 })
        {
            await connection.WriteAsync(answer);
        }
    });

    public async Task<string> GetAsync(string host, string path = "/") => await (await SendAsync(HttpMethod.Get, host, path)).Content.ReadAsStringAsync();

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string host, string path = "/", HttpContent? content = null, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        var message = new HttpRequestMessage(method, path) { Content = content };
        message.Headers.Host = host;
        return Client.SendAsync(message, completion);
    }

    /// <summary>A visitor of bytes.</summary>
    public async Task<RawConnection> VisitAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Address.Port);
        return new RawConnection(socket);
    }

    /// <summary>Sends bytes, returns everything that comes back until the connection closes.</summary>
    public async Task<string> TellAsync(string request)
    {
        using var visitor = await VisitAsync();
        await visitor.WriteAsync(request);
        return await visitor.ReadToEndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        Router.Dispose();
        foreach (var guest in guests)
        {
            if (guest is WebApplication app)
            {
                using var now = new CancellationTokenSource(TimeSpan.Zero);
                await app.StopAsync(now.Token);
            }

            await guest.DisposeAsync();
        }

        using var stop = new CancellationTokenSource(TimeSpan.Zero);
        await server.StopAsync(stop.Token);
        await server.DisposeAsync();
    }
}

sealed class RawApplication : IAsyncDisposable
{
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly List<RawConnection> connections = [];
    readonly Task accepting;
    readonly Func<RawConnection, Task> handle;

    public RawApplication(Func<RawConnection, Task> handle)
    {
        this.handle = handle;
        listener.Start();
        Backend = new Backend("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port);
        accepting = AcceptAsync();
    }

    public Backend Backend { get; }

    public int Connections
    {
        get
        {
            lock (connections)
            {
                return connections.Count;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await accepting;
        lock (connections)
        {
            connections.ForEach(connection => connection.Dispose());
        }
    }

    async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = new RawConnection(await listener.AcceptSocketAsync());
                lock (connections)
                {
                    connections.Add(connection);
                }

                _ = HandleAsync(connection);
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // stopped
        }
    }

    async Task HandleAsync(RawConnection connection)
    {
        try
        {
            await handle(connection);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException or IOException)
        {
            // the test is over
        }
        finally
        {
            connection.Dispose();
        }
    }
}

sealed class RawConnection(Socket socket) : IDisposable
{
    readonly List<byte> pending = [];

    public Socket Socket => socket;

    public Task WriteAsync(string text) => WriteAsync(Encoding.Latin1.GetBytes(text));

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    /// <summary>A head with its blank line; empty at the end.</summary>
    public Task<string> ReadHeadAsync() => ReadUntilAsync("\r\n\r\n");

    public async Task<string> ReadUntilAsync(string mark)
    {
        while (true)
        {
            var text = Encoding.Latin1.GetString([.. pending]);
            if (text.IndexOf(mark, StringComparison.Ordinal) is >= 0 and var at)
            {
                pending.RemoveRange(0, at + mark.Length);
                return text[..(at + mark.Length)];
            }

            if (!await MoreAsync())
            {
                return "";
            }
        }
    }

    public async Task<string> ReadExactlyAsync(int count)
    {
        while (pending.Count < count && await MoreAsync())
        {
        }

        var text = Encoding.Latin1.GetString([.. pending.Take(count)]);
        pending.RemoveRange(0, Math.Min(count, pending.Count));
        return text;
    }

    /// <summary>Everything until the end, however it comes.</summary>
    public async Task<string> ReadToEndAsync()
    {
        try
        {
            while (await MoreAsync())
            {
            }
        }
        catch (SocketException)
        {
            WasReset = true;
        }

        return Encoding.Latin1.GetString([.. pending]);
    }

    public bool WasReset { get; private set; }

    public void Reset()
    {
        socket.LingerState = new LingerOption(enable: true, seconds: 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();

    async Task<bool> MoreAsync()
    {
        var buffer = new byte[64 * 1024];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var count = await socket.ReceiveAsync(buffer, limit.Token);
        pending.AddRange(buffer.AsSpan(0, count));
        return count > 0;
    }
}
