using System.Runtime.CompilerServices;
using Paas.Receiver.Hosts;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Diagnostics;

/// <summary>What linked hosts show: whether they answer, and whether their clocks and ours agree. All are asked at once, and for a moment only.</summary>
sealed class HostChecks(HostLinks links, HostCalls calls, ProjectStore projects, TimeProvider time)
{
    static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(5);

    public async IAsyncEnumerable<Diagnosis> LookAsync([EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var finding in await Task.WhenAll(links.List().Select(host => LookAsync(host, ct))))
        {
            yield return finding;
        }
    }

    async Task<Diagnosis> LookAsync(LinkedHost host, CancellationToken ct)
    {
        var asked = time.GetUtcNow();
        try
        {
            var answer = await calls.AskAsync(host, HttpMethod.Get, "api/v1/whoami", null, projects.Default.Uuid, HostCalls.Glance, ct);
            var answered = time.GetUtcNow();
            return answer.Date is not { } there ? new Diagnosis("hosts", Severity.Fine, $"{host.Name} answers")
                : there < asked - Tolerance ? Apart(host, asked - there, "ahead of")
                : there > answered + Tolerance ? Apart(host, there - answered, "behind")
                : new Diagnosis("hosts", Severity.Fine, $"{host.Name} answers, and its clock agrees with ours");
        }
        catch (HostTroubleException e)
        {
            return new Diagnosis("hosts", Severity.Warning, LogStream.Harmless(e.Message), $"see to it there, or corpus unlink_host {host.Name}");
        }
    }

    static Diagnosis Apart(LinkedHost host, TimeSpan by, string where) =>
        new("clock", Severity.Warning, $"the clock here is {by.TotalSeconds:0} s {where} that of {host.Name}", "timedatectl set-ntp true where it is wrong; marks, tokens and certificates of the two do not fit until then");
}
