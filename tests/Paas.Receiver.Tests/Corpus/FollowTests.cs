using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Paas.Corpus;

/// <summary>How the command takes a receiver that breaks off, is away for a while, or is none: against a server that does just that.</summary>
public sealed class FollowTests : IAsyncDisposable
{
    readonly WebApplication server;
    readonly List<string?> asked = [];
    readonly Queue<string?> refusals = [];
    readonly InstantTime time = new();
    ExpectingWriter output = new("two");
    Func<HttpContext, int, Task> answer = (_, _) => Task.CompletedTask;

    public FollowTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        server = builder.Build();
        server.Run(context =>
        {
            if (refusals.TryDequeue(out var retryAfter))
            {
                context.Response.StatusCode = 429;
                context.Response.Headers.RetryAfter = retryAfter;
                context.Response.ContentType = "application/problem+json";
                return context.Response.WriteAsync("{\"title\":\"Too Many Requests\",\"detail\":\"slowly, please\"}");
            }

            if (HttpMethods.IsPost(context.Request.Method))
            {
                context.Response.StatusCode = 202;
                return context.Response.WriteAsync("{\"id\":\"d1\",\"url\":\"/api/v1/deployments/d1\",\"log\":\"/api/v1/deployments/d1/log\"}");
            }

            asked.Add(context.Request.Headers["Last-Event-ID"]);
            return answer(context, asked.Count);
        });
    }

    public async ValueTask DisposeAsync() => await server.DisposeAsync();

    [Fact]
    public async Task A_dropped_connection_is_taken_up_after_the_last_line()
    {
        answer = async (context, time) =>
        {
            switch (time)
            {
                case 1:
                    await context.Response.WriteAsync(": hello\n\nid: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 3\ndata: half a li");
                    await context.Response.Body.FlushAsync();
                    await output.Seen;
                    context.Abort();
                    break;
                case 2:
                    context.Response.StatusCode = 503;
                    break;
                case 3:
                    break;
                default:
                    await context.Response.WriteAsync("id:3\ndata:three\n\nevent: outcome\ndata: {\"outcome\":\"live\",\"succeeded\":true}\n\n");
                    break;
            }
        };

        var (code, printed, error) = await RunAsync();

        Assert.Equal((0, "one\ntwo\nthree\n", ""), (code, printed, error));
        Assert.Equal([null, "2", "2", "2"], asked);
    }

    [Fact]
    public async Task A_connection_that_stays_lost_ends_with_exit_code_3_and_what_to_do()
    {
        answer = (context, _) =>
        {
            context.Abort();
            return Task.CompletedTask;
        };

        var (code, _, error) = await RunAsync(TimeSpan.FromMilliseconds(300));

        Assert.Equal(3, code);
        Assert.Contains("goes on there", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Somebody_elses_server_is_told_apart()
    {
        answer = async (context, _) => await context.Response.WriteAsync("event: outcome\ndata: <html>\n\n");
        Assert.Equal(1, (await RunAsync()).Code);

        answer = (context, _) =>
        {
            context.Response.Redirect("http://elsewhere.invalid/");
            return Task.CompletedTask;
        };
        Assert.Equal(1, (await RunAsync()).Code);
    }

    [Fact]
    public async Task Whoever_stops_watching_is_told_that_the_work_goes_on()
    {
        using var stop = new CancellationTokenSource();
        answer = async (context, _) =>
        {
            await context.Response.WriteAsync("id: 1\ndata: one\n\n");
            await context.Response.Body.FlushAsync();
            await stop.CancelAsync();
            await Task.WhenAny(Task.Delay(Timeout.Infinite, context.RequestAborted));
        };

        var (code, _, error) = await RunAsync(ct: stop.Token);

        Assert.Equal((1, "corpus: d1 goes on without you. To stop it: corpus cancel\n"), (code, error));
    }

    [Fact]
    public async Task Who_asks_too_often_waits_as_long_as_is_wanted_and_asks_again()
    {
        answer = async (context, _) => await context.Response.WriteAsync("event: outcome\ndata: {\"outcome\":\"live\",\"succeeded\":true}\n\n");
        refusals.Enqueue("2");
        refusals.Enqueue(DateTimeOffset.UtcNow.AddHours(-1).ToString("R"));
        refusals.Enqueue("0");

        var (code, _, error) = await RunAsync();

        var host = server.Urls.Single()["http://".Length..];
        Assert.Equal((0, $"corpus: {host} is asked too often; again in 2 s\ncorpus: {host} is asked too often; again in 1 s\ncorpus: {host} is asked too often; again in 1 s\n"), (code, error));
        Assert.Equal([TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)], time.Waits);
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("soon", 0)]
    [InlineData("21", 0)]
    [InlineData("99999999999999999999", 0)]
    [InlineData("7", 2)]
    public async Task Who_would_have_to_wait_too_long_is_told_what_the_receiver_says(string? retryAfter, int waits)
    {
        for (var refusal = 0; refusal < 10; refusal++)
        {
            refusals.Enqueue(retryAfter);
        }

        var (code, _, error) = await RunAsync();

        Assert.Equal((4, "corpus: slowly, please"), (code, error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]));
        Assert.Equal(waits, time.Waits.Count);
    }

    async Task<(int Code, string Output, string Error)> RunAsync(TimeSpan? patience = null, CancellationToken ct = default)
    {
        if (server.Urls.Count == 0)
        {
            await server.StartAsync(CancellationToken.None);
        }

        asked.Clear();
        output = new ExpectingWriter("two");
        var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["redeploy", "hello"], new Surroundings
        {
            Out = output,
            Error = error,
            Directory = "/",
            Home = "/nowhere",
            Variable = name => name == "PAAS_URL" ? server.Urls.Single() : null,
            Patience = patience ?? TimeSpan.FromSeconds(60),
            Time = time,
        }, ct);
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>The clock of this machine, by which every wait is over at once and remembered.</summary>
    sealed class InstantTime : TimeProvider
    {
        public List<TimeSpan> Waits { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Waits.Add(dueTime);
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
