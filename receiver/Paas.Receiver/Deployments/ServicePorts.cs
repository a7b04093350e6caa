using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Routing;

namespace Paas.Receiver.Deployments;

/// <summary>
/// SmartStack's <c>proxy_port</c> (PC-14): a namespace of a service's <c>smartstack.yaml</c> is met on loopback at that port, through the router, by whatever instances are
/// registered in it. What stands there is calculated from the pillar each time; the ports go with it and with the service.
/// </summary>
sealed partial class ServicePorts : IAsyncDisposable
{
    readonly Router router;
    readonly Marks marks;
    readonly ProjectStore projects;
    readonly ILogger<ServicePorts> logger;
    readonly ConcurrentDictionary<int, Listener> listeners = new();
    readonly ConcurrentDictionary<string, string> troubles = new();
    readonly SemaphoreSlim turn = new(1);
    volatile bool isClosed;

    public ServicePorts(Router router, Marks marks, ProjectStore projects, Visitors visitors, ILogger<ServicePorts> logger)
    {
        (this.router, this.marks, this.projects, this.logger) = (router, marks, projects, logger);
        visitors.Departed += project => _ = BringAsync(project, []);
    }

    /// <summary>Why a port of the service is not open; null where all are.</summary>
    public string? TroubleOf(Project home) => troubles.GetValueOrDefault(home.Key);

    /// <summary>Every reason against what a pillar that is being pushed wants: a port that another service has, or another program.</summary>
    public IReadOnlyList<string> Check(Project home, ServiceConfig config) =>
    [
        .. config.Ports.Where(one => listeners.GetValueOrDefault(one.Port)?.Owner != home.Key)
            .Select(one => listeners.TryGetValue(one.Port, out var taken) ? $"smartstack.yaml: {one.Namespace}: port {one.Port} is {taken.Owner}'s ({taken.Namespace})"
                : WhyNot(one.Port) is { } why ? $"smartstack.yaml: {one.Namespace}: port {one.Port} cannot be had: {why}" : null).OfType<string>(),
    ];

    /// <summary>The ports are those that the service's pillar names now.</summary>
    public async Task ReconsiderAsync(Project home)
    {
        try
        {
            var config = await marks.ConfigOfAsync(home);
            await BringAsync(home, [.. config.Ports.Select(port => (port, KeysOf(home, port, config)))]);
        }
        catch (Refusal refusal)
        {
            troubles[home.Key] = refusal.Message;
        }
        catch (Exception e)
        {
            // Nobody waits for this; the next push of a pillar and the next start look again.
            Log.NotReconsidered(logger, e, home.Key);
        }
    }

    /// <summary>After a start.</summary>
    public Task ReconsiderAllAsync() => Parallel.ForEachAsync(projects.List().Where(project => Directory.Exists(project.PillarRepository)), async (project, _) => await ReconsiderAsync(project));

    public async ValueTask DisposeAsync()
    {
        isClosed = true;
        await turn.WaitAsync();
        foreach (var port in listeners.Keys)
        {
            await CloseAsync(port);
        }

        turn.Dispose();
    }

    /// <summary>
    /// Whom a namespace leads to: the instances registered in it, in the service's own environment; where it has none there, in the only other one that has some. Without any
    /// configured instance the process type of that name.
    /// </summary>
    IReadOnlyList<(string Project, string Type)> KeysOf(Project home, ServicePort port, ServiceConfig config)
    {
        if (config.Instances.Count == 0)
        {
            return [(home.Key, port.Namespace)];
        }

        var registered = config.Instances.Where(instance => instance.Namespaces.Contains(port.Namespace)).GroupBy(instance => instance.Cluster, StringComparer.Ordinal).ToList();
        var cluster = registered.Find(group => group.Key == home.Environment.Name.Value) ?? (registered is [var only] ? only : null);
        return cluster is null ? [] : [.. cluster.Select(instance => ($"{cluster.Key}/{home.Name}", instance.Type))];
    }

    async Task BringAsync(Project home, IReadOnlyList<(ServicePort Port, IReadOnlyList<(string Project, string Type)> Leads)> wanted)
    {
        await turn.WaitAsync();
        try
        {
            troubles.TryRemove(home.Key, out _);
            foreach (var (port, listener) in listeners.Where(one => one.Value.Owner == home.Key && wanted.All(want => want.Port.Port != one.Key)))
            {
                await CloseAsync(port);
            }

            foreach (var (port, leads) in isClosed ? [] : wanted)
            {
                if (listeners.GetValueOrDefault(port.Port) is { } there && there.Owner == home.Key)
                {
                    there.Leads = leads;
                }
                else if (await OpenAsync(home, port, leads) is { } why)
                {
                    troubles[home.Key] = $"smartstack.yaml: {port.Namespace}: port {port.Port} cannot be had: {why}";
                    Log.NotOpen(logger, port.Port, home.Key, why);
                }
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Null when it is open.</summary>
    async Task<string?> OpenAsync(Project home, ServicePort port, IReadOnlyList<(string Project, string Type)> leads)
    {
        if (listeners.TryGetValue(port.Port, out var taken))
        {
            return $"it is {taken.Owner}'s ({taken.Namespace})";
        }

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseSockets(RouterListener.Prepare).ConfigureKestrel(kestrel =>
        {
            RouterListener.Prepare(kestrel);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Listen(IPAddress.Loopback, port.Port, listen => RouterListener.Prepare(listen));
        });
        var server = builder.Build();
        var listener = new Listener(home.Key, port.Namespace, server) { Leads = leads };
        server.Run(context => router.HandleAsync(context, KeyOf(listener)));
        try
        {
            await server.StartAsync();
        }
        catch (IOException e)
        {
            await server.DisposeAsync();
            return e.InnerException is AddressInUseException ? "another program listens there" : e.Message;
        }

        listeners[port.Port] = listener;
        return null;
    }

    async Task CloseAsync(int port)
    {
        if (listeners.TryRemove(port, out var listener))
        {
            using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await listener.Server.StopAsync(now.Token);
            await listener.Server.DisposeAsync();
        }
    }

    /// <summary>Turn by turn among those that are known to the router; the first one where none is, which answers that nobody is there.</summary>
    string KeyOf(Listener listener)
    {
        var keys = listener.Leads.SelectMany(lead => lead.Type == "main" ? [$"{lead.Project}/main", $"{lead.Project}/web"] : (string[])[$"{lead.Project}/{lead.Type}"]).ToList();
        var known = keys.FindAll(router.HasKey);
        return known.Count > 0 ? known[(int)((uint)Interlocked.Increment(ref listener.Turn) % known.Count)] : keys.FirstOrDefault() ?? "";
    }

    static string? WhyNot(int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen();
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.AddressAlreadyInUse ? "another program listens there" : e.Message;
        }
    }

    sealed class Listener(string owner, string ns, WebApplication server)
    {
        public int Turn;

        public string Owner => owner;

        public string Namespace => ns;

        public WebApplication Server => server;

        public required volatile IReadOnlyList<(string Project, string Type)> Leads;
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Port {port} of {service} is not open: {why}")]
        public static partial void NotOpen(ILogger logger, int port, string service, string why);

        [LoggerMessage(Level = LogLevel.Error, Message = "The ports of {service} could not be looked at")]
        public static partial void NotReconsidered(ILogger logger, Exception e, string service);
    }
}
