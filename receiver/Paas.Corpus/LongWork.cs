using Paas.Receiver.Contract;

namespace Paas.Corpus;

/// <summary>Work that the receiver accepted: followed to its end, with its exit code.</summary>
static class LongWork
{
    public static async Task<int> FollowAsync(ReceiverClient client, AcceptedWork accepted, Surroundings surroundings, CancellationToken ct)
    {
        try
        {
            var outcome = await WatchAsync(client, accepted, surroundings, ct);
            if (surroundings.Json)
            {
                var deployment = await client.GetAsync(accepted.Url.TrimStart('/'), ContractJson.Default.DeploymentSummary, ct);
                await surroundings.WriteJsonAsync(new Happening("outcome") { Outcome = outcome.Outcome, Succeeded = outcome.Succeeded, Deployment = deployment }, CorpusJson.Default.Happening);
            }

            return outcome.Succeeded ? Exit.Done : surroundings.Fail(new CorpusException(Exit.Failed, $"{accepted.Id} ended as {outcome.Outcome}."));
        }
        catch (OperationCanceledException)
        {
            return surroundings.Fail(new CorpusException(Exit.Failed, $"{accepted.Id} goes on without you. To stop it: corpus cancel"));
        }
    }

    static async Task<OutcomeEvent> WatchAsync(ReceiverClient client, AcceptedWork accepted, Surroundings surroundings, CancellationToken ct)
    {
        if (surroundings.Json)
        {
            await surroundings.WriteJsonAsync(new Happening("accepted") { Work = accepted }, CorpusJson.Default.Happening);
        }

        await using var bar = ProgressBar.On(surroundings);
        var estimating = bar is null ? Task.CompletedTask : EstimateAsync(client, accepted, bar, ct);
        var outcome = await client.FollowAsync(accepted.Log.TrimStart('/'), bar, ct);
        await estimating;
        return outcome;
    }

    // The last one of its kind that went well took about as long as this one will.
    static async Task EstimateAsync(ReceiverClient client, AcceptedWork accepted, ProgressBar bar, CancellationToken ct)
    {
        try
        {
            var mine = await client.GetAsync(accepted.Url.TrimStart('/'), ContractJson.Default.DeploymentSummary, ct);
            var path = $"api/v1/projects/{Uri.EscapeDataString(mine.Environment)}/{Uri.EscapeDataString(mine.Project)}/deployments?limit=50";
            var before = (await client.GetAsync(path, ContractJson.Default.PageDeploymentSummary, ct)).Items
                .FirstOrDefault(one => one.Kind == mine.Kind && one.Outcome is "live" or "done" && one is { StartedAt: not null, FinishedAt: not null });
            if (before is not null)
            {
                bar.Expect(before.FinishedAt!.Value - before.StartedAt!.Value);
            }
        }
        catch (Exception e) when (e is CorpusException or OperationCanceledException)
        {
            // Then it is not known; the bar shows that something moves.
        }
    }
}
