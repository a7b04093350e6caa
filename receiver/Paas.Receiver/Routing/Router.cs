using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Paas.Receiver.Access;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Routing;

/// <summary>
/// Leads visitors to applications: by host name, then by path prefix, to the least loaded of the instances that stand for that name now.
/// Everything may be changed while requests run; those that are under way finish where they are, and none sees half of a change.
/// Keys are chosen by the caller (<c>env/project/type</c>, with a release where it has a name of its own).
/// </summary>
sealed class Router : IDisposable
{
    /// <summary>Stands in a route for every name of the control plane: <c>_control/prefix</c>.</summary>
    public const string AnyControlHost = "_control";

    const int AskAgainAfter = 2;
    const int MaintenanceTakes = 300;

    readonly Lock gate = new();
    readonly RouterOptions options;
    readonly TimeProvider time;
    readonly Forwarder forwarder;
    readonly HashSet<string> controlHosts;
    readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> controlHostsBySpan;
    readonly Dictionary<string, Destination> destinations = [];
    readonly ConcurrentDictionary<Backend, Target> targets = new();
    readonly ITimer sweep;
    readonly Proxies proxies;
    readonly Stickiness stickiness;
    RouteTable table = RouteTable.Empty;

    public Router(RouterOptions options, TimeProvider time, ILogger<Router> log)
    {
        this.options = options;
        this.time = time;
        proxies = new Proxies(options.TrustedPeers);
        stickiness = new Stickiness(options.StickyKey);
        forwarder = new Forwarder(options, proxies, time, log);
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

    /// <summary>Leads what these wishes name to these backends, but for addresses another key has: those stay where they are and are returned with their owner's key.</summary>
    /// <exception cref="Refusal">A host is none; nothing was changed.</exception>
    public IReadOnlyList<(string Host, string Owner)> Assign(string key, IReadOnlyList<RouteWish> wishes, IReadOnlyList<Backend> backends)
    {
        lock (gate)
        {
            var destination = destinations.GetValueOrDefault(key) ?? new Destination(key);
            var (changed, taken) = TableWith(destination, wishes);
            destinations[key] = destination;
            Stand(destination, destination.Standing with { Targets = TargetsOf(backends) });
            Volatile.Write(ref table, changed);
            return taken;
        }
    }

    /// <summary>The same for a key that is known already; where its requests go stays. Does nothing for one that is not.</summary>
    public IReadOnlyList<(string Host, string Owner)> Reassign(string key, IReadOnlyList<RouteWish> wishes)
    {
        lock (gate)
        {
            if (!destinations.TryGetValue(key, out var destination))
            {
                return [];
            }

            var (changed, taken) = TableWith(destination, wishes);
            Volatile.Write(ref table, changed);
            return taken;
        }
    }

    /// <summary>The same hosts lead to these backends; a hold that is on stays on. Does nothing for a key that is not known.</summary>
    public void Retarget(string key, IReadOnlyList<Backend> backends)
    {
        lock (gate)
        {
            if (destinations.TryGetValue(key, out var destination))
            {
                Stand(destination, destination.Standing with { Targets = TargetsOf(backends) });
            }
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

    /// <summary>The key that exactly this host and prefix lead to, or null.</summary>
    public string? OwnerOf(string hostAndPrefix)
    {
        var slash = hostAndPrefix.IndexOf('/', StringComparison.Ordinal);
        var (host, prefix) = slash < 0 ? (hostAndPrefix, "") : (hostAndPrefix[..slash], hostAndPrefix[slash..]);
        return Volatile.Read(ref table).At(host)?.FirstOrDefault(route => route.PathPrefix == prefix)?.Destination.Key;
    }

    /// <summary>What went through a key since the receiver started; null for one that is not known.</summary>
    public Traffic? TrafficOf(string key)
    {
        lock (gate)
        {
            return destinations.GetValueOrDefault(key)?.Traffic;
        }
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
            await AnswerAsync(context, route);
            return true;
        }

        if (!IsControl(Route.BareHost(context.Request.Host.Value)))
        {
            await UnknownAsync(context);
            return true;
        }

        if (Volatile.Read(ref table).FindExactly(AnyControlHost, context.Request.Path.Value ?? "/") is { } below)
        {
            await AnswerAsync(context, below);
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
        ? AnswerAsync(context, route)
        : UnknownAsync(context);

    /// <summary>Is there anything behind this key?</summary>
    public bool HasKey(string key)
    {
        lock (gate)
        {
            return destinations.ContainsKey(key);
        }
    }

    /// <summary>Answers every request by what this key leads to, whatever its host: for a listener of one service.</summary>
    public Task HandleAsync(HttpContext context, string key)
    {
        Destination? destination;
        lock (gate)
        {
            destination = destinations.GetValueOrDefault(key);
        }

        return destination is null ? NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, AskAgainAfter) : AnswerAsync(context, new Route("*", "", destination));
    }

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

    /// <summary>Is this one of the control plane's own names?</summary>
    public bool IsControlHost(string host) => IsControl(Route.BareHost(host));

    bool IsControl(ReadOnlySpan<char> host) =>
        host.IsEmpty || controlHostsBySpan.Contains(host) || host[0] == '[' || IPAddress.TryParse(host, out _);

    // The name may be a project's although the path is nobody's: then the page is the project's too.
    async Task UnknownAsync(HttpContext context)
    {
        var begun = time.GetTimestamp();
        var owner = Volatile.Read(ref table).OwnerOf(Route.BareHost(context.Request.Host.Value));
        await NeutralPage.WriteAsync(context, context.Request.Host.HasValue ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest, pages: owner?.Rules.Pages);
        LogVisit(context, owner?.Destination.Key, time.GetElapsedTime(begun));
    }

    async Task AnswerAsync(HttpContext context, Route route)
    {
        var begun = time.GetTimestamp();
        try
        {
            if (SentToHttps(context))
            {
                return;
            }

            Admit(context);
            if (route.Rules.IsOpen || await PassesAsync(context, route.Rules))
            {
                await FindAnswerAsync(context, route.Destination, route.Rules);
            }
        }
        catch (BadHttpRequestException bad)
        {
            context.Response.Headers.Connection = "close";
            await NeutralPage.WriteAsync(context, bad.StatusCode, pages: route.Rules.Pages);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The visitor has gone; there is nobody to tell.
        }
        finally
        {
            Count(context, route.Destination, begun);
        }
    }

    void Count(HttpContext context, Destination destination, long begun)
    {
        var (status, took) = (context.Response.StatusCode, time.GetElapsedTime(begun));
        if (status == StatusCodes.Status101SwitchingProtocols)
        {
            destination.Traffic.CountUpgrade();
        }
        else
        {
            destination.Traffic.Count(status, took);
        }

        LogVisit(context, destination.Key, took);
    }

    void LogVisit(HttpContext context, string? key, TimeSpan took)
    {
        if (options.AccessLog is not { IsOn: true } log)
        {
            return;
        }

        var (request, response, headers) = (context.Request, context.Response, context.Request.Headers);
        log.Add(new Visit(
            time.GetUtcNow(), key, proxies.ClientOf(context.Connection.RemoteIpAddress, headers["X-Forwarded-For"]), headers.Authorization,
            request.Method, context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, request.Protocol, request.Host.Value ?? "",
            response.StatusCode, response.ContentLength ?? context.Features.Get<BodyCount>()?.Bytes ?? 0, took, headers.Referer, headers.UserAgent, request.IsHttps));
    }

    // Behind a trusted proxy that speaks HTTPS to visitors they are there already.
    bool SentToHttps(HttpContext context)
    {
        var request = context.Request;
        if (options.Https is not { } https || request.IsHttps || request.Host.Host is not { Length: > 0 } host || !https.Covers(host.TrimEnd('.'))
            || (proxies.Trusts(context.Connection.RemoteIpAddress) && request.Headers["X-Forwarded-Proto"].ToString().Split(',')[^1].Trim() is "https" or "wss"))
        {
            return false;
        }

        // Others than GET and HEAD must come again as what they are.
        context.Response.StatusCode = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? StatusCodes.Status301MovedPermanently : StatusCodes.Status308PermanentRedirect;
        context.Response.Headers.Location = $"https://{host}{(https.Port == 443 ? "" : $":{https.Port}")}{RequestHead.TargetOf(context)}";
        context.Response.ContentLength = 0;
        return true;
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

    /// <summary>True when the visitor may go on; else the answer was given.</summary>
    async Task<bool> PassesAsync(HttpContext context, RouteRules rules)
    {
        if (!rules.Admits(proxies.ClientOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"])))
        {
            await NeutralPage.WriteAsync(context, StatusCodes.Status403Forbidden, pages: rules.Pages);
            return false;
        }

        if (rules.Maintenance)
        {
            await NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, MaintenanceTakes, rules.Pages, maintenance: true);
            return false;
        }

        if (rules.DoorList is { } list && !await list.AdmitAsync(context.Request.Headers.Authorization, context.RequestAborted))
        {
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"restricted\", charset=\"UTF-8\"";
            await NeutralPage.WriteAsync(context, StatusCodes.Status401Unauthorized, pages: rules.Pages);
            return false;
        }

        return true;
    }

    async Task FindAnswerAsync(HttpContext context, Destination destination, RouteRules rules)
    {
        List<Target>? tried = null;
        var wanted = rules.Sticky ? context.Request.Cookies[Stickiness.Cookie] : null;
        while (true)
        {
            var standing = destination.Standing;
            if (standing.Room is { } room)
            {
                if (!await room.WaitAsync(context.RequestAborted))
                {
                    await NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, AskAgainAfter, rules.Pages);
                    return;
                }

                continue;
            }

            var now = time.GetTimestamp();
            var target = stickiness.Choose(standing, wanted, tried, now) ?? destination.Choose(standing, tried, now);
            if (target is null)
            {
                await (standing.Targets.Length == 0
                    ? NeutralPage.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, AskAgainAfter, rules.Pages)
                    : NeutralPage.WriteAsync(context, StatusCodes.Status502BadGateway, pages: rules.Pages));
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

                if (rules.Sticky)
                {
                    stickiness.Mark(context, target, wanted);
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
                    await NeutralPage.WriteAsync(context, StatusCodes.Status502BadGateway, pages: rules.Pages);
                    return;
                case Attempt.TimedOut:
                    await NeutralPage.WriteAsync(context, StatusCodes.Status504GatewayTimeout, pages: rules.Pages);
                    return;
            }
        }
    }

    (RouteTable Table, List<(string Host, string Owner)> Taken) TableWith(Destination destination, IReadOnlyList<RouteWish> wishes)
    {
        var (routes, taken) = (new List<Route>(wishes.Count), new List<(string, string)>());
        foreach (var wish in wishes)
        {
            var route = Route.Parse(wish.Host, destination, wish.Rules);
            if (table.At(route.Host)?.FirstOrDefault(other => other.PathPrefix == route.PathPrefix) is { } other && other.Destination.Key != destination.Key)
            {
                taken.Add((wish.Host, other.Destination.Key));
            }
            else
            {
                routes.Add(route);
            }
        }

        return (table.With(destination.Key, routes), taken);
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
