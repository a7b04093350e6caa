using System.Diagnostics;
using Xunit.Abstractions;

namespace Paas.Receiver.Stage;

/// <summary>
/// Faults that are met by projects side by side, each by one: what one of them meets is said of it alone, and a receiver that is killed is killed once with each project
/// where its fault is. Afterwards each is at exactly the old or exactly the new release, its visitors were answered well, and the same commit can be pushed again.
/// </summary>
sealed class FaultRound(ReceiverProcess receiver, ITestOutputHelper output)
{
    /// <summary>So many at a time.</summary>
    public const int Abreast = 8;

    static readonly TimeSpan BetweenVisits = TimeSpan.FromMilliseconds(25);

    /// <summary>What went wrong, all rounds. A test gives up when something has: what one fault broke is not blamed on the next.</summary>
    public List<string> Failures { get; } = [];

    /// <summary>The same projects meet every fault; after each they are at the new release, which is the old one for the next.</summary>
    /// <param name="faults">As <c>PAAS_FAULT</c> has them, <c>kill:…</c> or <c>fail:…</c>.</param>
    /// <param name="all">What everybody meets besides.</param>
    public async Task MeetAsync(Func<int, Task<Subject>> newSubject, IEnumerable<string> faults, string? all = null)
    {
        List<Candidate> candidates = [];
        var version = 1;
        try
        {
            foreach (var round in faults.Chunk(Abreast).TakeWhile(_ => Failures.Count == 0))
            {
                candidates.AddRange(await Task.WhenAll(Enumerable.Range(candidates.Count, Math.Max(0, round.Length - candidates.Count)).Select(async number =>
                {
                    var subject = await newSubject(number + 1);
                    var commit = await subject.CommitVersionAsync(version);
                    var push = await subject.Git.PushAsync();
                    if (!push.Accepted)
                    {
                        throw new InvalidOperationException(push.Text + receiver.Output);
                    }

                    subject.FillDataIfKept();
                    return new Candidate(subject, subject.Now(version, commit));
                })));
                version++;
                await MeetAsync([.. candidates.Take(round.Length)], round, version, all);
            }
        }
        finally
        {
            await Task.WhenAll(candidates.Select(candidate => candidate.Subject.DisposeAsync().AsTask()));
        }
    }

    /// <summary>Projects of their own for each fault, at their first deployment.</summary>
    public async Task MeetAtFirstAsync(Func<int, Task<Subject>> newSubject, IEnumerable<string> faults)
    {
        var number = 0;
        foreach (var round in faults.Chunk(Abreast).TakeWhile(_ => Failures.Count == 0))
        {
            var candidates = await Task.WhenAll(round.Select(async _ => new Candidate(await newSubject(Interlocked.Increment(ref number)), Moment.Nothing)));
            try
            {
                await MeetAsync(candidates, round, version: 1, all: null);
            }
            finally
            {
                await Task.WhenAll(candidates.Select(candidate => candidate.Subject.DisposeAsync().AsTask()));
            }
        }
    }

    async Task MeetAsync(IReadOnlyList<Candidate> candidates, string[] faults, int version, string? all)
    {
        var (clock, printed, kills) = (Stopwatch.StartNew(), receiver.Output.Length, faults[0].StartsWith("kill:", StringComparison.Ordinal));
        await Task.WhenAll(candidates.Select(async candidate => await candidate.PrepareAsync(version, BetweenVisits)));
        receiver.Arm(string.Join(',', faults.Select(fault => fault.Replace("kill:", "hold:", StringComparison.Ordinal).Replace("fail:", "once:", StringComparison.Ordinal)).Concat(all is null ? [] : [all])));
        var pushes = Task.WhenAll(candidates.Select(candidate => candidate.PushAsync()));
        var ended = 137;
        if (kills)
        {
            try
            {
                ended = await receiver.ExitAsync();
            }
            catch (TimeoutException)
            {
                ended = 0;
                await receiver.KillAsync();
            }
        }

        await pushes;
        var taken = receiver.TakenFaults();
        receiver.Arm(null);
        if (ended != 137 || taken.Count != faults.Length)
        {
            Failures.Add($"of {string.Join(", ", faults)} somebody met {string.Join(", ", taken.Values)}; the receiver ended with {ended}\n{receiver.Output[printed..]}");
        }

        if (!receiver.IsRunning)
        {
            await receiver.StartAgainAsync();
        }

        await Task.WhenAll(candidates.Select(async candidate =>
        {
            await candidate.LookAsync(kills);
            var fault = candidate.Subject.Deployments().Select(taken.GetValueOrDefault).FirstOrDefault(met => met is not null) ?? "no fault";
            output.WriteLine($"{fault}: {candidate.Is}, {clock.ElapsedMilliseconds} ms with the others, {candidate.Answers}");
            lock (Failures)
            {
                Failures.AddRange(candidate.Wrong.Select(what => $"{fault}: {what}"));
                if (candidate.Wrong.Count > 0)
                {
                    Failures.Add($"{fault}: the pusher read:\n{candidate.PushText}\nthe receiver printed:\n{receiver.Output[printed..]}");
                }
            }
        }));
    }

    /// <summary>One project on its way from one version to the next.</summary>
    sealed class Candidate(Subject subject, Moment old)
    {
        Moment old = old;
        Moment @new = Moment.Nothing;
        Visitor? visitor;
        PushResult? push;

        public Subject Subject => subject;

        public string Is { get; private set; } = "";

        public string Answers { get; private set; } = "";

        public string PushText => push?.Text ?? "";

        public List<string> Wrong { get; } = [];

        public async Task PrepareAsync(int version, TimeSpan betweenVisits)
        {
            var commit = await subject.CommitVersionAsync(version);
            @new = subject.After(old, version, commit);
            visitor = old.Commit is null ? null : Visitor.Start(subject.Receiver, subject.Host, abreast: 1, pause: betweenVisits);
            await (visitor?.OneMoreAsync() ?? Task.CompletedTask);
        }

        public async Task PushAsync() => push = await subject.Git.PushAsync();

        /// <summary>Everything agrees on one of the two, and after a second push of the same commit on the new one.</summary>
        /// <param name="killed">While the receiver is away nobody answers; whatever does answer, answers well.</param>
        public async Task LookAsync(bool killed)
        {
            var (moment, disagreements) = await subject.SettleAsync(old, @new);
            Wrong.AddRange(disagreements);
            Is = moment == old ? "old" : moment == @new ? "new" : "neither";
            if (!killed && push!.Accepted != (await subject.Git.RemoteRefAsync() == @new.Commit))
            {
                Wrong.Add($"git push ended with {push.ExitCode}, and the ref is at {await subject.Git.RemoteRefAsync()}");
            }

            var again = await subject.Git.PushAsync();
            if (!again.Accepted)
            {
                Wrong.Add($"the second push was refused: {again.Text}");
            }

            var (_, left) = await subject.SettleAsync(@new, @new);
            Wrong.AddRange(left.Select(what => $"second push: {what}"));
            if (visitor is not null)
            {
                await visitor.OneMoreAsync().WaitAsync(TimeSpan.FromSeconds(10));
                await visitor.StopAsync();
                Wrong.AddRange(visitor.Failures.Where(failure => !killed || IsAnswer(failure)).Take(3).Select(failure => $"visitor: {failure}"));
                Answers = $"{visitor.Answered} answers, {visitor.Failures.Count} without";
                await visitor.DisposeAsync();
            }

            old = subject.Now(@new.Version, @new.Commit!);
        }

        static bool IsAnswer(string failure) => failure.Split("ms: ")[^1] is [>= '0' and <= '9', _, _, ' ', ..];
    }
}
