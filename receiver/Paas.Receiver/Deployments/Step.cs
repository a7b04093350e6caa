namespace Paas.Receiver.Deployments;

/// <summary>
/// The pipeline's steps in the order a push goes through them; the names are those of the journal, of the pusher's timings and of the fault points.
/// Which of them a mode has, its workflow says; which of them stop visitors, the bounce says.
/// </summary>
static class Step
{
    /// <summary>0. Final mode only: the archive that was cooked elsewhere (R10.2, A9).</summary>
    public const string Fetch = "fetch";

    /// <summary>0. Another mode after editable: the edited files are put aside.</summary>
    public const string Leave = "leave";

    /// <summary>1. The commit into the working copy and from there into a draft.</summary>
    public const string CheckOut = "checkout";

    /// <summary>2. What must be known or fetched before anything is built (R14 configure).</summary>
    public const string Configure = "configure";

    /// <summary>3. The project's own build (R14 build, post_build).</summary>
    public const string Build = "build";

    /// <summary>3'. What people fixed by hand in a release of the same commit, or just now (R7.6).</summary>
    public const string Patch = "patch";

    /// <summary>4. A number and a place among the releases; from here on the tree does not change.</summary>
    public const string Seal = "seal";

    /// <summary>5. The archive, alongside everything that follows (R14 bundle).</summary>
    public const string Bundle = "bundle";

    /// <summary>6. Visitors wait from here (strategies that stop first).</summary>
    public const string Hold = "hold";

    /// <summary>7. The old release ends.</summary>
    public const string Stop = "stop";

    /// <summary>8. The data, and the dumps of the project's own backup hook (R9.4, R9.5).</summary>
    public const string BackUp = "backup";

    /// <summary>8'. A rollback only: the data as the wanted release left it (R11.4, R11.5).</summary>
    public const string Restore = "restore";

    /// <summary>9. A Procfile's <c>release:</c>, in the new release before it starts.</summary>
    public const string Release = "release";

    /// <summary>10. Every instance of the new release.</summary>
    public const string Start = "start";

    /// <summary>11. Until each of them answers.</summary>
    public const string Healthy = "healthy";

    /// <summary>12. The RFC's upgrade, visitors still held (R9.11).</summary>
    public const string Upgrade = "upgrade";

    /// <summary>12'. Crossover of a process type with several instances: an old one goes for each new one that is healthy, and one stays (PC-13).</summary>
    public const string CrossOver = "crossover";

    /// <summary>12". What may run in one release only changes over: the old one's ends, then the new one's starts (PM-31).</summary>
    public const string Exclusive = "exclusive";

    /// <summary>13. One rename: <c>deploy/current</c>.</summary>
    public const string Promote = "promote";

    /// <summary>14. Visitors meet the new release.</summary>
    public const string Switch = "switch";

    /// <summary>15. The new release stays up for a moment under its visitors; from its end on nothing is taken back.</summary>
    public const string Settle = "settle";

    /// <summary>16. What the old release still runs ends.</summary>
    public const string Retire = "retire";

    /// <summary>17. Releases and archives beyond those that are kept.</summary>
    public const string Prune = "prune";

    /// <summary>18. People are told; never changes the result (A29).</summary>
    public const string Notify = "notify";

    /// <summary>One of the project's own tasks, outside of any deployment.</summary>
    public const string Task = "task";

    /// <summary>An archive that was made elsewhere: unpacked, packed again, signed; before anything is deployed.</summary>
    public const string Import = "import";

    /// <summary>What happens behind a release that serves: too late to cancel anything.</summary>
    public static readonly IReadOnlyList<string> Behind = [Retire, Prune, Notify];

    public static readonly IReadOnlyList<string> All =
        [Leave, Fetch, CheckOut, Configure, Build, Seal, Bundle, Hold, Stop, BackUp, Restore, Release, Start, Healthy, Upgrade, CrossOver, Exclusive, Promote, Switch, Settle, Retire, Prune, Notify];
}
