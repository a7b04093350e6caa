namespace Paas.Receiver.Access;

/// <summary>A clock that stands still until it is told otherwise; timers fire as it is moved on.</summary>
sealed class ManualTime : TimeProvider
{
    readonly List<ManualTimer> timers = [];
    DateTimeOffset now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => now.UtcTicks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        timers.Add(timer);
        return timer;
    }

    public void Advance(TimeSpan by)
    {
        now += by;
        foreach (var timer in timers.ToList())
        {
            timer.FireIfDue();
        }
    }

    sealed class ManualTimer(ManualTime time, Action fire) : ITimer
    {
        DateTimeOffset? due;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            due = dueTime == Timeout.InfiniteTimeSpan ? null : time.now + dueTime;
            return true;
        }

        public void FireIfDue()
        {
            if (due <= time.now)
            {
                due = null;
                fire();
            }
        }

        public void Dispose() => due = null;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
