namespace Paas.Receiver.Processes;

/// <summary>What everything in one cage may use together. Null is no limit.</summary>
/// <param name="Memory">Bytes.</param>
/// <param name="Cpus">Processors: 0.5 is half of one.</param>
/// <param name="Processes">Processes and threads.</param>
sealed record CageLimits(long? Memory = null, double? Cpus = null, int? Processes = null)
{
    public static readonly CageLimits None = new();

    /// <summary>The stricter of both in each.</summary>
    public CageLimits Within(CageLimits other) => new(
        Least(Memory, other.Memory), Least(Cpus, other.Cpus), Least(Processes, other.Processes));

    static T? Least<T>(T? one, T? other)
        where T : struct, IComparable<T> => one is not { } a ? other : other is not { } b ? a : a.CompareTo(b) <= 0 ? a : b;
}

/// <summary>One thing that keeps projects apart, and whether this machine gives it: for <c>doctor</c> and the operator's log.</summary>
/// <param name="Detail">How it is given, or what is missing and what would bring it.</param>
sealed record Finding(string What, bool IsGiven, string Detail);
