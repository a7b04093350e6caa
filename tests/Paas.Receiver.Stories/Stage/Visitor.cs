using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace Paas.Receiver.Stage;

/// <summary>Somebody who asks an application all the time, over a few connections that stay open, and remembers every answer and every failure.</summary>
sealed class Visitor : IAsyncDisposable
{
    readonly CancellationTokenSource stop = new();
    readonly ConcurrentDictionary<string, int> answers = new();
    readonly ConcurrentQueue<string> failures = new();
    readonly SocketsHttpHandler connections;
    readonly HttpClient http;
    readonly Uri address;
    readonly string host;
    readonly TimeSpan pause;
    readonly Lock gate = new();
    readonly Stopwatch clock = Stopwatch.StartNew();
    readonly Task visits;
    TimeSpan lastAnswer;

    Visitor(Uri address, string host, int abreast, TimeSpan pause)
    {
        this.address = address;
        this.host = host;
        this.pause = pause;
        connections = new SocketsHttpHandler { MaxConnectionsPerServer = abreast, UseProxy = false };
        http = new HttpClient(connections, disposeHandler: false) { Timeout = TimeSpan.FromSeconds(60) };
        visits = Task.WhenAll(Enumerable.Range(0, abreast).Select(_ => Task.Run(VisitAsync)));
    }

    /// <summary>Different bodies that were answered with 200, each with how often.</summary>
    public IReadOnlyDictionary<string, int> Answers => answers;

    /// <summary>Every answer other than 200 and every request without an answer, with its time in milliseconds since the start.</summary>
    public IReadOnlyCollection<string> Failures => failures;

    public int Answered => answers.Values.Sum();

    /// <summary>The longest time in which nobody got an answer: how long visitors were held.</summary>
    public TimeSpan LongestGap { get; private set; }

    /// <param name="abreast">How many ask at the same time.</param>
    /// <param name="pause">Between an answer and the next question.</param>
    public static Visitor Start(ReceiverProcess receiver, string host, string path = "/plain", int abreast = 2, TimeSpan pause = default) =>
        new(new Uri(receiver.Address, path), host, abreast, pause);

    /// <summary>Returns once at least one more request than now was answered.</summary>
    public async Task OneMoreAsync()
    {
        for (var before = Answered; Answered == before;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1));
        }
    }

    /// <summary>No further request; those under way come to their end.</summary>
    public async Task StopAsync()
    {
        await stop.CancelAsync();
        await visits;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        http.Dispose();
        connections.Dispose();
        stop.Dispose();
    }

    async Task VisitAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            var asked = clock.Elapsed;
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { Host = host } };
                using var response = await http.SendAsync(request);
                var body = await response.Content.ReadAsStringAsync();
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    Count(body);
                    if (pause > TimeSpan.Zero)
                    {
                        await Task.Delay(pause);
                    }
                }
                else
                {
                    Fail(asked, $"{(int)response.StatusCode} {body}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
            {
                Fail(asked, e.GetBaseException().Message);
                await Task.Delay(TimeSpan.FromMilliseconds(5)); // nobody there: asking on and on would only take the processor from who is to come back
            }
        }
    }

    void Count(string body)
    {
        answers.AddOrUpdate(body, 1, (_, number) => number + 1);
        lock (gate)
        {
            var now = clock.Elapsed;
            LongestGap = lastAnswer != default && now - lastAnswer > LongestGap ? now - lastAnswer : LongestGap;
            lastAnswer = now;
        }
    }

    void Fail(TimeSpan asked, string what) =>
        failures.Enqueue($"asked at {asked.TotalMilliseconds:F0} ms, failed at {clock.Elapsed.TotalMilliseconds:F0} ms: {what}");
}
