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
        }, ct);
        return (code, output.ToString(), error.ToString());
    }
}
