using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Api;

/// <summary>
/// A one-off command in a release, as its instances run: its view, its user, its environment, no port. The answer is a
/// <see cref="FrameStream"/>. Whoever hangs up ends the command.
/// </summary>
static class RunEndpoint
{
    public static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    const int MostWords = 1000;

    /// <exception cref="ProblemException">They are no command.</exception>
    public static IReadOnlyList<string> WordsOf(IReadOnlyList<string>? command) =>
        command is { Count: > 0 and <= MostWords } words && words[0].Length > 0 && !words.Any(word => word.Contains('\0', StringComparison.Ordinal))
            ? words : throw new ProblemException(StatusCodes.Status400BadRequest, "The command is a list of words: a program and its arguments.");

    public static void MapRun(this RouteGroupBuilder api) => api.MapPost(
        "/projects/{environment}/{project}/run",
        async (string environment, string project, RunOrder order, HttpContext context, Desk desk, ReleaseStore releases, Launches launches, Fleet fleet) =>
        {
            // A command sees the configuration, so whoever runs one must be one who may.
            var of = desk.Project(context, environment, project, Permission.Deploy, Permission.Configure);
            var words = WordsOf(order.Command);

            var release = (order.Release is { } number ? releases.Find(of, number) : releases.Current(of))
                ?? throw new ProblemException(StatusCodes.Status404NotFound, order.Release is null ? "Nothing is live yet: push first." : $"There is no release v{order.Release}.");
            if (!Directory.Exists(release.Directory))
            {
                throw new ProblemException(StatusCodes.Status409Conflict, $"{release} is not kept any more.");
            }

            var ct = context.RequestAborted;
            var launch = await launches.OfAsync(release, ct);
            launch = launch with { Environment = new Dictionary<string, string>(launch.Environment) { ["PAASTA_LAUNCHED_BY"] = Desk.AskerOf(context).Caller.Name } };
            using var frames = await FrameStream.BeginAsync(context);
            try
            {
                var code = await fleet.RunOnceAsync(launch, words, frames.SendAsync, Longest, ct);
                await frames.EndAsync(code);
            }
            catch (OperationCanceledException)
            {
                // Whoever asked is gone, and so is the command.
            }
        });
}
