using System.Buffers.Binary;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>
/// A one-off command in a release, as its instances run: its view, its user, its environment, no port. The answer is a stream of frames: one byte that says what it is (1 output,
/// 2 error output, 0 the end), four bytes of length, the bytes; the end carries the exit code as a decimal number. Whoever hangs up ends the command.
/// </summary>
static class RunEndpoint
{
    public const string MediaType = "application/vnd.paas.run";

    const int MostWords = 1000;

    static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    public static void MapRun(this RouteGroupBuilder api) => api.MapPost(
        "/projects/{environment}/{project}/run",
        async (string environment, string project, RunOrder order, HttpContext context, Desk desk, ReleaseStore releases, Launches launches, Fleet fleet) =>
        {
            // A command sees the configuration, so whoever runs one must be one who may.
            var of = desk.Project(context, environment, project, Permission.Deploy, Permission.Configure);
            if (order.Command is not { Count: > 0 and <= MostWords } words || words[0].Length == 0 || words.Any(word => word.Contains('\0', StringComparison.Ordinal)))
            {
                throw new ProblemException(StatusCodes.Status400BadRequest, "The command is a list of words: a program and its arguments.");
            }

            var release = (order.Release is { } number ? releases.Find(of, number) : releases.Current(of))
                ?? throw new ProblemException(StatusCodes.Status404NotFound, order.Release is null ? "Nothing is live yet: push first." : $"There is no release v{order.Release}.");
            if (!Directory.Exists(release.Directory))
            {
                throw new ProblemException(StatusCodes.Status409Conflict, $"{release} is not kept any more.");
            }

            var ct = context.RequestAborted;
            var launch = await launches.OfAsync(release, ct);
            launch = launch with { Environment = new Dictionary<string, string>(launch.Environment) { ["PAASTA_LAUNCHED_BY"] = Desk.AskerOf(context).Caller.Name } };
            context.Response.ContentType = MediaType;
            await context.Response.Body.FlushAsync(ct);
            using var turn = new SemaphoreSlim(1);
            int code;
            try
            {
                code = await fleet.RunOnceAsync(launch, words, (error, bytes) => SendAsync(error ? (byte)2 : (byte)1, bytes), Longest, ct);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await SendAsync(0, System.Text.Encoding.ASCII.GetBytes(code.ToString(System.Globalization.CultureInfo.InvariantCulture)));

            async Task SendAsync(byte kind, ReadOnlyMemory<byte> bytes)
            {
                await turn.WaitAsync(CancellationToken.None);
                try
                {
                    var head = new byte[5];
                    head[0] = kind;
                    BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), bytes.Length);
                    await context.Response.Body.WriteAsync(head, ct);
                    await context.Response.Body.WriteAsync(bytes, ct);
                    await context.Response.Body.FlushAsync(ct);
                }
                catch (Exception e) when (e is OperationCanceledException or IOException)
                {
                    // Nobody listens any more: the command is being ended for it.
                }
                finally
                {
                    turn.Release();
                }
            }
        });
}
