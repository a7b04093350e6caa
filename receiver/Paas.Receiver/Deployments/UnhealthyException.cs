using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>A release that did not come up: why, and the application's own last lines.</summary>
sealed class UnhealthyException(Verdict verdict) : Exception(verdict.Reason)
{
    public IReadOnlyList<string> LastLines => verdict.LastLines;
}
