using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Paas.Receiver.Containers;

/// <summary>
/// An engine as one build sees it (decision 0060): a socket that speaks what <c>docker build</c>, <c>run</c>, <c>exec</c>, <c>logs</c>, <c>inspect</c>, <c>tag</c> and the like need, on
/// <see cref="RelayTerms"/>. It shows the build what is its own and nothing else.
/// </summary>
/// <remarks>Disposing ends its containers and takes away every name it gave but the image's.</remarks>
sealed class EngineRelay : IAsyncDisposable
{
    const int MostAtOnce = 64;

    readonly Engine engine;
    readonly RelayTerms terms;
    readonly string path;
    readonly Socket listener;
    readonly CancellationTokenSource over = new();
    readonly SemaphoreSlim places = new(MostAtOnce);
    readonly ConcurrentDictionary<Task, bool> visits = new();
    readonly ConcurrentDictionary<string, bool> named = new(StringComparer.Ordinal);
    readonly Task accepting;

    EngineRelay(Engine engine, RelayTerms terms, string path, Socket listener)
    {
        (this.engine, this.terms, this.path, this.listener) = (engine, terms, path, listener);
        accepting = AcceptAsync();
    }

    /// <summary>For <c>DOCKER_HOST</c>.</summary>
    public string Address => $"unix://{path}";

    /// <summary>Every name that the build gave to an image and did not take away again.</summary>
    public IReadOnlyList<string> Named => [.. named.Keys.Order(StringComparer.Ordinal)];

    /// <param name="directory">Of the relay's own, which whoever may use it can go through.</param>
    /// <exception cref="EngineException">No socket can be made there.</exception>
    public static EngineRelay Open(Engine engine, RelayTerms terms, string directory)
    {
        var place = Path.Combine(directory, "docker.sock");
        File.Delete(place);
        var hearing = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            hearing.Bind(new UnixDomainSocketEndPoint(place));
            File.SetUnixFileMode(place, (UnixFileMode)0b110_110_110); // the directory decides who gets here
            hearing.Listen(MostAtOnce);
            return new EngineRelay(engine, terms, place, hearing);
        }
        catch (Exception e) when (e is SocketException or ArgumentOutOfRangeException)
        {
            hearing.Dispose();
            throw new EngineException(null, $"the build cannot be given the Docker engine at {place}: {e.Message}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await over.CancelAsync();
        listener.Dispose();
        await accepting;
        await Task.WhenAll(visits.Keys);
        File.Delete(path);
        over.Dispose();
        places.Dispose();
        try
        {
            foreach (var container in await engine.ContainersAsync(new Dictionary<string, string>(terms.Labels) { [RelayTerms.BuildLabel] = terms.Build }))
            {
                await engine.RemoveAsync(container.Id);
            }

            foreach (var name in named.Keys.Where(name => name != terms.Image))
            {
                await engine.RemoveImageAsync(name);
            }
        }
        catch (EngineException)
        {
            // It went away: what carries our labels goes at the next start.
        }
    }

    async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                await places.WaitAsync(over.Token);
                var visit = ServeAsync(await listener.AcceptAsync(over.Token));
                visits[visit] = true;
                _ = visit.ContinueWith(done => visits.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The build is over.
        }
    }

    /// <summary>One request a connection: what comes behind it is nobody's.</summary>
    async Task ServeAsync(Socket socket)
    {
        await using var client = new NetworkStream(socket, ownsSocket: true);
        RelayVisit? visit = null;
        try
        {
            if (await RelayRequest.ReadAsync(client, over.Token) is { } request)
            {
                visit = new RelayVisit(engine, terms, request, client, Note, over.Token);
                await visit.AnswerAsync();
            }
        }
        catch (RelayRefusedException e) when (visit?.HasBegun != true)
        {
            await RefuseAsync(client, e.Status, e.Message);
        }
        catch (EngineException e) when (visit?.HasBegun != true)
        {
            await RefuseAsync(client, e.Status ?? HttpStatusCode.BadGateway, e.Message);
        }
        catch (Exception e) when (e is IOException or SocketException or HttpRequestException or OperationCanceledException or RelayRefusedException or EngineException)
        {
            // One of both went away, or the build is over.
        }
        finally
        {
            places.Release();
        }
    }

    void Note(string name, bool isGiven)
    {
        if (isGiven)
        {
            named[name] = true;
        }
        else
        {
            named.TryRemove(name, out _);
        }
    }

    static async Task RefuseAsync(Stream client, HttpStatusCode status, string why)
    {
        var text = JsonSerializer.SerializeToUtf8Bytes(new { message = why });
        try
        {
            await client.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {(int)status} {status}\r\nContent-Type: application/json\r\nContent-Length: {text.Length}\r\nConnection: close\r\n\r\n"));
            await client.WriteAsync(text);
        }
        catch (IOException)
        {
            // Nobody is there to be told.
        }
    }
}
