namespace Paas.Receiver.Diagnostics;

/// <summary>How serious a finding is. <see cref="Warning"/> and <see cref="Problem"/> want somebody to act.</summary>
enum Severity
{
    Fine,

    /// <summary>Worth knowing, and nothing to be done: a feature that this machine does not give.</summary>
    Note,

    /// <summary>Was wrong, and has just been put right.</summary>
    Mended,

    /// <summary>Goes on for now.</summary>
    Warning,

    /// <summary>Something does not work, or may be lost.</summary>
    Problem,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Area">One word: <c>disk</c>, <c>kernel</c>, <c>programs</c>, <c>permissions</c>, <c>clock</c>, <c>ports</c>, <c>database</c>, <c>journal</c>, <c>files</c>, <c>space</c>, <c>containers</c>, <c>images</c>, <c>groups</c>, <c>registry</c>, <c>nginx</c>, <c>hosts</c>, <c>repositories</c>, <c>certificates</c>.</param>
/// <param name="Remedy">What would put it right; null where nothing has to be.</param>
sealed record Diagnosis(string Area, Severity Severity, string Message, string? Remedy = null);

/// <summary>What an examination is to do beside looking.</summary>
/// <param name="Fix">What is safe is put right: nothing is deleted that somebody could miss.</param>
/// <param name="Repositories">Every git repository is read whole; takes minutes where they are large.</param>
sealed record Examination(bool Fix = false, bool Repositories = false);

/// <summary>What the doctor has to be told of this receiver.</summary>
sealed record DoctorSettings
{
    public required string Root { get; init; }

    public required string State { get; init; }

    /// <summary>What should answer, and where; with what it says first, where it speaks first.</summary>
    public IReadOnlyList<(string Name, System.Net.IPEndPoint At, string? Greeting)> Doors { get; init; } = [];

    /// <summary>The certificates that are served, by the names they are good for, with their ends.</summary>
    public Func<IReadOnlyList<(string Name, DateTimeOffset NotAfter)>> Certificates { get; init; } = () => [];
}
