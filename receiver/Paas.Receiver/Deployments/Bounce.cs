namespace Paas.Receiver.Deployments;

/// <summary>
/// PaaSTA's bounces (reference 3.9) as a calculation: what is to be done next so that the instances of one process type become the new release's. Knows nothing of
/// what runs; whoever asks does what it says, looks again when something has changed, and asks again until <see cref="Move.IsOver"/>.
/// </summary>
/// <param name="Wanted">So many of the new release's are to run in the end.</param>
/// <param name="Margin"><c>bounce_margin_factor</c>, above 0 and at most 1: the part of <paramref name="Wanted"/> that crossover keeps answering.</param>
sealed record Bounce(Bounce.Method By, int Wanted, decimal Margin = 1)
{
    public enum Method
    {
        /// <summary>The new ones at once; the old ones are killed at once, whoever they are answering.</summary>
        Brutal,

        /// <summary>The new ones at once; the old ones go together once all new ones are happy.</summary>
        UpThenDown,

        /// <summary>The new ones at once; for each that is happy an old one goes.</summary>
        Crossover,

        /// <summary>The old ones go; when nothing of them is left the new ones start.</summary>
        DownThenUp,

        /// <summary>The old ones go and nothing starts: a graceful stop.</summary>
        Down,
    }

    public enum Drain
    {
        /// <summary>It is sent whoever comes.</summary>
        None,

        /// <summary>Nothing new comes to it; it still answers whoever was there.</summary>
        Draining,

        /// <summary>It answers nobody any more, or the deadline is over, or nobody could tell: a drain that fails holds nothing up.</summary>
        Safe,
    }

    /// <summary>One instance of the old release.</summary>
    public readonly record struct Old(int Number, bool IsHappy, Drain Drain = Drain.None);

    /// <param name="Start">So many of the new ones, at once.</param>
    /// <param name="Drains">Numbers of old ones that get nobody any more.</param>
    /// <param name="Kills">Numbers of old ones that end now.</param>
    public sealed record Move(int Start, IReadOnlyList<int> Drains, IReadOnlyList<int> Kills, bool IsOver);

    /// <summary>
    /// The best old one is not given up while this is so: the new release is not the live one yet, so it may be taken back. Stricter than PaaSTA, which reverts code only.
    /// </summary>
    public bool LastStays { get; init; }

    /// <param name="running">The new ones that are started.</param>
    /// <param name="happy">Those of them that are healthy.</param>
    /// <param name="old">What is there of the old release, in any order.</param>
    public Move Next(int running, int happy, IReadOnlyCollection<Old> old)
    {
        // The best first: who answers now is worth more than who does not, and among equals the lowest number.
        var there = old.Where(one => one.Drain == Drain.None).OrderByDescending(one => one.IsHappy).ThenBy(one => one.Number).Select(one => one.Number).ToList();
        var goes = there.Skip(Math.Max(Kept(happy, there.Count), LastStays ? 1 : 0)).ToList();
        var safe = old.Where(one => one.Drain == Drain.Safe).Select(one => one.Number).Order().ToList();
        var missing = By == Method.Down ? 0 : Math.Max(Wanted - running, 0);

        // The data has one owner: also what still drains is in its way, not only what still gets visitors.
        var mayStart = By != Method.DownThenUp || old.Count == 0;
        return new Move(
            mayStart ? missing : 0,
            By == Method.Brutal ? [] : goes,
            By == Method.Brutal ? [.. goes.Concat(old.Where(one => one.Drain != Drain.None).Select(one => one.Number)).Order()] : safe,
            missing == 0 && old.Count == 0 && (By is Method.Down or Method.Brutal || happy >= Wanted));
    }

    /// <summary>How many of the old ones that are not draining stay as they are.</summary>
    int Kept(int happy, int there) => By switch
    {
        Method.Crossover => Math.Max((int)Math.Ceiling(Wanted * Margin) - happy, 0),
        Method.UpThenDown => happy >= Wanted ? 0 : there,
        _ => 0,
    };
}
