using System.Diagnostics;
using Paas.Receiver.Deployments;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>
/// Every step of a push, before and after, killed and failed, at the first deployment and at a later one: afterwards the project is at exactly the old or
/// exactly the new release, and the same commit can be pushed again.
/// </summary>
public abstract class EveryFaultPoint(ITestOutputHelper output)
{
    /// <summary>So many wrong faults are enough to look at: each costs its patience.</summary>
    const int Enough = 4;

    static readonly TimeSpan BetweenVisits = TimeSpan.FromMilliseconds(4);

    /// <summary>Hundreds of pushes: what comes behind the switch is tried at its fault points, its waiting elsewhere.</summary>
    static readonly Dictionary<string, string> Unsettled = new() { ["PAAS_SETTLE"] = "0" };

    int wrong;

    protected abstract bool KeepsData { get; }

    /// <summary>The steps that this strategy has, in a push.</summary>
    protected abstract IReadOnlyList<string> StepsOf(bool first);

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public async Task A_first_deployment_leaves_all_or_nothing(string what)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Unsettled);
        var failures = new List<string>();
        var number = 0;
        foreach (var fault in FaultsOf(what, first: true).TakeWhile(_ => wrong < Enough))
        {
            await using var subject = await Subject.NewAsync(receiver, $"first-{++number}", KeepsData);
            var commit = await subject.CommitVersionAsync(1);
            await MeetAsync(subject, fault, Moment.Nothing, subject.After(Moment.Nothing, 1, commit), failures);
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public async Task A_later_deployment_leaves_the_old_or_the_new(string what)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Unsettled);
        var failures = new List<string>();
        await RunAsync(receiver, FaultsOf(what, first: false), failures);
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public async Task The_way_back_can_itself_be_killed_at_every_turn()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Unsettled);
        var failures = new List<string>();
        var ways = typeof(Undo).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Undo))).Select(type => type.Name).Append("undo")
            .Where(name => KeepsData || name is not ("LetVisitorsIn" or "StartAgain"))
            .Where(name => KeepsData || name is not ("RestoreData" or "ReloadDumps"))
            .Where(name => name is not (nameof(StartExclusiveAgain) or nameof(FillUpAgain) or nameof(ForgetInPlace) or nameof(PutEditsBack))); // no exclusive type, no type with several instances, nothing edited in place
        await RunAsync(receiver, ways.SelectMany(way => new[] { $"fail:switch:after,kill:{way}:before", $"fail:switch:after,kill:{way}:after" }), failures);
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    /// <summary>Behind the last step git still waits for its answer; there nothing is left that could fail, but much that could be killed.</summary>
    IEnumerable<string> FaultsOf(string what, bool first) =>
        StepsOf(first).Concat(what == "kill" ? ["answer"] : []).SelectMany(step => new[] { $"{what}:{step}:before", $"{what}:{step}:after" });

    /// <summary>One project that meets every fault; after each it is at the new release, which is the old one for the next.</summary>
    async Task RunAsync(ReceiverProcess receiver, IEnumerable<string> faults, List<string> failures)
    {
        var (number, version) = (0, 1);
        Subject? subject = null;
        Moment? old = null;
        try
        {
            foreach (var fault in faults.TakeWhile(_ => wrong < Enough))
            {
                if (subject is null || old is null)
                {
                    subject = await Subject.NewAsync(receiver, $"later-{++number}", KeepsData);
                    var first = await subject.CommitVersionAsync(version);
                    var push = await subject.Git.PushAsync();
                    Assert.True(push.Accepted, push.Text + receiver.Output);
                    if (KeepsData)
                    {
                        subject.FillData();
                    }

                    old = subject.Now(version, first);
                }

                var commit = await subject.CommitVersionAsync(++version);
                var well = await MeetAsync(subject, fault, old, subject.After(old, version, commit), failures);
                old = subject.Now(version, commit);
                if (!well)
                {
                    // What one fault broke is not blamed on the next.
                    await subject.DisposeAsync();
                    subject = null;
                }
            }
        }
        finally
        {
            await (subject?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }

    async Task<bool> MeetAsync(Subject subject, string fault, Moment old, Moment @new, List<string> failures)
    {
        var (receiver, clock) = (subject.Receiver, Stopwatch.StartNew());
        var (before, printed) = (failures.Count, receiver.Output.Length);
        void Wrong(string what) => failures.Add($"{fault}: {what}");

        await using var visitor = old.Commit is null ? null : Visitor.Start(receiver, subject.Host, abreast: 1, pause: BetweenVisits);
        await (visitor?.OneMoreAsync() ?? Task.CompletedTask);
        receiver.Arm(fault);
        var push = await subject.Git.PushAsync();
        if (fault.Contains("kill:", StringComparison.Ordinal))
        {
            var code = await receiver.ExitAsync();
            if (code != 137)
            {
                Wrong($"the receiver ended with {code}");
            }
        }

        receiver.Arm(null);
        if (!receiver.IsRunning)
        {
            await receiver.StartAgainAsync();
        }

        var (moment, disagreements) = await subject.SettleAsync(old, @new);
        disagreements.ToList().ForEach(Wrong);
        if (!fault.Contains("kill:", StringComparison.Ordinal) && push.Accepted != (await subject.Git.RemoteRefAsync() == @new.Commit))
        {
            Wrong($"git push ended with {push.ExitCode}, and the ref is at {await subject.Git.RemoteRefAsync()}");
        }

        // The same commit again.
        var again = await subject.Git.PushAsync();
        if (!again.Accepted)
        {
            Wrong($"the second push was refused: {again.Text}");
        }

        var (now, left) = await subject.SettleAsync(@new, @new);
        left.Select(what => $"second push: {what}").ToList().ForEach(Wrong);
        if (visitor is not null)
        {
            await visitor.OneMoreAsync().WaitAsync(TimeSpan.FromSeconds(10));
            await visitor.StopAsync();

            // While the receiver is away nobody answers; whatever does answer, answers well.
            foreach (var failure in visitor.Failures.Where(failure => !fault.Contains("kill:", StringComparison.Ordinal) || IsAnswer(failure)).Take(3))
            {
                Wrong($"visitor: {failure}");
            }
        }

        if (failures.Count > before)
        {
            wrong++;
            Wrong($"the pusher read:\n{push.Text}\nthe receiver printed:\n{receiver.Output[printed..]}");
        }

        output.WriteLine($"{fault}: {(moment == old ? "old" : moment == @new ? "new" : "neither")}, {clock.ElapsedMilliseconds} ms, {visitor?.Answered} answers, {visitor?.Failures.Count} without");
        return failures.Count == before && now is not null;
    }

    static bool IsAnswer(string failure) => failure.Split("ms: ")[^1] is [>= '0' and <= '9', _, _, ' ', ..];
}

/// <summary>Nothing runs while the data is copied and changed; visitors are held meanwhile.</summary>
public class EveryFaultPointOfDownThenUp(ITestOutputHelper output) : EveryFaultPoint(output)
{
    protected override bool KeepsData => true;

    protected override IReadOnlyList<string> StepsOf(bool first) =>
        [.. Step.All.Where(step => step is not (Step.Restore or Step.Leave or Step.Fetch or Step.CrossOver or Step.Exclusive) && (!first || step is not (Step.Stop or Step.Retire)))];
}

/// <summary>The old release answers until the new one does.</summary>
public class EveryFaultPointOfCrossover(ITestOutputHelper output) : EveryFaultPoint(output)
{
    protected override bool KeepsData => false;

    protected override IReadOnlyList<string> StepsOf(bool first) =>
        [.. Step.All.Where(step => step is not (Step.Restore or Step.Leave or Step.Fetch or Step.Hold or Step.Stop or Step.CrossOver or Step.Exclusive) && (!first || step is not Step.Retire))];
}
