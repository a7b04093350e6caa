using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Paas.Receiver.Deployments;

/// <summary>Reference 3.9, row by row, and what holds of all of it.</summary>
public sealed class BounceTests
{
    /// <summary>
    /// Old instances from 1 on: <c>+</c> happy, <c>-</c> not, <c>d</c> draining, <c>s</c> drained or out of time. What is expected: so many to start, who is drained, who is killed.
    /// </summary>
    [Theory]
    // brutal: all at once, no drain, no health.
    [InlineData(nameof(Bounce.Method.Brutal), 4, "1", 0, 0, "++++", "start 4 drain  kill 1,2,3,4")]
    [InlineData(nameof(Bounce.Method.Brutal), 4, "1", 4, 0, "+-ds", "start 0 drain  kill 1,2,3,4")]
    [InlineData(nameof(Bounce.Method.Brutal), 4, "1", 4, 0, "", "start 0 drain  kill , over")]
    // upthendown: none until H == N, then all.
    [InlineData(nameof(Bounce.Method.UpThenDown), 4, "1", 0, 0, "++++", "start 4 drain  kill ")]
    [InlineData(nameof(Bounce.Method.UpThenDown), 4, "0.25", 4, 3, "+++-", "start 0 drain  kill ")]
    [InlineData(nameof(Bounce.Method.UpThenDown), 4, "1", 4, 4, "+-++", "start 0 drain 1,3,4,2 kill ")]
    [InlineData(nameof(Bounce.Method.UpThenDown), 4, "1", 4, 4, "ddsd", "start 0 drain  kill 3")]
    [InlineData(nameof(Bounce.Method.UpThenDown), 2, "1", 2, 2, "", "start 0 drain  kill , over")]
    // crossover: the best max(ceil(N * margin) - H, 0) stay.
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 0, 0, "++++", "start 4 drain  kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 1, "++++", "start 0 drain 4 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 1, "-+++", "start 0 drain 1 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 2, "+++d", "start 0 drain 3 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 2, "++ds", "start 0 drain  kill 4")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 4, "++", "start 0 drain 1,2 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "0.5", 0, 0, "++++", "start 4 drain 3,4 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "0.5", 4, 1, "++dd", "start 0 drain 2 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "0.5", 4, 2, "+ddd", "start 0 drain 1 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 5, "0.5", 5, 1, "+++++", "start 0 drain 3,4,5 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 100, "0.07", 0, 0, "+++++++++", "start 100 drain 8,9 kill ")] // 7.000000000000001 as a double
    [InlineData(nameof(Bounce.Method.Crossover), 2, "1", 2, 0, "+++++", "start 0 drain 3,4,5 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 3, 3, "+", "start 1 drain  kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 0, "1", 0, 0, "++", "start 0 drain 1,2 kill ")]
    [InlineData(nameof(Bounce.Method.Crossover), 4, "1", 4, 4, "", "start 0 drain  kill , over")]
    // downthenup: only when O is empty; all of O.
    [InlineData(nameof(Bounce.Method.DownThenUp), 4, "1", 0, 0, "+-++", "start 0 drain 1,3,4,2 kill ")]
    [InlineData(nameof(Bounce.Method.DownThenUp), 4, "1", 0, 0, "ds", "start 0 drain  kill 2")]
    [InlineData(nameof(Bounce.Method.DownThenUp), 4, "1", 0, 0, "", "start 4 drain  kill ")]
    [InlineData(nameof(Bounce.Method.DownThenUp), 4, "1", 4, 4, "", "start 0 drain  kill , over")]
    // down: never; all of O.
    [InlineData(nameof(Bounce.Method.Down), 4, "1", 0, 0, "++", "start 0 drain 1,2 kill ")]
    [InlineData(nameof(Bounce.Method.Down), 4, "1", 0, 0, "s", "start 0 drain  kill 1")]
    [InlineData(nameof(Bounce.Method.Down), 4, "1", 0, 0, "", "start 0 drain  kill , over")]
    public void The_table_of_bounces(string by, int wanted, string margin, int running, int happy, string old, string expected)
    {
        var move = new Bounce(Enum.Parse<Bounce.Method>(by), wanted, decimal.Parse(margin, CultureInfo.InvariantCulture)).Next(running, happy, Parsed(old));

        Assert.Equal(expected, $"start {move.Start} drain {string.Join(',', move.Drains)} kill {string.Join(',', move.Kills)}{(move.IsOver ? ", over" : "")}");
    }

    [Theory]
    [InlineData(nameof(Bounce.Method.Crossover), 4, 4, "++", "2")]
    [InlineData(nameof(Bounce.Method.Crossover), 1, 1, "+", "")]
    [InlineData(nameof(Bounce.Method.Crossover), 1, 0, "+", "")]
    [InlineData(nameof(Bounce.Method.UpThenDown), 2, 2, "-+", "1")]
    public void Until_the_new_release_is_the_live_one_the_best_of_the_old_stays(string by, int wanted, int happy, string old, string drained) =>
        Assert.Equal(drained, string.Join(',', (new Bounce(Enum.Parse<Bounce.Method>(by), wanted) { LastStays = true }).Next(wanted, happy, Parsed(old)).Drains));

    [Fact]
    public void No_move_leaves_fewer_who_answer_than_the_margin_asks_for_and_each_bounce_comes_to_its_end() =>
        Prop.ForAll(
            Cases().ToArbitrary(),
            one =>
            {
                var run = new Course(one.Bounce, one.Old);
                foreach (var chance in one.Chances)
                {
                    run.Act();
                    run.Suffer(chance);
                }

                return run.EndsWithLuck();
            }).QuickCheckThrowOnFailure();

    static Gen<(Bounce Bounce, int Old, int[] Chances)> Cases() =>
        from method in Gen.Elements(Bounce.Method.Brutal, Bounce.Method.UpThenDown, Bounce.Method.Crossover, Bounce.Method.DownThenUp, Bounce.Method.Down)
        from wanted in Gen.Choose(0, 12)
        from margin in Gen.Choose(1, 100)
        from old in Gen.Choose(0, 12)
        from chances in Gen.ArrayOf(Gen.Choose(0, 1000))
        select (new Bounce(method, wanted, margin / 100m), old, chances);

    static List<Bounce.Old> Parsed(string old) =>
        [.. old.Select((sign, place) => new Bounce.Old(place + 1, sign == '+', sign switch { 'd' => Bounce.Drain.Draining, 's' => Bounce.Drain.Safe, _ => Bounce.Drain.None }))];

    /// <summary>A bounce in a world where anything may become happy, unhappy or drained in any order.</summary>
    sealed class Course(Bounce bounce, int count)
    {
        readonly List<bool> young = [];
        readonly List<Bounce.Old> old = [.. Enumerable.Range(1, count).Select(number => new Bounce.Old(number, true))];

        int Happy => young.Count(happy => happy);

        int Answering => Happy + old.Count(one => one is { IsHappy: true, Drain: Bounce.Drain.None });

        public bool Act()
        {
            var (before, untouched) = (Answering, old.Count(one => one.Drain == Bounce.Drain.None));
            var move = bounce.Next(young.Count, Happy, old);
            Assert.All(move.Kills, number => Assert.True(bounce.By == Bounce.Method.Brutal || old.Single(one => one.Number == number).Drain == Bounce.Drain.Safe));
            Assert.Empty(move.Drains.Intersect(move.Kills));
            for (var place = 0; place < old.Count; place++)
            {
                old[place] = move.Drains.Contains(old[place].Number) ? old[place] with { Drain = Bounce.Drain.Draining } : old[place];
            }

            old.RemoveAll(one => move.Kills.Contains(one.Number));
            young.AddRange(Enumerable.Repeat(false, move.Start));

            Assert.True(young.Count <= bounce.Wanted);
            switch (bounce.By)
            {
                case Bounce.Method.Crossover:
                    Assert.True(Answering >= Math.Min(before, (int)Math.Ceiling(bounce.Wanted * bounce.Margin)), $"{before} answered, now {Answering}");
                    break;
                case Bounce.Method.UpThenDown when Happy < bounce.Wanted:
                    Assert.Equal(before, Answering);
                    Assert.Equal(untouched, old.Count(one => one.Drain == Bounce.Drain.None));
                    break;
                case Bounce.Method.DownThenUp:
                    Assert.True(young.Count == 0 || old.Count == 0);
                    break;
                case Bounce.Method.Down:
                    Assert.Empty(young);
                    break;
            }

            return move.IsOver;
        }

        public void Suffer(int chance)
        {
            var (what, which) = (chance % 3, chance / 3);
            if (what == 0 && young.Count > 0)
            {
                young[which % young.Count] = !young[which % young.Count];
            }
            else if (old.Count > 0)
            {
                var one = old[which % old.Count];
                old[which % old.Count] = what == 1 ? one with { IsHappy = !one.IsHappy } : one.Drain == Bounce.Drain.Draining ? one with { Drain = Bounce.Drain.Safe } : one;
            }
        }

        public bool EndsWithLuck()
        {
            for (var rounds = 0; rounds < 10; rounds++)
            {
                if (Act())
                {
                    return old.Count == 0 && (bounce.By == Bounce.Method.Down || young.Count == bounce.Wanted);
                }

                for (var place = 0; place < young.Count; place++)
                {
                    young[place] = true;
                }

                for (var place = 0; place < old.Count; place++)
                {
                    old[place] = old[place].Drain == Bounce.Drain.Draining ? old[place] with { Drain = Bounce.Drain.Safe } : old[place];
                }
            }

            return false;
        }
    }
}
