using System.Net;

namespace Paas.Receiver.Runtimes;

/// <summary>One running copy, whatever it is made of: a supervised process in a view of the release, or a container of its image. Never restarted; its successor is a new one (PM-26).</summary>
interface IInstance
{
    string Id { get; }

    /// <summary>Where on loopback it is reached; null for a type that does not listen.</summary>
    int? Port { get; }

    /// <summary>The directory of its log.</summary>
    string Log { get; }

    /// <summary>The number of its first process on this machine; 0 where that is not known.</summary>
    int Process { get; }

    /// <summary>Completes when its first process has ended.</summary>
    Task Gone { get; }

    /// <summary>RT-17: true once, for the right key.</summary>
    bool Report(string given, int code);

    /// <summary>The address where somebody answers on its port; who that is tells <see cref="Answers"/>. Ends only with the token.</summary>
    Task<IPEndPoint> AnsweredAtAsync(CancellationToken ct);

    /// <summary>True when it is this instance that answers there, or nobody can tell.</summary>
    bool Answers(IPEndPoint at);

    /// <summary>Of one that has ended: somebody else has its port, so it is not to blame.</summary>
    bool CouldNotListen { get; }

    /// <summary>Where it listens although nobody looks for it there, in words that go behind "listens on"; null when nowhere.</summary>
    string? ListensElsewhere();

    /// <summary>The exit code, 128+N for a signal (AMB-24), once it has ended; null when nobody knows.</summary>
    Task<int?> CodeAsync();

    /// <summary>A memory limit ended something of it.</summary>
    bool RanOutOfMemory { get; }

    /// <summary>Asks it to end and waits so long. True when nothing of it is left.</summary>
    Task<bool> EndPolitelyAsync(TimeSpan timeout);

    /// <summary>Ends everything of it for certain. False when something could not be ended.</summary>
    Task<bool> KillAsync();

    /// <summary>After the end: nothing but its log is left when this returns.</summary>
    Task ClearAwayAsync();
}
