using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>
/// Leads visitors to applications: by host name, then by path prefix, to the least loaded of the instances that stand for that name now.
/// Everything may be changed while requests run; those that are under way finish where they are, and none sees half of a change.
/// Keys are chosen by the caller (<c>env/project/type</c>, with a release where it has a name of its own).
/// </summary>
sealed class Router : IDisposable
{
    readonly Lock gate = new();
    readonly RouterOptions options;
    readonly TimeProvider time;
    readonly Forwarder forwarder;
    readonly HashSet<string> controlHosts;
    readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> controlHostsBySpan;
    readonly Dictionary<string, Destination> destinations = [];
    readonly ConcurrentDictionary<Backend, Target> targets = new();
    readonly ITimer sweep;
    RouteTable table = RouteTable.Empty;

    public Router(RouterOptions options, TimeProvider time, ILogger<Router> log)
    {
        this.options = options;
        this.time = time;
        forwarder = new Forwarder(options, time, log);
        controlHosts = new HashSet<string>(options.ControlHosts, StringComparer.OrdinalIgnoreCase);
        controlHostsBySpan = controlHosts.GetAlternateLookup<ReadOnlySpan<char>>();
        var often = TimeSpan.FromSeconds(Math.Clamp(Math.Min(options.ResponseTimeout.TotalSeconds, options.IdleTimeout.TotalSeconds) / 4, 0.02, 1));
        sweep = time.CreateTimer(_ => Sweep(), state: null, often, often);
    }

    /// <summary>Leads these hosts (<c>name</c>, <c>*.suffix</c>, each with an optional <c>/prefix</c>), and no others, to these backends. Creates or replaces; a hold that is on stays on.</summary>
    /// <exception cref="Refusal">A host is none, or leads to another key already; nothing was changed.</exception>
    public void Assign(string key, IReadOnlyList<string> hosts, IReadOnlyList<Backend> backends)
    {
        lock (gate)
        {
            var isNew = !destinations.TryGetValue(key, out var destination);
            destination ??= new Destination(key);
            var routes = hosts.Select(host => Route.Parse(host, destination)).ToList();
            var changed = isNew || !routes.SequenceEqual(table.Of(key)) ? table.With(key, routes) : table;
            destinations[key] = destination;
            Stand(destination, destination.Standing with { Targets = TargetsOf(backends) });
            Volatile.Write(ref table, changed);
        }
    }

    /// <summary>From now on new requests go to these backends; whoever waits is let in to them. In memory only; does nothing for a key that is not known.</summary>
    public void Switch(string key, IReadOnlyList<Backend> backends)
    {
        lock (gate)
        {
            if (destinations.TryGetValue(key, out var destination))
            {
                Stand(destination, new Standing(TargetsOf(backends), Room: null));
            }
        }
    }

    /// <summary>Forgets a key and its hosts. Requests under way finish.</summary>
    public void Remove(string key)
    {
        lock (gate)
        {
            if (destinations.Remove(key, out var destination))
            {
                Volatile.Write(ref table, table.Without(key));
                Stand(destination, Standing.Nothing);
            }
        }
    }

    /// <summary>
    /// New requests wait, each for at most <paramref name="longest"/> and at most <paramref name="mostWaiting"/> of them, until <see cref="LetIn"/> or <see cref="Switch"/>;
    /// those beyond either bound get 503 with Retry-After. A second hold goes on with the first one's room.
    /// </summary>
    public void Hold(string key, TimeSpan longest, int mostWaiting)
    {
        lock (gate)
        {
            if (destinations.TryGetValue(key, out var destination) && destination.Standing.Room is null)
            {
                Stand(destination, destination.Standing with { Room = new WaitingRoom(longest, mostWaiting, time) });
            }
        }
    }

    /// <summary>Whoever waits goes on, to the backends that stand now. Harmless where nobody waits.</summary>
    public void LetIn(string key)
    {
        lock (gate)
        {
            if (destinations.TryGetValue(key, out var destination) && destination.Standing.Room is not null)
            {
                Stand(destination, destination.Standing with { Room = null });
            }
        }
    }

    /// <summary>
    /// Completes when no request is at any of these backends, whichever key led it there, or at the deadline. Call it after <see cref="Switch"/>, <see cref="Hold"/> or <see cref="Remove"/>.
    /// Unused connections to them are closed, so that an application that stops politely need not wait for us.
    /// </summary>
    public async Task DrainAsync(string key, IReadOnlyList<Backend> old, TimeSpan deadline)
    {
        var leaving = old.Select(backend => targets.GetValueOrDefault(backend)).OfType<Target>().ToList();
        leaving.ForEach(target => target.Close());
        try
        {
            await Task.WhenAll(leaving.Select(target => target.WhenEmptyAsync())).WaitAsync(deadline, time);
        }
        catch (TimeoutException)
        {
            // The deadline is an expected answer: the caller stops the instance either way.
        }
    }

    /// <summary>True when some route is for this host, port and final dot aside.</summary>
    public bool Knows(string host) => Volatile.Read(ref table).Knows(Route.BareHost(host));

    /// <summary>The key a host (with an optional <c>/path</c>) leads to now, or null.</summary>
    public string? KeyOf(string host)
    {
        var slash = host.IndexOf('/', StringComparison.Ordinal);
        return Volatile.Read(ref table).Find(Route.BareHost(slash < 0 ? host : host[..slash]), slash < 0 ? "/" : host[slash..])?.Destination.Key;
    }

    /// <summary>How many requests are at a backend now.</summary>
    public int InFlight(Backend backend) => targets.GetValueOrDefault(backend)?.InFlight ?? 0;

    /// <summary>How many requests wait at a key that is held.</summary>
    public int Waiting(string key)
    {
        lock (gate)
        {
            return destinations.GetValueOrDefault(key)?.Standing.Room?.Waiting ?? 0;
        }
    }

    /// <summary>Answers every request but those for the control plane's own hosts: for them false, and nothing was touched. The Host header alone decides.</summary>
    public async Task<bool> TryHandleAsync(HttpContext context)
    {
        if (Find(context) is { } route)
        {
            await AnswerAsync(context, route.Destination);
            return true;
        }

        if (!IsControl(Route.BareHost(context.Request.Host.Value)))
        {
            await NeutralPage.WriteAsync(context, StatusCodes.Status404NotFound);
            return true;
        }

        InlineCompletions.Leave(context);
        if (!Thread.CurrentThread.IsThreadPoolThread)
        {
            await Task.Yield(); // this request arrived on a socket's thread; what comes next may block, and must not block that one
        }

        return false;
    }

    /// <summary>Answers every request: for a listener that serves applications alone.</summary>
    public Task HandleAsync(HttpContext context) => Find(context) is { } route
        ? AnswerAsync(context, route.Destination)
        : NeutralPage.WriteAsync(context, context.Request.Host.HasValue ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest);

    public void Dispose()
    {
        sweep.Dispose();
        foreach (var target in targets.Values)
        {
            target.Abandon();
        }
    }

    Route? Find(HttpContext context) =>
        Volatile.Read(ref table).Find(Route.BareHost(context.Request.Host.Value), context.Request.Path.Value ?? "/");

    bool IsControl(ReadOnlySpan<char> host) =>
        host.IsEmpty || controlHostsBySpan.Contains(host) || host[0] == '[' || IPAddress.TryParse(host, out _);

    async Task AnswerAsync(HttpContext context, Destination destination)
    {
        try
        {
            Admit(context);
            await FindAnswerAsync(context, destination);
        }
        catch (BadHttpRequestException bad)
        {
            context.Response.Headers.Connection = "close";
            await NeutralPage.WriteAsync(context, bad.StatusCode);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The visitor has gone; there is nobody to tell.
        }
    }

    void Admit(HttpContext context)
    {
        if (options.LargestBody is { } largest && context.Request.ContentLength > largest)
        {
            throw new BadHttpRequestException("body too large", StatusCodes.Status413PayloadTooLarge);
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = options.LargestBody;
        }
    }

    async Task FindAnswerAsync(HttpContext context, Destination destination)
    {
        List<Target>? tried = null;
        while (true)
        {
            var standing = destination.Standing;
            if (standing.Room is { } room)
            {
                if (!await room.WaitAsync(context.RequestAborted))
                {
                    await NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, retryAfter: 2);
                    return;
                }

                continue;
            }

            var target = destination.Choose(standing, tried, time.GetTimestamp());
            if (target is null)
            {
                await (standing.Targets.Length == 0
                    ? NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, retryAfter: 2)
                    : NeutralPage.WriteAsync(context, StatusCodes.Status502BadGateway));
                return;
            }

            Attempt attempt;
            target.Enter();
            try
            {
                // Counted first, looked second: a switch in between either sees this request at its target or is seen by it.
                if (!ReferenceEquals(destination.Standing, standing))
                {
                    continue;
                }

                attempt = await forwarder.ForwardAsync(context, target);
            }
            finally
            {
                target.Leave();
            }

            switch (attempt)
            {
                case Attempt.Answered:
                    return;
                case Attempt.Unreachable:
                    (tried ??= []).Add(target);
                    break;
                case Attempt.Broken:
                    await NeutralPage.WriteAsync(context, StatusCodes.Status502BadGateway);
                    return;
                case Attempt.TimedOut:
                    await NeutralPage.WriteAsync(context, StatusCodes.Status504GatewayTimeout);
                    return;
            }
        }
    }

    Target[] TargetsOf(IReadOnlyList<Backend> backends) =>
        [.. backends.Distinct().Select(backend => targets.GetOrAdd(backend, static (backend, router) => new Target(backend, router.options, router.time), this))];

    void Stand(Destination destination, Standing standing)
    {
        foreach (var target in standing.Targets)
        {
            target.Uses++;
            target.Open();
        }

        var former = destination.Replace(standing);
        if (former.Room is not null && !ReferenceEquals(former.Room, standing.Room))
        {
            former.Room.Open();
        }

        foreach (var target in former.Targets)
        {
            if (--target.Uses == 0)
            {
                target.Close();
            }
        }
    }

    void Sweep()
    {
        var now = time.GetTimestamp();
        foreach (var target in targets.Values)
        {
            target.Sweep(now);
        }

        Forget();
    }

    // A backend nobody names and nobody visits is forgotten; its port may be another application's tomorrow.
    void Forget()
    {
        lock (gate)
        {
            foreach (var (backend, target) in targets)
            {
                if (target is { Uses: 0, InFlight: 0, Connections: 0 })
                {
                    targets.TryRemove(backend, out _);
                }
            }
        }
    }
}
