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
    /// <summary>Hundreds of pushes: what comes behind the switch is tried at its fault points, its waiting elsewhere.</summary>
    static readonly Dictionary<string, string> Unsettled = new() { ["PAAS_SETTLE"] = "0" };

    protected abstract bool KeepsData { get; }

    /// <summary>The steps that this strategy has, in a push.</summary>
    protected abstract IReadOnlyList<string> StepsOf(bool first);

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public Task A_first_deployment_leaves_all_or_nothing(string what) =>
        RoundsAsync((round, receiver) => round.MeetAtFirstAsync(number => Subject.NewAsync(receiver, $"first-{number}", KeepsData), FaultsOf(what, first: true)));

    [Theory]
    [InlineData("fail")]
    [InlineData("kill")]
    public Task A_later_deployment_leaves_the_old_or_the_new(string what) =>
        RoundsAsync((round, receiver) => round.MeetAsync(number => Subject.NewAsync(receiver, $"later-{number}", KeepsData), FaultsOf(what, first: false)));

    [Fact]
    public Task The_way_back_can_itself_be_killed_at_every_turn()
    {
        var ways = typeof(Undo).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Undo))).Select(type => type.Name).Append("undo")
            .Where(name => KeepsData || name is not ("LetVisitorsIn" or "StartAgain"))
            .Where(name => KeepsData || name is not ("RestoreData" or "ReloadDumps"))
            .Where(name => name is not (nameof(StartExclusiveAgain) or nameof(FillUpAgain) or nameof(ForgetInPlace) or nameof(PutEditsBack))); // the first two in FaultsInOtherModes; nothing is edited in place
        return RoundsAsync((round, receiver) => round.MeetAsync(
            number => Subject.NewAsync(receiver, $"back-{number}", KeepsData), ways.SelectMany(way => new[] { $"kill:{way}:before", $"kill:{way}:after" }), all: "fail:switch:after"));
    }

    async Task RoundsAsync(Func<FaultRound, ReceiverProcess, Task> meet)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Unsettled);
        var round = new FaultRound(receiver, output);
        await meet(round, receiver);
        Assert.True(round.Failures.Count == 0, string.Join('\n', round.Failures));
    }

    /// <summary>Behind the last step git still waits for its answer; there nothing is left that could fail, but much that could be killed.</summary>
    IEnumerable<string> FaultsOf(string what, bool first) =>
        StepsOf(first).Concat(what == "kill" ? ["answer"] : []).SelectMany(step => new[] { $"{what}:{step}:before", $"{what}:{step}:after" });
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
