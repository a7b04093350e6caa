using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Paas.Receiver.Manifests;

/// <summary>
/// When a cron entry is due, in Paasmaker's syntax (reference 2.8): five fields, lists, ranges (18-6 wraps around), steps, names of months and days, Sunday 0 or 7, <c>?</c>,
/// <c>L</c>, <c>nL</c>, <c>nW</c>, <c>d#n</c>, <c>%N</c> (every N units since 1970), and <c>@daily</c> and its like. Day of month and day of week: either is enough where both are given.
/// </summary>
sealed class CronSchedule
{
    static readonly Dictionary<string, string> Nicknames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["@yearly"] = "0 0 1 1 *",
        ["@annually"] = "0 0 1 1 *",
        ["@monthly"] = "0 0 1 * *",
        ["@weekly"] = "0 0 * * 0",
        ["@daily"] = "0 0 * * *",
        ["@midnight"] = "0 0 * * *",
        ["@hourly"] = "0 * * * *",
    };

    static readonly string[] Months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    static readonly string[] Days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    static readonly Unit[] Units =
    [
        new("minute", 0, 59, [], 0), new("hour", 0, 23, [], 0), new("day of the month", 1, 31, [], 0), new("month", 1, 12, Months, 1), new("day of the week", 0, 7, Days, 0),
    ];

    readonly Func<Moment, bool>[] fields;
    readonly bool anyDayOfMonth;
    readonly bool anyDayOfWeek;

    CronSchedule(Func<Moment, bool>[] fields, bool anyDayOfMonth, bool anyDayOfWeek)
    {
        this.fields = fields;
        this.anyDayOfMonth = anyDayOfMonth;
        this.anyDayOfWeek = anyDayOfWeek;
    }

    /// <param name="mistake">What is wrong with it, for people.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out CronSchedule? schedule, [NotNullWhen(false)] out string? mistake)
    {
        (schedule, mistake) = (null, null);
        var trimmed = text.Trim();
        if (trimmed.StartsWith('@') && !Nicknames.ContainsKey(trimmed))
        {
            mistake = $"is none of {string.Join(", ", Nicknames.Keys)}";
            return false;
        }

        var parts = Nicknames.GetValueOrDefault(trimmed, trimmed).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != Units.Length)
        {
            mistake = "is not five fields: minute, hour, day, month, weekday";
            return false;
        }

        var all = new Func<Moment, bool>[Units.Length];
        for (var i = 0; i < Units.Length; i++)
        {
            var choices = parts[i].Split(',').Select(part => Choice(part, i)).ToList();
            if (choices.Contains(null))
            {
                mistake = $"has '{parts[i].Split(',')[choices.IndexOf(null)]}', which is no {Units[i].Name}";
                return false;
            }

            all[i] = moment => choices.Exists(choice => choice!(moment));
        }

        schedule = new CronSchedule(all, parts[2] is "*" or "?", parts[4] is "*" or "?");
        return true;
    }

    /// <summary>Is it due in this minute of this clock?</summary>
    public bool IsDue(DateTime at)
    {
        var moment = new Moment(at);
        return fields[0](moment) && fields[1](moment) && fields[3](moment)
            && (anyDayOfMonth || anyDayOfWeek ? fields[2](moment) && fields[4](moment) : fields[2](moment) || fields[4](moment));
    }

    // Null when it is none.
    static Func<Moment, bool>? Choice(string part, int field)
    {
        var unit = Units[field];
        var lower = part.ToLowerInvariant();
        if (lower.TrimStart('*') is ['%', .. var every])
        {
            return Number(every, 1, int.MaxValue) is { } n ? moment => moment.SinceEpoch(field) % n == 0 : null;
        }

        if (field == 2 && lower == "l")
        {
            return moment => moment.At.Day == moment.LastDay;
        }

        if (field == 2 && lower is [.. var near, 'w'])
        {
            return Number(near, 1, 31) is { } day ? moment => moment.At.Day == moment.WeekdayNear(day) : null;
        }

        if (field == 4 && lower is [.. var last, 'l'])
        {
            return last.Length == 0 ? moment => moment.Of(4) == 6 : Value(last, unit) is { } day ? moment => moment.Of(4) == day % 7 && moment.At.Day + 7 > moment.LastDay : null;
        }

        if (field == 4 && lower.Split('#') is [var which, var count])
        {
            return Value(which, unit) is { } day && Number(count, 1, 5) is { } nth ? moment => moment.Of(4) == day % 7 && (moment.At.Day - 1) / 7 == nth - 1 : null;
        }

        return Range(lower, unit, field);
    }

    static Func<Moment, bool>? Range(string part, Unit unit, int field)
    {
        var (range, step) = part.Split('/') switch
        {
            [var alone] => (alone, 1),
            [var stepped, var by] when Number(by, 1, 1000) is { } n => (stepped, n),
            _ => ("", 0),
        };
        var (from, to) = range is "*" or "?" ? (unit.Least, unit.Most)
            : range.Split('-') is [var a, var b] ? (Value(a, unit), Value(b, unit))
            : (Value(range, unit), part.Contains('/', StringComparison.Ordinal) ? unit.Most : Value(range, unit));
        if (step == 0 || from is not { } first || to is not { } end)
        {
            return null;
        }

        var chosen = new HashSet<int>();
        var size = field == 4 ? 7 : unit.Most - unit.Least + 1;
        var length = end >= first ? end - first : end - first + size;
        for (var offset = 0; offset <= length; offset += step)
        {
            chosen.Add(((first - unit.Least + offset) % size) + unit.Least);
        }

        return moment => chosen.Contains(moment.Of(field));
    }

    static int? Value(string text, Unit unit) =>
        Array.IndexOf(unit.Names, text) is >= 0 and var named ? named + unit.FirstName : Number(text, unit.Least, unit.Most);

    static int? Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number : null;

    sealed record Unit(string Name, int Least, int Most, string[] Names, int FirstName);

    readonly record struct Moment(DateTime At)
    {
        public int LastDay => DateTime.DaysInMonth(At.Year, At.Month);

        public int Of(int field) => field switch { 0 => At.Minute, 1 => At.Hour, 2 => At.Day, 3 => At.Month, _ => (int)At.DayOfWeek };

        public long SinceEpoch(int field)
        {
            var since = At - DateTime.UnixEpoch;
            return field switch { 0 => (long)since.TotalMinutes, 1 => (long)since.TotalHours, 3 => ((At.Year - 1970) * 12) + At.Month - 1, _ => (long)since.TotalDays };
        }

        /// <summary>The weekday nearest to a day of this month, never in another month.</summary>
        public int WeekdayNear(int day)
        {
            var wanted = Math.Min(day, LastDay);
            return new DateTime(At.Year, At.Month, wanted).DayOfWeek switch
            {
                DayOfWeek.Saturday => wanted > 1 ? wanted - 1 : wanted + 2,
                DayOfWeek.Sunday => wanted < LastDay ? wanted + 1 : wanted - 2,
                _ => wanted,
            };
        }
    }
}
