using Paas.Receiver.Contract;

namespace Paas.Corpus;

/// <summary>Work that the receiver accepted: followed to its end, with its exit code.</summary>
static class LongWork
{
    public static async Task<int> FollowAsync(ReceiverClient client, AcceptedWork accepted, Surroundings surroundings, CancellationToken ct)
    {
        try
        {
            var outcome = await client.FollowAsync(accepted.Log.TrimStart('/'), ct);
            if (!outcome.Succeeded)
            {
                await surroundings.Error.WriteLineAsync($"corpus: {accepted.Id} ended as {outcome.Outcome}.");
            }

            return outcome.Succeeded ? Exit.Done : Exit.Failed;
        }
        catch (OperationCanceledException)
        {
            await surroundings.Error.WriteLineAsync($"corpus: {accepted.Id} goes on without you. To stop it: corpus cancel");
            return Exit.Failed;
        }
    }
}
