using System.Globalization;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class CronScheduleTests
{
    [Theory]
    [InlineData("* * * * *", "2026-03-04 05:06", true)]
    [InlineData("*/5 * * * *", "2026-03-04 05:10", true)]
    [InlineData("*/5 * * * *", "2026-03-04 05:11", false)]
    [InlineData("3-59/10 * * * *", "2026-03-04 05:13", true)]
    [InlineData("5/20 * * * *", "2026-03-04 05:45", true)]
    [InlineData("0 18-6 * * *", "2026-03-04 23:00", true)]
    [InlineData("0 18-6 * * *", "2026-03-04 06:00", true)]
    [InlineData("0 18-6 * * *", "2026-03-04 12:00", false)]
    [InlineData("0 0 1,15 * *", "2026-03-15 00:00", true)]
    [InlineData("0 0 * JAN-mar *", "2026-03-15 00:00", true)]
    [InlineData("0 0 * nov-feb *", "2026-01-15 00:00", true)]
    [InlineData("0 0 * nov-feb *", "2026-03-15 00:00", false)]
    [InlineData("0 0 * * 0", "2026-03-01 00:00", true)] // a Sunday
    [InlineData("0 0 * * 7", "2026-03-01 00:00", true)]
    [InlineData("0 0 * * fri-mon", "2026-03-01 00:00", true)]
    [InlineData("0 0 * * fri-mon", "2026-03-04 00:00", false)]
    [InlineData("0 0 * * 5-7", "2026-03-01 00:00", true)]
    [InlineData("0 0 ? * ?", "2026-03-01 00:00", true)]
    [InlineData("0 0 13 * fri", "2026-03-13 00:00", true)] // either is enough
    [InlineData("0 0 13 * fri", "2026-03-06 00:00", true)]
    [InlineData("0 0 13 * fri", "2026-03-07 00:00", false)]
    [InlineData("0 0 L * *", "2026-02-28 00:00", true)]
    [InlineData("0 0 L * *", "2028-02-28 00:00", false)]
    [InlineData("0 0 * * 5L", "2026-03-27 00:00", true)]
    [InlineData("0 0 * * 5L", "2026-03-20 00:00", false)]
    [InlineData("0 0 15W * *", "2026-03-16 00:00", true)] // the 15th is a Sunday
    [InlineData("0 0 1W * *", "2026-08-03 00:00", true)] // the 1st is a Saturday, and July is another month
    [InlineData("0 0 * * 2#3", "2026-03-17 00:00", true)]
    [InlineData("0 0 * * 2#3", "2026-03-10 00:00", false)]
    [InlineData("%2 * * * *", "1970-01-01 00:02", true)]
    [InlineData("%2 * * * *", "1970-01-01 00:03", false)]
    [InlineData("0 0 *%3 * *", "1970-01-04 00:00", true)]
    [InlineData("@hourly", "2026-03-04 05:00", true)]
    [InlineData("@Daily", "2026-03-04 05:00", false)]
    [InlineData("@yearly", "2026-01-01 00:00", true)]
    [InlineData("@weekly", "2026-03-01 00:00", true)]
    public void An_entry_is_due_when_it_says(string text, string at, bool due)
    {
        Assert.True(CronSchedule.TryParse(text, out var schedule, out var mistake), mistake);
        Assert.Equal(due, schedule.IsDue(DateTime.Parse(at, CultureInfo.InvariantCulture)));
    }

    [Theory]
    [InlineData("", "five fields")]
    [InlineData("* * * *", "five fields")]
    [InlineData("* * * * * *", "five fields")]
    [InlineData("60 * * * *", "'60', which is no minute")]
    [InlineData("* 24 * * *", "no hour")]
    [InlineData("* * 0 * *", "no day of the month")]
    [InlineData("* * * 13 *", "no month")]
    [InlineData("* * * * 8", "no day of the week")]
    [InlineData("* * * * bob", "no day of the week")]
    [InlineData("*/0 * * * *", "no minute")]
    [InlineData("1,, * * * *", "no minute")]
    [InlineData("1-2-3 * * * *", "no minute")]
    [InlineData("* * * * 2#6", "no day of the week")]
    [InlineData("* * 32W * *", "no day of the month")]
    [InlineData("%0 * * * *", "no minute")]
    [InlineData("-1 * * * *", "no minute")]
    [InlineData("@never", "is none of @yearly")]
    public void One_that_cannot_be_meant_is_told(string text, string words)
    {
        Assert.False(CronSchedule.TryParse(text, out _, out var mistake));
        Assert.Contains(words, mistake, StringComparison.Ordinal);
    }
}
